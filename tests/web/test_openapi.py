"""The API's description, and the API held against it."""

import asyncio
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

from tests.conftest import Running, start
from web.app import Service
from web.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 12


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


@pytest.mark.each_database
async def test_the_service_does_what_it_says(tmp_path: Path, database_url: str) -> None:
    """Whatever schemathesis sends, valid or not: no 5xx, no status, media type or body that is not in the document."""
    found = await start(tmp_path, DATABASE_URL=database_url)
    try:
        await asyncio.to_thread(attack, found)
        assert (await found.verdict()).differences == []
    finally:
        await found.stop()


def attack(running: Running) -> None:
    """Send what the document allows, and what it does not, to every endpoint."""
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    results: list[Any] = list(schema.get_all_operations())
    assert len(results) == sum(len(methods) for methods in schema.raw_schema["paths"].values())
    for result in results:
        probe(result.ok(), running)


def probe(operation: Any, running: Running) -> None:
    admin = running.admin() if "/track/" not in operation.path else {}

    def call(case: Any) -> None:
        response = case.call(headers=admin)
        case.validate_response(response, checks=CHECKS)

    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query:
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:
        run = given(case=operation.as_strategy(generation_mode=mode))(call)
        settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(run)()


def test_the_service_can_be_described_without_running(tmp_path: Path) -> None:
    """Making a service touches neither database nor network."""
    Service(
        Settings.read(
            {"ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/none/a.db", "ANALYTICS_JWT_SECRET": "x" * 32}
        )
    )
    assert not (tmp_path / "none").exists()
