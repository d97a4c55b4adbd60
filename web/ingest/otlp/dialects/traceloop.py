"""Traceloop's OpenLLMetry: OpenTelemetry's names, and its own for the operation, for users and for sessions.

github.com/traceloop/openllmetry, opentelemetry-semantic-conventions-ai. Its earlier versions have
``llm.request.type`` instead of an operation. Associations are what an application says of its users and chats.
"""

from web.ingest.otlp.dialects import open_telemetry
from web.ingest.otlp.dialects.dialect import Dialect, Fields
from web.ingest.otlp.spans import Span

_ASSOCIATION = "traceloop.association.properties."


def _in_small_letters(_span: Span, fields: Fields) -> None:
    """Write the provider as OpenTelemetry does: earlier versions have ``OpenAI``."""
    if "provider" in fields:
        fields["provider"] = fields["provider"].lower()


TRACELOOP = Dialect(
    name="traceloop",
    operation=("gen_ai.operation.name", "llm.request.type"),
    operations={**open_telemetry.OPERATIONS, "completion": "completion", "embedding": "embedding"},
    fields={
        **open_telemetry.FIELDS,
        "finish_reason": (*open_telemetry.FIELDS["finish_reason"], "gen_ai.completion.0.finish_reason"),
        "user_id": ("gen_ai.user", "llm.user", f"{_ASSOCIATION}user_id"),
        "conversation_id": (
            "gen_ai.conversation.id",
            f"{_ASSOCIATION}conversation_id",
            f"{_ASSOCIATION}session_id",
            f"{_ASSOCIATION}chat_id",
        ),
    },
    marks=(
        "llm.request.type",
        "gen_ai.is_streaming",
        "llm.is_streaming",
        "traceloop.span.kind",
        "traceloop.workflow.name",
    ),
    refine=_in_small_letters,
)
