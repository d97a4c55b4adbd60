"""What is relied on of uvicorn beside its documented interface: a new version that changes it is told here by name.

Our classes are read, not described: each method that they override, and each attribute of uvicorn's that they use, is
looked for in uvicorn's own classes while these serve a real connection.
"""

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from web.server import http_protocol, runner, undelimited, websocket_protocol
from web.server.http_protocol import BoundedProtocol
from web.server.runner import Server
from web.server.websocket_protocol import PreparedProtocol

BASES: dict[type, type] = {
    BoundedProtocol: HttpToolsProtocol,
    PreparedProtocol: WebSocketsSansIOProtocol,
    Server: uvicorn.Server,
}
OVERRIDDEN: dict[type, tuple[str, ...]] = {
    BoundedProtocol: (
        "connection_made",
        "connection_lost",
        "pause_writing",
        "resume_writing",
        "data_received",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "send_400_response",
        "handle_websocket_upgrade",
        "shutdown",
        "_start_asgi_task",
    ),
    PreparedProtocol: (
        "connection_lost",
        "data_received",
        "run_asgi",
        "send",
        "handle_connect",
        "handle_events",
        "handle_ping",
        "handle_text",
        "handle_bytes",
        "handle_cont",
        "send_receive_event_to_app",
        "keepalive_timeout",
        "shutdown",
    ),
    Server: ("startup", "shutdown"),
}
"""The methods of uvicorn's that ours take the place of."""
OWN = {"identity", "network"}
"""Public names that our methods give to connections, beside those that our classes declare."""
SECONDS = 10.0
"""A bound against hangs."""

POST = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
App = Callable[[Any, Any, Any], Any]
kinds = pytest.mark.parametrize("kind", BASES, ids=lambda kind: kind.__name__)


def tree(kind: type) -> ast.AST:
    """Parse one of our classes."""
    for node in ast.walk(ast.parse(Path(inspect.getfile(kind)).read_text())):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return node
    raise LookupError(kind)


def method(kind: type, name: str) -> ast.AST:
    """Find a method of one of our classes."""
    return next(node for node in ast.walk(tree(kind)) if isinstance(node, ast.FunctionDef) and node.name == name)


def chains(code: ast.AST, root: str) -> Iterator[tuple[str, ...]]:
    """Name what *code* uses of *root*: ``self.flow.read_paused`` is ("flow", "read_paused")."""
    for node in ast.walk(code):
        names, value = list[str](), node
        while isinstance(value, ast.Attribute):
            names.insert(0, value.attr)
            value = value.value
        if names and isinstance(value, ast.Name) and value.id == root:
            yield tuple(names)


def own(kind: type) -> set[str]:
    """Name what is ours in one of our classes: what it declares, and the private attributes that it sets."""
    stored = {
        node.attr
        for node in ast.walk(tree(kind))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr.startswith("_")
    }
    declared = {name for name in {*vars(kind), *kind.__annotations__} if not name.startswith("__")}
    return (stored | declared | OWN) - set(OVERRIDDEN[kind])


def missing(found: object, used: Iterator[tuple[str, ...]]) -> list[str]:
    """Name what is *used* and that *found* does not have; behind a None nothing is looked for."""
    lacking = set()
    for chain in used:
        value = found
        for depth, name in enumerate(chain, 1):
            if not hasattr(value, name):
                lacking.add(".".join((type(found).__name__, *chain[:depth])))
                break
            value = getattr(value, name)
            if value is None:
                break
    return sorted(lacking)


def of_uvicorn(kind: type) -> Iterator[tuple[str, ...]]:
    """Name what one of our classes uses of the instance that is not ours."""
    ours = own(kind)
    return (chain for chain in chains(tree(kind), "self") if chain[0] not in ours)


