"""The command ``demo`` as a process."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

import httpx2

from tests.paths import API
from tests.servers.ports import free_port
from tests.servers.process import COMMAND
from tests.servers.program import spawn
from web.cli.demo.demo import demo_settings

SECONDS = 60


class Demo:
    """``convoai-analytics demo`` with a day of past, beside a real database that is set in the environment."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "ANALYTICS_PORT": str(port),
            "ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/real.db",
            "ANALYTICS_TRACKING_KEYS": "a-real-key-0123456789",
        }
        command = [*COMMAND, "demo", "--days", "1", "--folder", str(folder / "demo")]
        self.process = spawn(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._lines: Queue[str] = Queue()
        self.reader = Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode())

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for a line of its output."""
        while True:
            found = re.search(pattern, self._lines.get(timeout=SECONDS))
            if found is not None:
                return found

    def summary(self, token: str) -> dict[str, int]:
        found: dict[str, int] = httpx2.get(
            f"{self.url}{API}/summary", headers={"Authorization": f"Bearer {token}"}
        ).json()
        return found

    def marks(self, token: str) -> list[dict[str, str]]:
        answer = httpx2.get(f"{self.url}{API}/annotations", headers={"Authorization": f"Bearer {token}"})
        found: list[dict[str, str]] = answer.json()["items"]
        return found

    def end(self) -> int:
        """Press Ctrl-C, and give its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


@contextmanager
def running(folder: Path, port: int) -> Iterator[Demo]:
    demo = Demo(folder, port)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        demo.reader.join()
        assert demo.process.stdout is not None
        demo.process.stdout.close()


def group(number: int) -> list[str]:
    """The processes of a session."""
    found = subprocess.run(["ps", "-o", "pid=", "--sid", str(number)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_a_demo_has_a_past_and_goes_on(tmp_path: Path) -> None:
    """It prints a link that opens; the figures hold the past, and grow; Ctrl-C ends all, and a second start is anew."""
    port = free_port()
    with running(tmp_path, port) as demo:
        past = int(demo.line(r"([\d,]+) events of 1 day,").group(1).replace(",", ""))
        token = demo.line(re.escape(demo.url) + r"/analytics#token=(\S+)").group(1)
        first = demo.summary(token)
        assert first["total_users"] > 0
        assert past > 0
        assert group(demo.process.pid)
        assert demo.end() == 0
        assert group(demo.process.pid) == []
    with running(tmp_path, port) as demo:
        demo.line("events of 1 day,")
        # The token of the demo before still opens it.
        second = demo.summary(token)
        assert second["total_messages"] < 1.9 * max(1, first["total_messages"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"], "the real database is not touched"


def test_a_demo_marks_what_happened(tmp_path: Path) -> None:
    """When the link is printed, what happened in the past is marked on the charts, and nothing of the future."""
    with running(tmp_path, free_port()) as demo:
        token = demo.line(r"#token=(\S+)").group(1)
        marks = demo.marks(token)
    assert {"note": "Newsletter sent"}.items() <= {mark["kind"]: mark["text"] for mark in marks}.items()
    assert all(mark["at"] <= mark["created_at"] for mark in marks)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Where another program listens, one line says so and which setting chooses another port."""
    with socket.create_server(("127.0.0.1", 0)) as other, running(tmp_path, other.getsockname()[1]) as demo:
        demo.line("cannot listen on 127.0.0.1 port .* ANALYTICS_PORT")
        assert demo.process.wait(SECONDS) == 2


def test_a_second_demo_does_not_take_the_database_of_the_first(tmp_path: Path) -> None:
    """While a demo runs, another one on its database says where the first one is, and removes nothing."""
    port = free_port()
    with running(tmp_path, port) as demo:
        token = demo.line(r"#token=(\S+)").group(1)
        with running(tmp_path, free_port()) as other:
            other.line(f"a demo already runs at {demo.url}/analytics")
            assert other.process.wait(SECONDS) == 2
        assert demo.summary(token)["total_users"] > 0


def test_nothing_real_is_taken_from_the_environment(tmp_path: Path) -> None:
    """Of the settings only address, port, time zone and log are taken: no database, key, broker or secret."""
    settings = demo_settings(
        {
            "ANALYTICS_PORT": "9123",
            "ANALYTICS_TIMEZONE": "Europe/Berlin",
            "ANALYTICS_DATABASE_URL": "postgresql+psycopg://hunter2",
            "ANALYTICS_REDIS_URL": "redis://hunter2",
            "ANALYTICS_JWT_SECRET": "hunter2",
            "ANALYTICS_JWKS_URL": "https://hunter2",
            "ANALYTICS_TRACKING_KEYS": "hunter2-key-0123456789",
        },
        tmp_path,
    )
    assert (settings.port, settings.timezone) == (9123, "Europe/Berlin")
    assert "hunter2" not in repr(settings)
    assert settings.alerts_networks == settings.trusted_networks != ()
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/analytics.db"
