"""The chatbot: conversations of one's own, answers that are streamed, and what is tracked of them."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.convoai.models import ModelFailed, OfflineModel, OpenAIModel, Reply
from examples.convoai.service import Refused
from examples.convoai.settings import AUDIENCE
from examples.convoai.signing import SigningKey
from examples.convoai.verifying import Keys
from tests.examples.services import Json, Platform, platform_of, served
from tests.servers.openai_server import ANSWERED_BY, KEY, MODEL, Answer, OpenAIServer, whole
from tests.servers.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "How do I plan a garden?"


def events(text: str) -> list[tuple[str, Json]]:
    """Read server-sent events: the name and the data of each."""
    found = []
    for block in text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def begun(platform: Platform, headers: dict[str, str]) -> str:
    """Begin a conversation, and give its path."""
    answer = await platform.chatbot.post("/conversations", json={}, headers=headers)
    assert answer.status_code == 201, answer.text
    return f"/conversations/{answer.json()['id']}"


async def asked(platform: Platform, path: str, headers: dict[str, str], content: str = QUESTION) -> list[Any]:
    """Post a message, and give the events of the answer."""
    answer = await platform.chatbot.post(f"{path}/messages", json={"content": content}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return events(answer.text)


async def test_an_answer_is_streamed_and_kept(platform: Platform) -> None:
    """The pieces make the answer; question and answer stay in the conversation, which is named after the question."""
    headers = platform.person()
    path = await begun(platform, headers)
    found = await asked(platform, path, headers)
    names = [name for name, _ in found]
    assert names == ["message", *["delta"] * (len(found) - 2), "done"]
    done = found[-1][1]
    assert "".join(data["text"] for name, data in found if name == "delta") == done["content"]
    assert (done["model"], done["tokens"]) == ("convoai-offline-1", len(found) - 2)
    kept = (await platform.chatbot.get(f"{path}/messages", headers=headers)).json()["items"]
    assert [(row["role"], row["content"]) for row in kept] == [("user", QUESTION), ("assistant", done["content"])]
    (conversation,) = (await platform.chatbot.get("/conversations", headers=headers)).json()["items"]
    assert conversation["title"] == QUESTION


async def test_what_happens_is_tracked(platform: Platform) -> None:
    """Conversation, both messages and the calls, with tokens, model, response time and the route's template."""
    headers = platform.person()
    path = await begun(platform, headers)
    conversation_id = path.rpartition("/")[2]
    found = await asked(platform, path, headers)
    kept, done = found[0][1], found[-1][1]
    rows = await platform.until("messages", lambda rows: len(rows) == 2, conversation_id=conversation_id)
    answer, question = sorted(rows, key=lambda row: str(row["role"]))
    user_id = str(question["user_id"])
    assert (answer["token_count"], answer["model_used"]) == (done["tokens"], done["model"])
    assert answer["response_time"] == pytest.approx(done["response_time"], abs=1e-3)
    assert (question["message_id"], question["token_count"], question["response_time"]) == (kept["id"], 7, None)
    await platform.until(
        "api-usage", lambda rows: user_id in {row["user_id"] for row in rows}, endpoint="/conversations/{id}/messages"
    )
    assert (await platform.chatbot.delete(path, headers=headers)).status_code == 204
    await platform.until("conversations", lambda rows: rows[0]["status"] == "deleted", user_id=user_id)
    assert (await platform.chatbot.get(f"{path}/messages", headers=headers)).status_code == 404


async def test_nobody_sees_what_others_wrote(platform: Platform) -> None:
    """A conversation of somebody else is not there: it cannot be listed, read, written to or deleted."""
    ada, eve = platform.person("ada"), platform.person("eve")
    path = await begun(platform, ada)
    await asked(platform, path, ada)
    assert (await platform.chatbot.get("/conversations", headers=eve)).json() == {"items": []}
    attempts = [
        await platform.chatbot.get(f"{path}/messages", headers=eve),
        await platform.chatbot.post(f"{path}/messages", json={"content": "?"}, headers=eve),
        await platform.chatbot.delete(path, headers=eve),
    ]
    assert [answer.status_code for answer in attempts] == [404, 404, 404]
    assert len((await platform.chatbot.get(f"{path}/messages", headers=ada)).json()["items"]) == 2