def recording(base: type, names: tuple[str, ...], called: set[str]) -> Any:
    """Make uvicorn's own class, of which it is noted which of its methods are called."""

    def noted(name: str) -> Callable[..., Any]:
        method = getattr(base, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            called.add(name)
            return method(self, *arguments, **options)

        return call

    return type(base.__name__, (base,), {name: noted(name) for name in names})


@asynccontextmanager
async def connected(
    kind: Any, app: App, **options: Any
) -> AsyncIterator[tuple[list[Any], asyncio.StreamReader, asyncio.StreamWriter]]:
    """Serve *app* with a protocol of this *kind*; gives the protocols that were made, and a client's connection."""
    config = uvicorn.Config(app, http=HttpToolsProtocol, ws=WebSocketsSansIOProtocol, log_config=None, **options)
    config.load()
    state, made = ServerState(), list[Any]()

    def make() -> Any:
        made.append(kind(config, state, {}))
        return made[-1]

    async with asyncio.timeout(SECONDS):
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield made, reader, writer
        except BaseException:
            # What was found wrong is told, not that the application still waits.
            for task in state.tasks:
                task.cancel()
            raise
        finally:
            writer.close()
            server.close()
            while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)


def frame(opcode: Opcode, data: bytes = b"", *, final: bool = True) -> bytes:
    """Write a short frame of a client, masked by zeros."""
    return bytes((final << 7 | opcode, 0x80 | len(data))) + bytes(4) + data


@kinds
def test_what_is_overridden_is_there(kind: type) -> None:
    """Each method that ours takes the place of is one of uvicorn's, and takes the same parameters."""
    base, wrong = BASES[kind], list[str]()
    for name in OVERRIDDEN[kind]:
        if not callable(vars(base).get(name)):
            wrong.append(f"{base.__name__}.{name} is gone")
            continue
        ours, theirs = inspect.signature(vars(kind)[name]), inspect.signature(vars(base)[name])
        if [(each.name, each.kind, each.default) for each in ours.parameters.values()] != [
            (each.name, each.kind, each.default) for each in theirs.parameters.values()
        ]:
            wrong.append(f"{base.__name__}.{name} takes {theirs}, ours {ours}")
        if inspect.iscoroutinefunction(vars(kind)[name]) != inspect.iscoroutinefunction(vars(base)[name]):
            wrong.append(f"{base.__name__}.{name} is awaited, or no more")
    assert wrong == []


@kinds
def test_all_that_is_overridden_is_known_here(kind: type) -> None:
    """Whatever of ours calls uvicorn's method of its name, or has the name of one, is in the list above."""
    overridden = set(OVERRIDDEN[kind]) | {"__init__"}
    called = {
        node.attr
        for node in ast.walk(tree(kind))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"
    }
    assert called - overridden == set()
    assert {name for name in own(kind) if hasattr(BASES[kind], name)} == set()


@pytest.mark.parametrize("base", [HttpToolsProtocol, WebSocketsSansIOProtocol, uvicorn.Server])
def test_what_is_made_takes_what_it_is_given(base: Any) -> None:
    """Protocols are made from the configuration, the server's state and the application's; a server from the first."""
    arguments = ["config"] if base is uvicorn.Server else ["config", "server_state", "app_state"]
    found = inspect.signature(base).parameters.values()
    needed = [each.name for each in found if each.default is inspect.Parameter.empty]
    assert needed == arguments


def test_the_configuration_is_known() -> None:
    """Each setting that uvicorn is given is one that it has."""
    (call,) = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(runner.configuration)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "uvicorn.Config"
    ]
    known = inspect.signature(uvicorn.Config).parameters
    assert {keyword.arg for keyword in call.keywords} - known.keys() == set()


