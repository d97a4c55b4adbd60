"""docs/integration.md: its programs are run as they stand, as processes that post to the real service."""

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from convoai_analytics_client.delivery.stats import REASONS, Stats
from tests.docs.programs import BIN, BLOCKS, DJANGO, OPENAI, TEXT, URLS, WSGI, Folder
from tests.repository import ROOT
from tests.servers.openai_server import ANSWERED_BY, KEY, MODEL, OpenAIServer
from tests.servers.ports import free_port
from tests.servers.service import Running
from web.ops.telemetry import Telemetry

README = (ROOT / "client" / "README.md").read_text()

Json = dict[str, Any]
Expected = tuple[str, Json]
"""A list of the service, and what an item of it has."""

LOGIN = {"username": "Ada", "activity_type": "login"}
SCRIPTS: dict[str, tuple[Expected, ...]] = {
    "script": (
        ("users/activities", {"user_id": "u-1", **LOGIN}),
        ("conversations", {"conversation_id": "c-1", "user_id": "u-1", "message_count": 1}),
        ("messages", {"message_id": "m-1", "role": "user", "token_count": 12}),
    ),
    "llm calls": (
        ("llm-calls", {"model": "gpt-5-mini", "user_id": "u-8", "input_tokens": 1200, "response_time": 2.5}),
        ("llm-calls", {"operation": "embedding", "input_tokens": 50, "output_tokens": None, "cost": "0.000001"}),
        ("conversations", {"conversation_id": "c-8", "user_id": "u-8", "message_count": 0}),
    ),
    "opentelemetry": (),
    "spool": (("users/activities", {"user_id": "u-6", **LOGIN}),),
    "masks": (("users/activities", {"user_id": "u-7", "ip_address": "203.0.113.0", "user_agent": None}),),
    "node": (
        ("users/activities", {"user_id": "u-4", **LOGIN}),
        ("messages", {"message_id": "m-4", "token_count": 12}),
        ("api-usage", {"endpoint": "/chat", "method": "POST", "response_time": 0.25}),
    ),
    "curl": (
        ("conversations", {"conversation_id": "c-5", "user_id": "u-5"}),
        ("users/activities", {"user_id": "u-5", "activity_type": "conversation_started"}),
    ),
}
COMMANDS: dict[str, Sequence[str | Path]] = {"node": (BIN / "node",), "curl": ("bash",)}
OTHERS = {"fastapi", "flask", "django", "django settings", "aiohttp", "celery", "openai", "sampling"}


@pytest.fixture
def folder(running: Running, tmp_path: Path) -> Folder:
    path = tmp_path / "programs"
    path.mkdir()
    return Folder(path, running.url)


async def see(running: Running, expected: Sequence[Expected]) -> None:
    """Wait until the service has what is expected."""
    for path, fields in expected:
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            items = (await running.get(path))["items"]
            if any(fields.items() <= item.items() for item in items):
                break
            assert asyncio.get_running_loop().time() < deadline, (path, fields, items)
            await asyncio.sleep(0.02)


def test_every_program_is_run() -> None:
    """Each block of a language that runs is named, and one of the tests here runs it."""
    assert len(BLOCKS) == len(re.findall(r"^```\w", TEXT, re.MULTILINE))
    assert set(BLOCKS) == set(SCRIPTS) | OTHERS


async def test_scripts(running: Running, folder: Folder) -> None:
    """Programs that end by themselves leave their events in the service."""
    # Node's fetch has a header of browsers, who never post without a key.
    folder.environment["ANALYTICS_TRACKING_KEY"] = "own-key-0123456789"
    for name, expected in SCRIPTS.items():
        await folder.run(*COMMANDS.get(name, (sys.executable,)), folder.write(name))
        await see(running, expected)


async def test_sampling(running: Running, folder: Folder) -> None:
    """What sampling leaves out is counted, and the rest is recorded."""
    printed = await folder.run(sys.executable, folder.write("sampling"))
    sampled = int(printed.partition("'sampled': ")[2].partition("}")[0])
    assert 100 < sampled < 200
    assert (await running.get("summary"))["total_activities"] == 200 - sampled


async def test_fastapi(running: Running, folder: Folder) -> None:
    """The request and what its handler tracks arrive, the route by its template."""
    folder.write("fastapi")
    port = str(free_port())
    async with folder.serving(sys.executable, "-m", "uvicorn", "app:app", "--port", port) as process:
        await folder.ask(process, "POST", f"http://127.0.0.1:{port}/conversations/c-2")
    await see(
        running,
        (
            ("api-usage", {"endpoint": "/conversations/{conversation_id}", "method": "POST", "status_code": 200}),
            ("conversations", {"conversation_id": "c-2"}),
        ),
    )


