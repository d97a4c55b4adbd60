"""The command ``replay``: how recorded and made-up traffic is posted."""

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.model.clock import moment
from storage.model.parsing import parse_any
from tests.servers.ports import free_port
from tests.servers.service import Running
from tests.web.cli.traces import LOGIN, ROWS, logins, ndjson, trace
from web.cli import replay as player
from web.cli.replay import BATCH_EVENTS, Player, ReplayError, replay
from web.cli.traffic import read, sample


class Wire(httpx2.AsyncHTTPTransport):
    """The way to the service; *fault* may act on the number of each request and its answer."""

    def __init__(self, fault: Any) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self._fault = fault

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(request.content)
        answer = await super().handle_async_request(request)
        await answer.aread()
        found: httpx2.Response = self._fault(len(self.bodies), answer)
        return found


def on(wire: httpx2.AsyncBaseTransport, url: str = "http://service") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=wire, base_url=url, headers={"Content-Type": "application/x-ndjson"})


async def test_a_replay_is_recorded_whole_and_again(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each replay of a trace counts anew, for the same users, with the sums of the trace's columns."""
    source = read(trace(tmp_path), 1)
    asked, answered = sum(row[1] for row in ROWS), sum(row[2] for row in ROWS)
    for run in (1, 2):
        counts = await replay(source, running.url, None, 0, keep_times=False)
        assert (counts.posted, counts.recorded, counts.duplicates, counts.rejected) == (
            4 * len(ROWS),
            4 * len(ROWS),
            0,
            0,
        )
        assert (counts.messages, counts.api_calls, dict(counts.tokens)) == (
            2 * len(ROWS),
            len(ROWS),
            {"user": asked, "assistant": answered},
        )
        summary = await running.get("summary")
        assert summary["total_messages"] == run * 2 * len(ROWS)
        assert summary["total_tokens"] == run * (asked + answered)
        assert summary["total_api_calls"] == summary["total_activities"] == run * len(ROWS)
        assert summary["total_users"] == len({timed.event["user_id"] for timed in source.events})
    assert (await running.verdict()).differences == []
    closing = capsys.readouterr().out.splitlines()[-1]
    assert f"{2 * len(ROWS)} messages, {len(ROWS)} API calls, {asked + answered:,} tokens" in closing


async def test_the_whole_sample_is_accepted(running: Running) -> None:
    """The service takes every event of the sample."""
    source = sample(1)
    counts = await replay(source, running.url, None, 0, keep_times=False)
    assert (counts.recorded, counts.rejected) == (len(source.events), 0)
    summary = await running.get("summary")
    assert summary["deleted_conversations"] > 0
    assert summary["total_api_errors"] > 0


async def test_times_are_shifted_to_end_now(running: Running) -> None:
    """The last event happened when the replay began, the others as long before it as in the file."""
    before = time.time()
    await replay(logins(1_000_000, 1_007_250), running.url, None, 0, keep_times=False)
    newest, oldest = (moment(item["timestamp"]) for item in (await running.get("users/activities"))["items"])
    assert (newest - oldest).total_seconds() == 7.25
    assert before - 0.001 <= newest.timestamp() <= time.time()


async def test_times_are_kept_on_request(running: Running, tmp_path: Path) -> None:
    """With keep_times, events keep their times to the millisecond."""
    times = [f"2026-01-01T00:00:00.{millisecond:03}Z" for millisecond in range(0, 1000, 37)]
    source = read(ndjson(tmp_path, *({**LOGIN, "timestamp": written} for written in times)), 1)
    await replay(source, running.url, None, 0, keep_times=True)
    items = (await running.get("users/activities"))["items"]
    assert sorted(item["timestamp"] for item in items) == times


async def test_what_the_service_rejects_is_told(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rejected events are counted with the malformed lines, the rest is recorded, and the reason is told."""
    wrong = {**LOGIN, "user_id": ""}
    source = read(ndjson(tmp_path, LOGIN, b"{", wrong, wrong, {**LOGIN, "timestamp": "noon"}, [1]), 1)
    counts = await replay(source, running.url, None, 0, keep_times=False)
    assert (counts.posted, counts.recorded, counts.rejected) == (4, 1, 5)
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["rejected 2"] * 2 + [
        "rejected 1"
    ]


async def test_a_key_names_the_tenant(running: Running) -> None:
    """With a tracking key, events go to its tenant; a wrong key ends the replay with what to do."""
    await replay(logins(1, 2), running.url, "acme-key-0123456789", 0, keep_times=False)
    assert (await running.get("summary", tenant="acme"))["total_activities"] == 2
    assert (await running.get("summary"))["total_activities"] == 0
    with pytest.raises(ReplayError, match=r"401: the tracking key is not known.*--key-file"):
        await replay(logins(1), running.url, "no-such-key-0123456789", 0, keep_times=False)


@pytest.mark.parametrize("lost", [httpx2.ReadError("cut"), httpx2.ReadTimeout("late"), 503])
async def test_a_lost_answer_counts_nothing_twice(running: Running, lost: Exception | int) -> None:
    """A batch whose answer is lost is sent again with the same ids, and counts once."""

    def fault(number: int, answer: httpx2.Response) -> httpx2.Response:
        if number > 1:
            return answer
        if isinstance(lost, Exception):
            raise lost
        return httpx2.Response(lost, headers={"Retry-After": "0"})

    wire = Wire(fault)
    async with on(wire, running.url) as client:
        posting = Player(sample(1), client, 0)
        posting.events = posting.events[:100]
        await posting.play(0)
    assert wire.bodies[0] == wire.bodies[1]
    assert (posting.counts.recorded, posting.counts.duplicates) == (0, 100)
    assert posting.problem == ""
    assert (await running.verdict()).differences == []


async def test_a_service_that_stays_away_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the service has been away too long, the replay ends with what to do."""
    monkeypatch.setattr(player, "RETRY_SECONDS", 0)
    with pytest.raises(ReplayError, match=r"cannot be reached \(ConnectError\): see that it runs at .* or name it"):
        await replay(logins(1), f"http://127.0.0.1:{free_port()}", None, 0, keep_times=False)


async def test_retry_after_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503 is followed by the pause that it asks for."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    answers = iter([503, 503, 201])

    def answer(_request: httpx2.Request) -> httpx2.Response:
        body = {"recorded": 1, "duplicates": 0, "rejected": []}
        return httpx2.Response(next(answers), headers={"Retry-After": "7"}, json=body)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with on(httpx2.MockTransport(answer)) as client:
        await Player(logins(1), client, 0).play(0)
    assert pauses == [7, 7]


async def test_at_most_two_batches_are_on_their_way() -> None:
    """However many events are due, two batches are in flight at most, of 500 events each, and all arrive once."""
    arrived: list[Any] = []
    flying = 0
    more, answered = asyncio.Event(), asyncio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal flying
        events = [parse_any(line) for line in request.content.splitlines()]
        assert len(events) == BATCH_EVENTS
        arrived.extend(event.event_id for event in events)
        flying += 1
        more.set()
        await answered.wait()
        return httpx2.Response(201, json={"recorded": len(events), "duplicates": 0, "rejected": []})

    async with on(httpx2.MockTransport(answer)) as client:
        posting = Player(logins(*range(1, 6 * BATCH_EVENTS + 1)), client, 0)
        playing = asyncio.create_task(posting.play(0))
        while flying < 2:
            more.clear()
            await more.wait()
        for _ in range(100):  # A third would have its turn by now.
            await asyncio.sleep(0)
        assert flying == 2
        answered.set()
        await playing
    assert len(arrived) == len(set(arrived)) == posting.counts.recorded == 6 * BATCH_EVENTS


async def test_events_keep_their_distances() -> None:
    """At a speed, nothing is posted before it is due."""
    loop, arrivals = asyncio.get_running_loop(), list[float]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        count = len(request.content.splitlines())
        arrivals.extend([loop.time()] * count)
        return httpx2.Response(201, json={"recorded": count, "duplicates": 0, "rejected": []})

    began = loop.time()
    async with on(httpx2.MockTransport(answer)) as client:
        await Player(logins(0, 6000, 12_000), client, 0).play(60)
    assert [arrival - began >= due_at for arrival, due_at in zip(arrivals, (0, 0.1, 0.2), strict=True)] == [True] * 3


@pytest.mark.parametrize("url", ["127.0.0.1:8002", "ftp://host", "http://", "analytics"])
async def test_a_wrong_url_is_refused(url: str) -> None:
    """A URL that is no HTTP address is refused at once."""
    with pytest.raises(ReplayError, match="begins with http"):
        await replay(logins(1), url, None, 0, keep_times=False)


async def test_a_key_with_strange_letters_is_refused() -> None:
    """A key that cannot stand in a header is refused at once."""
    with pytest.raises(ReplayError, match="tracking key"):
        await replay(logins(1), "http://127.0.0.1:1", "two\nlines", 0, keep_times=False)


async def test_another_service_is_refused(running: Running) -> None:
    """An address where no batch can be posted ends the replay, instead of being tried again and again."""
    with pytest.raises(ReplayError, match="the service answered 404"):
        await replay(logins(1), f"{running.url}/elsewhere", None, 0, keep_times=False)


async def test_a_terminal_shows_a_bar(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, a bar tells how many events were recorded, and ends full."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stdout", terminal)
    await replay(logins(1, 2, 3), running.url, None, 0, keep_times=False)
    assert "3/3" in terminal.getvalue()
    assert "3 recorded, 0 duplicates, 0 rejected" in terminal.getvalue()


async def test_without_a_terminal_lines_tell_the_progress(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no terminal, a line tells now and then how far it is."""
    monkeypatch.setattr(player, "LINE_SECONDS", 0.01)
    await replay(logins(1, 150), running.url, None, 1, keep_times=False)
    assert " of 2: " in capsys.readouterr().out
