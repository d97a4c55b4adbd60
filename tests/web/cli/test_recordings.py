"""What replay reads: traces, NDJSON, and the sample that it makes up."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from storage.model.clock import moment
from tests.web.cli.traces import LOGIN, ROWS, logins, ndjson, trace
from web.cli.replay import BATCH_EVENTS, due, wait
from web.cli.traffic import USERS, TrafficError, read, sample


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
