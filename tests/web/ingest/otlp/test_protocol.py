"""OTLP/HTTP: media types, gzip, sizes, partial success, and errors that exporters understand."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from storage.errors import Overloaded, ShareExceeded, StorageFull, StorageUnavailable
from tests.repository import ROOT
from tests.servers.service import Running, start
from tests.web.ingest.otlp.captured import calls, spans_by_outcome
from tests.web.ingest.otlp.made import JSON, PROTOBUF, WRITERS, as_json, as_protobuf, chat, span
from tests.web.ingest.otlp.statuses import read_status

PATH = "/v1/traces"


@pytest.mark.parametrize("media", WRITERS)
@pytest.mark.parametrize("squeeze", [False, True])
async def test_success_is_answered_in_kind(running: Running, media: str, squeeze: bool) -> None:
    """Both encodings, gzipped or not, become the same call; the answer has the media type of the request."""
    body = WRITERS[media](chat(user__id="u-9"))
    headers = {"Content-Type": media, **({"Content-Encoding": "gzip"} if squeeze else {})}
    response = await running.http.post(PATH, content=gzip.compress(body) if squeeze else body, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, media)
    assert response.content == (b"{}" if media == JSON else b"")
    (call,) = await calls(running)
    assert (call["model"], call["input_tokens"], call["output_tokens"]) == ("gpt-4o", 100, 10)
    assert (call["user_id"], call["response_time"]) == ("u-9", 1.0)
    assert call["cost"] == "0.00035"


@pytest.mark.parametrize("media", WRITERS)
async def test_bad_spans_lose_no_good_ones(running: Running, media: str) -> None:
    """Spans that break a rule are counted in the partial success, with the first reason; all others are recorded."""
    bad = [
        chat(2, gen_ai__usage__cache_read__input_tokens=101),
        chat(3, gen_ai__response__model="x" * 300),
        chat(4, gen_ai__response__model=None),
        chat(5, user__id="a\0b"),
        {**chat(6), "endTimeUnixNano": str(2**63)},
        {**chat(7), "traceId": "00" * 16},
    ]
    body = WRITERS[media](chat(1), *bad, chat(8))
    response = await running.http.post(PATH, content=body, headers={"Content-Type": media})
    assert response.status_code == 200
    if media == JSON:
        partial = response.json()["partialSuccess"]
        refused, reason = partial["rejectedSpans"], partial["errorMessage"]
    else:
        answer = ExportTraceServiceResponse.FromString(response.content).partial_success
        refused, reason = answer.rejected_spans, answer.error_message
    assert int(refused) == 6
    assert ":" in reason
    assert "x" * 300 not in reason
    assert len(await calls(running)) == 2
    assert spans_by_outcome(running) == {"call": 2, "invalid": 6}


@pytest.mark.parametrize("media", WRITERS)
async def test_nothing_is_fine(running: Running, media: str) -> None:
    """A request without spans is a success."""
    response = await running.http.post(PATH, content=WRITERS[media](), headers={"Content-Type": media})
    assert response.status_code == 200
    response = await running.http.post(PATH, content=b"{}" if media == JSON else b"", headers={"Content-Type": media})
    assert response.status_code == 200


async def test_other_spans_are_acknowledged(running: Running) -> None:
    """Spans that tell of no call are a whole success, and counted by why they were not stored."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 100}
    body = as_json(span(1, 0, "ab" * 16, {"http.method": "GET"}), span(2, 0, "ab" * 16, agent))
    response = await running.http.post(PATH, content=body, headers={"Content-Type": JSON})
    assert response.json() == {}
    assert await calls(running) == []
    assert spans_by_outcome(running) == {"no_model": 1, "not_a_call": 1}
    assert b'convoai_otlp_spans_total{outcome="not_a_call"} 1.0' in (await running.http.get("/metrics")).content


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": PROTOBUF}, b"\x0a\xff", 400),
        ({"Content-Type": PROTOBUF}, as_protobuf(chat())[:-5], 400),
        ({"Content-Type": JSON}, b"{", 400),
        ({"Content-Type": JSON}, as_json(chat())[:-5], 400),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, b"{}", 400),
        ({"Content-Type": JSON, "Content-Encoding": "br"}, b"{}", 415),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": PROTOBUF, "X-Tracking-Key": "none"}, b"", 401),
        ({"Content-Type": JSON, "X-Tracking-Key": "none"}, b"{}", 401),
        ({"Content-Type": PROTOBUF}, b"x" * ((16 << 20) + 1), 413),
        ({"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}, gzip.compress(b"\0" * (17 << 20)), 413),
    ],
)
async def test_errors_are_statuses(running: Running, headers: dict[str, str], body: bytes, status: int) -> None:
    """An error is a google.rpc.Status in the media type of the request, JSON for any other; nothing is recorded."""
    response = await running.http.post(PATH, content=body, headers=headers)
    assert response.status_code == status
    media = headers["Content-Type"]
    assert response.headers["content-type"] == (PROTOBUF if media == PROTOBUF else JSON)
    code, message = read_status(response.content, response.headers["content-type"])
    assert code > 0
    assert message
    assert await calls(running) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ShareExceeded("too many events of this tenant wait"), 429),
        (Overloaded("too many events wait"), 503),
        (StorageUnavailable("the database cannot be written"), 503),
        (StorageFull("the database has no room left"), 503),
    ],
)
async def test_what_may_be_sent_again_says_so(
    running: Running, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    """Overload and an outage are answered by what exporters send again, within the time that they go on trying."""

    async def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(running.service.ingest.writer, "write", fail)
    response = await running.http.post(PATH, content=as_protobuf(chat()), headers={"Content-Type": PROTOBUF})
    assert response.status_code == status
    assert 1 <= int(response.headers["retry-after"]) <= 2
    assert read_status(response.content, PROTOBUF)[1] == str(error)


async def test_a_rate_is_a_429(tmp_path: Path) -> None:
    """Who posts more than it may is told to come back within two seconds, and spans count as events do."""
    found = await start(tmp_path, TRACKING_EVENTS_PER_SECOND="1", TRACKING_BURST_EVENTS="10")
    try:
        body = as_protobuf(*(chat(number) for number in range(1, 41)))
        assert (await found.http.post(PATH, content=body, headers={"Content-Type": PROTOBUF})).status_code == 200
        response = await found.http.post(PATH, content=body, headers={"Content-Type": PROTOBUF})
        assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    finally:
        await found.stop()


async def test_ids_may_be_in_capitals_and_numbers_may_be_text(running: Running) -> None:
    """JSON is read as the mapping allows, and as JavaScript's exporters write it."""
    told = chat()
    told["traceId"] = told["traceId"].upper()
    told["startTimeUnixNano"] = int(told["startTimeUnixNano"])
    for attribute in told["attributes"]:
        if "intValue" in attribute["value"]:
            attribute["value"]["intValue"] = int(attribute["value"]["intValue"])
    whole = json.loads(as_json(told))
    # The scope may stand behind its spans, and members may have any order.
    (scope_spans,) = whole["resourceSpans"][0]["scopeSpans"]
    scope_spans["scope"] = scope_spans.pop("scope")
    body = json.dumps({"unknown": [{"spans": [1]}, "]"], **whole, "more": {"a": '}"'}}, indent=1)
    assert (await running.http.post(PATH, content=body, headers={"Content-Type": JSON})).json() == {}
    (call,) = await calls(running)
    assert call["input_tokens"] == 100
    # The same span as others write it is the same call.
    await running.http.post(PATH, content=as_protobuf(chat()), headers={"Content-Type": PROTOBUF})
    assert len(await calls(running)) == 1


async def test_protobuf_is_an_extra(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra a request in protobuf is a 415 that says what to do, and JSON is taken."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    response = await running.http.post(PATH, content=as_protobuf(chat()), headers={"Content-Type": PROTOBUF})
    assert response.status_code == 415
    assert "convoai-analytics[otlp]" in read_status(response.content, PROTOBUF)[1]
    assert (await running.http.post(PATH, content=as_json(chat()), headers={"Content-Type": JSON})).status_code == 200


def test_protobuf_is_loaded_when_it_is_needed() -> None:
    """A service that gets no spans does without the library's memory."""
    program = "import sys, web.server.app; sys.exit(any(name.startswith('google.protobuf') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


async def test_days_that_are_not_kept_are_refused(tmp_path: Path) -> None:
    """A call of a day that is not kept any more is refused, with the field named."""
    found = await start(tmp_path, RETENTION_LLM_CALL_DAYS="1")
    try:
        old = {**chat(1), "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000"}
        response = await found.http.post(PATH, content=as_json(old, chat(2)), headers={"Content-Type": JSON})
        assert response.json()["partialSuccess"]["errorMessage"].startswith("timestamp: ")
        assert len(await calls(found)) == 1
    finally:
        await found.stop()
