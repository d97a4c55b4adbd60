"""The service's own metrics, for Prometheus. None has a tenant's or a user's name as a label."""

import asyncio
import contextlib
import struct
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from storage.write.commit import Outcome

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
READINGS, READING_SECONDS = 10, 0.01
"""How often the workers' metrics are read again, and how soon, while one of them begins or ends."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class Telemetry:
    """All metrics of one service. It is the observer of the writer and of the hub."""

    def __init__(self, shared: bool = False) -> None:
        """*shared*: metrics are those of all workers; counters include workers that ended, levels do not."""
        self.shared = shared
        self.registry = CollectorRegistry()
        self.events = self._counter("events", "Events answered, by kind of request and outcome.", "kind", "outcome")
        self.commits = self._counter("commits", "Commits of events.")
        self.commit_seconds = self._histogram("commit_seconds", "Duration of a commit.", SECONDS)
        self.commit_events = self._histogram("commit_events", "Events in a commit.", SIZES)
        self.queue_events = self._gauge("queue_events", "Events that wait for their commit.")
        self.requests = self._counter(
            "http_requests", "Requests, by route, method and status.", "route", "method", "status"
        )
        self.request_seconds = self._histogram("http_request_seconds", "Duration of a request.", SECONDS, "route")
        self.panels = self._gauge("panels", "Subscribers that are connected.")
        self.frames = self._counter("frames", "Frames sent to subscribers, by kind.", "kind")
        self.skipped_subscribers = self._counter(
            "panels_passed_over", "Ticks at which a subscriber had not read its last frame."
        )
        self.closes = self._counter("panel_closes", "Connections the service ended, by close code.", "code")
        self.feeds = self._gauge("feeds", "Tenants with a feed in this process.")
        self.feed_refills = self._gauge("feed_refills", "Refills from the change log by the feeds that are open.")
        self.feed_reloads = self._gauge("feed_reloads", "Times that the open feeds were loaded again.")
        # Looking a child up by its labels costs 1 us, three times a request.
        self._tracked: dict[tuple[str, str], Counter] = {}
        self._sent: dict[str, Counter] = {}
        self._requested: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.subscriber_disagreements = self._counter(
            "panel_disagreements", "Subscribers that held other figures than the service: should stay 0."
        )
        self.feed_disagreements = self._counter(
            "feed_disagreements", "Feeds that held other figures than the database: should stay 0."
        )
        self.pruned_rows = self._counter(
            "pruned_rows", "Rows older than their retention that the service removed, by table.", "table"
        )
        self.client_dropped_events = self._counter(
            "client_dropped_events",
            "Events that clients reported as dropped before posting, by reason.",
            "reason",
        )
        self.otlp_spans = self._counter(
            "otlp_spans",
            "Spans that were answered, by outcome: `call` became an LLM call, others were not stored.",
            "outcome",
        )
        self.log_lines_dropped = self._counter(
            "log_lines_dropped", "Lines of logs and of the audit that were dropped, by stream.", "stream"
        )
        self.connections_dropped = self._counter(
            "connections_dropped", "New connections that were closed because their address had its share waiting."
        )
        self.broker_delivering = self._gauge(
            "broker_delivering", "1 if changes arrive by the broker, else 0; of workers, the lowest.", "livemin"
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"convoai_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, among_workers: Literal["livesum", "livemin"] = "livesum") -> Gauge:
        return Gauge(f"convoai_{name}", meaning, registry=self.registry, multiprocess_mode=among_workers)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"convoai_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def requested(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record a request; *route* and *method* come from sets that clients cannot make larger."""
        key = (route, method, status)
        found = self._requested.get(key)
        if found is None:
            found = self._requested[key] = (self.requests.labels(*key), self.request_seconds.labels(route))
        found[0].inc()
        found[1].observe(seconds)

    def tracked(self, kind: str, recorded: int, duplicates: int, rejected: int) -> None:
        """Record a tracking request."""
        for outcome, count in (("recorded", recorded), ("duplicate", duplicates), ("rejected", rejected)):
            if count:
                key = (kind, outcome)
                found = self._tracked.get(key)
                if found is None:
                    found = self._tracked[key] = self.events.labels(kind, outcome)
                found.inc(count)

    def committed(self, outcome: Outcome, seconds: float) -> None:
        """Record a commit."""
        self.commits.inc()
        self.commit_seconds.observe(seconds)
        self.commit_events.observe(len(outcome.recorded))

    def sent(self, kind: str, frames: int) -> None:
        """Record frames sent."""
        found = self._sent.get(kind)
        if found is None:
            found = self._sent[kind] = self.frames.labels(kind)
        found.inc(frames)

    def skipped(self, panels: int) -> None:
        """Record subscribers that did not read."""
        self.skipped_subscribers.inc(panels)

    def subscriber_disagreed(self) -> None:
        """Record a subscriber whose figures were not those of the digest."""
        self.subscriber_disagreements.inc()

    def feed_disagreed(self) -> None:
        """Record a feed whose state was not that of the database."""
        self.feed_disagreements.inc()

    def pruned(self, table: str, rows: int) -> None:
        """Record rows that were removed from a table."""
        self.pruned_rows.labels(table).inc(rows)

    def client_dropped(self, reason: str, events: int) -> None:
        """Record events that a client dropped; *reason* comes from a set that clients cannot make larger."""
        self.client_dropped_events.labels(reason).inc(events)

    def spans_read(self, outcome: str, spans: int) -> None:
        """Record spans; *outcome* comes from a set that clients cannot make larger."""
        self.otlp_spans.labels(outcome).inc(spans)

    def log_dropped(self, stream: str, lines: int) -> None:
        """Record lines that were not written."""
        self.log_lines_dropped.labels(stream).inc(lines)

    def connection_dropped(self) -> None:
        """Record a new connection that was closed."""
        self.connections_dropped.inc()

    async def expose(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        if not self.shared:
            return generate_latest(self.registry)
        for _ in range(READINGS):
            # The files of a worker that begins or has ended are not made, and not removed, in one step.
            with contextlib.suppress(OSError, struct.error, RuntimeError, ValueError):
                return self._together()
            await asyncio.sleep(READING_SECONDS)
        return self._together()

    def _together(self) -> bytes:
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
