"""A list as it is printed: its first rows, in the columns that have room on paper."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from storage.model.money import read_dollars
from web.pdf.document import Column, Content, Table
from web.pdf.language.words import NO_VALUE, Language, breakable
from web.reports.lists import Ask, List

MAX_ROWS = 1000
"""Rows of a list: some thirty pages. All of them are in the list's CSV."""
WIDE = 6
"""Columns beyond which a page lies on its side."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "activities": ("timestamp", "user_id", "username", "activity_type", "ip_address"),
    "users": ("user_id", "username", "activity_count", "first_seen", "last_seen"),
    "conversations": (
        "created_at",
        "conversation_id",
        "user_id",
        "status",
        "message_count",
        "total_tokens",
        "avg_response_time",
        "updated_at",
    ),
    "messages": ("created_at", "conversation_id", "user_id", "role", "model_used", "token_count", "response_time"),
    "llm-calls": (
        "timestamp",
        "provider",
        "model",
        "user_id",
        "input_tokens",
        "output_tokens",
        "response_time",
        "error_type",
        "cost",
    ),
    "api-usage": ("timestamp", "method", "endpoint", "user_id", "status_code", "response_time"),
    "daily-stats": (
        "date",
        "total_users",
        "active_users",
        "new_users",
        "total_conversations",
        "total_messages",
        "total_tokens",
        "total_api_calls",
        "error_count",
        "avg_response_time",
    ),
    "annotations": ("at", "until", "kind", "text", "author"),
}
"""What of a list is printed, in this order; of a list that is not here, all."""
_IDS = ("user_id", "username", "conversation_id", "endpoint", "text")
_TIMES = ("timestamp", "created_at", "updated_at", "first_seen", "last_seen", "at", "until")
_PLAIN = ("status_code",)
"""Numbers that are names."""


def columns_of(source: List) -> tuple[str, ...]:
    """Name the columns of a list that are printed."""
    return COLUMNS.get(source.name, source.columns)


async def listing(ask: Ask, language: Language, source: List) -> Content:
    """Read a list, in the transaction of *ask*, whose page says from where to where."""
    found = await source.read(replace(ask, page=replace(ask.page, limit=MAX_ROWS, after=None)))
    names = columns_of(source)
    rows = [[_cell(language, name, item[name]) for name in names] for item in found.items]
    head = [Column(language.column(name), _align(source, name), name in _IDS) for name in names]
    note = "" if found.next is None else language("first_rows", count=language.number(MAX_ROWS))
    table = Table(language(f"list_{source.name}"), head, rows, note, language("no_rows"))
    return Content([table], source.columns, found.items)


def _align(source: List, name: str) -> Any:
    kind = source.item["properties"][name].get("type", "string")
    is_number = "integer" in kind or "number" in kind or name == "cost"
    return "right" if is_number and name not in _PLAIN else "left"


def _cell(language: Language, name: str, value: Any) -> str:
    if value is None:
        return language("others") if name == "endpoint" else NO_VALUE
    if name in _TIMES:
        return language.moment(value)
    if name == "date":
        return language.day(value)
    if name.endswith("response_time"):
        return language.seconds(value)
    if name == "cost":
        return language.money(read_dollars(value), 4)
    if isinstance(value, int | float) and name not in _PLAIN:
        return language.number(value)
    return breakable(str(value))
