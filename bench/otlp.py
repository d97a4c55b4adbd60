"""Spans by OTLP/HTTP in protobuf, end to end and durable, to the target of the service."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from bench import load
from bench.http_connection import post
from bench.row import Row
from bench.server import Service

TARGET = 10_000
ROUNDS = 3
SPANS = 40_960
REQUEST = 512
"""Spans of a request, as SDKs send them."""
LINES = 4
CALLS_IN = (1, 4)
"""Every span a call; and every fourth, as in an application whose requests and tools have spans too."""
USERS, CONVERSATIONS = 500, 3000
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5")
SPAN_SECONDS = 600


def measure(folder: Path) -> list[Row]:
    """Send spans into new databases."""
    rows = []
    for one_in in CALLS_IN:
        rates = []
        for number in range(ROUNDS):
            requests = list(_requests(one_in, Random(number)))
            with Service(folder / f"{one_in}-{number}") as service:
                rates.append(SPANS / uvloop.run(load.drain(service.port, requests, LINES)))
        what = f"otlp: protobuf, {REQUEST} spans a request, 1 in {one_in} a call"
        figure = f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f}) spans/s"
        rows.append(Row(what, figure, f">= {TARGET:,}", median(rates) >= TARGET))
    return rows


def _requests(one_in: int, random: Random) -> Iterator[bytes]:
    begin = time.time() - SPAN_SECONDS
    for first in range(0, SPANS, REQUEST):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        scope.scope.name = "opentelemetry.instrumentation.genai.openai"
        for number in range(first, first + REQUEST):
            ended = int((begin + SPAN_SECONDS * number / SPANS) * 1e9)
            told = _call(random) if number % one_in == 0 else _other(random)
            scope.spans.add(
                trace_id=random.randbytes(16),
                span_id=random.randbytes(8),
                name="chat",
                start_time_unix_nano=ended - random.randrange(10**10),
                end_time_unix_nano=ended,
                attributes=[KeyValue(key=name, value=_value(value)) for name, value in told.items()],
            )
        yield post("/v1/traces", request.SerializeToString(), media="application/x-protobuf")


def _call(random: Random) -> dict[str, str | int]:
    talk = random.randrange(CONVERSATIONS)
    tokens = random.randrange(100, 5000)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": random.choice(MODELS),
        "gen_ai.response.id": f"chatcmpl-{random.getrandbits(96):024x}",
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.cache_read.input_tokens": tokens // 2,
        "gen_ai.usage.output_tokens": random.randrange(1000),
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.input.messages": "x" * 1000,
        "convoai.user.id": f"user-{talk % USERS:04}",
        "convoai.conversation.id": f"conversation-{talk:05}",
    }


def _other(random: Random) -> dict[str, str | int]:
    return {
        "http.request.method": "POST",
        "url.full": f"https://example.com/{random.randrange(1000)}",
        "http.response.status_code": 200,
        "server.address": "example.com",
        "server.port": 443,
        "network.protocol.version": "1.1",
    }


def _value(value: str | int) -> AnyValue:
    return AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
