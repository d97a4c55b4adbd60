"""OpenTelemetry's semantic conventions for generative AI, with the names that attributes had before.

github.com/open-telemetry/semantic-conventions-genai: `input_tokens` includes cached ones, `output_tokens` those of
reasoning. There is no attribute for a user but the general ones.
"""

from web.ingest.otlp.dialects.dialect import Dialect

OPERATIONS = {
    "chat": "chat",
    "generate_content": "chat",
    "text_completion": "completion",
    "embeddings": "embedding",
}
"""Those that call a model. Others are ``invoke_agent``, ``execute_tool``, ``create_agent``, ``invoke_workflow``, ..."""
FIELDS = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "cached_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "time_to_first_token": ("gen_ai.response.time_to_first_chunk",),
    "finish_reason": ("gen_ai.response.finish_reasons",),
    "error_type": ("error.type",),
    "service_tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
    ),
    "user_id": ("user.id", "enduser.id"),
    "conversation_id": ("gen_ai.conversation.id",),
    "response_id": ("gen_ai.response.id",),
}

OPEN_TELEMETRY = Dialect(
    name="opentelemetry",
    operation=("gen_ai.operation.name",),
    operations=OPERATIONS,
    fields=FIELDS,
    marks=("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system"),
)
