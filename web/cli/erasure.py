"""The commands that remove rows: those beyond their retention, and those of one user."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from web.cli.command import actor, check, fail, read_settings, run
from web.settings import DEFAULT_TENANT, Settings

if TYPE_CHECKING:
    from storage.engine.database import Database
    from storage.model.cutoffs import Cutoffs


def prune(
    tenant: Annotated[str | None, typer.Option(help="Whose rows. Default: every tenant's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove the rows beyond their retention, beside a running service; every figure stays."""
    settings = read_settings()
    if not settings.retention.removes:
        raise fail(
            "all is kept: set ANALYTICS_RETENTION_ACTIVITY_DAYS, ..._MESSAGE_DAYS, ..._API_USAGE_DAYS, or "
            "..._CONVERSATION_DAYS"
        )
    work = _count if dry_run else _prune
    removed = run(lambda database: _each(database, settings, tenant, work))
    _print_result(removed, "would be removed" if dry_run else "removed")


def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    tenant: Annotated[str, typer.Option(help="Whose user it is.")] = DEFAULT_TENANT,
) -> None:
    """Erase a user's rows and names for good, beside a running service; the sums stay, and are nobody's."""
    settings = read_settings()
    check("--tenant", tenant)
    removed, is_clean = run(lambda database: _forget(database, settings, tenant, user))
    _print_result(removed, "removed")
    if not removed:
        typer.echo("there is no such user")
    if not is_clean:
        typer.echo(
            "the write-ahead log still holds what was removed, since somebody reads the database: do it again later",
            err=True,
        )
        raise typer.Exit(1)


_Work = Callable[["Database", Settings, str, "Cutoffs"], Awaitable[Counter[str]]]


async def _each(database: "Database", settings: Settings, tenant: str | None, work: _Work) -> Counter[str]:
    from storage.retention.prune import read_tenants

    async with database.read() as connection:
        tenants = await read_tenants(connection)
    removed = Counter[str]()
    for tenant_id in tenants:
        if tenant in (None, tenant_id):
            removed += await work(database, settings, tenant_id, settings.retention.cutoffs(database.days))
    return removed


async def _count(database: "Database", _settings: Settings, tenant_id: str, wanted: "Cutoffs") -> Counter[str]:
    from storage.retention.prune import count_due

    async with database.read() as connection:
        return await count_due(connection, tenant_id, wanted)


async def _prune(database: "Database", settings: Settings, tenant_id: str, wanted: "Cutoffs") -> Counter[str]:
    from storage.retention.prune import prune
    from storage.retention.steps import Steps

    return await prune(Steps(database, settings.change_log_entries), tenant_id, wanted)


async def _forget(database: "Database", settings: Settings, tenant_id: str, user_id: str) -> tuple[Counter[str], bool]:
    from storage.credentials import record_erasure
    from storage.retention.erasure import forget
    from storage.retention.prune import read_tenants
    from storage.retention.steps import Steps

    async with database.read() as connection:
        if tenant_id not in await read_tenants(connection):
            return Counter(), True
    removed = await forget(Steps(database, settings.change_log_entries), tenant_id, user_id)
    if removed:
        who = actor()
        await database.write(lambda connection: record_erasure(connection, who, tenant_id, removed.total()))
    return removed, await database.scrub()


def _print_result(removed: Counter[str], what: str) -> None:
    for name, rows in sorted(removed.items()):
        typer.echo(f"{name}: {rows:,} {what}")
