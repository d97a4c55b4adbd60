"""The command ``replay``: recorded and made-up traffic."""

import asyncio
import io
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from storage.model.clock import moment
from storage.model.events import parse_any
from tests.servers.ports import free_port
from tests.servers.service import Running
from web.cli import replay as player
from web.cli.replay import BATCH_EVENTS, Player, ReplayError, due, replay, wait
from web.cli.traffic import TRACE_HEADER, USERS, Source, Timed, TrafficError, read, sample

ROWS = [("2023-11-16 18:15:46.6805900", 374, 44), ("2023-11-16 18:15:50.9951690", 396, 109)] + [
    (f"2023-11-16 18:{minute:02}:00.0000000", minute * 3, minute + 7) for minute in range(16, 56)
]
LOGIN = {"type": "activity", "user_id": "u1", "username": "Ada", "activity_type": "login"}


def trace(folder: Path, rows: list[tuple[str, int, int]] = ROWS, end: str = "\r\n") -> Path:
    path = folder / "trace.csv"
    path.write_text(end.join([TRACE_HEADER, *(",".join(map(str, row)) for row in rows)]), newline="")
    return path


def ndjson(folder: Path, *lines: Any) -> Path:
    path = folder / "events.ndjson"
    written = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
    path.write_bytes(b"\n".join(written) + b"\n")
    return path


def logins(*times: int) -> Source:
    return Source([Timed(at, LOGIN) for at in times])


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


def test_a_trace_row_is_a_turn_of_four_events(tmp_path: Path) -> None:
    """A row of the trace becomes a question, its answer, an API call and an activity, 0.2 s and 25 ms a token long."""
    first = read(trace(tmp_path, ROWS[:1]), 1).events
    begin = int(moment("2023-11-16T18:15:46.680Z").timestamp() * 1000)
    assert [timed.at - begin for timed in first] == [0, 0, 1300, 1300]
    question, activity, answer, call = (timed.event for timed in first)
    assert (question["role"], question["token_count"]) == ("user", 374)
    assert (answer["role"], answer["token_count"], answer["response_time"]) == ("assistant", 44, 1.3)
    assert activity["activity_type"] == "message_sent"
    assert (call["endpoint"], call["method"]) == ("/v1/chat/completions", "POST")
    assert (call["status_code"], call["response_time"]) == (200, 1.3)
    assert {event["user_id"] for event in (question, activity, answer, call)} == {answer["user_id"]}
    assert question["conversation_id"] == answer["conversation_id"]


def test_a_seed_draws_the_same_people(tmp_path: Path) -> None:
    """The same seed gives every row the same user and conversation; another seed other ones."""
    path = trace(tmp_path)
    assert read(path, 1) == read(path, 1)
    assert read(path, 1) != read(path, 2)


