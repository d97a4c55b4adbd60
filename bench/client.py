"""The client: what a call costs its caller, and how many events a second one process puts into one service."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.process import Process, python
from bench.row import Row
from bench.server import Service, free_port
from convoai_analytics_client import Analytics

CALLS = 5_000
ROUNDS = 7
P50_US, P99_US = 3.0, 20.0
MOST_MB = 40
"""What 10,000 events take, with the batch that is on its way."""
PART = 0.1
"""Of what others' calls cost."""
EVENTS = 100_000
PER_SECOND = 20_000
CORE = 1 / 3

Call = Callable[[], object]


def measure(folder: Path) -> list[Row]:
    """Compare with two other clients, in turn, while no server listens; then post for real."""
    logging.disable(logging.CRITICAL)
    try:
        return [*_calls(), *_states(folder / "states"), *_throughput(folder / "posts")]
    finally:
        logging.disable(logging.NOTSET)


def _calls() -> list[Row]:
    down = f"http://127.0.0.1:{free_port()}"
    analytics = Analytics(down, queue_events=CALLS * ROUNDS + 1)
    calls: dict[str, Call] = {
        "ours": lambda: analytics.track_message("m-1", "c-1", "u-1", "assistant", 42, "atlas", 1.5),
        "posthog's capture": _posthog(down),
        "a span of opentelemetry-sdk": _opentelemetry(),
    }
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            rounds[name].append(_spread(call))
    analytics.close(0.1)
    found = {name: (median(p50 for p50, _ in each), median(p99 for _, p99 in each)) for name, each in rounds.items()}
    p50, p99 = found.pop("ours")
    figure = f"p50 {p50:.1f} us, p99 {p99:.1f} us"
    target = f"p50 < {P50_US:.0f} us, p99 < {P99_US:.0f} us"
    rows = [Row("client: a call of track_message", figure, target, p50 < P50_US and p99 < P99_US)]
    for name, (theirs, _) in found.items():
        part = p50 / theirs
        rows.append(
            Row(f"client: a call, to {name}", f"{part:.3f} ({p50:.1f} to {theirs:.1f} us)", f"<= {PART}", part <= PART)
        )
    return rows


def _states(folder: Path) -> Iterator[Row]:
    """Call while the service is there, away, slow, and refuses for now; memory is what waits at the most."""
    with Service(folder) as service:
        yield _state("the service is up", service.port)
    yield _state("it is down", free_port())
    for state, status, seconds in (("it answers after 5 s", 201, 5.0), ("it answers 429", 429, 0.0)):
        port = free_port()
        with Process(python("bench.trouble", str(port), str(status), str(seconds))) as server:
            server.read_line()
            yield _state(state, port)


def _state(state: str, port: int) -> Row:
    analytics = Analytics(f"http://127.0.0.1:{port}")
    before = _resident_mb()
    call = partial(analytics.track_message, "m-1", "c-1", "u-1", "assistant", 42, "atlas", 1.5)
    p50, p99 = (median(each) for each in zip(*(_spread(call) for _ in range(ROUNDS)), strict=True))
    grown = _resident_mb() - before
    analytics.close(0.1)
    figure = f"p50 {p50:.1f} us, p99 {p99:.1f} us; {grown:.0f} MB more"
    reached = p50 < P50_US and p99 < P99_US and grown < MOST_MB
    return Row(f"client: a call while {state}", figure, f"p50 < 3, p99 < 20 us; < {MOST_MB} MB", reached)


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _spread(call: Call) -> tuple[float, float]:
    """Call many times; the median and the 99th percentile in microseconds, with 0.05 us of the clock's own."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - began)
    times.sort()
    return times[CALLS // 2] / 1000, times[CALLS * 99 // 100] / 1000


def _posthog(down: str) -> Call:
    from posthog import Posthog

    client = Posthog("phc_bench", host=down, max_queue_size=10**6)
    properties = {"message": "m-1", "conversation": "c-1", "role": "assistant", "tokens": 42, "model": "atlas"}
    return lambda: client.capture("message", distinct_id="u-1", properties=properties)


def _opentelemetry() -> Call:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("bench")

    def call() -> None:
        with tracer.start_as_current_span("message") as span:
            span.set_attribute("message.id", "m-1")
            span.set_attribute("conversation.id", "c-1")
            span.set_attribute("user.id", "u-1")
            span.set_attribute("tokens", 42)
            span.set_attribute("model", "atlas")

    return call


def _throughput(folder: Path) -> list[Row]:
    """Track as fast as the service takes it; the client's CPU is that of this process."""
    with Service(folder) as service:
        analytics = Analytics(f"http://127.0.0.1:{service.port}")
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(EVENTS):
            analytics.track_message(
                f"m-{number}", f"c-{number % 500}", f"u-{number % 200}", "assistant", 42, "atlas", 1.5
            )
            while number % 500 == 0 and analytics.stats().pending > 5_000:
                time.sleep(0.002)
        analytics.flush(60)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        stats = analytics.stats()
        analytics.close()
    if stats.recorded != EVENTS:
        raise RuntimeError(f"events are missing: {stats}")
    # Of a core, at the rate that is aimed at: that the service is faster does not count against the client.
    rate, core = EVENTS / seconds, cpu / EVENTS * PER_SECOND
    figure = f"{rate:,.0f} events/s; {cpu / EVENTS * 1e6:.1f} us of CPU an event: {core:.2f} of a core at the aim"
    target = f">= {PER_SECOND:,} events/s; <= 0.33 of a core at that rate"
    return [Row("client: one process into one service, durable", figure, target, rate >= PER_SECOND and core <= CORE)]
