"""OpenInference (Arize Phoenix): github.com/Arize-ai/openinference, spec/semantic_conventions.md.

Tokens of the prompt include cached ones, those of the completion include reasoning. The id of an answer is not told.
"""

import msgspec

from web.ingest.otlp.dialects.dialect import Dialect, Fields
from web.ingest.otlp.spans import Span

_PARAMETERS = "llm.invocation_parameters"
"""What was asked for, as JSON: the only place that tells the model of a call that failed."""


class _Parameters(msgspec.Struct):
    model: str = ""


def _refine(span: Span, fields: Fields) -> None:
    if "model" in fields:
        return
    try:
        asked = msgspec.json.decode(span.text(_PARAMETERS) or "{}", type=_Parameters)
    except (msgspec.MsgspecError, RecursionError):
        return
    if asked.model:
        fields["model"] = asked.model


OPEN_INFERENCE = Dialect(
    name="openinference",
    operation=("openinference.span.kind",),
    operations={"LLM": "chat", "EMBEDDING": "embedding"},
    fields={
        "provider": ("llm.provider", "llm.system"),
        "model": ("llm.model_name", "embedding.model_name"),
        "input_tokens": ("llm.token_count.prompt",),
        "cached_input_tokens": ("llm.token_count.prompt_details.cache_read",),
        "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
        "output_tokens": ("llm.token_count.completion",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "finish_reason": ("llm.finish_reason",),
        "error_type": ("error.type",),
        "user_id": ("user.id",),
        "conversation_id": ("session.id",),
    },
    marks=("openinference.span.kind",),
    others=(_PARAMETERS,),
    refine=_refine,
)
