"""The command that writes a report as PDF, beside a running service."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.errors import StorageError
from web.cli.command import alongside, fail, read_settings
from web.settings import DEFAULT_TENANT, Settings

if TYPE_CHECKING:
    from storage.engine.database import Database
    from web.pdf.document import Document


def report(
    of: Annotated[str | None, typer.Option(help="overview, costs, or a list. Default: overview.")] = None,
    view: Annotated[str | None, typer.Option(help="The id of a saved view, in the place of --of.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Inclusive: a date of the service's zone, or an ISO 8601 time.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Exclusive: the same. Default: the seven days before today; lists: all.")
    ] = None,
    paper: Annotated[str, typer.Option(help="a4 or us-letter.")] = "a4",
    language: Annotated[str, typer.Option(help="en or de.")] = "en",
    tenant: Annotated[str, typer.Option(help="Whose figures.")] = DEFAULT_TENANT,
    output: Annotated[Path, typer.Option(help="The file; - for standard output.")] = Path("report.pdf"),
) -> None:
    """Write the overview, the costs of LLM calls, a list or a saved view as PDF, beside a running service."""
    given = {"of": of, "view": view, "from": start, "to": end, "paper": paper, "language": language}
    query = {name: value for name, value in given.items() if value is not None}
    written = asyncio.run(_make(read_settings(), tenant, query))
    try:
        if str(output) == "-":
            sys.stdout.buffer.write(written)
            sys.stdout.flush()
        else:
            output.write_bytes(written)
    except OSError as error:
        raise fail(f"cannot write {output}: {error.strerror}") from None


async def _make(settings: Settings, tenant: str, query: Mapping[str, str]) -> bytes:
    from web.pdf.typesetting.typesetter import NotInstalled, PdfFailed, Typesetter

    async with alongside(settings) as database:
        document = await _read(database, tenant, query)
    typesetter = Typesetter()
    try:
        return await typesetter.typeset(document)
    except (NotInstalled, PdfFailed) as error:
        raise fail(str(error)) from None
    finally:
        await typesetter.stop()


async def _read(database: "Database", tenant: str, query: Mapping[str, str]) -> "Document":
    from web.http.problems import Problem
    from web.pdf.query import read_wanted
    from web.pdf.report import read_report

    try:
        async with database.read() as connection:
            wanted = await read_wanted(connection, tenant, query, database.days)
            found = await read_report(connection, database.epoch, tenant, database.days, wanted)
    except Problem as error:
        raise fail(f"--{error.detail}" if error.field else error.detail) from None
    except StorageError as error:
        raise fail(str(error)) from None
    return found.document
