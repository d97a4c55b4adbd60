"""Real emitters against the real service: the figures are what the server of the models told, and count once.

Each program of ``emitters/`` runs in the environment that ``make .venv/emitters`` makes.
"""

import asyncio
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.repository import ROOT
from tests.servers.openai_server import KEY as MODELS_KEY
from tests.servers.openai_server import MODEL, Answer, OpenAIServer
from tests.servers.program import spawn
from tests.servers.service import Running, start
from tests.web.ingest.otlp.recorder import Recorder

EMITTERS = Path(os.environ.get("EMITTERS", ROOT / ".venv" / "emitters"))
"""The environment of the emitters, as ``make .venv/emitters`` makes it."""
PROGRAMS = Path(__file__).with_name("emitters")
KEY = "acme-key-0123456789"


TELLS_ALL = ("input", "cached_input", "output", "reasoning")

NAMES: dict[str, tuple[str, ...]] = {
    "open_telemetry.py": TELLS_ALL,
    "open_inference.py": TELLS_ALL,
    # It tells the reasoning tokens of whole answers alone.
    "traceloop.py": ("input", "cached_input", "output"),
    "client_processor.py": TELLS_ALL,
    "several.py": ("input", "cached_input", "output"),
    "pydantic_ai_agent.py": TELLS_ALL,
    "langfuse_sdk.py": TELLS_ALL,
    "posthog_sdk.py": TELLS_ALL,
    "vercel.mjs": ("input", "cached_input", "output"),
}
"""The programs, and which tokens their emitters tell."""


@pytest.mark.parametrize("name", NAMES)
async def test_figures_are_what_the_server_told(tmp_path: Path, name: str) -> None:
    """Every call of the program counts once, with the tokens that the server told; sent again, it adds nothing."""
    found = await start(tmp_path, TRACKING_KEYS=f"acme:{KEY}")
    try:
        with OpenAIServer(Answer(new_ids=True)) as models, Recorder(found.service.settings.port) as recorder:
            await run(name, models, recorder, tmp_path)
            summary = await found.get("summary", "acme")
            assert {request.status for request in recorder.requests} == {200}
            assert summary["total_llm_calls"] == len(models.requests) > 1
            assert summary["failed_llm_calls"] == len(models.requests) - len(models.told)
            expected = totals(models)
            assert {kind: summary[f"total_{kind}_tokens"] for kind in NAMES[name]} == {
                kind: expected[kind] for kind in NAMES[name]
            }
            if name == "client_processor.py":
                await check_users(found)
            for request in recorder.requests:
                answer = await found.http.post(request.path, content=request.body, headers=request.headers)
                assert answer.status_code == 200
            assert await found.get("summary", "acme") == summary
            assert (await found.verdict()).differences == []
    finally:
        await found.stop()


async def check_users(running: Running) -> None:
    """See that each call names whose it is: four of each user, and four of nobody."""
    items = (await running.get("llm-calls", "acme"))["items"]
    found = Counter((item["user_id"], item["conversation_id"]) for item in items)
    named: dict[tuple[str | None, str | None], int] = {(f"u-{n}", f"c-of-u-{n}"): 4 for n in range(1, 5)}
    assert found == {**named, (None, None): 4}


async def run(name: str, models: OpenAIServer, recorder: Recorder, folder: Path) -> None:
    """Run a program until its end; where it sends to is said by its environment alone."""
    python = EMITTERS / "bin" / "python"
    assert python.exists(), "make .venv/emitters"
    environment = {
        "PATH": os.environ["PATH"],
        "MODELS_URL": models.base_url,
        "MODELS_KEY": MODELS_KEY,
        "MODEL": MODEL,
        "OTEL_EXPORTER_OTLP_ENDPOINT": recorder.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{KEY}",
        "LANGFUSE_BASE_URL": recorder.url,
        "LANGFUSE_PUBLIC_KEY": "public",
        "LANGFUSE_SECRET_KEY": KEY,
        "POSTHOG_HOST": recorder.url,
        "POSTHOG_KEY": KEY,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT / "client"),
    }
    with (folder / "log").open("wb") as log:
        process = spawn(
            [node() if name.endswith(".mjs") else python, PROGRAMS / name], env=environment, stdout=log, stderr=log
        )
        status = await asyncio.to_thread(process.wait, 120)
    assert status == 0, (folder / "log").read_text()


def node() -> Path:
    """Find the Node that builds the front end."""
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    assert found is not None
    return Path(found)


def totals(models: OpenAIServer) -> dict[str, int]:
    """Add up what the server told."""
    usages = [usage for usage in models.told if usage]
    return {
        "input": sum(usage["prompt_tokens"] for usage in usages),
        "cached_input": sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages),
        "output": sum(usage["completion_tokens"] for usage in usages),
        "reasoning": sum(usage["completion_tokens_details"]["reasoning_tokens"] for usage in usages),
    }
