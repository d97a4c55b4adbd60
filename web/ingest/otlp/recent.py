"""The calls that were recorded last, so that what a span counts for does not depend on where a request ends.

Two spans of one call end a moment after each other, so they come in one request, or in two of which the second follows
at once, to the same process. What is remembered here is a help for the second case: it is bounded, and a restart
forgets it. Spans that tell the id of an answer need no help: the ids of their events are the same.
"""

from collections.abc import Iterable, Sequence

from web.ingest.otlp.calls import Call

MOST = 20_000
"""Spans that are remembered of all tenants, in some 6 MB."""

_Key = tuple[str, str]
"""A tenant, and the key of a span."""


class RecentCalls:
    """Remembers spans of recorded calls, and their parents."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._spans: dict[_Key, None] = {}
        self._parents: dict[_Key, None] = {}

    def has(self, tenant_id: str, group: Sequence[Call]) -> bool:
        """Say whether a recorded call is within one of the spans of this one, or around it."""
        return any(
            (tenant_id, call.span.key) in self._parents or (tenant_id, call.span.parent_key) in self._spans
            for call in group
        )

    def add(self, tenant_id: str, groups: Iterable[Sequence[Call]]) -> None:
        """Remember calls that are durable, or that were the same as one."""
        for group in groups:
            for call in group:
                self._spans[tenant_id, call.span.key] = None
                if call.span.parent_id:
                    self._parents[tenant_id, call.span.parent_key] = None
        for known in (self._spans, self._parents):
            while len(known) > self._most:
                del known[next(iter(known))]
