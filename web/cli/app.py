"""The command ``convoai-analytics``. Each subcommand imports what it needs, so that all of them start quickly."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.errors import StorageError
from web.cli import erasure, keys, prices, upkeep
from web.cli.alerts import alerts
from web.cli.command import TOKEN, actor, alongside, environment_token, fail, read_secret, read_settings, signing_secret
from web.cli.pdf import report as pdf_report
from web.settings import DEFAULT_TENANT, InvalidSetting, Settings, own_url, unknown

if TYPE_CHECKING:
    from storage.model.clock import Days

ANSWER_SECONDS = 30.0
"""How long a service may take to answer."""
SECRET_BYTES = 32
"""What a secret for HS256 should have at the least (RFC 7518, 3.2); a shorter one is taken with a warning."""

app = typer.Typer(
    help="Live, exact analytics for an LLM chat platform. Settings come from ANALYTICS_ variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(keys.app, name="keys")
app.add_typer(prices.app, name="prices")
app.add_typer(alerts.app, name="alerts")
app.command()(keys.revoke)
app.command()(keys.audit)
app.command()(upkeep.migrate)
app.command()(upkeep.verify)
app.command()(upkeep.backup)
app.command("import")(upkeep.import_database)
app.command()(erasure.prune)
app.command()(erasure.forget)
app.command()(pdf_report.report)


@app.command()
def serve(
    workers: Annotated[
        int, typer.Option(help="Processes behind one socket; more than one needs Redis and PostgreSQL.", min=1, max=256)
    ] = 1,
) -> None:
    """Serve tracking, reports and the live endpoint, until SIGTERM or Ctrl-C."""
    settings = read_settings()
    import structlog

    from web.server.runner import CannotListen, run

    for name in unknown(os.environ):
        structlog.get_logger().warning("unknown_setting", name=name)
    if 0 < len(settings.jwt_secret.encode()) < SECRET_BYTES:
        structlog.get_logger().warning("short_secret", bytes=len(settings.jwt_secret.encode()), needed=SECRET_BYTES)
    try:
        if workers > 1:
            from web.server.workers import serve as serve_with

            raise typer.Exit(serve_with(settings, workers))
        run(settings)
    except (StorageError, CannotListen, InvalidSetting) as error:
        raise fail(str(error)) from None


@app.command()
def token(
    sub: Annotated[str, typer.Option(help="Whom the token is for.")] = "admin",
    tenant: Annotated[str, typer.Option(help="Whose figures it opens.")] = DEFAULT_TENANT,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given again. Default: that of admins.")] = None,
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.001, max=24 * 366)] = 12.0,
) -> None:
    """Print a token signed with the service's HS256 secret."""
    from web.auth.tokens import own_token

    settings = read_settings()
    secret = signing_secret(settings)
    if secret is None:
        raise fail("tokens come from your auth service: ANALYTICS_JWKS_URL is set, ANALYTICS_JWT_SECRET is not")
    typer.echo(own_token(settings, secret, sub, tenant, hours * 3600, role))


@app.command()
def export(
    table: Annotated[
        str,
        typer.Argument(
            help="user_activity, users, conversation_metrics, message_metrics, llm_calls, api_usage or daily_stats."
        ),
    ],
    start: Annotated[
        str | None, typer.Option("--from", help="Inclusive: a date of the service's zone, or an ISO 8601 time.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive: the same.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or ndjson.")] = "csv",
    tenant: Annotated[str, typer.Option(help="Whose rows.")] = DEFAULT_TENANT,
) -> None:
    """Write a table to standard output, beside a running service: newest first, users by user id."""
    settings = read_settings()
    from storage.errors import RowsRemoved, StorageFull
    from storage.read.reports import Page, first_day
    from web.reports.copies import Copies
    from web.reports.exports import Exports, Reader, Selection
    from web.reports.formats import Csv, Format, Ndjson
    from web.reports.lists import LISTS

    sources = {source.table: source for source in LISTS if source.table is not None}
    if table not in sources:
        raise fail(f"there is no table {table}: choose one of {', '.join(sources)}")
    source = sources[table]
    forms: dict[str, Format] = {"csv": Csv(source.columns), "ndjson": Ndjson()}
    if form not in forms:
        raise fail(f"--format must be one of {', '.join(forms)}")

    async def work() -> None:
        async with alongside(settings) as database:
            page = Page(0, None, _moment("--from", start, database.days), _moment("--to", end, database.days))
            if page.start is not None and page.end is not None and page.start > page.end:
                raise fail("--to must not lie before --from")
            if table == "daily_stats" and page.start is None:
                # Its list would begin a month ago.
                async with database.read() as connection:
                    first = await first_day(connection, tenant) or database.days.today()
                page = replace(page, start=database.days.start(first))
            pieces = Exports(database, Copies()).stream(source, Selection(tenant, page, {}), forms[form], Reader())
            try:
                async with aclosing(pieces):
                    async for piece in pieces:
                        sys.stdout.buffer.write(piece)
            except StorageFull as error:
                raise fail(str(error)) from None
            except RowsRemoved as error:
                fail(str(error))
                raise typer.Exit(1) from None
            sys.stdout.flush()

    with _output():
        asyncio.run(work())


