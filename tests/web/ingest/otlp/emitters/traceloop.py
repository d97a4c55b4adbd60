"""Traceloop's opentelemetry-instrumentation-openai."""

from chat import chat, client
from exporting import start
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

start()
OpenAIInstrumentor().instrument()
chat(client().chat.completions.create)
