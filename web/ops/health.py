"""Whether the service is alive and able, for balancers and for monitoring."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from realtime.hub import Hub
from realtime.node import Node
from storage.engine.database import Database, probe_write
from storage.errors import Locked, StorageError
from storage.write.writer import Writer
from web.http.operations import Answer, Operation
from web.ops.telemetry import Telemetry

READY_SECONDS = 2.0
"""How long the test of the database may take before the service counts as not ready."""
MEASURE_SECONDS = 1.0
"""How old the levels of other workers may be."""
TEXT = "text/plain; version=1.0.0; charset=utf-8"

_STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["ok"]}}}
_PART = {"type": "string"}
_READY = {
    "type": "object",
    "required": ["status", "database", "broker"],
    "properties": {
        "status": {"enum": ["ready", "degraded", "draining", "unavailable"]},
        "database": _PART,
        "broker": _PART,
    },
}


class Health:
    """The three endpoints, and the levels that one of them shows."""

    def __init__(self, database: Database, writer: Writer, node: Node, hub: Hub, telemetry: Telemetry) -> None:
        self._database = database
        self._writer = writer
        self._node = node
        self._hub = hub
        self._telemetry = telemetry
        self._draining = False
        self._task: asyncio.Task[None] | None = None

    def drain(self) -> None:
        """Be ready for nothing more: the service stops."""
        self._draining = True

    def start(self) -> None:
        """Measure the levels all the time, if it may be another process that is asked for them."""
        if self._telemetry.shared:
            self._task = asyncio.create_task(self._keep_measuring(), name="levels")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_measuring(self) -> None:
        while True:
            self._measure()
            await asyncio.sleep(MEASURE_SECONDS)

    def _measure(self) -> None:
        feeds = [audience.feed for audience in self._hub.tenants.values()]
        self._telemetry.queue_events.set(self._writer.waiting)
        self._telemetry.feeds.set(len(feeds))
        self._telemetry.feed_refills.set(sum(feed.refills for feed in feeds))
        self._telemetry.feed_reloads.set(sum(feed.reloads for feed in feeds))
        self._telemetry.broker_delivering.set(self._node.delivering)

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        return [
            Operation(
                "GET", "/health", "getHealth", "Operation", "Alive", self.health, {200: Answer("Alive.", _STATUS)}
            ),
            Operation(
                "GET",
                "/ready",
                "getReady",
                "Operation",
                "Able to serve",
                self.ready,
                {
                    200: Answer(
                        "Ready; `degraded`: the broker does not deliver, panels lag by up to a second.", _READY
                    ),
                    503: Answer("The database cannot be written, or the service stops (`draining`).", _READY),
                },
            ),
            Operation(
                "GET",
                "/metrics",
                "getMetrics",
                "Operation",
                "Metrics for Prometheus",
                self.metrics,
                {200: Answer("All metrics.", {"type": "string"}, "text/plain")},
            ),
        ]

    async def health(self, _request: Request) -> Response:
        """Say that the process serves requests."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        """Say whether the database takes writes, and whether the broker delivers."""
        writable = await self._is_writable()
        delivering = self._node.delivering
        status = "unavailable" if not writable else "ready" if delivering else "degraded"
        if self._draining:
            status = "draining"
        body = {
            "status": status,
            "database": "ok" if writable else "cannot be written",
            "broker": "ok" if delivering else "does not deliver",
        }
        code = 200 if status in ("ready", "degraded") else 503
        return Response(msgspec.json.encode(body), code, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        """Write the metrics; those that are levels are read now."""
        self._measure()
        return Response(await self._telemetry.expose(), media_type=TEXT)

    async def _is_writable(self) -> bool:
        try:
            async with asyncio.timeout(READY_SECONDS):
                # It waits in line behind a commit, so its time is bounded.
                await self._database.attempt(probe_write)
        except Locked:
            # Another process has written the row: the database takes writes, whatever holds that one up.
            return True
        except (StorageError, TimeoutError):
            return False
        return True