async def test_flask(running: Running, folder: Folder) -> None:
    """Behind gunicorn's forked workers as the page starts them, both events arrive."""
    folder.write("flask")
    bind = f"127.0.0.1:{free_port()}"
    command = ("-m", "gunicorn", "--preload", "--workers", "2", "--bind", bind, "app:app")
    async with folder.serving(sys.executable, *command) as process:
        await folder.ask(process, "POST", f"http://{bind}/login/u-2")
    await see(
        running,
        (
            ("api-usage", {"endpoint": "/login/<user_id>", "method": "POST", "status_code": 200}),
            ("users/activities", {"user_id": "u-2", **LOGIN}),
        ),
    )


async def test_django(running: Running, folder: Folder) -> None:
    """The settings and the views of the page, in a project that has nothing else."""
    folder.write("django settings", DJANGO)
    folder.write("django")
    (folder.path / "urls.py").write_text(URLS)
    (folder.path / "app.py").write_text(WSGI)
    folder.environment |= {"DJANGO_SETTINGS_MODULE": "settings", "ANALYTICS_URL": running.url}
    bind = f"127.0.0.1:{free_port()}"
    async with folder.serving(sys.executable, "-m", "gunicorn", "--bind", bind, "app:app") as process:
        await folder.ask(process, "GET", f"http://{bind}/login/eve", headers={"X-User": "eve"})
    await see(
        running,
        (
            ("api-usage", {"endpoint": "/login/<str:name>", "method": "GET", "user_id": "eve"}),
            ("users/activities", {"user_id": "eve", "activity_type": "login"}),
        ),
    )


async def test_aiohttp(running: Running, folder: Folder) -> None:
    """The resource is named by its template."""
    port = free_port()
    path = folder.write("aiohttp")
    path.write_text(path.read_text().replace("port=8000", f"port={port}"))
    async with folder.serving(sys.executable, path) as process:
        await folder.ask(process, "GET", f"http://127.0.0.1:{port}/hello/ada")
    await see(running, (("api-usage", {"endpoint": "/hello/{name}", "method": "GET", "status_code": 200}),))


async def test_celery(running: Running, folder: Folder, valkey: str) -> None:
    """A child that is replaced after its task posts what the task tracked."""
    path = folder.write("celery")
    path.write_text(path.read_text().replace("redis://127.0.0.1:6379/0", valkey))
    await folder.run(sys.executable, "-c", "import tasks; tasks.summarize.delay('c-8', 'u-8')")
    command = "-m celery -A tasks worker --concurrency 1 --max-tasks-per-child 1 --without-mingle"
    async with folder.serving(sys.executable, *command.split()):
        await see(running, (("users/activities", {"user_id": "u-8", "activity_type": "summary_made"}),))


async def test_openai(running: Running, folder: Folder) -> None:
    """A whole and a streamed answer are messages with tokens, model and response time; one without usage has none."""
    (folder.path / "openai.py").write_text(OPENAI)
    path = folder.write("openai")
    path.write_text(path.read_text().replace("gpt-5-mini", MODEL))
    with OpenAIServer() as server:
        folder.environment |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        printed = await folder.run(sys.executable, path)
    assert server.answer.text in printed
    tokens = server.answer.completion_tokens
    message = {"role": "assistant", "user_id": "u-3", "model_used": ANSWERED_BY, "token_count": tokens}
    items = (await running.get("messages", conversation_id="c-3"))["items"]
    assert sum(message.items() <= item.items() for item in items) == 2
    assert all(item["response_time"] > 0 for item in items)


async def test_troubleshooting(running: Running, folder: Folder) -> None:
    """Each command of the table of symptoms works where all is well."""
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", TEXT.partition("## Troubleshooting")[2], re.MULTILINE)
    assert len(rows) > 5
    folder.environment |= {
        "URL": running.url,
        "ANALYTICS_URL": running.url,
        "TOKEN": running.token(),
        "KEY": "own-key-0123456789",
        "ANALYTICS_DATABASE_URL": running.service.settings.database_url,
    }
    printed = await asyncio.gather(*(folder.run("bash", "-c", command) for command in rows))
    assert any("recorded=1" in text for text in printed)


def test_the_delivery_statistics_are_documented() -> None:
    """Each account has a row, and each reason for a drop has one with its meaning."""
    for name in Stats.__dataclass_fields__:
        assert f"| `{name}` |" in TEXT, name
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in TEXT, reason


def test_the_page_names_what_there_is() -> None:
    """Each metric of the page exists, and each of its inner links leads somewhere."""
    metrics = {metric.name for metric in Telemetry().registry.collect()}
    for name in set(re.findall(r"convoai_[a-z_]+", TEXT)) - {path.stem for path in (ROOT / "client").iterdir()}:
        assert re.sub(r"_(total|bucket)$", "", name) in metrics, name
    titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\(#([^)]+)\)", TEXT)) <= anchors


def test_the_readme_of_the_client() -> None:
    """Its three lines are valid, and those of the page."""
    (lines,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(lines, "README.md", "exec")
    for line in lines.splitlines()[:2]:
        assert line in BLOCKS["fastapi"]
