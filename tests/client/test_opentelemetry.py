"""The span processor: user and conversation of a block, in spans of its thread and tasks, and in no other."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from convoai_analytics_client.opentelemetry import CONVERSATION, USER, AnalyticsSpanProcessor, calls_of
from web.ingest.otlp.dialects import dialect


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> Iterator[Tracer]:
    provider = TracerProvider()
    provider.add_span_processor(AnalyticsSpanProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exported))
    yield provider.get_tracer("tests")
    provider.shutdown()


def told(exported: InMemorySpanExporter) -> dict[str, dict[str, object]]:
    return {span.name: dict(span.attributes or {}) for span in exported.get_finished_spans()}


def test_spans_tell_whose_they_are(tracer: Tracer, exported: InMemorySpanExporter) -> None:
    """A span has the user and the conversation of its block; an inner block changes what it names alone."""
    with calls_of(user_id=7):
        with calls_of(conversation_id="c-1"):
            tracer.start_span("inner").end()
        tracer.start_span("outer").end()
    tracer.start_span("behind").end()
    assert told(exported) == {
        "inner": {USER: "7", CONVERSATION: "c-1"},
        "outer": {USER: "7"},
        "behind": {},
    }


async def test_tasks_do_not_mix(tracer: Tracer, exported: InMemorySpanExporter) -> None:
    """Tasks at the same time have their own users each."""

    async def call(user: str) -> None:
        with calls_of(user_id=user):
            await asyncio.sleep(0)
            tracer.start_span(user).end()

    await asyncio.gather(*(call(f"u-{number}") for number in range(5)))
    assert told(exported) == {f"u-{number}": {USER: f"u-{number}"} for number in range(5)}


def test_an_error_ends_the_block(tracer: Tracer, exported: InMemorySpanExporter) -> None:
    """After an exception nobody is named any more."""
    with pytest.raises(KeyError), calls_of(user_id="u-1"):
        raise KeyError
    tracer.start_span("behind").end()
    assert told(exported) == {"behind": {}}


def test_the_service_looks_for_the_same_names() -> None:
    """Client and service have the same names for the attributes."""
    assert (dialect.USER, dialect.CONVERSATION) == (USER, CONVERSATION)
