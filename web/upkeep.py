"""The commands that look after a database: its tables, the proof of its figures, and its backup."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from storage.errors import StorageError
from web.command import Progress, beside, fail, read_settings

SHOWN = 10
"""How many tenants, days or rows a summary names; it counts the rest."""


def migrate() -> None:
    """Bring the database to this version's tables; serve does it by itself."""
    settings = read_settings()
    from storage.database import REVISION
    from storage.urls import database_at

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


def verify() -> None:
    """Recount every rollup from the raw tables, beside a running service; exit code 1 if any differs."""
    settings = read_settings()
    from storage.verify import Verdict
    from storage.verify import verify as recount

    async def work() -> Verdict:
        async with beside(settings) as database, database.read() as connection:
            return await recount(connection, database.days)

    verdict = asyncio.run(work())
    for difference in verdict.differences:
        typer.echo(str(difference))
    typer.echo(f"{verdict.compared} values compared, {len(verdict.differences)} differ")
    if verdict.differences:
        raise typer.Exit(1)


def backup(file: Annotated[Path, typer.Argument(help="Where the copy goes; nothing may be there yet.")]) -> None:
    """Copy the SQLite database to a file, beside a running service."""
    settings = read_settings()
    from storage.backup import back_up
    from storage.urls import file_of

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