def test_a_few_users_talk_much(tmp_path: Path) -> None:
    """Users are drawn as real ones are: a tenth of them sends a third of the turns or more, and most send some."""
    path = trace(tmp_path, [ROWS[0]] * 4000)
    turns = Counter(timed.event["user_id"] for timed in read(path, 1).events if timed.event["type"] == "api_usage")
    assert sum(count for _, count in turns.most_common(len(USERS) // 10)) > 4000 / 3
    assert len(turns) > len(USERS) / 2


def test_conversations_have_several_turns(tmp_path: Path) -> None:
    """A conversation belongs to one user, has about five turns, and no message of it comes twice."""
    events = [timed.event for timed in read(trace(tmp_path, [ROWS[0]] * 4000), 1).events]
    messages = [event for event in events if event["type"] == "message"]
    owners = {(event["conversation_id"], event["user_id"]) for event in messages}
    conversations = {event["conversation_id"] for event in messages}
    assert len(owners) == len(conversations)
    assert 3 < 4000 / len(conversations) < 6
    assert len({event["message_id"] for event in messages}) == len(messages) == 8000


def test_a_trace_with_zones_and_unix_lines_is_read(tmp_path: Path) -> None:
    """Traces of later years, with a zone in their times, are read too; a row that is none counts as malformed."""
    path = trace(tmp_path, [("2024-05-10 00:00:00.009930+00:00", 2, 3)], "\n")
    path.write_text("\ufeff" + path.read_text() + "\nno,such,row\n1\n")
    source = read(path, 1)
    assert (len(source.events), source.malformed) == (4, 2)
    assert source.events[0].at == int(moment("2024-05-10T00:00:00.009Z").timestamp() * 1000)


def test_lines_without_a_time_happened_with_the_line_before(tmp_path: Path) -> None:
    """Events without a readable time take that of the line before, or of the first line that has one."""
    times = [..., "2026-01-01T00:00:02Z", None, "2026-01-01T01:00:01+01:00", "yesterday", "9999-12-31T00:00:00Z"]
    lines = [{**LOGIN, "username": f"{n}", "timestamp": written} for n, written in enumerate(times)]
    del lines[0]["timestamp"]
    source = read(ndjson(tmp_path, *lines), 1)
    begin = int(moment("2026-01-01T00:00:00Z").timestamp() * 1000)
    found = {timed.event["username"]: timed.at - begin for timed in source.events}
    assert found == {"0": 2000, "1": 2000, "2": 2000, "3": 1000, "4": 1000, "5": 1000}
    assert [timed.at for timed in source.events] == sorted(timed.at for timed in source.events)
    # What cannot be read is left for the service to judge.
    assert [timed.event["timestamp"] for timed in source.events if "timestamp" in timed.event] == times[4:]


def test_malformed_lines_are_counted(tmp_path: Path) -> None:
    """Lines that hold no JSON object are counted, and the others are read; empty ones do not matter."""
    nested = b'{"a":' * 5000 + b"1" + b"}" * 5000
    source = read(ndjson(tmp_path, b"not json", LOGIN, b"", b"[1]", b"\xff", nested, LOGIN), 1)
    assert (len(source.events), source.malformed) == (2, 4)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b,c\n1,2,3\n", b"\x00\xff\x00", b"TIMESTAMP,ContextTokens\n"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is neither NDJSON nor a trace is refused with what it should be."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TrafficError, match="give NDJSON, one event a line, or CSV that begins TIMESTAMP"):
        read(path, 1)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is refused with the reason."""
    with pytest.raises(TrafficError, match="No such file"):
        read(tmp_path / "none", 1)


def test_the_sample_is_an_hour_of_everything() -> None:
    """The sample spans an hour, has every kind of event, errors and several models, and ends now."""
    events = sample(1).events
    times = [timed.at for timed in events]
    assert times == sorted(times)
    assert 3_500_000 < times[-1] - times[0] <= 3_600_000
    assert abs(times[-1] / 1000 - time.time()) < 60
    fields = {name: {timed.event.get(name) for timed in events} for name in ("action", "status_code", "activity_type")}
    assert fields["action"] >= {"created", "deleted"}
    assert fields["status_code"] >= {200, 500, 503}
    assert fields["activity_type"] >= {"login", "logout", "registration", "message_sent", "conversation_started"}
    assert len({timed.event.get("model_used") for timed in events} - {None}) >= 3


def test_the_sample_follows_its_seed() -> None:
    """The same seed makes the same hour up, wherever it lies; another seed another one."""

    def hour(seed: int) -> list[tuple[int, Any]]:
        events = sample(seed).events
        return [(timed.at - events[0].at, timed.event) for timed in events]

    assert hour(1) == hour(1)
    assert hour(1) != hour(2)


def test_what_is_due_follows_the_speed() -> None:
    """Events are due at their distances divided by the speed, and a batch has at most 500 of them."""
    events = logins(*range(5000, 65_000, 1000)).events
    assert [due(events, 0, elapsed, 1) for elapsed in (0, 0.9, 1, 59)] == [1, 1, 2, 60]
    assert [due(events, 0, elapsed, 60) for elapsed in (0, 0.5, 1)] == [1, 31, 60]
    assert due(events, 1, 0, 60) == 1
    assert due(logins(*range(2000)).events, 100, 0, 0) == 100 + BATCH_EVENTS


def test_the_wait_gathers_a_batch() -> None:
    """What is due within 50 ms goes together; what is further off is waited for exactly."""
    events = logins(0, 10, 7_200_000).events
    assert wait(events, 1, 0, 1) == pytest.approx(0.05)
    assert wait(events, 2, 20, 60) == pytest.approx(100)


async def test_a_replay_is_recorded_whole_and_again(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each replay of a trace counts anew, for the same users, with the sums of the trace's columns."""
    source = read(trace(tmp_path), 1)
    asked, answered = sum(row[1] for row in ROWS), sum(row[2] for row in ROWS)
    for run in (1, 2):
        tally = await replay(source, running.url, None, 0, keep_times=False)
        assert (tally.posted, tally.recorded, tally.duplicates, tally.rejected) == (4 * len(ROWS), 4 * len(ROWS), 0, 0)
        assert (tally.messages, tally.api_calls, dict(tally.tokens)) == (
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
    tally = await replay(source, running.url, None, 0, keep_times=False)
    assert (tally.recorded, tally.rejected) == (len(source.events), 0)
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
    tally = await replay(source, running.url, None, 0, keep_times=False)
    assert (tally.posted, tally.recorded, tally.rejected) == (4, 1, 5)
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
    assert (posting.tally.recorded, posting.tally.duplicates) == (0, 100)
    assert posting.trouble == ""
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
    assert len(arrived) == len(set(arrived)) == posting.tally.recorded == 6 * BATCH_EVENTS


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
