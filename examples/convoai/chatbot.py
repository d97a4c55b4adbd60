"""The chatbot: conversations, and answers that are streamed as the model gives them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import msgspec
from convoai_analytics_client.asgi import AnalyticsMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from examples.convoai.conversations import REMEMBERED, TITLE_CHARACTERS, Conversations, Row
from examples.convoai.models import ModelFailed, Reply, model
from examples.convoai.service import Refused, application, body, run
from examples.convoai.settings import Settings
from examples.convoai.verifying import Keys, Person

PORT = 8000
Result = TypeVar("Result")
Send = Callable[[str | None], None]
"""Takes the next event of an answer; None: there is no more."""
_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class NewConversation(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /conversations`` takes."""

    title: Annotated[str, msgspec.Meta(max_length=TITLE_CHARACTERS)] = ""


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /conversations/{id}/messages`` takes."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=8000, pattern=r"\S")]


class Chatbot:
    """The endpoints."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model = model(settings)
        self._keys = Keys(settings.jwks_url, settings.auth_url)
        self._answering: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.analytics = settings.analytics()

    async def open(self) -> None:
        """Open the database."""
        self._conversations = await Conversations.open(self._settings.data / "chatbot.db")

    async def close(self) -> None:
        """Save what is in hand, and close all. The middleware posts what was tracked."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._model.close()
        await self._keys.close()
        await self._conversations.close()

    async def create(self, request: Request) -> Response:
        """Begin a conversation: JSON with title, if wanted. Else its first message gives it one."""
        person = await self._keys.person(request)
        row = await self._conversations.create(person.id, (await body(request, NewConversation)).title)
        self.analytics.track_conversation(row["id"], person.id, "created")
        return JSONResponse(row, 201)

    async def list_all(self, request: Request) -> Response:
        """List one's own conversations, the latest first."""
        person = await self._keys.person(request)
        return JSONResponse({"items": await self._conversations.all_of(person.id)})

    async def delete(self, request: Request) -> Response:
        """Delete a conversation with its messages."""
        person, conversation_id = await self._conversation(request)
        if await self._conversations.remove(conversation_id):
            self.analytics.track_conversation(conversation_id, person.id, "deleted")
        return Response(status_code=204)

    async def list_messages(self, request: Request) -> Response:
        """List the messages of a conversation in their order, of a long one the last."""
        _, conversation_id = await self._conversation(request)
        return JSONResponse({"items": await self._conversations.messages(conversation_id)})

    async def post(self, request: Request) -> Response:
        """Post a message, JSON with content, and get the answer as server-sent events.

        message: your message, as it is kept. delta: a piece of the answer. done: the answer as it is kept, with
        model, tokens (null: not known) and response_time in seconds. error: there is no answer, or not all of it.
        409 while another message of the conversation is being answered.
        """
        person, conversation_id = await self._conversation(request)
        content = (await body(request, NewMessage)).content
        if conversation_id in self._answering:
            raise Refused(409, "the message before is still being answered")
        self._answering.add(conversation_id)
        try:
            message = await self._conversations.add(conversation_id, "user", content)
            if message is None:
                raise Refused(404, "there is no such conversation")
        except BaseException:
            self._answering.discard(conversation_id)
            raise
        self.analytics.track_message(message["id"], conversation_id, person.id, "user", self._model.count(content))
        self.analytics.track_user_activity(person.id, person.username, "message_sent")
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        answer = self._begin(self._answer(person, conversation_id, message, queue.put_nowait))
        return StreamingResponse(self._events(queue, answer), headers=_STREAM, media_type="text/event-stream")

    def routes(self) -> list[Route]:
        """List the routes."""
        one = "/conversations/{id}"
        return [
            Route("/conversations", self.create, methods=["POST"]),
            Route("/conversations", self.list_all, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/messages", self.list_messages, methods=["GET"]),
            Route(f"{one}/messages", self.post, methods=["POST"]),
        ]

    async def _conversation(self, request: Request) -> tuple[Person, str]:
        """Say who asks, and for which of their conversations."""
        person = await self._keys.person(request)
        conversation_id = request.path_params["id"]
        await self._conversations.check(person.id, conversation_id)
        return person, conversation_id

    async def _events(self, queue: "asyncio.Queue[str | None]", answer: "asyncio.Task[None]") -> AsyncIterator[str]:
        """Give the events of an answer as they come. If the person leaves, the answer ends."""
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            answer.cancel()

    async def _answer(self, person: Person, conversation_id: str, message: Row, send: Send) -> None:
        """Let the model answer. What there is of an answer is kept, also if the person leaves on the way."""
        reply, began, seconds = Reply(self._model.name), time.monotonic(), None
        error = None
        send(_event("message", message))
        try:
            rows = await self._conversations.messages(conversation_id, REMEMBERED)
            told = [{"role": row["role"], "content": row["content"]} for row in rows]
            async for piece in self._model.stream(told, reply):
                send(_event("delta", {"text": piece}))
            seconds = time.monotonic() - began
        except ModelFailed as failure:
            error = str(failure)
        except asyncio.CancelledError:
            error = "stopped"
        # A task of its own: who leaves just now does not end it.
        row = await asyncio.shield(self._begin(self._save(person, conversation_id, reply, seconds)))
        if row is not None:
            send(_event("done", {**row, "model": reply.model, "tokens": reply.tokens, "response_time": seconds}))
        if row is None or error is not None:
            send(_event("error", {"detail": error or "there was no answer"}))
        send(None)

    async def _save(self, person: Person, conversation_id: str, reply: Reply, seconds: float | None) -> Row | None:
        """Keep an answer and track it. *seconds*: how long it took; None: it is not complete."""
        try:
            row = await self._conversations.add(conversation_id, "assistant", reply.text) if reply.text else None
        finally:
            self._answering.discard(conversation_id)
        if row is not None:
            self.analytics.track_message(
                row["id"], conversation_id, person.id, "assistant", reply.tokens, reply.model, seconds
            )
        return row

    def _begin(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Make a task that a stop of the service waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _user(scope: Scope) -> str | None:
    person = scope.get("user")
    return person.id if isinstance(person, Person) else None


def app(settings: Settings) -> Starlette:
    """Make the service's application."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await chatbot.open()
        yield
        await chatbot.close()

    chatbot = Chatbot(settings)
    middleware = [
        Middleware(
            CORSMiddleware,
            allow_origins=[settings.page_url],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        ),
        # Within the one above, which answers what browsers ask before a request: that is no use of the API.
        Middleware(AnalyticsMiddleware, analytics=chatbot.analytics, user=_user, exclude=("/health", "/docs")),
    ]
    return application("ConvoAI chatbot", chatbot.routes(), middleware, lifespan)


if __name__ == "__main__":
    run(app, PORT)
