"""The command ``simulate``, on the example platform's own services."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from rich.console import Console

from tests.repository import ROOT
from tests.servers.ports import free_port
from tests.servers.process import COMMAND
from tests.servers.program import spawn
from tests.servers.service import Running, start
from web.cli import simulate as simulation
from web.cli.platform_client import PlatformClient, WrongAddress
from web.cli.simulate import WRONG_PASSWORDS, Run, render
from web.cli.simulated_users import SimulatedUsers

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "own-key-0123456789"


class Parts:
    """The auth service and the chatbot as processes, which track into *running*."""

    def __init__(self, folder: Path, running: Running) -> None:
        ports = {"auth": free_port(), "chatbot": free_port()}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.analytics = running
        self._ports = ports
        self._folder = folder
        self._environment = {
            **os.environ,
            "CONVOAI_DATA": str(folder),
            "CONVOAI_AUTH_URL": self.urls["auth"],
            "CONVOAI_CHATBOT_URL": self.urls["chatbot"],
            "CONVOAI_TOKENS_PER_SECOND": "3000",
            "ANALYTICS_URL": running.url,
            "ANALYTICS_TRACKING_KEY": KEY,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self, *names: str) -> None:
        for name in names:
            with (self._folder / f"{name}.log").open("ab") as log:
                self._processes[name] = spawn(
                    [sys.executable, "-m", f"examples.convoai.{name}"],
                    env={**self._environment, "CONVOAI_PORT": str(self._ports[name])},
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                )
        async with httpx2.AsyncClient() as client:
            for name in names:
                await until(partial(self._answers, client, name))

    async def _answers(self, client: httpx2.AsyncClient, name: str) -> bool:
        assert self._processes[name].poll() is None, (self._folder / f"{name}.log").read_text()
        with suppress(httpx2.TransportError):
            return (await client.get(f"{self.urls[name]}/health")).status_code == 200
        return False

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)

    async def counted(self) -> Counter[str]:
        """What the analytics service has: users who were named, conversations, and messages by role."""
        users = (await self.analytics.get("users/list", limit=1000))["items"]
        messages = (await self.analytics.get("messages", limit=1000))["items"]
        summary = await self.analytics.get("summary")
        roles = Counter(message["role"] for message in messages)
        named = len([user for user in users if user["username"]])
        return Counter({"users": named, "conversations": summary["total_conversations"], **roles})

    @property
    def options(self) -> list[str]:
        return ["--auth-url", self.urls["auth"], "--chatbot-url", self.urls["chatbot"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    """All services; the tests of this file share them."""
    folder = tmp_path_factory.mktemp("platform")
    found = Parts(folder, await start(folder))
    try:
        await found.start("auth", "chatbot")
        yield found
    finally:
        await asyncio.to_thread(found.stop)
        await found.analytics.drop()


async def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def figures(summary: str) -> dict[str, int]:
    """Read the numbers of a summary: those before a word, and those behind one in parentheses."""
    found = {
        name.strip(): int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) ([a-z ]+)", summary)
    }
    return found | {name: int(number) for name, number in re.findall(r"([a-z][a-z ]*) \((\d+)\)", summary)}


async def command(*options: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "simulate", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_what_simulated_users_do_is_what_analytics_counts(parts: Parts) -> None:
    """Users, conversations and messages that the summary tells are those that the analytics service has; nothing fails
    but what was planned, and no output holds a password or a token."""
    # With this seed seven visits have all that can go wrong.
    pace = ["--users", "8", "--hours", "6", "--speed", "10000", "--start-hour", "9", "--seed", "171"]
    before = await parts.counted()
    code, out, err = await command(*pace, *parts.options)
    assert (code, err) == (0, ""), out + err
    told = figures(out)
    assert told["errors"] == 0
    assert min(told["visits"], told["conversations"], told["answers"], told["wrong password"]) > 0, out
    exact = {"users": told["users registered"], "conversations": told["conversations"], "user": told["messages"]}

    async def is_counted() -> bool:
        more = await parts.counted() - before
        # Of an answer that was not waited for there may be a part, or nothing.
        broken_off = more.pop("assistant") - told["answers"]
        return more == exact and 0 <= broken_off <= told.get("left during an answer", 0)

    await until(is_counted)
    assert not re.search(r"[0-9a-f]{24}|eyJ", out + err)


async def test_ctrl_c_ends_it_well(parts: Parts) -> None:
    """Ctrl-C ends a simulation without an end at once: it tells the summary, and its exit code is 0."""
    # What the test before did is counted in full: whatever more there is comes from here.
    before = (await parts.counted())["user"]
    options = ["--users", "20", "--hours", "0", "--speed", "2000", "--start-hour", "20", *parts.options]
    process = spawn([*COMMAND, "simulate", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    async def has_messages() -> bool:
        return (await parts.counted())["user"] > before

    await until(has_messages)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate, timeout=30)
    assert (process.returncode, err) == (0, b""), out + err
    assert figures(out.decode())["messages"] > 0


async def test_it_goes_on_when_a_service_fails(parts: Parts) -> None:
    """While the chatbot is away visits fail and are counted; when it is back answers come again. What is cancelled
    leaves no visit behind."""
    services = PlatformClient(parts.urls["auth"], parts.urls["chatbot"], 20)
    run = Run(SimulatedUsers(3, 60, 12), services, 10_000)
    task = asyncio.create_task(run.play(None))
    try:
        await until(_async(lambda: run.counts.answers > 5))
        parts.kill("chatbot")
        await until(_async(lambda: run.counts.failures.total() > 3))
        before = run.counts.answers
        await parts.start("chatbot")
        await until(_async(lambda: run.counts.answers > before + 5))
        assert {trouble.partition(":")[0] for trouble in run.counts.failures} <= STEPS
        shown = io.StringIO()
        Console(file=shown, width=100).print(render(run))
        assert "ConvoAI crowd" in shown.getvalue()
        assert "errors: " in shown.getvalue()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await services.close()
    assert not run.here


STEPS = {"conversation", "message", "messages", "deletion", "sign-in", "registration", "sign-out"}


def _async(holds: Callable[[], bool]) -> Callable[[], Any]:
    async def answer() -> bool:
        return holds()

    return answer


async def test_services_have_to_be_there_at_first() -> None:
    """Where no service is, one line names the address and its option, with exit code 2; an address with a password is
    refused, and not repeated."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, out, err = await command("--auth-url", nowhere)
    assert (code, out) == (2, "")
    assert nowhere in err
    assert "--auth-url" in err
    with pytest.raises(WrongAddress, match="--chatbot-url begins with http") as refused:
        PlatformClient(nowhere, "http://ada:hunter2@host", 1)
    assert "hunter2" not in str(refused.value)


async def test_simulated_visits_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the services are, no more visits are there at a time than the bound, and the others are counted."""
    monkeypatch.setattr(simulation, "AT_ONCE", 3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    services = PlatformClient(url, url, 10)
    run = Run(SimulatedUsers(1, 100, 12), services, 1e6)
    task = asyncio.create_task(run.play(None))
    await until(_async(lambda: run.counts.turned_away > 100))
    assert (len(run.here), run.counts.visits) == (3, 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await services.close()
    server.close()
    await server.wait_closed()


async def test_wrong_passwords_lock_no_user_out() -> None:
    """The crowd, which has one address, types no more wrong passwords in five minutes than a service lets it."""
    services = PlatformClient("http://127.0.0.1:1", "http://127.0.0.1:1", 1)
    run = Run(SimulatedUsers(1, 1, 0), services, 1)
    assert [run._may_be_wrong() for _ in range(WRONG_PASSWORDS + 5)].count(True) == WRONG_PASSWORDS < 100
    await services.close()
