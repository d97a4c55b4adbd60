"""The commands that look after a database: its tables, the proof of its figures, its backup, and what it takes over."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.errors import StorageError, StorageUnavailable
from web.cli.command import Progress, alongside, check, fail, read_settings
from web.settings import DEFAULT_TENANT, Settings

if TYPE_CHECKING:
    from storage.engine.database import Database
    from storage.importer.imports import Deviation
    from storage.importer.legacy import LegacyDatabase
    from storage.verify.comparison import VerificationResult

SHOWN = 10
"""How many tenants, days or rows a summary names; it counts the rest."""


def migrate() -> None:
    """Bring the database to this version's tables; serve does it by itself."""
    settings = read_settings()
    from storage.engine.database import REVISION
    from storage.engine.urls import database_at

    async def work() -> None:
        database = database_at(settings.database_url, settings.timezone)
        try:
            await database.open()
        finally:
            await database.close()

    try:
        asyncio.run(work())
    except StorageError as error:
        raise fail(str(error)) from None
    typer.echo(f"the database is at migration {REVISION}")


def verify(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Rebuild the rollups of tenants that differ. On SQLite the service must be stopped."
        ),
    ] = False,
    rezone: Annotated[
        bool,
        typer.Option(
            "--rezone", help="With --repair: cut all days anew in ANALYTICS_TIMEZONE, with every service stopped."
        ),
    ] = False,
) -> None:
    """Recount every rollup from the raw tables, beside a running service; exit code 1 if any differs."""
    settings = read_settings()
    if rezone and not repair:
        raise fail("--rezone rebuilds all rollups: say --repair, too")
    result = asyncio.run(_repair(settings, rezone) if repair else _recount(settings))
    _print_result(result)
    if result.differences:
        raise typer.Exit(1)


async def _recount(settings: Settings) -> "VerificationResult":
    from storage.verify.comparison import verify as recount

    async with alongside(settings) as database, database.read() as connection:
        return await recount(connection, database.days)


def _print_result(result: "VerificationResult") -> None:
    for difference in result.differences:
        typer.echo(str(difference))
    typer.echo(f"{result.compared} values compared, {len(result.differences)} differ")


async def _repair(settings: Settings, rezone: bool) -> "VerificationResult":
    """Rebuild what differs, or everything with other days; gives what a recount says afterwards."""
    from storage.engine.urls import database_at
    from storage.verify.comparison import verify as recount
    from storage.verify.repair import rebuild, rebuild_in_zone

    async with alongside(settings) as found:
        zone = found.days.zone.key
    database = database_at(settings.database_url, zone)
    progress = Progress("events")
    try:
        await database.open()
        if rezone and zone != settings.timezone:
            rebuilt = await rebuild_in_zone(database, settings.timezone, progress)
        else:
            async with database.read() as connection:
                result = await recount(connection, database.days)
            _print_result(result)
            tenants = sorted({difference.tenant_id for difference in result.differences})
            rebuilt = {tenant_id: await rebuild(database, tenant_id, progress) for tenant_id in tenants}
        progress.end()
        for tenant_id, events in rebuilt.items():
            typer.echo(f"tenant {tenant_id}: rebuilt from {events:,} events")
        async with database.read() as connection:
            return await recount(connection, database.days)
    except StorageError as error:
        raise fail(str(error)) from None
    finally:
        await database.close()


def backup(file: Annotated[Path, typer.Argument(help="Where the copy goes; nothing may be there yet.")]) -> None:
    """Copy the SQLite database to a file, beside a running service."""
    settings = read_settings()
    from storage.engine.backup import back_up
    from storage.engine.urls import file_of

    source = file_of(settings.database_url)
    if source is None:
        raise fail("PostgreSQL is backed up with pg_dump, or by your server's own means: see docs/operations.md")
    progress = Progress("pages copied")
    try:
        copy = back_up(source, file, progress)
    except StorageError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        progress.end()
    typer.echo(f"{file}: {copy.size:,} bytes, checked")
    for tenant_id, position in list(copy.positions.items())[:SHOWN]:
        typer.echo(f"tenant {tenant_id} at {position}")
    if len(copy.positions) > SHOWN:
        typer.echo(f"and {len(copy.positions) - SHOWN} more tenants")


def import_database(
    file: Annotated[Path, typer.Argument(help="The SQLite file with the integration guide's five tables.")],
    tenant: Annotated[str, typer.Option(help="Whose events they become.")] = DEFAULT_TENANT,
) -> None:
    """Take over a platform's own tables, as events that count once however often this runs.

    With SQLite the service must be stopped meanwhile; with PostgreSQL it may run. Exit code 1 if rows were left out.
    """
    settings = read_settings()
    check("--tenant", tenant)
    from storage.engine.urls import database_at
    from storage.importer.legacy import LegacyDatabase

    async def work() -> bool:
        old = LegacyDatabase(file)
        database = database_at(settings.database_url, settings.timezone)
        try:
            await database.open()
            complete = await _import_tables(database, old, tenant, settings)
            await _compare(database, old, tenant)
        finally:
            await database.close()
            old.close()
        return complete

    try:
        complete = asyncio.run(work())
    except StorageUnavailable as error:
        raise fail(f"{error}: run the import again, what is taken over already counts once") from None
    except StorageError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if not complete:
        raise typer.Exit(1)


async def _import_tables(database: "Database", old: "LegacyDatabase", tenant: str, settings: Settings) -> bool:
    """Take each table over, with a line about each; says whether nothing was left out."""
    from storage.importer.imports import Import
    from storage.importer.legacy import SOURCES

    work = Import(database, old, tenant, settings.change_log_entries, lambda refusal: typer.echo(str(refusal)))
    complete, summary = True, []
    for source in SOURCES:
        if not old.columns[source.table]:
            summary.append(f"{source.table}: there is no such table")
        elif missing := old.missing(source):
            complete = False
            summary += [str(refusal) for refusal in missing]
        else:
            progress = Progress(source.table)
            counts = await work.import_table(source, progress)
            progress.end()
            complete = complete and not counts.refused
            summary.append(
                f"{source.table}: {counts.rows:,} rows, {counts.recorded:,} taken over, "
                f"{counts.known:,} there already, {counts.refused:,} left out"
            )
    for line in summary:
        typer.echo(line)
    return complete


async def _compare(database: "Database", old: "LegacyDatabase", tenant: str) -> None:
    """Show where the platform had computed other figures than come out here."""
    from storage.importer.imports import compare_conversations, compare_days

    async with database.read() as connection:
        _show("days", *await compare_days(connection, database.days, tenant, old))
        _show("conversations", *await compare_conversations(connection, tenant, old))


def _show(what: str, compared: int, deviations: "list[Deviation]") -> None:
    if not compared:
        return
    typer.echo(f"{compared:,} {what} compared with the figures of the old database, {len(deviations):,} differ")
    # The newest days, which the operator may remember.
    for deviation in deviations[-SHOWN:]:
        figures = ", ".join(
            f"{name} {_number(there)} (here {_number(here)})" for name, there, here in deviation.figures
        )
        typer.echo(f"  {ascii(deviation.key)[1:-1]}: {figures}")
    if len(deviations) > SHOWN:
        typer.echo(f"  and {len(deviations) - SHOWN:,} more")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")
