"""A server between an exporter and the service, which passes requests on and remembers them."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

_PASSED_ON = ("content-type", "content-encoding", "authorization", "x-tracking-key")


class Recorded(NamedTuple):
    """A request, and the status of its answer."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int


class Recorder:
    """The server: ``with Recorder(port) as recorder`` runs it at ``recorder.url``, before a service at *port*."""

    def __init__(self, port: int) -> None:
        self.requests: list[Recorded] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port, self.requests))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(port: int, requests: list[Recorded]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self._body()
            headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            requests.append(Recorded(self.path, headers, body, answer.status))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
