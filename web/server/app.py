"""The composition root: the one place that wires storage, realtime and web into a service."""

from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from realtime.brokers.broker import Broker
from realtime.brokers.memory import MemoryBroker
from realtime.hub import Hub
from realtime.node import Node
from storage.engine.urls import database_at
from storage.fairness.shares import Shares
from storage.retention.policy import Earliest
from storage.write.writer import Writer
from web.auth.credentials import Access
from web.auth.ingest import Door
from web.auth.tokens import verifier
from web.http.operations import Operation
from web.http.problems import HANDLERS
from web.ingest.intake import Intake
from web.ingest.rates import Rates
from web.ingest.tracking import Tracking
from web.live.endpoints import PATH as LIVE_PATH
from web.live.endpoints import Live
from web.ops.audit import Audit, Audited
from web.ops.health import Health
from web.ops.housekeeping import Housekeeping
from web.ops.logs import AccessLog
from web.ops.outlet import ERR, OUT
from web.ops.telemetry import Telemetry
from web.reports import series
from web.reports.admission import Admission
from web.reports.answers import Held
from web.reports.copies import Copies
from web.reports.endpoints import Reports
from web.server.cors import Cors
from web.settings import Settings
from web.site import docs, openapi
from web.site.assets import FOLDER, Assets

MEMORY_WEIGHTS = 1.0, 0.5
"""The shares of memory of a tenant, and of one of its keys or subjects: alone it gets a half, and a third, of all."""


class Service:
    """Everything that one process runs. ``app`` is the ASGI application; it serves between open and close."""

    def __init__(self, settings: Settings, static: Path = FOLDER, is_worker: bool = False) -> None:
        """Take the folder of the built front end as *static*; a worker's metrics are those of all workers together."""
        self.settings = settings
        self._static = static
        self.telemetry = Telemetry(shared=is_worker)
        for outlet in (OUT, ERR):
            outlet.dropped = partial(self.telemetry.log_dropped, outlet.name)
        self.database = database_at(settings.database_url, settings.timezone, settings.read_seconds)
        self.access = Access(self.database)
        self.verifier = verifier(settings, self.access.revokes)
        self.memory = Shares("memory", settings.memory_mb << 20, *MEMORY_WEIGHTS)

    async def open(self) -> None:
        """Open the database and start the tasks; raises what ``storage.errors`` lists."""
        settings, telemetry = self.settings, self.telemetry
        await self.database.open()
        self.hub = Hub(
            tick_seconds=settings.tick_ms / 1000,
            heartbeat_seconds=settings.heartbeat_seconds,
            write_deadline=settings.write_deadline_seconds,
            observer=telemetry,
        )
        broker = self._broker()
        self.node = Node(self.database, broker, self.hub, settings.change_log_entries)
        self.writer = Writer(
            self.database,
            broker.publish,
            queue_events=settings.queue_events,
            change_log=settings.change_log_entries,
            observer=telemetry,
        )
        self.housekeeping = Housekeeping(self.database, settings, broker.publish, telemetry.pruned)
        await self.access.start()
        await self.node.start()
        self.health = Health(self.database, self.writer, self.node, self.hub, telemetry)
        self.health.start()
        self.housekeeping.start()
        self.app = self._application()

    async def drain(self) -> None:
        """Say that the service is not ready, and send the panels away, a batch at a time.

        Requests in hand are the server's to finish.
        """
        self.health.drain()
        await self.live.drain()

    async def close(self) -> None:
        """Commit what waits, publish it, and give everything back; the server has closed its connections before."""
        await self.health.stop()
        await self.housekeeping.stop()
        await self.writer.stop()
        await self.node.stop()
        await self.access.stop()
        await self.verifier.close()
        await self.database.close()

    def _broker(self) -> Broker:
        if not self.settings.redis_url:
            return MemoryBroker()
        # Imported here: the client costs 6 MB, which a single process need not pay.
        from realtime.brokers.redis import RedisBroker

        return RedisBroker(self.settings.redis_url, self.database.epoch)

    def _application(self) -> Starlette:
        door = Door(self.settings, self.access)
        rates = Rates(self.settings.tracking_events_per_second, self.settings.tracking_burst_events)
        earliest = Earliest(self.settings.retention, self.database.days)
        intake = Intake(rates, self.memory)
        counts = (self.telemetry.tracked, self.telemetry.client_dropped)
        self.tracking = Tracking(self.writer, door, intake, earliest, *counts)
        admission, copies = Admission(self.memory), Copies(self.settings.exports_mb << 20)
        reports = Reports(self.database, self.verifier, self.settings.heartbeat_seconds, admission, copies)
        audit = Audit(self.settings.audit_log == "on")
        self.live = Live(self.settings, self.node, self.verifier, door, self.telemetry, audit)
        self.access.changed = lambda: self.live.end_revoked(self.access.revokes)
        operations = [
            *self.tracking.operations(),
            *reports.operations(),
            series.operation(reports),
            self.live.operation(),
            *self.health.operations(),
        ]
        routes: list[BaseRoute] = [
            *(_route(operation, audit) for operation in operations),
            *_descriptions(operations),
            *Assets(self._static).routes(),
            WebSocketRoute(LIVE_PATH, self.live),
        ]
        middleware = [Middleware(AccessLog, self.telemetry, self.settings.access_log)]
        if self.settings.allowed_origins:
            middleware.append(Middleware(Cors, self.settings.allowed_origins))
        return Starlette(routes=routes, middleware=middleware, exception_handlers=HANDLERS)


def _route(operation: Operation, audit: Audit) -> Route:
    """Make an endpoint's route. Reports are audited, and held until they are taken: what services post is short."""
    if operation.access != "admin":
        return Route(operation.path, operation.endpoint, methods=[operation.method])
    parameters = frozenset(parameter.name for parameter in operation.parameters)
    middleware = [Middleware(Audited, audit, operation.path, parameters)]
    if not operation.streams:
        middleware.append(Middleware(Held))
    return Route(operation.path, operation.endpoint, methods=[operation.method], middleware=middleware)


def _descriptions(operations: list[Operation]) -> list[Route]:
    """Make the routes of ``/openapi.json`` and ``/docs``; both are written once, here."""
    document = openapi.document(operations, version("convoai-analytics"))
    written, page = msgspec.json.encode(document), docs.page(document)

    async def describe(_request: Request) -> Response:
        return Response(written, media_type="application/json")

    async def show(_request: Request) -> Response:
        return Response(page, headers={"Content-Security-Policy": docs.CSP}, media_type="text/html")

    return [Route("/openapi.json", describe), Route("/docs", show)]
