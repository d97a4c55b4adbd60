"""posthog's SDK around OpenAI's client, and an event of a page."""

import os

from chat import chat
from posthog import Posthog
from posthog.ai.openai import OpenAI

posthog = Posthog(os.environ["POSTHOG_KEY"], host=os.environ["POSTHOG_HOST"], gzip=True)
models = OpenAI(
    base_url=os.environ["MODELS_URL"], api_key=os.environ["MODELS_KEY"], max_retries=0, posthog_client=posthog
)
create = models.chat.completions.create
chat(lambda **asked: create(posthog_distinct_id="u-1", posthog_properties={"$ai_session_id": "c-1"}, **asked))
posthog.capture("signed_up", distinct_id="u-2", properties={"plan": "free"})
posthog.shutdown()
