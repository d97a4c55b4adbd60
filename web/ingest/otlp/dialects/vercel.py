"""The Vercel AI SDK: since version 7 with OpenTelemetry's names (@ai-sdk/otel), before with ``ai.*`` beside them.

ai-sdk.dev/docs/ai-sdk-core/telemetry. The spans of ``generateText`` and ``streamText``, and since version 7 those of
``invoke_agent``, tell the sums of the calls within them.
"""

from web.ingest.otlp.dialects import open_telemetry
from web.ingest.otlp.dialects.dialect import Dialect, Fields
from web.ingest.otlp.spans import Span

_FIRST_CHUNK_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
_CALLS = {
    "ai.generateText.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embedding",
    "ai.embedMany.doEmbed": "embedding",
}


def _refine(span: Span, fields: Fields) -> None:
    """Take the provider out of ``openai.chat``, and milliseconds for seconds."""
    if "provider" in fields:
        fields["provider"] = fields["provider"].partition(".")[0]
    for name in _FIRST_CHUNK_MS:
        value = span.attributes.get(name)
        if isinstance(value, int | float) and "time_to_first_token" not in fields:
            fields["time_to_first_token"] = value / 1000


VERCEL = Dialect(
    name="vercel",
    operation=("ai.operationId", "gen_ai.operation.name"),
    operations={**open_telemetry.OPERATIONS, **_CALLS},
    fields={
        **open_telemetry.FIELDS,
        "provider": ("gen_ai.provider.name", "gen_ai.system", "ai.model.provider"),
        "model": ("gen_ai.response.model", "ai.response.model", "gen_ai.request.model", "ai.model.id"),
        "input_tokens": (
            "gen_ai.usage.input_tokens",
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ),
        "cached_input_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_creation.input_tokens",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
        "output_tokens": ("gen_ai.usage.output_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens"),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
        ),
        "time_to_first_token": (
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.response.time_to_first_chunk",
        ),
        "finish_reason": ("gen_ai.response.finish_reasons", "ai.response.finishReason"),
        "user_id": ("user.id", "ai.telemetry.metadata.userId"),
        "conversation_id": ("gen_ai.conversation.id", "ai.telemetry.metadata.sessionId"),
        "response_id": ("gen_ai.response.id", "ai.response.id"),
    },
    scopes=("gen_ai", "ai"),
    marks=("ai.operationId",),
    others=_FIRST_CHUNK_MS,
    refine=_refine,
)
