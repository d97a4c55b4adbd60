"""A program beside the tests."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
# To the kernel a child belongs to the thread that started it: this one lives as long as the process.
_PARENT = ThreadPoolExecutor(1, "parent")


def spawn(command: Sequence[str | Path], at_death: int = signal.SIGKILL, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program that Ctrl-C does not reach, and that gets a signal when this process dies, however it does."""

    def bind() -> None:
        if sys.platform == "linux":
            _LIBC.prctl(_PDEATHSIG, at_death)

    options = {"stdin": subprocess.DEVNULL, "start_new_session": True, "preexec_fn": bind, **options}
    return _PARENT.submit(lambda: subprocess.Popen(command, **options)).result()
