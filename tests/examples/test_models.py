"""The models that answer: the built-in one, and those of OpenAI's protocol, however they fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.convoai.models import ModelFailed, OfflineModel, OpenAIModel, Reply
from tests.examples.conversations import QUESTION, asked, begun, messages
from tests.examples.services import Platform, platform_of, served
from tests.servers.openai_server import ANSWERED_BY, KEY, MODEL, Answer, OpenAIServer, whole
from tests.servers.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
            # The event before has the question, in which the piece may stand too.
            if '"text"' in line and server.answer.pieces[1] in line:
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
