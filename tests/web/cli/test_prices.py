"""The commands about prices, beside a running service."""

import asyncio
import json
from pathlib import Path

from tests.samples.events import LLM_CALL
from tests.servers.process import Process
from tests.servers.service import Running

TOKENS = {"input_tokens": 1000, "output_tokens": 0}


async def test_own_prices_are_set_beside_a_running_service(running: Running, tmp_path: Path) -> None:
    """Prices that are set, imported and removed by commands count for the next calls; each change is audited, and a
    file with a wrong price changes nothing."""
    process = Process(tmp_path)

    async def types(*arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(process.command, *arguments)
        assert done.returncode == code, done.stderr
        return (done.stdout if code == 0 else done.stderr).strip()

    async def cost() -> str | None:
        await running.post("llm-call-public", {**LLM_CALL, **TOKENS})
        found: str | None = (await running.get("llm-calls"))["items"][0]["cost"]
        return found

    assert await cost() == "0.00025"
    line = await types("prices", "set", "openai", "gpt-5-mini", "--input", "2.5", "--output", "10")
    assert line.endswith("openai gpt-5-mini  ... to ...  input 2.5, output 10")
    assert await cost() == "0.0025"
    file = tmp_path / "prices.json"
    good = {"provider": "openai", "model": "gpt-5-mini", "input": "3", "output": "9"}
    file.write_text(json.dumps([good, {**good, "output": "many"}]))
    assert "1.output: must be US dollars" in await types("prices", "import", str(file), code=2)
    assert await cost() == "0.0025"
    file.write_text(json.dumps([good]))
    newest = (await types("prices", "import", str(file))).split()[0]
    assert await cost() == "0.003"
    await types("prices", "remove", newest)
    assert "there is no such price" in await types("prices", "remove", newest, code=2)
    assert await cost() == "0.0025"
    shown = await types("prices", "show", "openai", "gpt-5-mini", "--at", "2026-11-30T12:00:00Z")
    assert shown.startswith("at 2026-11-30T12:00:00.000Z: ")
    assert "input 0.25, cached_input 0.025, output 2" in shown
    listed = (await types("prices", "list")).splitlines()
    assert sorted(text.split("  ")[-1].split()[0] for text in listed) == ["own,", "removed", "shipped"]
    acts = await types("audit")
    assert (acts.count("prices set"), acts.count("price removed")) == (2, 1)
    assert (await running.verdict()).differences == []
