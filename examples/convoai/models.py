"""What answers: any endpoint that speaks OpenAI's protocol, or a small model that is built in and needs no network."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from examples.convoai.settings import Settings

SYSTEM = "You are ConvoAI, a helpful assistant. Answer in plain text, briefly."
FIRST_SECONDS = 10.0
"""How long a model may need to connect."""
SILENT_SECONDS = 60.0
"""How long it may say nothing."""
MOST_CHARACTERS = 100_000
"""Characters of an answer; what would be more is cut off."""

Message = dict[str, Any]


class ModelFailed(Exception):
    """There is no answer, or not all of it; the text says why, and may be shown."""


@dataclass
class Reply:
    """What becomes of an answer: its text so far, the model that gives it, its tokens (None: it has not said)."""

    model: str
    text: str = ""
    tokens: int | None = None


class Model(Protocol):
    """A model."""

    name: str

    def stream(self, messages: Sequence[Message], reply: Reply) -> AsyncIterator[str]:
        """Give the pieces of an answer, and fill in *reply*; raises :exc:`ModelFailed`."""
        ...

    def count(self, text: str) -> int | None:
        """Count the tokens of a text; None if only an answer tells."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


def model(settings: Settings) -> Model:
    """Make the model that *settings* name."""
    return OpenAIModel(settings) if settings.openai_base_url else OfflineModel(settings.tokens_per_second)


class OpenAIModel:
    """An endpoint that speaks OpenAI's protocol of chat completions."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.openai_model
        self._url = f"{settings.openai_base_url}/chat/completions"
        key = settings.openai_api_key
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(SILENT_SECONDS, connect=FIRST_SECONDS),
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    def count(self, _text: str) -> int | None:
        """Give None: how this model cuts a text into tokens is not known here."""
        return None

    async def stream(self, messages: Sequence[Message], reply: Reply) -> AsyncIterator[str]:
        """Ask for a stream that tells its tokens at the end; a server that answers in one piece will do."""
        asked = {"model": self.name, "messages": [{"role": "system", "content": SYSTEM}, *messages]}
        options = {"stream": True, "stream_options": {"include_usage": True}}
        try:
            async with self._client.stream("POST", self._url, json={**asked, **options}) as answer:
                if answer.status_code != 200:
                    raise ModelFailed(f"the model's server answered {answer.status_code}")
                async for chunk in _chunks(answer):
                    piece = _read(chunk, reply)
                    if piece:
                        yield piece
                    if len(reply.text) > MOST_CHARACTERS:
                        return
        except httpx2.HTTPError as error:
            raise ModelFailed(f"the model's server cannot be reached ({type(error).__name__})") from None
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise ModelFailed("the model's server sent what is no chat completion") from None


async def _chunks(answer: httpx2.Response) -> AsyncIterator[Any]:
    """Give the objects of an answer; raises ValueError, or :exc:`ModelFailed` if it broke off."""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        yield json.loads(await answer.aread())
        return
    async for line in answer.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        yield json.loads(data)
    raise ModelFailed("the answer broke off")


def _read(chunk: Any, reply: Reply) -> str:
    """Take what a chunk, or a whole answer, says into *reply*, and give its piece of text."""
    if chunk.get("error"):
        raise ModelFailed("the model's server failed on the way")
    reply.model = chunk.get("model") or reply.model
    if usage := chunk.get("usage"):
        reply.tokens = int(usage["completion_tokens"])
    for choice in chunk.get("choices", ())[:1]:
        piece = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        reply.text += piece
        return str(piece)
    return ""


class OfflineModel:
    """Sentences that fit many questions, at the pace of a model. The same question has the same answer."""

    name = "convoai-offline-1"

    def __init__(self, tokens_per_second: float = 30, seed: int = 1) -> None:
        self._pause = 1 / tokens_per_second
        self._seed = seed

    async def close(self) -> None:
        """Do nothing: it has no connections."""

    def count(self, text: str) -> int:
        """Count the tokens of a text: of this model they are words, with the blanks before them, and signs."""
        return len(_pieces(text))

    async def stream(self, messages: Sequence[Message], reply: Reply) -> AsyncIterator[str]:
        """Give the answer to the last message, a token at a time."""
        turn = random.Random(f"{self._seed} {len(messages)} {messages[-1]['content']}")
        pieces = _pieces(_answer(messages, turn))
        reply.tokens = 0
        # Time is kept against the beginning, so that an event loop that is late does not slow the answer down.
        due = time.monotonic() + self._pause * turn.uniform(4, 12)
        for piece in pieces:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += self._pause * turn.uniform(0.4, 1.6)
            reply.text += piece
            reply.tokens += 1
            yield piece


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\w{1,12}|\s*[^\w\s]|\s+", text)


_GREETING = re.compile(r"\s*(hi|hello|hey|good (morning|evening|day)|moin|servus|hallo)\b", re.IGNORECASE)
_THANKS = re.compile(r"\s*(thanks|thank you|thx)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{5,20}")
_COMMON = re.compile(
    "about|again|could|every|explain|first|great|hello|might|other|please|really|should|something|their|there|these|"
    "thing|think|those|three|under|which|where|while|would|write|yours"
)
_OPENINGS = (
    "Good question. With {topic}, it helps to begin with what you want to have at the end.",
    "There are a few ways to look at {topic}, and the simplest one usually carries furthest.",
    "Let us take {topic} step by step.",
    "In short: {topic} is easier than it looks once its parts have names.",
)
_POINTS = (
    "Write down what you know already, and what you only suppose.",
    "Take the smallest case that still has the difficulty in it, and solve that by hand.",
    "Measure before you change anything, and change one thing at a time.",
    "Ask who will use it, and what they would miss first.",
    "Keep what works; replace only the part that is in the way.",
    "Set a limit for how long you try, so that you notice when it is time for another way.",
    "Say what would convince you that you are wrong, and look for exactly that.",
    "Explain it to somebody who has never heard of it: the gaps show by themselves.",
)
_ENDINGS = (
    "If you tell me more about {topic}, I can be more precise.",
    "Shall we go through an example of {topic} together?",
    "Which of these would help you most just now?",
)


def _answer(messages: Sequence[Message], turn: random.Random) -> str:
    question = str(messages[-1]["content"])
    if _GREETING.match(question) and len(question) < 40:
        return (
            "Hello! I am the small model that is built into this example: I need no network and no key, and I know "
            "nothing at all. Ask me anything and I will answer at the pace of a real model. With OPENAI_BASE_URL and "
            "OPENAI_MODEL the same chat talks to a real one."
        )
    if _THANKS.match(question):
        return "You are welcome! Is there anything else?"
    words = [word for word in _WORD.findall(question) if not _COMMON.fullmatch(word.casefold())]
    topic = turn.choice(words).lower() if words else "this"
    points = turn.sample(_POINTS, turn.randint(2, 4))
    listed = "\n".join(f"{number}. {point}" for number, point in enumerate(points, 1))
    return f"{turn.choice(_OPENINGS)}\n\n{listed}\n\n{turn.choice(_ENDINGS)}".format(topic=topic)
