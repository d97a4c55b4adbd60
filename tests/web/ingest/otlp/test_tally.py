"""What was not stored is told: in the metrics at once, in the log in one line a minute."""

import asyncio
from collections import Counter

import pytest
import structlog

from web.ingest.otlp import tally
from web.ingest.otlp.tally import CALL, Tally


async def test_one_line_has_the_spans_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has what was not stored since the last one, by reason; without any there is none."""
    monkeypatch.setattr(tally, "MINUTE", 0.0)
    counted: Counter[str] = Counter()
    found = Tally(lambda outcome, spans: counted.update({outcome: spans}))
    with structlog.testing.capture_logs() as lines:
        found.add(Counter({CALL: 5, "no_model": 2}))
        found.add(Counter({"no_model": 1, "not_a_call": 3}))
        assert lines == []
        await until_idle()
        found.add(Counter({CALL: 7}))
        await until_idle()
        found.add(Counter({"invalid": 1}))
        await until_idle()
    assert counted == {CALL: 12, "no_model": 3, "not_a_call": 3, "invalid": 1}
    assert [{name: line[name] for name in line if name != "log_level"} for line in lines] == [
        {"event": "spans_not_stored", "no_model": 3, "not_a_call": 3},
        {"event": "spans_not_stored", "invalid": 1},
    ]


async def until_idle() -> None:
    """Let everything run that is due."""
    for _ in range(5):
        await asyncio.sleep(0)
