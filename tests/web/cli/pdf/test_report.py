"""The command report."""

from pathlib import Path

import pytest

from tests.servers.process import Process
from tests.servers.service import start
from tests.web.pdf.pages import text
from tests.web.pdf.samples import fill


async def test_the_command_writes_what_the_endpoint_answers(tmp_path: Path) -> None:
    """Beside a running service the command writes the same bytes that the endpoint gives."""
    running = await start(tmp_path)
    await fill(running)
    query = {"of": "costs", "from": "2026-03-01", "to": "2026-03-07", "language": "de"}
    answer = await running.http.get("/api/v1/analytics/report.pdf", params=query, headers=running.admin())
    process = Process(tmp_path)
    options = [part for name, value in query.items() for part in (f"--{name}", value)]
    file = tmp_path / "out.pdf"
    done = process.command("report", *options, "--output", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert text(file.read_bytes()) == text(answer.content)
    assert file.read_bytes() == answer.content
    assert "Kosten der LLM-Aufrufe" in text(answer.content)
    await running.drop()


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--of", "everything"], "--of: must be one of"),
        (["--view", "ffffffff"], "--view: there is no such view"),
        (["--from", "soon"], "--from: must be a date"),
        (["--paper", "a0"], "--paper: must be one of"),
    ],
)
async def test_what_makes_no_sense_is_one_line(tmp_path: Path, options: list[str], wrong: str) -> None:
    """A wrong option ends the command with code 2 and one line that names it."""
    await (await start(tmp_path)).drop()
    done = Process(tmp_path).command("report", *options, "--output", str(tmp_path / "out.pdf"))
    assert done.returncode == 2
    assert wrong in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.pdf").exists()
