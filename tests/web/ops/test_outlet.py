"""Logs and audit hold nobody up, whoever reads them, or does not."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.paths import API
from tests.servers.process import COMMAND, Process
from tests.servers.program import spawn
from web.ops.outlet import MAX_LINES, Outlet


class Piped(Process):
    """A service whose two outputs are pipes, which nobody reads unless a test does."""

    def launch(self) -> None:
        command = [*COMMAND, "serve"]
        self.outputs = spawn(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._process = self.outputs

    def log(self) -> str:
        return "the log is a pipe"


@pytest.fixture
async def piped(tmp_path: Path) -> AsyncIterator[Piped]:
    process = Piped(tmp_path, AUDIT_LOG="on", ACCESS_LOG="all", LOG_FORMAT="json")
    await process.start()
    yield process
    process.stop_if_running()
    for stream in (process.outputs.stdout, process.outputs.stderr):
        assert stream is not None
        stream.close()


async def ask(process: Process, requests: int) -> None:
    """Read the summary so many times over eight connections, each of which is a line of both streams."""
    token = process.command("token").stdout.strip()

    async def some(client: httpx2.AsyncClient) -> None:
        for _ in range(requests // 8):
            assert (await client.get(f"{API}/summary")).status_code == 200

    async with httpx2.AsyncClient(
        base_url=process.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
    ) as client:
        await asyncio.gather(*(some(client) for _ in range(8)))


async def test_pipes_that_nobody_reads_hold_nothing_up(piped: Piped) -> None:
    """Far more reads than a pipe takes lines of are answered, and SIGTERM ends the process in time."""
    await ask(piped, 800)
    async with httpx2.AsyncClient(base_url=piped.url, timeout=5) as client:
        assert (await client.get("/ready")).status_code == 200
    began = time.monotonic()
    assert await asyncio.to_thread(piped.terminate) == 0
    assert time.monotonic() - began < 10


async def test_readers_that_go_end_nothing(piped: Piped) -> None:
    """When whoever reads the two pipes has gone, all is answered as before, and the lines are counted as dropped."""
    for stream in (piped.outputs.stdout, piped.outputs.stderr):
        assert stream is not None
        stream.close()
    await ask(piped, 200)
    async with httpx2.AsyncClient(base_url=piped.url, timeout=5) as client:
        metrics = (await client.get("/metrics")).text
    for name in ("stdout", "stderr"):
        found = re.search(rf'convoai_log_lines_dropped_total{{stream="{name}"}} ([0-9.]+)', metrics)
        assert found is not None, name
        assert float(found[1]) >= 150
    assert await asyncio.to_thread(piped.terminate) == 0


async def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    """A file on a full disk in the place of the log is as harmless."""

    class Full(Process):
        def launch(self) -> None:
            with open("/dev/full", "wb") as full:
                self._process = spawn([*COMMAND, "serve"], env=self.environment, stdout=full, stderr=full)

    process = Full(tmp_path, AUDIT_LOG="on", ACCESS_LOG="all")
    await process.start()
    await ask(process, 80)
    assert await asyncio.to_thread(process.terminate) == 0


@contextmanager
def pipe() -> Iterator[tuple[Outlet, int]]:
    """An outlet that writes into a pipe, and where to read it."""
    reading, writing = os.pipe()
    try:
        yield Outlet("test", writing), reading
    finally:
        with suppress(OSError):
            os.close(reading)
        os.close(writing)


def read(reading: int, until: Callable[[bytes], bool]) -> bytes:
    found = b""
    while not until(found):
        found += os.read(reading, 1 << 16)
    return found


def test_what_finds_no_room_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines beyond the bound are dropped, all others come whole and in order, and the log says how many are missing."""
    lines = [f"{number:090}" for number in range(MAX_LINES + 5000)]
    dropped: list[int] = []
    with pipe() as (outlet, reading):
        outlet.dropped = dropped.append
        for line in lines:
            outlet.write(line + "\n")
        lost = sum(dropped)
        assert 0 < lost <= 5000
        got = read(reading, lambda found: found.count(b"\n") == len(lines) - lost).decode().splitlines()
        outlet.wait(time.monotonic() + 10)
        assert got == sorted(got)
        assert set(got) <= set(lines)
        assert got[0] == lines[0]
    # Without a configuration of its own, the log of the tests is standard output.
    deadline, said = time.monotonic() + 10, ""
    while f"lines={lost}" not in said:
        assert time.monotonic() < deadline, said
        said += capsys.readouterr().out
    assert "lines_dropped" in said


