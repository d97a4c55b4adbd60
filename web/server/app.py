"""The composition root: the one place that wires storage, realtime and web into a service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.fairness.shares import FairShares
from storage.retention.policy import Earliest
from storage.retention.steps import Steps
from storage.write.writer import Writer
from web.alerts.alerts import Alerts
from web.annotations import Annotations
from web.auth.admin import AdminAuthenticator
from web.auth.credentials import Credentials
from web.auth.ingest import IngestAuthenticator
from web.auth.sessions import Sessions
from web.auth.tokens import Verifier, verifier
from web.http.operations import Operation
from web.http.problems import HANDLERS
from web.ingest.ingest import Ingest
from web.ingest.intake import Intake
from web.ingest.otlp.endpoints import Traces
from web.ingest.otlp.tally import Tally
from web.ingest.posthog.endpoints import Batches
from web.ingest.rates import Rates
from web.ingest.tracking import Tracking
from web.live.endpoints import PATH as LIVE_PATH
from web.live.endpoints import Live
from web.mail import Mailer
from web.ops.audit import Audit, AuditMiddleware
from web.ops.health import Health
from web.ops.housekeeping import Housekeeping
from web.ops.log_stream import STDERR, STDOUT
from web.ops.logs import AccessLog
from web.ops.telemetry import Telemetry
from web.pdf.endpoint import PdfReports
from web.pdf.typesetting.typesetter import Typesetter
from web.reports import active_users, breakdown, response_times, series
from web.reports.admission import Admission
from web.reports.answers import PiecewiseMiddleware
from web.reports.copies import Copies
from web.reports.details import reports as details
from web.reports.endpoints import Reports
from web.saved_views import SavedViews
from web.schedules.endpoints import Schedules
from web.schedules.sender import ScheduledReports
from web.server.cors import Cors
from web.settings import Settings
from web.sign_in.endpoints import SignIn
from web.sign_in.oidc import OpenId
from web.site import docs, openapi
from web.site.assets import FOLDER, Assets

MEMORY_WEIGHTS = 1.0, 0.5
"""The shares of memory of a tenant, and of one of its keys or subjects: alone it gets a half, and a third, of all."""


@dataclass(frozen=True)
class Service:
    """Everything that one process runs, whole for as long as it is open; :func:`open_service` makes it.

    ``app`` is the ASGI application.
    """

    settings: Settings
    telemetry: Telemetry
    database: Database
    credentials: Credentials
    verifier: Verifier
    sessions: Sessions
    memory: FairShares
    hub: Hub
    node: Node
    writer: Writer
    housekeeping: Housekeeping
    alerts: Alerts
    health: Health
    ingest: Ingest
    live: Live
    app: Starlette

    async def drain(self) -> None:
        """Say that the service is not ready, and close the subscribers, a batch at a time.

        The server finishes open requests.
        """
        self.health.drain()
        await self.live.drain()


@asynccontextmanager
async def open_service(settings: Settings, static: Path = FOLDER, *, is_worker: bool = False) -> AsyncIterator[Service]:
    """Open the database and start the tasks; at the end commit what waits, publish it, and give everything back.

    The parts are closed in the reverse of the order in which they were opened, also if one of them cannot be opened.
    The server closes its connections before. *static* is the folder of the built front end; a worker's metrics are
    those of all workers together. Raises what ``storage.errors`` lists.
    """
    async with AsyncExitStack() as opened:
        yield await _open(opened, settings, static, is_worker)


async def _open(opened: AsyncExitStack, settings: Settings, static: Path, is_worker: bool) -> Service:
    telemetry = _telemetry(is_worker)
    database = database_at(settings.database_url, settings.timezone, settings.read_seconds)
    credentials = Credentials(database)
    # Settings that make no sense are told before a database that cannot be reached.
    mailer = Mailer(settings)
    tokens = verifier(settings, credentials.revokes)
    opened.push_async_callback(tokens.close)
    sessions = Sessions(database, credentials.revokes)
    admins = AdminAuthenticator(tokens, sessions)
    open_id = OpenId(settings, admins, sessions)
    opened.push_async_callback(open_id.close)
    # Before it is open: what it took until it failed is given back, too.
    opened.push_async_callback(database.close)
    await database.open()
    memory = FairShares("memory", settings.memory_mb << 20, *MEMORY_WEIGHTS)
    hub, broker = _hub(settings, telemetry), _broker(settings, database.epoch)
    node = Node(database, broker, hub, settings.change_log_entries)
    authenticator, audit = IngestAuthenticator(settings, credentials), Audit(settings.audit_log == "on")
    live = Live(settings, node, admins, authenticator, telemetry, audit)
    await credentials.start(partial(_end_revoked, credentials, sessions, live))
    opened.push_async_callback(credentials.stop)
    await node.start()
    opened.push_async_callback(node.stop)
    alerts = Alerts(database, settings, broker.publish)
    alerts.start()
    opened.push_async_callback(alerts.stop)
    writer = _writer(settings, database, broker, telemetry, alerts.sender.wake)
    opened.push_async_callback(writer.stop)
    housekeeping = Housekeeping(database, settings, broker.publish, telemetry.pruned)
    housekeeping.start()
    opened.push_async_callback(housekeeping.stop)
    health = Health(database, writer, node, hub, telemetry)
    health.start()
    opened.push_async_callback(health.stop)
    ingest = _ingest(settings, database, writer, authenticator, memory)
    reports = _reports(settings, database, admins, memory)
    operations = _tracking(ingest, telemetry) + _operations(database, reports, live, health)
    operations += [*SignIn(admins, sessions).operations(), *open_id.operations()]
    steps = Steps(database, settings.change_log_entries, broker.publish, rest=0.0)
    operations += [*Annotations(database, steps, reports).operations(), *alerts.operations(reports)]
    typesetter = Typesetter()
    opened.push_async_callback(typesetter.stop)
    operations += PdfReports(database, reports, typesetter).operations()
    operations += Schedules(database, reports, mailer).operations()
    scheduled = ScheduledReports(database, typesetter, mailer, alerts.channels)
    scheduled.start()
    opened.push_async_callback(scheduled.stop)
    app = _application(settings, telemetry, audit, operations, live, static)
    return Service(
        settings,
        telemetry,
        database,
        credentials,
        tokens,
        sessions,
        memory,
        hub,
        node,
        writer,
        housekeeping,
        alerts,
        health,
        ingest,
        live,
        app,
    )


def _telemetry(is_worker: bool) -> Telemetry:
    telemetry = Telemetry(shared=is_worker)
    for stream in (STDOUT, STDERR):
        stream.dropped = partial(telemetry.log_dropped, stream.name)
    return telemetry


async def _end_revoked(credentials: Credentials, sessions: Sessions, live: Live) -> None:
    """Close the connections of tokens that were revoked and of sessions that were ended."""
    ended = await sessions.reread(live.open_sessions())
    live.end_revoked(lambda principal: credentials.revokes(principal) or principal.session in ended)


def _hub(settings: Settings, telemetry: Telemetry) -> Hub:
    return Hub(
        tick_seconds=settings.tick_ms / 1000,
        heartbeat_seconds=settings.heartbeat_seconds,
        write_deadline=settings.write_deadline_seconds,
        observer=telemetry,
    )


def _broker(settings: Settings, epoch: str) -> Broker:
    if not settings.redis_url:
        return MemoryBroker()
    # Imported here: the client costs 6 MB, which a single process need not pay.
    from realtime.brokers.redis import RedisBroker

    return RedisBroker(settings.redis_url, epoch)


def _writer(
    settings: Settings, database: Database, broker: Broker, telemetry: Telemetry, told: Callable[[], None]
) -> Writer:
    return Writer(
        database,
        broker.publish,
        queue_events=settings.queue_events,
        change_log=settings.change_log_entries,
        observer=telemetry,
        told=told,
    )


def _ingest(
    settings: Settings,
    database: Database,
    writer: Writer,
    authenticator: IngestAuthenticator,
    memory: FairShares,
) -> Ingest:
    rates = Rates(settings.tracking_events_per_second, settings.tracking_burst_events)
    return Ingest(writer, authenticator, Intake(rates, memory), Earliest(settings.retention, database.days))


def _tracking(ingest: Ingest, telemetry: Telemetry) -> list[Operation]:
    return [
        *Tracking(ingest, telemetry.tracked, telemetry.client_dropped).operations(),
        *Traces(ingest, Tally(telemetry.spans_read), telemetry.tracked).operations(),
        Batches(ingest, telemetry.tracked).operation(),
    ]


def _reports(settings: Settings, database: Database, admins: AdminAuthenticator, memory: FairShares) -> Reports:
    admission, copies = Admission(memory), Copies(settings.exports_mb << 20)
    return Reports(database, admins, settings.heartbeat_seconds, admission, copies)


def _operations(database: Database, reports: Reports, live: Live, health: Health) -> list[Operation]:
    return [
        *reports.operations(),
        series.operation(reports),
        response_times.operation(reports),
        active_users.operation(reports),
        breakdown.operation(reports),
        *details.operations(reports),
        *SavedViews(database, reports).operations(),
        live.operation(),
        *health.operations(),
    ]


def _application(
    settings: Settings, telemetry: Telemetry, audit: Audit, operations: list[Operation], live: Live, static: Path
) -> Starlette:
    routes: list[BaseRoute] = [
        *(_route(operation, audit) for operation in operations),
        *_descriptions(operations),
        *Assets(static).routes(),
        WebSocketRoute(LIVE_PATH, live),
    ]
    middleware = [Middleware(AccessLog, telemetry, settings.access_log)]
    if settings.allowed_origins:
        middleware.append(Middleware(Cors, settings.allowed_origins))
    return Starlette(routes=routes, middleware=middleware, exception_handlers=HANDLERS)


def _route(operation: Operation, audit: Audit) -> Route:
    """Make an endpoint's route. What admins do is audited, and held until it is taken: what services post is short."""
    if operation.access in ("tracking", "spans", None):
        return Route(operation.path, operation.endpoint, methods=[operation.method])
    parameters = frozenset(parameter.name for parameter in operation.parameters)
    middleware = [Middleware(AuditMiddleware, audit, operation.path, parameters)]
    if not operation.streams:
        middleware.append(Middleware(PiecewiseMiddleware))
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
