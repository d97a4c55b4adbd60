"""The client's span processor beside OpenTelemetry's instrumentation: threads and tasks call for several users."""

import asyncio
import threading

from chat import chat, client
from exporting import start
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

from convoai_analytics_client.opentelemetry import AnalyticsSpanProcessor, calls_of

start().add_span_processor(AnalyticsSpanProcessor())
OpenAIInstrumentor().instrument()
models = client()


def answer(user: str) -> None:
    with calls_of(user_id=user, conversation_id=f"c-of-{user}"):
        chat(models.chat.completions.create)


async def answer_in_task(user: str) -> None:
    with calls_of(user_id=user), calls_of(conversation_id=f"c-of-{user}"):
        await asyncio.to_thread(chat, models.chat.completions.create)


async def answer_both() -> None:
    await asyncio.gather(answer_in_task("u-3"), answer_in_task("u-4"))


threads = [threading.Thread(target=answer, args=(user,)) for user in ("u-1", "u-2")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
asyncio.run(answer_both())
chat(models.chat.completions.create)
