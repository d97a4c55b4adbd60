"""A local server that speaks the protocol of OpenAI's Responses API, streamed or whole, as far as clients see it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Json = dict[str, Any]
Ending = Literal["completed", "incomplete", "failed"]

RESPONSE_ID = "resp_of-the-tests"
MODEL = "gpt-of-the-tests-2026-11-01"
TEXT = "Hello, world"


def response(status: str, text: str | None, *, has_usage: bool = True) -> Json:
    """Write a response; *text*: None if there is no output yet."""
    content = [] if text is None else [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 18,
    }
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1_795_000_000,
        "model": MODEL,
        "status": status,
        "output": [message] if content else [],
        "usage": usage if has_usage else None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def events(ending: Ending, deltas: int = 2) -> Iterator[Json]:
    """Write the events of a stream that ends so, after so many deltas of text."""
    begun = response("in_progress", None, has_usage=False)
    yield {"type": "response.created", "sequence_number": 0, "response": begun}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    for number in range(1, deltas + 1):
        yield {
            "type": "response.output_text.delta",
            "sequence_number": number,
            "delta": "Hello",
            "logprobs": [],
            **place,
        }
    ended = response(ending, TEXT if deltas else None, has_usage=ending != "failed")
    yield {"type": f"response.{ending}", "sequence_number": deltas + 1, "response": ended}


@contextmanager
def responses_server(ending: Ending = "completed", deltas: int = 2) -> Iterator[str]:
    """Run the server, and give its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_stream = bool(asked.get("stream"))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
            self.end_headers()
            if not is_stream:
                self.wfile.write(json.dumps(response(ending, TEXT)).encode())
                return
            for event in events(ending, deltas):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
