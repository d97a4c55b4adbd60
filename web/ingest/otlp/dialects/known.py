"""All dialects, in the order in which they are tried: those with names of their own before the common one."""

from web.ingest.otlp.dialects.dialect import Dialect
from web.ingest.otlp.dialects.langfuse import LANGFUSE
from web.ingest.otlp.dialects.open_inference import OPEN_INFERENCE
from web.ingest.otlp.dialects.open_telemetry import OPEN_TELEMETRY
from web.ingest.otlp.dialects.pydantic_ai import PYDANTIC_AI
from web.ingest.otlp.dialects.traceloop import TRACELOOP
from web.ingest.otlp.dialects.vercel import VERCEL
from web.ingest.otlp.spans import Span

DIALECTS = (LANGFUSE, OPEN_INFERENCE, VERCEL, PYDANTIC_AI, TRACELOOP, OPEN_TELEMETRY)
WANTED = frozenset().union(*(dialect.wanted for dialect in DIALECTS))
"""Every attribute that a dialect names: no other is read."""


def dialect_of(span: Span) -> Dialect | None:
    """Find the dialect of a span; None if it tells of no model."""
    return next((dialect for dialect in DIALECTS if dialect.speaks(span)), None)
