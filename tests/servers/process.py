"""The service as its own process, started by its command."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.new_database import create
from tests.servers.program import spawn
from tests.servers.settings import environment

COMMAND = [str(Path(sys.executable).with_name("convoai-analytics"))]


class Process:
    """``convoai-analytics serve`` on one database; it may be killed and started again."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self._options = options
        self.environment = {**os.environ, **environment(folder, **settings)}
        self.url = f"http://127.0.0.1:{self.environment['ANALYTICS_PORT']}"
        self._log = folder / "serve.log"
        self._audit = folder / "audit.log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        create(self.environment["ANALYTICS_DATABASE_URL"])
        with self._log.open("ab") as log, self._audit.open("ab") as audit:
            self._process = spawn([*COMMAND, "serve", *self._options], env=self.environment, stdout=audit, stderr=log)

    async def start(self, seconds: float = 15) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        assert self._process is not None
        deadline = time.monotonic() + seconds
        async with httpx2.AsyncClient() as client:
            while True:
                try:
                    if (await client.get(f"{self.url}/health")).status_code == 200:
                        return
                except httpx2.TransportError:
                    assert time.monotonic() < deadline, self.log()
                    assert self._process.poll() is None, self.log()
                await asyncio.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """Its process id; None if it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """Ask it to stop, and give its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, seconds: float = 60) -> int:
        """Wait until it has ended by itself, and give its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop_if_running(self) -> None:
        """End it, whatever state a test left it in."""
        if self.pid is not None:
            self.signal(signal.SIGCONT)
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()

    def _end(self, number: int) -> int:
        self.signal(number)
        return self.wait()

    def command(
        self, *arguments: str, text: str | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run another command with the same settings."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            input=text,
        )

    def resident_kb(self) -> int:
        """Tell the memory it holds now."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def cpu_seconds(self) -> float:
        """Tell the CPU time of all its threads so far; in steps of 10 ms."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        return self._log.read_text()

    def audit(self) -> str:
        """What it wrote to its standard output."""
        return self._audit.read_text()