@contextmanager
def _output() -> Iterator[None]:
    """Write to standard output, which its reader may close."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except OSError as error:
        # What is still in the buffer goes nowhere: Python would otherwise try to write it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader may have enough, as in "| head".
        if not isinstance(error, BrokenPipeError):
            raise fail(f"cannot write: {error.strerror}") from None


def _moment(option: str, value: str | None, days: "Days") -> str | None:
    """Read the time that an *option* gives."""
    from web.http.operations import moment

    try:
        return None if value is None else moment(value, days)
    except ValueError as error:
        raise fail(f"{option} {error}") from None


_URL = Annotated[str | None, typer.Option(help="The service. Default: the one the settings describe, on this machine.")]


@app.command()
def watch(
    url: _URL = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Where the admin token is; - for standard input. Default: one is signed with the secret here."
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose figures, if the token is signed here.")] = DEFAULT_TENANT,
) -> None:
    """Show the live figures in the terminal: a panel of text."""
    settings = read_settings()
    from web.auth.tokens import own_token
    from web.cli import watch as terminal

    if token_file is not None:
        given = read_secret(token_file)

        def supply() -> str:
            return given

    else:
        secret = signing_secret(settings)
        if secret is None:
            raise fail("give a token with --token-file: there is no ANALYTICS_JWT_SECRET here to sign one with")

        def supply() -> str:
            return own_token(settings, secret, "watch", tenant, 3600)

    try:
        asyncio.run(terminal.watch(url or own_url(settings), supply))
    except KeyboardInterrupt:
        return
    except terminal.Refused as error:
        raise fail(str(error)) from None


@app.command()
def annotate(
    text: Annotated[str, typer.Argument(help="What happened, in up to 500 characters.")],
    kind: Annotated[str, typer.Option(help="deploy, incident or note.")] = "note",
    at: Annotated[str | None, typer.Option(help="When: an ISO 8601 time, or a date. Default: now.")] = None,
    until: Annotated[str | None, typer.Option(help="When it ended, if it lasted: the same.")] = None,
    link: Annotated[str | None, typer.Option(help="A page about it: http:// or https://.")] = None,
    url: _URL = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"Where the admin token is; - for standard input. Default: {TOKEN}, "
            "or else one is signed with the secret here."
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose charts, if the token is signed here.")] = DEFAULT_TENANT,
) -> None:
    """Mark a deploy, an incident or a note on the charts; prints the id of the annotation."""
    settings = read_settings()
    token = _token(settings, token_file, tenant)
    given = {"text": text, "kind": kind, "at": at, "until": until, "link": link}
    wanted = {name: value for name, value in given.items() if value is not None}
    typer.echo(_post_annotation(url or own_url(settings), token, wanted))


def _token(settings: Settings, file: Path | None, tenant: str) -> str:
    if file is not None:
        return read_secret(file)
    if given := environment_token():
        return given
    secret = signing_secret(settings)
    if secret is None:
        raise fail(f"give a token with --token-file or {TOKEN}: there is no ANALYTICS_JWT_SECRET here to sign one with")
    from web.auth.tokens import own_token

    return own_token(settings, secret, actor(), tenant, 300)


def _post_annotation(url: str, token: str, annotation: dict[str, str]) -> str:
    """Post the annotation, and give its id; what cannot be done is said in one line."""
    import json
    import re

    import httpx2

    if not re.match("https?://[^/]", url):
        raise fail("--url must begin with http:// or https:// and name a host")
    address = f"{url.rstrip('/')}/api/v1/analytics/annotations"
    try:
        answer = httpx2.post(
            address, json=annotation, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError) as error:
        raise fail(f"cannot reach the service at {url}: {type(error).__name__}") from None
    try:
        body = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = {}
    if answer.status_code != 201 or not isinstance(body, dict) or "id" not in body:
        detail = body.get("detail") if isinstance(body, dict) else None
        raise fail(f"the service answered {answer.status_code}{f': {detail}' if detail else ''}")
    return str(body["id"])


@app.command()
def replay(
    file: Annotated[
        Path | None, typer.Argument(help="NDJSON of events, or the Azure LLM inference trace (CSV).")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Make up an hour of traffic instead.")] = False,
    speed: Annotated[float, typer.Option(help="How many times faster than it happened; 0: at once.", min=0)] = 1.0,
    keep_times: Annotated[bool, typer.Option("--keep-times", help="Do not shift the times to end now.")] = False,
    seed: Annotated[int, typer.Option(help="Draws users, conversations and the sample.")] = 1,
    url: _URL = None,
    key_file: Annotated[Path | None, typer.Option(help="Where a tracking key is; - for standard input.")] = None,
) -> None:
    """Post recorded traffic to the service, at the pace at which it happened or faster."""
    settings = read_settings()
    from web.cli import replay as player
    from web.cli import traffic

    if (file is None) != sample:
        raise fail("name a file, or --sample")
    key = None if key_file is None else read_secret(key_file)
    try:
        source = traffic.sample(seed) if file is None else traffic.read(file, seed)
        counts = asyncio.run(player.replay(source, url or own_url(settings), key, speed, keep_times))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (player.ReplayError, traffic.TrafficError) as error:
        raise fail(str(error)) from None
    if counts.rejected:
        raise typer.Exit(1)


@app.command()
def simulate(
    users: Annotated[int, typer.Option(help="How many people the crowd has.", min=1, max=100_000)] = 200,
    hours: Annotated[
        float, typer.Option(help="How long people come, in hours of their own time; 0: until Ctrl-C.", min=0)
    ] = 24.0,
    speed: Annotated[
        float, typer.Option(help="How many times faster their time goes; answers take as long as ever.", min=0.01)
    ] = 30.0,
    start_hour: Annotated[
        float | None, typer.Option(help="The hour of day at which it begins. Default: the one of this machine.", min=0)
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws who comes when, and what they do.")] = 1,
    auth_url: Annotated[str, typer.Option(help="The platform's auth service.")] = "http://127.0.0.1:8001",
    chatbot_url: Annotated[str, typer.Option(help="The platform's chatbot.")] = "http://127.0.0.1:8000",
) -> None:
    """Let a made-up crowd use the platform: register, sign in, chat, and fail now and then."""
    import time

    from web.cli.platform_client import WrongAddress
    from web.cli.simulate import simulate as play
    from web.cli.simulated_users import SimulatedUsers

    if start_hour is None:
        now = time.localtime()
        start_hour = now.tm_hour + now.tm_min / 60
    if start_hour >= 24:
        raise fail("--start-hour must be below 24")
    try:
        with _output():
            counts = asyncio.run(
                play(SimulatedUsers(seed, users, start_hour), auth_url, chatbot_url, speed, hours or None)
            )
    except WrongAddress as error:
        raise fail(str(error)) from None
    if counts.failures:
        raise typer.Exit(1)


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="How many days of past it has.", min=1, max=365)] = 30,
    seed: Annotated[int, typer.Option(help="Draws who comes when, and what they do.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where its database is, which each start makes anew.")] = Path(
        "data/demo"
    ),
) -> None:
    """Serve made-up events: a month of past, and traffic that goes on, on a database of their own, until Ctrl-C."""
    from web.cli.demo.demo import DemoError, demo_settings
    from web.cli.demo.demo import demo as play
    from web.ops import logs

    try:
        settings = demo_settings(os.environ, folder)
        logs.configure(settings.log_level, settings.log_format)
        play(settings, folder, seed, days)
    except (StorageError, InvalidSetting, DemoError) as error:
        raise fail(str(error)) from None
