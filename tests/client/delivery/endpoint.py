"""A server of the tracking endpoint that answers as a test says, for answers that the service gives only in trouble."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Event = dict[str, Any]


class Post(NamedTuple):
    """What arrived: its headers, and its events."""

    headers: dict[str, str]
    events: list[Event]


class Reply(NamedTuple):
    """What is answered; ``body`` None: that all was recorded."""

    status: int = 201
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


Script = Callable[[Post], Reply]


class Endpoint:
    """Serves on ``url`` in a thread of its own; ``posts`` has what arrived."""

    def __init__(self, script: Script) -> None:
        endpoint = self
        self.script = script
        self.posts: list[Post] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 100

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> "Endpoint":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[Event]:
        """All events that arrived, in their order."""
        return [event for post in self.posts for event in post.events]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        post = Post(dict(handler.headers.items()), [json.loads(line) for line in body.splitlines()])
        self.posts.append(post)
        reply = self.script(post)
        written = reply.body
        if written is None:
            receipt = {"recorded": len(post.events), "duplicates": 0, "rejected": [], "position": "0.1.0"}
            written = json.dumps(receipt).encode() if reply.status == 201 else b"{}"
        handler.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(written)))):
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(written)


@contextmanager
def endpoint(script: Script = lambda _post: Reply()) -> Iterator[Endpoint]:
    with Endpoint(script) as serving:
        yield serving


def after(*replies: Reply) -> Script:
    """Answer with *replies*, one after the other, then that all is recorded."""
    left = list(replies)
    return lambda _post: left.pop(0) if left else Reply()
