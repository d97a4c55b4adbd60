"""Requests of real emitters, as tests/web/ingest/otlp/emitters/ sends them; stack traces were shortened."""

from pathlib import Path

import httpx2

from tests.servers.service import Running

FOLDER = Path(__file__).parent / "requests"
_MEDIA = {".protobuf": "application/x-protobuf", ".json": "application/json"}


async def send(running: Running, name: str, path: str = "/v1/traces", **headers: str) -> httpx2.Response:
    """Send a captured request, as its emitter did."""
    (file,) = FOLDER.glob(f"{name}.*")
    sent = {"Content-Type": _MEDIA[file.suffixes[0]], **headers}
    if file.suffix == ".gz":
        sent["Content-Encoding"] = "gzip"
    return await running.http.post(path, content=file.read_bytes(), headers=sent)


async def calls(running: Running) -> list[dict[str, object]]:
    """Give all LLM calls, the oldest first."""
    items: list[dict[str, object]] = (await running.get("llm-calls", limit=1000))["items"]
    return items[::-1]


def spans_by_outcome(running: Running) -> dict[str, int]:
    """Give how many spans had each outcome, as the metrics say."""
    (metric,) = running.service.telemetry.otlp_spans.collect()
    return {sample.labels["outcome"]: int(sample.value) for sample in metric.samples if sample.name.endswith("_total")}