async def test_only_sound_tokens_are_taken(platform: Platform) -> None:
    """A token that ended, is for others, of others, unsigned or signed otherwise is a 401."""
    key = SigningKey.kept(platform.settings.data / "auth.key")
    other = SigningKey.kept(platform.settings.data / "other.key")
    public = key._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sound = {"sub": "1", "iss": platform.settings.auth_url, "aud": AUDIENCE, "exp": time.time() + 60, "roles": []}
    kid = key.published()["keys"][0]["kid"]
    tokens = [
        key.sign({**sound, "exp": time.time() - 1}),
        key.sign({**sound, "aud": "others"}),
        key.sign({**sound, "iss": "others"}),
        key.sign({name: value for name, value in sound.items() if name != "exp"}),
        other.sign(sound),
        jwt.encode(sound, other._key, algorithm="RS256", headers={"kid": kid}),
        jwt.encode(sound, "", algorithm="none", headers={"kid": kid}),
        forged(sound, public, kid),
        "no token",
    ]

    async def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await platform.chatbot.get("/conversations", headers=headers)).status_code

    assert await status(key.sign(sound)) == 200
    assert [await status(token) for token in tokens] == [401] * len(tokens)
    assert (await platform.chatbot.get("/conversations")).status_code == 401


async def test_without_the_keys_nobody_is_let_in(platform: Platform) -> None:
    """While the auth service has never been reached, a sound token is a 503 that says when to come again."""
    keys = Keys(f"http://127.0.0.1:{free_port()}/", platform.settings.auth_url)
    authorization = platform.person()["Authorization"].encode()
    with pytest.raises(Refused) as refused:
        await keys.person(Request({"type": "http", "headers": [(b"authorization", authorization)]}))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    await keys.close()


def forged(claims: Json, public: bytes, kid: str) -> str:
    """Sign by the public key as if it were a shared secret."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "kid": kid}).encode())
    text = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(hmac.digest(public, text.encode(), 'sha256'))}"


@pytest.mark.parametrize("content", ["", " \n ", "x" * 8001, None])
async def test_a_message_has_to_be_one(platform: Platform, content: str | None) -> None:
    """An empty message, or one that is too long, is a 422 that names the field, and is not kept."""
    headers = platform.person()
    path = await begun(platform, headers)
    answer = await platform.chatbot.post(f"{path}/messages", json={"content": content}, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "content")
    assert (await platform.chatbot.get(f"{path}/messages", headers=headers)).json() == {"items": []}


async def test_the_built_in_model_is_deterministic() -> None:
    """The same question has the same answer by the same seed, and another one by another; it knows its tokens."""

    async def answer(question: str, seed: int) -> Reply:
        model, reply = OfflineModel(1e5, seed), Reply("")
        pieces = [piece async for piece in model.stream([{"role": "user", "content": question}], reply)]
        assert (reply.tokens, "".join(pieces)) == (len(pieces), reply.text)
        assert model.count(reply.text) == reply.tokens
        return reply

    assert await answer(QUESTION, 1) == await answer(QUESTION, 1)
    assert await answer(QUESTION, 1) != await answer(QUESTION, 2)
    assert "built into" in (await answer("Hello!", 1)).text
    for question in ("{topic}", "%s", "\N{SNOWMAN}", "thanks"):
        assert (await answer(question, 1)).text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Platform, OpenAIServer]]:
    """The services, with a model that a server of OpenAI's protocol has."""
    folder = tmp_path_factory.mktemp("real")
    with OpenAIServer() as server:
        model = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}
        async with platform_of(folder, **model) as platform:
            yield platform, server


async def answered(real: tuple[Platform, OpenAIServer], answer: Answer) -> list[Any]:
    """Ask the model, whose server gives the *answer*, and give the events."""
    platform, server = real
    server.answer = answer
    headers = platform.person()
    return await asked(platform, await begun(platform, headers), headers)


async def test_a_real_model_answers(real: tuple[Platform, OpenAIServer]) -> None:
    """It is asked for a stream with its usage, gets the conversation so far, and its tokens and name are tracked."""
    platform, server = real
    server.answer = Answer()
    headers = platform.person()
    path = await begun(platform, headers)
    first = await asked(platform, path, headers)
    await asked(platform, path, headers, "And then?")
    done = first[-1][1]
    assert [data["text"] for name, data in first if name == "delta"] == list(server.answer.pieces)
    assert (done["content"], done["model"]) == (server.answer.text, ANSWERED_BY)
    assert done["tokens"] == server.answer.completion_tokens
    request = server.requests[-1]
    assert (request["model"], request["stream"], request["stream_options"]) == (MODEL, True, {"include_usage": True})
    told = [(message["role"], message["content"]) for message in request["messages"][1:]]
    assert told == [("user", QUESTION), ("assistant", server.answer.text), ("user", "And then?")]
    rows = await platform.until(
        "messages",
        lambda rows: sum(row["role"] == "assistant" for row in rows) == 2,
        conversation_id=path.rpartition("/")[2],
    )
    tracked = next(row for row in rows if row["message_id"] == done["id"])
    assert (tracked["token_count"], tracked["model_used"]) == (done["tokens"], ANSWERED_BY)


