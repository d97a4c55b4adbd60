"""A local server that speaks the protocol of OpenAI's chat completions, streamed or whole, as far as clients see it.

It runs in a thread of its own, so that synchronous and asynchronous clients can both be tried against it.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from types import TracebackType
from typing import Any, Literal, Self

Json = dict[str, Any]

KEY = "sk-of-the-tests-0123456789"
"""The key that the server takes; any other is a 401."""
MODEL = "gpt-of-the-tests"
"""The only model it has; any other is a 404."""
ANSWERED_BY = f"{MODEL}-2026-11-01"
"""What an answer names as its model: as with OpenAI's own, the dated version of the one that was asked for."""
ANSWER_ID = "chatcmpl-of-the-tests"
PATH = "/v1/chat/completions"
CREATED = 1_795_000_000
PIECES = ("Hello", ",", " this", " is", " a", " streamed", " answer", ".")


@dataclass
class Answer:
    """What the server answers; a test changes it before it asks.

    *usage*: whether an answer tells its tokens: as it is asked (``stream_options.include_usage``; whole answers always
    do), always (as some servers do), never, or in every chunk, growing (as vLLM's ``continuous_usage_stats`` does).
    *status*: other than 200, an error of that status, with *headers*.
    *cut_after*: the connection is cut after so many pieces; None: it is not. *error_after*: likewise an error is sent.
    *wait_after*: after so many pieces the server waits until :attr:`OpenAIServer.proceed` is set; None: it does not.
    *new_ids*: each answer has an id of its own, as a server's have; otherwise all have the same.
    """

    pieces: tuple[str, ...] = PIECES
    usage: Literal["asked", "always", "never", "continuous"] = "asked"
    prompt_tokens: int = 11
    cached_tokens: int = 4
    reasoning_tokens: int = 3
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    error_after: int | None = None
    wait_after: int | None = None
    new_ids: bool = False

    @property
    def text(self) -> str:
        """All pieces in one."""
        return "".join(self.pieces)

    @property
    def completion_tokens(self) -> int:
        """As many as the pieces, and those of reasoning, which nobody sees."""
        return len(self.pieces) + self.reasoning_tokens

    def count(self, pieces: int | None = None) -> Json:
        """Write the usage after so many pieces; None: at the end."""
        completion = self.completion_tokens if pieces is None else self.reasoning_tokens + pieces
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens, "audio_tokens": 0},
        }


class _Cut(Exception):
    """The connection is to be cut here."""


class OpenAIServer:
    """The server: ``with OpenAIServer() as server`` runs it at ``server.base_url``."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or Answer()
        self.requests: list[Json] = []
        """The bodies it was sent, in their order."""
        self.told: list[Json] = []
        """The ``usage`` that each answer told, in their order; empty if it told none."""
        self.proceed = threading.Event()
        """Set by a test, so that an answer with ``wait_after`` goes on."""
        self.cut_off = threading.Event()
        """Set when a client left before it had all of an answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.proceed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def whole(answer: Answer, answer_id: str = ANSWER_ID) -> Json:
    """Write an answer in one piece."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    usage = {} if answer.usage == "never" else {"usage": answer.count()}
    return {**_envelope("chat.completion", answer_id), "choices": [choice], **usage}


def chunks(answer: Answer, is_asked: bool, answer_id: str = ANSWER_ID) -> Iterator[Json]:
    """Write an answer as the chunks of a stream; *is_asked*: the request wants its usage told."""
    tells = tells_usage(answer, is_asked)
    envelope = _envelope("chat.completion.chunk", answer_id)

    def chunk(delta: Json, pieces: int, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        continuous = {"usage": answer.count(pieces)} if answer.usage == "continuous" else {}
        # So does OpenAI: with the option, every chunk but the last has the field, and it is null.
        usage = {"usage": None} if tells else continuous
        return {**envelope, "choices": [choice], **usage}

    yield chunk({"role": "assistant", "content": "", "refusal": None}, 0)
    for number, piece in enumerate(answer.pieces, 1):
        yield chunk({"content": piece}, number)
    yield chunk({}, len(answer.pieces), answer.finish_reason)
    if tells:
        yield {**envelope, "choices": [], "usage": answer.count()}


def tells_usage(answer: Answer, is_asked: bool) -> bool:
    """Say whether the end of a stream tells its usage."""
    return answer.usage == "always" or (answer.usage == "asked" and is_asked)


def _envelope(kind: str, answer_id: str) -> Json:
    return {"id": answer_id, "object": kind, "created": CREATED, "model": ANSWERED_BY}


def _error(status: int, message: str) -> Json:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(body)
            answer = server.answer
            if self.path != PATH:
                self._whole(404, _error(404, "no such path"))
            elif self.headers["Authorization"] != f"Bearer {KEY}":
                self._whole(401, _error(401, "incorrect API key provided"))
            elif answer.status != 200:
                self._whole(answer.status, _error(answer.status, "the answer of the test"), answer.headers)
            elif body.get("model") != MODEL:
                self._whole(404, _error(404, "the model does not exist"))
            else:
                self._answer(answer, body)

        def _answer(self, answer: Answer, body: Json) -> None:
            answer_id = f"{ANSWER_ID}-{len(server.requests)}-{token_hex(8)}" if answer.new_ids else ANSWER_ID
            is_asked = bool((body.get("stream_options") or {}).get("include_usage"))
            tells = tells_usage(answer, is_asked) if body.get("stream") else answer.usage != "never"
            server.told.append(answer.count() if tells else {})
            if body.get("stream"):
                self._stream(answer, is_asked, answer_id)
            else:
                self._whole(200, whole(answer, answer_id))

        def _whole(self, status: int, document: Json, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, answer: Answer, is_asked: bool, answer_id: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for number, chunk in enumerate(chunks(answer, is_asked, answer_id)):
                    self._send(f"data: {json.dumps(chunk)}\n\n")
                    self._interrupt(answer, number)
                self._send("data: [DONE]\n\n")
                self.wfile.write(b"0\r\n\r\n")
            except _Cut:
                self.close_connection = True
            except OSError:
                server.cut_off.set()
                self.close_connection = True

        def _interrupt(self, answer: Answer, pieces: int) -> None:
            """Do what the test asked for after so many pieces."""
            if pieces == answer.wait_after:
                server.proceed.wait(30)
            if pieces == answer.error_after:
                self._send(f"data: {json.dumps(_error(500, 'the answer of the test'))}\n\n")
                raise _Cut
            if pieces == answer.cut_after:
                raise _Cut

        def _send(self, text: str) -> None:
            data = text.encode()
            # In one write: a client that left is noticed at the next.
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
