"""The API's description, and the API held against it."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.figures import Figures
from tests.servers.service import Running, start
from tests.servers.tasks import running_tasks, settle
from web.server.app import open_service
from web.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES, MANY = 6, 150
"""For each endpoint and each way, in the short form and in the full one."""


async def test_the_document_is_valid(running: Running) -> None:
    """/openapi.json is valid OpenAPI 3.1."""
    document = (await running.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_the_page_needs_nobody_else(running: Running) -> None:
    """/docs names every path, and loads nothing from anywhere."""
    response = await running.http.get("/docs")
    document = (await running.http.get("/openapi.json")).json()
    assert all(path in response.text for path in document["paths"])
    assert "http://" not in response.text.replace("http://127.0.0.1", "")
    assert "https://" not in response.text
    assert "<script" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_every_route_is_described(running: Running) -> None:
    """Each HTTP route is in the document, but for the document, its page, and those of the dashboard."""
    document = (await running.http.get("/openapi.json")).json()
    routes = {getattr(route, "path", "") for route in running.service.app.routes if hasattr(route, "methods")}
    pages = {route for route in routes if route.startswith(("/analytics", "/docs", "/openapi.json"))}
    assert routes - pages == set(document["paths"])


# The service runs in this process, and asks `random` for its pauses while hypothesis draws in another thread.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.each_database
async def test_the_service_does_what_it_says(tmp_path: Path, database_url: str, full: bool, figures: Figures) -> None:
    """Whatever schemathesis sends, valid or not: no 5xx, no status, media type or body that is not in the document.

    Nor is a task or a connection left behind.
    """
    found = await start(tmp_path, DATABASE_URL=database_url)
    try:
        await found.get("summary")
        tasks = running_tasks()
        answers = await asyncio.to_thread(attack, found, MANY if full else EXAMPLES)
        assert (await found.verdict()).differences == []
        await found.http.aclose()
        await settle(found, tasks)
        kind = found.service.database.url.get_backend_name()
        figures(
            f"every endpoint, described or not, {kind}", **{str(status): n for status, n in sorted(answers.items())}
        )
    finally:
        await found.stop()


def attack(running: Running, examples: int) -> Counter[int]:
    """Send what the document allows, and what it does not, to every endpoint; count the answers by status."""
    answers: Counter[int] = Counter()
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    results: list[Any] = list(schema.get_all_operations())
    assert len(results) == sum(len(methods) for methods in schema.raw_schema["paths"].values())
    for result in results:
        probe(result.ok(), running, examples, answers)
    return answers


def probe(operation: Any, running: Running, examples: int, answers: Counter[int]) -> None:
    is_tracking = "/track/" in operation.path or operation.path.endswith(("/v1/traces", "/batch/"))
    admin = {} if is_tracking else running.admin()

    def call(case: Any) -> None:
        response = case.call(headers=admin)
        answers[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query:
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:
        run = given(case=operation.as_strategy(generation_mode=mode))(call)
        settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(run)()


def test_the_service_can_be_described_without_running(tmp_path: Path) -> None:
    """A service touches neither database nor network before it is opened."""
    open_service(
        Settings.read(
            {"ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/none/a.db", "ANALYTICS_JWT_SECRET": "x" * 32}
        )
    )
    assert not (tmp_path / "none").exists()