@pytest.mark.parametrize("usage", ["always", "continuous"])
async def test_usage_that_comes_otherwise_counts(real: tuple[Platform, OpenAIServer], usage: Any) -> None:
    """A server that tells its usage in every chunk is understood, too: the last one counts."""
    answer = Answer(usage=usage)
    assert (await answered(real, answer))[-1][1]["tokens"] == answer.completion_tokens


async def test_tokens_that_nobody_named_are_unknown(real: tuple[Platform, OpenAIServer]) -> None:
    """Without usage in the answer its tokens are null, not 0."""
    name, done = (await answered(real, Answer(usage="never")))[-1]
    assert (name, done["tokens"], done["model"]) == ("done", None, ANSWERED_BY)


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_a_model_that_refuses_is_an_error(real: tuple[Platform, OpenAIServer], status: int) -> None:
    """Its status is told, and nothing of what it said; the question is kept, and there is no answer."""
    (_, message), (name, error) = await answered(real, Answer(status=status))
    assert (message["content"], name) == (QUESTION, "error")
    assert error == {"detail": f"the model's server answered {status}"}


@pytest.mark.parametrize("broken", [{"cut_after": 3}, {"error_after": 3}])
async def test_an_answer_that_breaks_off_is_kept(real: tuple[Platform, OpenAIServer], broken: dict[str, int]) -> None:
    """What came of it is kept, without a time, and an error says that it is not all."""
    found = await answered(real, Answer(**broken))  # type: ignore[arg-type]
    (kind, done), (name, _) = found[-2:]
    assert (kind, done["content"], done["response_time"]) == ("done", "".join(Answer().pieces[:3]), None)
    assert name == "error"


async def test_who_leaves_ends_the_answer(real: tuple[Platform, OpenAIServer]) -> None:
    """While an answer is on its way a second message is a 409; when the person leaves, what came of it is kept."""
    platform, server = real
    server.answer = Answer(wait_after=2)
    server.proceed.clear()
    headers = platform.person()
    path = await begun(platform, headers)
    body = {"content": QUESTION}
    async with platform.chatbot.stream("POST", f"{path}/messages", json=body, headers=headers) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if server.answer.pieces[1] in line:
                break
        assert (await platform.chatbot.post(f"{path}/messages", json=body, headers=headers)).status_code == 409
        await lines.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        while len(kept := await messages(platform, path, headers)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    server.proceed.set()
    assert kept[1]["content"] == "".join(server.answer.pieces[:2])
    server.answer = Answer()
    assert (await asked(platform, path, headers))[-1][0] == "done"


async def test_a_model_that_is_away_is_an_error(platform: Platform) -> None:
    """Where nobody listens, or something else does, the error says so."""
    nowhere, elsewhere = f"http://127.0.0.1:{free_port()}/v1", platform.settings.auth_url
    for url, reason in ((nowhere, "cannot be reached"), (elsewhere, "answered 404")):
        model = OpenAIModel(replace(platform.settings, openai_base_url=url))
        with pytest.raises(ModelFailed, match=reason):
            _ = [piece async for piece in model.stream([{"role": "user", "content": QUESTION}], Reply(""))]
        await model.close()


async def test_a_server_that_streams_nothing_will_do(platform: Platform) -> None:
    """An answer in one piece is taken as it is; what is no answer at all is an error."""

    async def whole_answer(_request: Request) -> JSONResponse:
        return JSONResponse(whole(Answer()))

    async def nonsense(_request: Request) -> JSONResponse:
        return JSONResponse(["?"])

    routes = [
        Route("/v1/chat/completions", whole_answer, methods=["POST"]),
        Route("/v2/chat/completions", nonsense, methods=["POST"]),
    ]
    port = free_port()
    async with served(Starlette(routes=routes), port):
        for version in (1, 2):
            url = f"http://127.0.0.1:{port}/v{version}"
            model, reply = OpenAIModel(replace(platform.settings, openai_base_url=url)), Reply("")
            with pytest.raises(ModelFailed, match="no chat completion") if version == 2 else nullcontext():
                pieces = [piece async for piece in model.stream([{"role": "user", "content": QUESTION}], reply)]
                assert pieces == [Answer().text]
                assert (reply.tokens, reply.model) == (Answer().completion_tokens, ANSWERED_BY)
            await model.close()


async def messages(platform: Platform, path: str, headers: dict[str, str]) -> list[Json]:
    """List the messages of a conversation."""
    found: list[Json] = (await platform.chatbot.get(f"{path}/messages", headers=headers)).json()["items"]
    return found
