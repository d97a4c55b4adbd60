"""The middleware for WSGI, behind the standard library's server and gunicorn."""

import asyncio
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from convoai_analytics_client import Analytics
from convoai_analytics_client.wsgi import AnalyticsMiddleware, Environ
from tests.client.frameworks.serving import ask, events, leave, reachable, tracked, until, wsgi_served
from tests.repository import ROOT
from tests.servers.ports import free_port
from tests.servers.program import spawn
from tests.servers.service import Running


def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Do what the first part of the path says."""
    what = environ["PATH_INFO"].split("/")[1]
    if what == "fail":
        raise RuntimeError("the application fails")
    if what == "restart":
        start_response("200 OK", [])
        try:
            raise RuntimeError("found late")
        except RuntimeError:
            start_response("503 Service Unavailable", [("Content-Length", "0")], sys.exc_info())
        return [b""]
    if what == "write":
        write = start_response("200 OK", [("Content-Length", "5")])
        write(b"first")
        return []
    if what == "lazy":
        return lazy(start_response)
    if what == "endless":
        start_response("200 OK", [])
        return iter(lambda: b"part" * 10_000, b"")
    if what == "fail-in-stream":
        start_response("200 OK", [])
        return failing()
    start_response("404 Not Found" if what == "missing" else "200 OK", [])
    return [b"hello"]


def lazy(start_response: Any) -> Iterator[bytes]:
    start_response("201 Created", [])
    yield b"hello"


def failing() -> Iterator[bytes]:
    yield b"part"
    raise RuntimeError("the stream fails")


def endpoint(environ: Environ) -> str | None:
    what = environ["PATH_INFO"].split("/")[1]
    return None if what == "missing" else f"/{what}/{{id}}"


def user(environ: Environ) -> str | None:
    return environ.get("HTTP_X_USER")


async def test_requests_are_tracked(running: Running, analytics: Analytics) -> None:
    """Each request is one event: those that fail, begin anew, write by hand, or begin when they are iterated, too."""
    app = AnalyticsMiddleware(application, analytics, user=user, endpoint=endpoint)
    with wsgi_served(app) as url:
        requests = ["GET /hello/1", "GET /missing/1", "GET /restart/1", "GET /write/1", "GET /lazy/1", "HEAD /hello/1"]
        assert await ask(url, *requests) == [200, 404, 503, 200, 201, 200]
        assert await ask(url, "GET /fail/1") == [500]
        assert await ask(url, "ODD-METHOD-WITH-A-LONG-NAME /hello/1", "GET /health") == [200, 200]
    assert await tracked(running, analytics) == [
        ("/hello/{id}", "GET", 200, "ada"),
        ("(unmatched)", "GET", 404, "ada"),
        ("/restart/{id}", "GET", 503, "ada"),
        ("/write/{id}", "GET", 200, "ada"),
        ("/lazy/{id}", "GET", 201, "ada"),
        ("/hello/{id}", "HEAD", 200, "ada"),
        ("/fail/{id}", "GET", 500, "ada"),
        ("/hello/{id}", "OTHER", 200, "ada"),
    ]


async def test_ends_that_are_none(running: Running, analytics: Analytics) -> None:
    """A client that leaves counts as 499, an exception in the middle of an answer as 500."""
    with wsgi_served(AnalyticsMiddleware(application, analytics, endpoint=endpoint)) as url:
        await leave(url, "/endless/1")
        await until(lambda: analytics.stats().tracked == 1)
        await ask(url, "GET /fail-in-stream/1")
        await until(lambda: analytics.stats().tracked == 2)
    assert await tracked(running, analytics) == [
        ("/endless/{id}", "GET", 499, None),
        ("/fail-in-stream/{id}", "GET", 500, None),
    ]


async def test_without_names_all_requests_share_one(running: Running, analytics: Analytics) -> None:
    """Raw paths are never endpoints."""
    with wsgi_served(AnalyticsMiddleware(application, analytics)) as url:
        await ask(url, "GET /hello/1", "GET /missing/2")
    assert await tracked(running, analytics) == [
        ("(unnamed)", "GET", 200, None),
        ("(unnamed)", "GET", 404, None),
    ]


class Answer:
    """An iterable that notes what is done with it."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.closed += 1


class Recorded:
    """Keeps what is tracked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def track_api_usage(self, *call: Any) -> None:
        self.calls.append(call)


def start_response(_status: str, _headers: Any, *_: Any) -> None:
    return


@pytest.mark.parametrize(("taken", "method", "status"), [(3, "GET", 200), (1, "GET", 499), (0, "HEAD", 200)])
def test_close_is_passed_on(taken: int, method: str, status: int) -> None:
    """The application's iterable is closed once, whether or not the server has taken all; then the event is there."""
    answer, seen = Answer(b"one", b"two"), Recorded()

    def app(_: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return answer

    body: Any = AnalyticsMiddleware(app, seen)({"REQUEST_METHOD": method}, start_response)  # type: ignore[arg-type]
    for _ in range(taken):
        next(body, None)
    body.close()
    assert answer.closed == 1
    assert [call[2] for call in seen.calls] == [status]


def test_a_body_of_one_part_keeps_its_length() -> None:
    """Servers make a Content-Length of a list with one part: they still can."""
    app = AnalyticsMiddleware(application, Analytics(None))
    body: Any = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/hello/1"}, start_response)
    assert len(body) == 1
    assert list(body) == [b"hello"]


def test_an_exception_of_the_server_goes_to_the_application() -> None:
    """start_response raises what the application gave it after the headers were sent: it passes through, as 500."""
    seen = Recorded()

    def refusing(_status: str, _headers: Any, *exc_info: Any) -> None:
        if exc_info:
            raise exc_info[0][1]

    with pytest.raises(RuntimeError, match="found late"):
        AnalyticsMiddleware(application, seen)(  # type: ignore[arg-type]
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/restart"}, refusing
        )
    assert [call[2] for call in seen.calls] == [500]


async def test_gunicorn(running: Running, tmp_path: Path) -> None:
    """Behind gunicorn with threads, each request is tracked once, those of the end included."""
    port = free_port()
    environment = {"PATH": "", "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "ANALYTICS_URL": running.url}
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", f"{__name__}:wrapped"]
    with (tmp_path / "log").open("wb") as log:
        process = spawn(command, env=environment, stdout=log, stderr=log)
    try:
        await reachable(f"http://127.0.0.1:{port}", process, tmp_path / "log")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            await asyncio.gather(*(client.get(f"/hello/{number}") for number in range(40)))
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
    assert await events(running) == [("/hello/{id}", "GET", 200, None)] * 40, (tmp_path / "log").read_text()


wrapped = AnalyticsMiddleware(application, endpoint=endpoint)
