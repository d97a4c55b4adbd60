"""pydantic-ai: OpenTelemetry's names. Its agents' spans tell the sums of the calls within them.

It makes up a conversation for each run that is given none: a UUID of version 7 (pydantic_ai.capabilities), which is not
taken for a conversation of the application. Reasoning tokens are among the details of usage.
"""

import uuid

from web.ingest.otlp.dialects import open_telemetry
from web.ingest.otlp.dialects.dialect import CONVERSATION, Dialect, Fields
from web.ingest.otlp.spans import Span

MADE_UP_VERSION = 7


def _forget_made_up(span: Span, fields: Fields) -> None:
    if CONVERSATION not in span.attributes and _is_made_up(fields.get("conversation_id", "")):
        del fields["conversation_id"]


def _is_made_up(conversation_id: str) -> bool:
    try:
        return uuid.UUID(conversation_id).version == MADE_UP_VERSION
    except ValueError:
        return False


PYDANTIC_AI = Dialect(
    name="pydantic-ai",
    operation=("gen_ai.operation.name",),
    operations=open_telemetry.OPERATIONS,
    fields={
        **open_telemetry.FIELDS,
        "cached_input_tokens": (
            *open_telemetry.FIELDS["cached_input_tokens"],
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cached_tokens",
        ),
        "cache_write_tokens": (
            *open_telemetry.FIELDS["cache_write_tokens"],
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "reasoning_tokens": (*open_telemetry.FIELDS["reasoning_tokens"], "gen_ai.usage.details.reasoning_tokens"),
    },
    scopes=("pydantic-ai",),
    refine=_forget_made_up,
)
