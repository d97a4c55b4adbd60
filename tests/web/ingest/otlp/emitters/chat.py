"""What every emitter of the tests does: four chats by OpenAI's client, of which the last one fails."""

import contextlib
import os
from typing import Any

import openai


def client() -> Any:
    """Make a client of the server that the test runs."""
    return openai.OpenAI(base_url=os.environ["MODELS_URL"], api_key=os.environ["MODELS_KEY"], max_retries=0)


def chat(create: Any) -> None:
    """Ask for a whole answer, for a stream that tells its tokens, for one that does not, and for a model not there."""
    messages = [{"role": "user", "content": "the text of the prompt"}]
    model = os.environ["MODEL"]
    create(model=model, messages=messages)
    list(create(model=model, messages=messages, stream=True, stream_options={"include_usage": True}))
    list(create(model=model, messages=messages, stream=True))
    with contextlib.suppress(openai.NotFoundError):
        create(model="no-such-model", messages=messages)
