"""What every command begins with: the settings, the database beside a running service, and one line if it fails."""

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from storage.errors import StorageError, WrongDatabase
from web.ops.log_stream import STDERR
from web.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    from storage.engine.database import Database

T = TypeVar("T")

MAX_LENGTH = 255
"""How long a name that is kept may be."""
TOKEN = "ANALYTICS_TOKEN"  # noqa: S105 - the name of a variable
PROGRESS_STEPS = 200
"""How often, at the most, a line of progress is written again."""


def fail(message: str) -> typer.Exit:
    """Say in one line why it could not be done; the caller raises what this gives."""
    # After the lines of the log, and like these without waiting for the reader.
    STDERR.write(f"convoai-analytics: {message}\n")
    return typer.Exit(2)


def read_settings() -> Settings:
    """Read the settings from the environment, and log as they say."""
    try:
        settings = Settings.read(os.environ)
    except InvalidSetting as error:
        raise fail(str(error)) from None
    from web.ops import logs

    logs.configure(settings.log_level, settings.log_format)
    return settings


@asynccontextmanager
async def alongside(settings: Settings) -> "AsyncIterator[Database]":
    """Open the database for reading alone, beside a service that may be running; its days are cut in its own zone."""
    from storage.engine.urls import database_at

    try:
        database = database_at(settings.database_url)
    except StorageError as error:
        raise fail(str(error)) from None
    try:
        await database.open_to_read()
        yield database
    except WrongDatabase as error:
        raise fail(str(error)) from None
    except StorageError:
        raise fail(f"{database.name} is not a database of this service, or cannot be read") from None
    finally:
        await database.close()


def run(work: "Callable[[Database], Awaitable[T]]") -> T:
    """Do *work*, which may write a little, beside a service that may be running."""
    from storage.engine.urls import database_at

    async def write(settings: Settings) -> T:
        database = database_at(settings.database_url)
        try:
            await database.open_alongside()
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(write(read_settings()))
    except StorageError as error:
        raise fail(str(error)) from None


def check(option: str, value: str) -> None:
    """See that an *option* is a name that can be kept."""
    if not 0 < len(value) <= MAX_LENGTH or not value.isprintable():
        raise fail(f"{option} must be 1 to {MAX_LENGTH} printable characters")


def actor() -> str:
    """Say who runs the command, for the audit."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"[:MAX_LENGTH]


def read_secret(path: Path) -> str:
    """Read a token or a key from a file, or with ``-`` from standard input: an argument would be seen by others."""
    try:
        return (sys.stdin.read() if str(path) == "-" else path.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"cannot read {path}: {type(error).__name__}") from None


def environment_token() -> str:
    """Give the token that CI keeps in a variable, as it has no file for one; "" for none."""
    return os.environ.get(TOKEN, "").strip()


def signing_secret(settings: Settings) -> str | None:
    """Give the secret with which tokens are signed here; None: the auth service signs them."""
    from web.auth.tokens import shared_secret

    try:
        return shared_secret(settings)
    except InvalidSetting as error:
        raise fail(str(error)) from None


class Progress:
    """A line on the terminal that tells how far something is; nothing where standard error is no terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """Tell how much is done, and of how much."""
        step = done * PROGRESS_STEPS // max(total, 1)
        if sys.stderr.isatty() and step != self._shown:
            self._shown = step
            typer.echo(f"\r{self._what}: {done:,} of {total:,}", nl=False, err=True)

    def end(self) -> None:
        """Clear the line."""
        if self._shown >= 0:
            typer.echo("\r\x1b[K", nl=False, err=True)
