"""The command ``annotate``, as a process."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.servers.service import Running
from tests.servers.settings import SECRET

ARGUMENTS = ("v2.4.1", "--kind", "deploy", "--at", "2026-03-02T12:00:00Z", "--link", "https://ci.example.org/1")


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from web.cli.app import app; app()",
        "annotate",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_ci_annotates_with_a_token_of_its_environment(running: Running) -> None:
    """With a token in ANALYTICS_TOKEN the annotation is added under the token's subject, and its id is printed."""
    code, out, err = await run(*ARGUMENTS, "--url", running.url, ANALYTICS_TOKEN=running.token(sub="ci"))
    assert (code, err) == (0, "")
    (item,) = (await running.get("annotations"))["items"]
    assert item["id"] == out.strip()
    assert (item["author"], item["kind"], item["at"]) == ("ci", "deploy", "2026-03-02T12:00:00.000Z")


async def test_a_token_comes_from_a_file_or_is_signed_here(running: Running, tmp_path: Path) -> None:
    """A file names the token; on the service's own machine none is needed, and who ran the command is the author."""
    file = tmp_path / "token"
    file.write_text(running.token(sub="filed") + "\n")
    assert (await run("one", "--url", running.url, "--token-file", str(file)))[0] == 0
    assert (await run("two", "--url", running.url, ANALYTICS_JWT_SECRET=SECRET))[0] == 0
    authors = {item["text"]: item["author"] for item in (await running.get("annotations"))["items"]}
    assert authors["one"] == "filed"
    assert "@" in authors["two"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--kind", "party"), "kind"),
        (("x", "--at", "yesterday"), "at:"),
        (("x", "--link", "ftp://x"), "link"),
        ((" ",), "text"),
    ],
)
async def test_what_is_refused_is_said(running: Running, arguments: tuple[str, ...], said: str) -> None:
    """What the service refuses is one line on standard error that names the field, and exit code 2."""
    code, out, err = await run(*arguments, "--url", running.url, ANALYTICS_TOKEN=running.token())
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


async def test_a_service_that_is_not_there(running: Running) -> None:
    """An address at which nothing listens, a wrong one and a wrong token are one line and exit code 2."""
    for url, token in (("http://127.0.0.1:1", "t"), ("nonsense", "t"), (running.url, "t"), (running.url, "ü")):
        code, out, err = await run("x", "--url", url, ANALYTICS_TOKEN=token)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert "Traceback" not in err
