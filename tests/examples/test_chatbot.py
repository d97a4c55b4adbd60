"""The chatbot: conversations of one's own, answers that are streamed, and what is tracked of them."""

import base64
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.requests import Request

from examples.convoai.service import Refused
from examples.convoai.settings import AUDIENCE
from examples.convoai.signing import SigningKey
from examples.convoai.verifying import Keys
from tests.examples.conversations import QUESTION, asked, begun
from tests.examples.services import Json, Platform
from tests.servers.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