async def test_http_is_as_it_was() -> None:
    """While a request is answered uvicorn's connection has all that ours uses, none of our names, and called all that
    ours overrides."""
    called, going, waiting = set[str](), asyncio.Event(), asyncio.Event()
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            return
        scopes.append(scope)
        assert (await receive())["type"] == "http.request"
        waiting.set()
        await going.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        assert (await receive())["type"] == "http.disconnect"

    names = OVERRIDDEN[BoundedProtocol]
    async with connected(recording(HttpToolsProtocol, names, called), app) as (made, reader, writer):
        writer.write(POST)
        await waiting.wait()
        assert missing(made[0], of_uvicorn(BoundedProtocol)) == []
        assert sorted(name for name in own(BoundedProtocol) if hasattr(made[0], name)) == []
        assert made[0].scope is scopes[0]
        assert made[0].scope["http_version"] == "1.1"
        assert isinstance(made[0].cycle, RequestResponseCycle)
        for code in (undelimited, http_protocol):
            used = chains(ast.parse(inspect.getsource(code)), "cycle")
            assert missing(made[0].cycle, used) == []
        # What counts the bytes of an answer of a known length, and whether it is sent in chunks.
        assert (made[0].cycle.chunked_encoding, made[0].cycle.expected_content_length) == (None, 0)
        assert made[0] in made[0].connections
        made[0].pause_writing()
        made[0].resume_writing()
        going.set()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        assert made[0].timeout_keep_alive_task is not None
        writer.write(UPGRADE)
        await reader.read()
    async with connected(recording(HttpToolsProtocol, names, called), app) as (_, reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    # Which the server calls.
    assert sorted(set(names) - called) == ["shutdown"]


async def test_websockets_are_as_they_were() -> None:
    """While a WebSocket is open uvicorn's connection has all that ours uses, none of our names, and called all that
    ours overrides."""
    called, received, opened = set[str](), list[Any](), asyncio.Event()
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        received.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        opened.set()
        while received[-1]["type"] != "websocket.disconnect":
            received.append(await receive())

    kind = recording(WebSocketsSansIOProtocol, OVERRIDDEN[PreparedProtocol], called)
    options = {"ws_ping_interval": 0.3, "ws_ping_timeout": 0.1}
    async with connected(kind, app, **options) as (made, reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        await opened.wait()
        connection = made[0]
        assert missing(connection, of_uvicorn(PreparedProtocol)) == []
        assert sorted(name for name in own(PreparedProtocol) if hasattr(connection, name)) == []
        assert scopes[0] is connection.scope
        assert connection.scope["extensions"] == {"websocket.http.response": {}}
        assert connection.handshake_initiated
        assert connection.handshake_complete
        connection.queue.put_nowait({"type": "websocket.receive", "ours": True})
        writer.write(frame(Opcode.PING) + frame(Opcode.TEXT, b"a", final=False) + frame(Opcode.CONT, b"b"))
        writer.write(frame(Opcode.BINARY, b"c"))
        # It is not answered, so that it is given up.
        await reader.read()
        assert connection.conn.events == []
    kinds_received = [message["type"].partition(".")[2] for message in received]
    assert kinds_received == ["connect", "receive", "receive", "receive", "disconnect"]
    assert received[1]["ours"]
    assert received[2]["text"] == "ab"
    assert received[3]["bytes"] == b"c"
    of_requests = set(chains(method(PreparedProtocol, "handle_connect"), "event"))
    assert missing(Request("/", Headers()), iter(of_requests)) == []
    of_frames = set(chains(tree(PreparedProtocol), "event")) - of_requests
    assert missing(Frame(Opcode.TEXT, b""), iter(of_frames)) == []
    assert sorted(set(OVERRIDDEN[PreparedProtocol]) - called) == ["shutdown"]


async def test_a_refused_handshake_is_as_it_was() -> None:
    """An answer in the place of a handshake is sent by uvicorn, and it asks for another message until it is whole."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with connected(WebSocketsSansIOProtocol, app) as (_, reader, writer):
        writer.write(UPGRADE)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.endswith(b"\r\n\r\nno")


async def test_the_server_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn's server calls what ours overrides, with the connections still open, and has all that ours uses."""
    called: set[str] = set()
    shut: list[Any] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None: ...

    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1, loop="none")
    server = recording(uvicorn.Server, OVERRIDDEN[Server], called)(config)
    startup = server.startup

    async def listen_nowhere(sockets: Any = None) -> None:
        assert sockets is None
        await startup([])
        assert missing(server, of_uvicorn(Server)) == []
        assert sorted(name for name in own(Server) if hasattr(server, name)) == []
        assert (server.servers, server.started) == ([], True)

    class Connection:
        def shutdown(self) -> None:
            shut.append(self)
            server.server_state.connections.clear()

    monkeypatch.setattr(server, "startup", listen_nowhere)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    server.server_state.connections.add(Connection())
    server.should_exit = True
    await asyncio.wait_for(serving, SECONDS)
    assert len(shut) == 1
    assert called == {"startup", "shutdown"}


def test_what_is_missing_is_named() -> None:
    """What a class uses of uvicorn's is found in its code, and named with the attribute that is not there."""
    assert ("flow", "pause_reading") in set(of_uvicorn(BoundedProtocol))
    assert ("conn", "parser", "close") in set(of_uvicorn(PreparedProtocol))
    assert "identity" in own(BoundedProtocol)
    assert missing(object(), iter([("a", "b")])) == ["object.a"]
    assert websocket_protocol.__file__ == inspect.getfile(PreparedProtocol)
