"""Typesets reports in a process of its own, one at a time, within bounds of time, size and memory.

The process begins with the first report, which takes half a second longer than others, and ends when none came for a
while: what it held is then free again. One that takes too long is killed; the next report begins another.
"""

import asyncio
import importlib.util
import os
import sys
from contextlib import suppress

import msgspec
import structlog

from web.pdf.document import Document
from web.pdf.typesetting.glyphs import showable
from web.pdf.typesetting.worker import FAILED, HEAD

log = structlog.get_logger()

SECONDS = 20.0
"""How long a report may take."""
IDLE_SECONDS = 60.0
"""How long the process stays without a report."""
MAX_BYTES = 8 << 20
"""Of a report as JSON: a thousand rows of a list take some 300 KB."""
MAX_PDF_BYTES = 64 << 20
INSTALL = "PDF needs typst: install convoai-analytics[pdf], or the package typst beside the service"


class NotInstalled(Exception):
    """Typst is not there; the text says what to install."""


class PdfFailed(Exception):
    """No PDF was made: it took too long, or is too large, or the process ended."""


class Typesetter:
    """Makes PDFs; one for all reports of a service."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def typeset(self, document: Document) -> bytes:
        """Make a PDF; raises :exc:`NotInstalled` and :exc:`PdfFailed`."""
        if importlib.util.find_spec("typst") is None:
            raise NotInstalled(INSTALL)
        report = msgspec.json.encode(_showable(msgspec.to_builtins(document)))
        if len(report) > MAX_BYTES:
            raise PdfFailed("the report is too large for a PDF: take a shorter range")
        async with self._turn:
            self._stay()
            try:
                async with asyncio.timeout(SECONDS):
                    return await self._exchange(report)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                await self.stop()
                log.error("pdf_failed", error=type(error).__name__, bytes=len(report))
                raise PdfFailed("the report could not be typeset: take a shorter range") from None
            except asyncio.CancelledError:
                # What it writes now is nobody's answer.
                await self.stop()
                raise
            finally:
                self._leave_later()

    async def stop(self) -> None:
        """End the process."""
        self._stay()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            # Unlike wait(), this waits until its pipes are closed, too: an event loop that closes before warns of them.
            await process.communicate()

    async def _exchange(self, report: bytes) -> bytes:
        if self._process is None or self._process.returncode is not None:
            self._process = await _start()
        sink, source = self._process.stdin, self._process.stdout
        if sink is None or source is None:
            raise OSError("no pipes")
        sink.write(HEAD.pack(len(report)) + report)
        await sink.drain()
        kind = await source.readexactly(1)
        length = HEAD.unpack(await source.readexactly(HEAD.size))[0]
        if length > MAX_PDF_BYTES:
            raise OSError("too large")
        answer = await source.readexactly(length)
        if kind == FAILED:
            # Of the template, which is ours; the texts of a report are not in it.
            log.error("pdf_refused", reason=answer.decode(errors="replace")[:500])
            raise PdfFailed("the report could not be typeset: the log of the service says why")
        return answer

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _leave_later(self) -> None:
        if self._process is not None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._leave)

    def _leave(self) -> None:
        # It ends at the end of its input.
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "web.pdf.typesetting.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of the service's own environment, which has secrets.
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # The terminal's Ctrl-C is for the service, which ends it.
        start_new_session=True,
    )


def _showable(value: object) -> object:
    """Replace, in all texts, characters that the font does not have."""
    match value:
        case str():
            return showable(value)
        case list():
            return [_showable(inner) for inner in value]
        case dict():
            return {name: _showable(inner) for name, inner in value.items()}
        case _:
            return value
