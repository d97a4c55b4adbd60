"""Three instrumentations of one client at once: each reports every call."""

from chat import chat, client
from exporting import start
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as OpenTelemetry
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as Traceloop

start()
for instrumentation in (OpenInference, OpenTelemetry, Traceloop):
    instrumentation().instrument()
chat(client().chat.completions.create)
