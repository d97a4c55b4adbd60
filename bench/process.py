"""A program beside the bench, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parent.parent
STOP_SECONDS = 15
"""How long a program may take to end by itself."""


def python(module: str, *arguments: str) -> list[str]:
    """Write the command that runs a *module* in this Python."""
    return [sys.executable, "-m", module, *arguments]


class Process:
    """A program that runs until :meth:`end`. It is spoken to in lines; what it has to complain of is shown."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._popen = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def read_line(self) -> str:
        """Wait for its next line."""
        line = self._popen.stdout.readline() if self._popen.stdout else ""
        if not line:
            raise RuntimeError(f"{self._popen.args!r} ended too early")
        return line.strip()

    def ask(self, line: str) -> str:
        """Send it a line, and wait for its answer."""
        if self._popen.stdin:
            self._popen.stdin.write(f"{line}\n")
            self._popen.stdin.flush()
        return self.read_line()

    def cpu_seconds(self) -> float:
        """Tell the CPU time of all its threads so far, in and out of the kernel; in steps of 10 ms."""
        fields = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Tell the memory it holds now."""
        lines = Path(f"/proc/{self._popen.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def end(self) -> None:
        """End it, by its pid."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                pipe.close()
