"""The commands that say who may come in: tracking keys, revoked tokens, and the audit of both."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from web.cli.command import actor, check, fail, run
from web.settings import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.credentials import AuditEntry, TrackingKey
    from storage.engine.database import Database, WriteTransaction

T = TypeVar("T")

PREFIX = "convoai_"
"""What tracking keys begin with, so that those who look for leaked secrets find them."""
KEY_BYTES = 32

app = typer.Typer(help="Tracking keys in the database, beside those of the settings.", no_args_is_help=True)

_ID = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as keys list shows it.")]


@app.command()
def add(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    tenant: Annotated[str, typer.Option(help="Whose events are posted with it.")] = DEFAULT_TENANT,
) -> None:
    """Make a key and print it: it is shown this once, the database has only its hash."""
    from storage.credentials import add_key
    from web.auth.credentials import digest

    key = _new_key()
    check("--name", name)
    check("--tenant", tenant)
    kept = _write(lambda connection: add_key(connection, actor(), tenant, name, digest(key)))
    _show(key, f"key {kept.id} of tenant {tenant}: every process takes it within two seconds")


@app.command("list")
def list_keys(tenant: Annotated[str | None, typer.Option(help="Whose keys. Default: all.")] = None) -> None:
    """List keys: id, tenant, name, when they were made and last used, and whether they are valid."""
    from storage.credentials import read_keys

    async def read(database: "Database") -> "list[TrackingKey]":
        async with database.read() as connection:
            return await read_keys(connection, tenant)

    from storage.model.clock import now

    keys = [
        (key.id, key.tenant_id, key.name, key.created_at, key.last_used_at or "never", _state(key, now()))
        for key in run(read)
    ]
    _table([("id", "tenant", "name", "created", "last used", "state"), *keys])


@app.command()
def rotate(
    key_id: _ID,
    grace_hours: Annotated[
        float, typer.Option(help="How long the old key stays valid beside the new one.", min=0, max=24 * 366)
    ] = 24.0,
) -> None:
    """Make a new key in the place of one, and print it; the old one continues for a while."""
    from storage.credentials import rotate_key
    from web.auth.credentials import digest

    key, until = _new_key(), _in_hours(grace_hours)
    kept = _write(lambda connection: rotate_key(connection, actor(), key_id, digest(key), until))
    _show(key, f"key {kept.id} of tenant {kept.tenant_id}; {key_id} is valid until {until}")


@app.command("revoke")
def revoke_one(key_id: _ID) -> None:
    """End a key: no process takes it after two seconds."""
    from storage.credentials import revoke_key

    _write(lambda connection: revoke_key(connection, actor(), key_id))
    typer.echo(f"key {key_id} is revoked")


def revoke(
    sub: Annotated[str | None, typer.Option(help="Every token of this subject that was issued until now.")] = None,
    jti: Annotated[str | None, typer.Option(help="The one token with this id.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only tokens of this tenant. Default: of every tenant.")] = None,
    hours: Annotated[
        float | None,
        typer.Option(help="How long your tokens live at the most: it is forgotten then. Default: never.", min=0.001),
    ] = None,
) -> None:
    """Revoke admin tokens: within two seconds they read nothing more, and live connections are closed."""
    from storage.credentials import EVERY_TENANT, Revocation
    from storage.credentials import revoke as keep
    from storage.model.clock import now

    kind, value = ("sub", sub) if jti is None else ("jti", jti)
    if value is None or (sub is not None and jti is not None):
        raise fail("name either --sub or --jti")
    check(f"--{kind}", value)
    if tenant is not None:
        check("--tenant", tenant)
    until = None if hours is None else _in_hours(hours)
    revocation = Revocation(EVERY_TENANT if tenant is None else tenant, kind, value, now(), until)
    _write(lambda connection: keep(connection, actor(), revocation))
    what = "every token issued until now" if kind == "sub" else "the token"
    typer.echo(f"{what} is revoked")


def audit(limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100_000)] = 100) -> None:
    """Show who added, rotated or revoked which key, and revoked whose tokens."""
    from storage.credentials import read_audit

    async def read(database: "Database") -> "list[AuditEntry]":
        async with database.read() as connection:
            return await read_audit(connection, limit)

    acts = [(act.at, act.tenant_id or "(every)", act.actor, act.action, act.target) for act in run(read)]
    _table([("at", "tenant", "actor", "action", "target"), *acts])


def _write(work: "Callable[[WriteTransaction], T]") -> T:
    try:
        return run(lambda database: database.write(work))
    except KeyError:
        raise fail("there is no such key, or it is revoked: see convoai-analytics keys list") from None


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def _show(key: str, about: str) -> None:
    """Print the key alone on standard output, so that it can be piped to where it is kept."""
    typer.echo(about, err=True)
    typer.echo(key)


def _in_hours(hours: float) -> str:
    from storage.model import clock

    return clock.text(clock.moment(clock.now()) + timedelta(hours=hours))


def _state(key: "TrackingKey", moment: str) -> str:
    if key.revoked_at is None:
        return "valid"
    return f"valid until {key.revoked_at}" if key.revoked_at > moment else f"revoked at {key.revoked_at}"


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
