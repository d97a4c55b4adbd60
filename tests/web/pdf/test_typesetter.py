"""The process that typesets: its bounds, and what it knows."""

import asyncio
import importlib.util
from typing import Any

import pytest

from web.pdf.document import Column, Document, Table
from web.pdf.typesetting import typesetter
from web.pdf.typesetting.typesetter import NotInstalled, PdfFailed, Typesetter


def document(*rows: list[str], title: str = "Title") -> Document:
    table = Table("Rows", [Column("A", wide=True), Column("B")], list(rows))
    return Document("en", "a4", False, title, "", [("Range", "all")], [table], "Footer", "Page", 1_770_000_000)


async def test_reports_are_made_one_after_the_other() -> None:
    """Several that come at once each get their own PDF, from one process."""
    made = Typesetter()
    try:
        found = await asyncio.gather(*(made.typeset(document(title=f"T{number}")) for number in range(4)))
        assert len(set(found)) == 4
        assert all(pdf.startswith(b"%PDF-1.7") for pdf in found)
        assert await made.typeset(document(title="T0")) == found[0]
    finally:
        await made.stop()


async def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time the process is killed, and the next report has a new one."""
    made = Typesetter()
    try:
        first = await made.typeset(document())
        monkeypatch.setattr(typesetter, "SECONDS", 0.05)
        with pytest.raises(PdfFailed):
            await made.typeset(document(*(["word " * 100, "b"] for _ in range(3000))))
        monkeypatch.undo()
        assert await made.typeset(document()) == first
    finally:
        await made.stop()


async def test_one_that_is_given_up_answers_nobody_else() -> None:
    """A report whose reader left does not become the answer to the next one."""
    made = Typesetter()
    try:
        first = await made.typeset(document())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.typeset(document(*(["word " * 100, "b"] for _ in range(500)))), 0.01)
        assert await made.typeset(document()) == first
    finally:
        await made.stop()


async def test_a_report_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large is refused before it is typeset."""
    monkeypatch.setattr(typesetter, "MAX_BYTES", 1000)
    with pytest.raises(PdfFailed, match="shorter range"):
        await Typesetter().typeset(document(["x" * 1000, ""]))


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without typst it is said what to install."""
    real = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "typst" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(NotInstalled, match=r"convoai-analytics\[pdf\]"):
        await Typesetter().typeset(document())


async def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has nothing of the service's environment, and ends when no report came for a while."""
    monkeypatch.setenv("ANALYTICS_JWT_SECRET", "hunter2")
    monkeypatch.setattr(typesetter, "IDLE_SECONDS", 0.5)
    made = Typesetter()
    try:
        await made.typeset(document())
        process = made._process
        assert process is not None
        with open(f"/proc/{process.pid}/environ", "rb") as file:  # noqa: ASYNC230
            assert b"hunter2" not in file.read()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert await made.typeset(document())
    finally:
        await made.stop()
