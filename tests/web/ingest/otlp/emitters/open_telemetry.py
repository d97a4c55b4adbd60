"""opentelemetry-instrumentation-genai-openai, within a span of the application."""

from chat import chat, client
from exporting import start
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

start()
OpenAIInstrumentor().instrument()
with trace.get_tracer("app").start_as_current_span("POST /chat"):
    chat(client().chat.completions.create)
