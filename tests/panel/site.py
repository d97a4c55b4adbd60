"""A site of somebody else, on an origin of its own, that embeds the panel as docs/embedding.md tells."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <title>ConvoAI</title>
  <script src="{service}/analytics/panel.js"></script>
</head>
<body>
  <main><h1>ConvoAI</h1><button id="host-button" type="button">📊 Analytics</button></main>
  <convoai-analytics-panel url="{service}"></convoai-analytics-panel>
  <script src="/site.js"></script>
</body>
</html>
"""
SCRIPT = """
globalThis.panel = document.querySelector("convoai-analytics-panel");
panel.getToken = async () => (await fetch("/token")).text();
document.querySelector("#host-button").addEventListener("click", () => panel.toggle());
"""


class Site:
    """Serves the page, and tokens that *make_token* makes for whoever is signed in there.

    With another *page*, it is served without a policy.
    """

    def __init__(self, service: str, make_token: Callable[[], str], port: int = 0, page: str | None = None) -> None:
        site = self
        self.tokens = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                match self.path:
                    case "/token":
                        site.tokens += 1
                        self._answer("text/plain", make_token())
                    case "/site.js":
                        self._answer("text/javascript", SCRIPT)
                    case "/":
                        self._answer("text/html", page or PAGE.format(service=service))
                    case _:
                        # A browser asks for an icon by itself.
                        self.send_response(204)
                        self.end_headers()

            def _answer(self, kind: str, text: str) -> None:
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                # As strict as a host can be: nothing inline, and of others only the service.
                live = service.replace("http", "ws", 1)
                policy = f"default-src 'none'; script-src 'self' {service}; connect-src 'self' {service} {live}"
                if page is None:
                    self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
