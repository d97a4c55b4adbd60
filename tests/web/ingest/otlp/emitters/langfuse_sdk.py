"""langfuse's SDK around OpenAI's client: a user, a session, and an observation that is no call."""

import os

from chat import chat
from langfuse import get_client, propagate_attributes
from langfuse.openai import OpenAI

langfuse = get_client()
models = OpenAI(base_url=os.environ["MODELS_URL"], api_key=os.environ["MODELS_KEY"], max_retries=0)
with langfuse.start_as_current_observation(name="answer"), propagate_attributes(user_id="u-1", session_id="c-1"):
    chat(models.chat.completions.create)
langfuse.flush()
