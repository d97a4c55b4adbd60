"""openinference-instrumentation-openai, with a user and a session."""

from chat import chat, client
from exporting import start
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor

start()
OpenAIInstrumentor().instrument()
with using_attributes(user_id="u-1", session_id="c-1"):
    chat(client().chat.completions.create)
