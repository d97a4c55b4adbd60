"""The command ``make cluster``: it starts everything, keeps it up, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from tests.paths import TRACK
from tests.samples.events import ACTIVITY
from tests.servers.cluster import PROCESSES, UP_SECONDS
from tests.servers.ports import free_port

PROGRAMS = ("postgres", "valkey-server", "haproxy", *["convoai-analyti"] * PROCESSES)


class Command:
    """The command as it runs, and what it has written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.text = ""

    async def until(self, words: str, times: int = 1) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(UP_SECONDS):
            while self.text.count(words) < times:
                line = await self.process.stdout.readline()
                assert line, self.text
                self.text += line.decode()

    def children(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]


def name_of(pid: int) -> str | None:
    """The name of a process; None if it has ended."""
    try:
        name, state = re.findall(r"^(?:Name|State):\s+(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if state == "Z" else str(name)


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(30):
        while any(name_of(pid) for pid in pids):  # noqa: ASYNC110 - they are not ours
            await asyncio.sleep(0.05)


@asynccontextmanager
async def started() -> AsyncIterator[Command]:
    # Where a command that is killed leaves its folders; PostgreSQL, as another user, has to get at its own.
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        environment = {**os.environ, "BALANCER_PORT": str(free_port()), "TMPDIR": folder}
        arguments = (sys.executable, "-m", "tests.servers.cluster")
        pipe = asyncio.subprocess.PIPE
        command = Command(await asyncio.create_subprocess_exec(*arguments, env=environment, stdout=pipe))
        try:
            await command.until("kill -9", PROCESSES)
            yield command
        finally:
            if command.process.returncode is None:
                command.process.terminate()
            await command.process.wait()


async def test_ctrl_c_ends_the_cluster_in_order() -> None:
    """What it prints works; what is killed is started again; Ctrl-C ends every program, each with its own stop."""
    async with started() as command:
        link = re.search(r"(http://\S+/analytics)#token=\S+", command.text)
        post = re.search(rf"(http://\S+){TRACK}.*?X-Tracking-Key: ([\w-]+)", command.text, re.DOTALL)
        assert link is not None
        assert post is not None
        async with httpx2.AsyncClient() as client:
            assert (await client.get(link[1])).status_code == 200
            headers = {"X-Tracking-Key": post[2]}
            answer = await client.post(f"{post[1]}{TRACK}/activity-public", json=ACTIVITY, headers=headers)
            assert answer.status_code == 201
        os.kill(int(re.findall(r"kill -9 (\d+)", command.text)[0]), signal.SIGKILL)
        await command.until("is process")
        pids = command.children()
        assert sorted(filter(None, map(name_of, pids))) == sorted(PROGRAMS)
        command.process.send_signal(signal.SIGINT)
        assert await command.process.wait() == 0
        await gone(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own means are Linux's")
async def test_a_killed_cluster_leaves_no_orphan() -> None:
    """Killed without a chance to clean up, it takes every program with it."""
    async with started() as command:
        pids = command.children()
        assert sorted(filter(None, map(name_of, pids))) == sorted(PROGRAMS)
        command.process.kill()
        await command.process.wait()
        await gone(pids)
