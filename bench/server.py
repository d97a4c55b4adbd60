"""Servers on loopback: the real service, and what else answers HTTP."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from bench.process import Process
from web.settings import PREFIX

START_SECONDS = 30
POLL_SECONDS = 0.005
_ports = itertools.count(8200)


def free_port() -> int:
    """Find a port that nothing listens on, from 8200 up; each is given out once."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("there is no free port")


class Server(Process):
    """A server on ``port``; ``start_seconds`` is how long it took until ``/health`` was answered."""

    def __init__(self, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None) -> None:
        started = time.monotonic()
        super().__init__(command, environment)
        self.port = port
        try:
            self._await_health(started + START_SECONDS)
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.monotonic() - started

    def _await_health(self, deadline: float) -> None:
        while not _is_healthy(self.port):
            if not self.alive or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(POLL_SECONDS)


def _is_healthy(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n")
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


class Service(Server):
    """``convoai-analytics serve`` on the database in *folder*, a new one if there is none.

    *settings* are further ones, by their names without prefix.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environment |= {
            f"{PREFIX}DATABASE_URL": database_url(folder),
            f"{PREFIX}PORT": str(port),
            f"{PREFIX}LOG_LEVEL": "warning",
            # The loads post without a key.
            f"{PREFIX}TRUSTED_NETWORKS": "127.0.0.0/8",
            # Its standard output, a pipe, is not read here.
            f"{PREFIX}AUDIT_LOG": "off",
            **{f"{PREFIX}{name}": value for name, value in (settings or {}).items()},
        }
        super().__init__([_COMMAND, "serve"], port, self._environment)

    @cached_property
    def token(self) -> str:
        """An admin's token."""
        command = [_COMMAND, "token"]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()


_COMMAND = str(Path(sys.executable).with_name("convoai-analytics"))


def database_url(folder: Path) -> str:
    """Name the database in *folder*."""
    return f"sqlite+aiosqlite:///{folder / 'analytics.db'}"


def database_file(folder: Path) -> Path:
    """Name the file of the database in *folder*."""
    return folder / "analytics.db"