def test_a_long_line_counts_by_its_bytes() -> None:
    """Memory is bounded by bytes too: one line that is longer than all that may wait is dropped."""
    dropped: list[int] = []
    with pipe() as (outlet, reading):
        outlet.dropped = dropped.append
        outlet.write("x" * (5 << 20))
        assert dropped == [1]
        outlet.write("short\n")
        assert read(reading, lambda found: found.endswith(b"\n")) == b"short\n"


def test_a_pipe_that_does_not_block_gets_all() -> None:
    """A pipe that another program set to refuse instead of to block is written to when it takes more."""
    with pipe() as (outlet, reading):
        os.set_blocking(outlet._descriptor, False)
        for number in range(5000):
            outlet.write(f"{number:090}\n")
        time.sleep(0.1)
        assert read(reading, lambda found: found.count(b"\n") == 5000).endswith(b"4999\n")


def test_waiting_for_it_has_an_end() -> None:
    """The end of a process waits for what is queued, but not for ever."""
    with pipe() as (outlet, reading):
        for _ in range(2000):
            outlet.write("x" * 90 + "\n")
        began = time.monotonic()
        outlet.wait(began + 0.2)
        assert 0.1 < time.monotonic() - began < 5
        read(reading, lambda found: found.count(b"\n") == 2000)
        outlet.wait(time.monotonic() + 10)


def test_the_last_lines_of_a_command_come(tmp_path: Path) -> None:
    """What a command logs at its very end is written before the process is gone, in order with its last word."""
    code = (
        "import structlog; from web.ops import logs; from web.cli.command import fail\n"
        "logs.configure('info', 'json')\n"
        "for number in range(3000): structlog.get_logger().info('line', number=number)\n"
        "raise SystemExit(fail('it cannot be done').exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert [json.loads(line)["number"] for line in lines[:-1]] == list(range(3000))
    assert lines[-1] == "convoai-analytics: it cannot be done"


async def test_what_uvicorn_says_is_as_plain(tmp_path: Path) -> None:
    """A warning of uvicorn is a line of JSON with text alone, and says nothing of what the client sent."""
    process = Process(tmp_path, LOG_FORMAT="json")
    await process.start()
    port = int(process.url.rpartition(":")[2])
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    ask = f"GET {API}/live?token=confidential HTTP/1.1\r\nHost: confidential\r\nAuthorization: Bearer confidential"
    upgrade = f"{ask}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    for sent in (
        "confidential",
        "GET /confidential HTTP/9.9",
        f"{ask}\r\nUpgrade: confidential\r\nConnection: Upgrade",
        f"{upgrade}\r\nSec-WebSocket-Key: confidential",
        f"{upgrade}",
        f"{upgrade.replace('13', 'confidential')}\r\n{key}",
        f"{upgrade}\r\n{key}\r\nSec-WebSocket-Extensions: confidential; =",
        f"{upgrade}\r\n{key}\r\nSec-WebSocket-Protocol: a b, confidential",
        f"{upgrade}\r\n{key}\r\nOrigin: http://confidential",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(f"{sent}\r\n\r\n".encode())
            assert client.recv(4096)
    assert process.terminate() == 0
    lines = [json.loads(line) for line in process.log().splitlines()]
    assert any(line["event"].startswith("Invalid HTTP request") for line in lines)
    assert all(set(line) <= {"event", "level", "timestamp", "exception", *_OWN} for line in lines), lines
    assert "confidential" not in process.log()


_OWN = ("host", "port", "broker", "route", "method", "status", "ms", "folder", "advice")
