"""What ends or copies a process: exits, signals, worker pools, forks. Each reaches the clients that are alive."""

import atexit
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import Protocol


class ProcessAware(Protocol):
    """A client, as this module sees it."""

    def on_process_end(self) -> None:
        """Post what waits, for a few seconds at most."""

    def on_fork(self) -> None:
        """Forget what belongs to the parent."""


_clients: "weakref.WeakSet[ProcessAware]" = weakref.WeakSet()


def watch(client: ProcessAware) -> None:
    """Tell *client* from now on when this process ends or is forked."""
    _clients.add(client)
    _watch_sigterm()


def watch_pools() -> None:
    """Handle the end of this worker of multiprocessing or Celery, which skips ``atexit``; call it in the worker."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, _end, exitpriority=100)
    if (signals := sys.modules.get("celery.signals")) is not None:
        signals.worker_process_shutdown.connect(_end_of_worker, weak=False)


def _end_of_worker(**_arguments: object) -> None:
    _end()


def _watch_sigterm() -> None:
    """End in good order on SIGTERM, where the program leaves that signal to the system."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    _end()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end() -> None:
    for client in list(_clients):
        client.on_process_end()


def _on_fork() -> None:
    for client in list(_clients):
        client.on_fork()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_on_fork)
# At the import, too: a server such as uvicorn sets its own handler for as long as it runs, then puts this one back and
# sends the signal again. It would put the system's back if a client were made only in a request.
_watch_sigterm()
