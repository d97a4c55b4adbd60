"""The lists that admins read, each said once: from it come its endpoint, its CSV and its export by command."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from storage.annotations import Kind, annotations
from storage.engine.database import ReadTransaction
from storage.model.clock import Days
from storage.read import reports
from storage.read.call_stats import read_call_stats
from storage.read.endpoints import ENDPOINT_ORDERS, endpoints
from storage.read.reports import (
    CALL_ORDERS,
    CONVERSATION_ORDERS,
    DAY_ORDERS,
    INDEXED_USER_ORDERS,
    MESSAGE_ORDERS,
    Calls,
    Listing,
    Page,
)
from web.http.operations import JsonSchema, Parameter, boolean, choice, text, whole
from web.http.problems import invalid
from web.reports import shapes

MAX_LIMIT = 1000
DEFAULT_LIMIT = 50
DEFAULT_DAYS = 30
MAX_DAYS = 3650
LIGHT_ROWS = 200
"""Rows up to which a page costs little, if an index leads to them."""

Values = dict[str, Any]
Cost = Callable[[Page, Mapping[str, Any]], bool]
"""Says whether what is asked for costs much: a scan, or a sort, of more than is shown."""


def is_long(page: Page, _values: Mapping[str, Any]) -> bool:
    """Say whether a page is long; for what has no other cost."""
    return page.limit > LIGHT_ROWS


def _always(_page: Page, _values: Mapping[str, Any]) -> bool:
    return True


def _by_type(page: Page, values: Mapping[str, Any]) -> bool:
    """Activities have no index by type."""
    return is_long(page, values) or values["activity_type"] is not None or values["type_contains"] is not None


def _selected(page: Page, values: Mapping[str, Any]) -> bool:
    """LLM calls have an index by time alone; those that are selected have to be searched or sorted."""
    return is_long(page, values) or any(values[name] is not None for name in _OF_CALLS)


_OF_CALLS = ("conversation_id", "user_id", "model")


def _in_range(page: Page, values: Mapping[str, Any]) -> bool:
    """What lies in a range is counted."""
    return is_long(page, values) or page.start is not None or page.end is not None


def _of_users(page: Page, values: Mapping[str, Any]) -> bool:
    """Only two orders have an index; other users that are selected have to be searched."""
    is_sorted = values["sort"] not in INDEXED_USER_ORDERS
    return is_sorted or values["active_only"] or values["search"] is not None or _in_range(page, values)


def _of_conversations(page: Page, values: Mapping[str, Any]) -> bool:
    """Only one order has an index, and none knows of models."""
    return is_long(page, values) or values["sort"] != "created_at" or values["model_used"] is not None


def _of_messages(page: Page, values: Mapping[str, Any]) -> bool:
    """The index of users does not know of times, and none knows of models."""
    return is_long(page, values) or values["user_id"] is not None or values["model_used"] is not None


def _of_days(page: Page, values: Mapping[str, Any]) -> bool:
    return (values["days"] or 0) > LIGHT_ROWS or page.start is not None


@dataclass(frozen=True)
class Ask:
    """What is asked of a list or a report: the open read transaction, whose it is, and what it is to hold.

    ``values`` are those of the list's filters by name; one that is not there is as one that was not given.
    """

    connection: ReadTransaction
    tenant_id: str
    days: Days
    today: str
    page: Page
    values: Mapping[str, Any]


@dataclass(frozen=True)
class List:
    """One list.

    ``name`` is that of its CSV file, ``item`` the shape of what it holds. ``keys`` has the shape of a cursor's key for
    each sort, and under "" that of the order without one of these. ``table`` is the name that the command ``export``
    knows it by, None if it does not. A list that is ``appended`` is one of events: its rows never change, and new ones
    have higher ids. ``beside`` reads what describes all that is selected, ``beside_shape`` is the shape of that.
    ``is_heavy`` says what costs much; a file of all of it always does. One that is ``moving`` answers differently every
    minute, also if nothing was committed.
    """

    path: str
    name: str
    operation: str
    title: str
    item: JsonSchema
    read: Callable[[Ask], Awaitable[Listing]]
    keys: Mapping[str, str]
    filters: tuple[Parameter, ...] = ()
    table: str | None = None
    appended: bool = False
    limit: int = DEFAULT_LIMIT
    beside: Callable[[Ask], Awaitable[Values]] | None = None
    beside_shape: JsonSchema = field(default_factory=dict)
    is_heavy: Cost = is_long
    moving: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Name what an item holds, in its order."""
        return tuple(self.item["properties"])

    def cursor(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """Give name and shape of the list's cursors: those of one sort do not fit another."""
        sort = values.get("sort") or ""
        return (f"{self.name}.{sort}", self.keys[sort]) if sort and sort in self.keys else (self.name, self.keys[""])

    def is_read_in_pages(self, values: Mapping[str, Any]) -> bool:
        """Say whether an export reads each page by itself: of events in the order that has an index."""
        return self.appended and values.get("sort") not in self.keys


def _text(longest: int) -> JsonSchema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _one_of(*choices: str) -> JsonSchema:
    return {"type": "string", "enum": list(choices)}


def _codes(value: str, _days: Days) -> tuple[int, int]:
    """Read a status code, or a class of them, as its first and its last one."""
    if not re.fullmatch("[1-5]([0-9][0-9]|xx)", value):
        raise ValueError("must be a status code, or a class of them such as 5xx")
    return int(value.replace("x", "0")), int(value.replace("x", "9"))


_SORTS = {"user_id": "s", "username": "ss", "activity_count": "is", "first_seen": "ss", "last_seen": "ss"}
_STATUSES = ("active", "deleted")
_USER = Parameter("user_id", "Only of this user.", _text(255), text(255))
_TYPE = Parameter("activity_type", "Only of this type.", _text(100), text(100))
_TYPE_PART = Parameter("type_contains", "A part of the type; capital letters do not matter.", _text(100), text(100))
_CONVERSATION = Parameter("conversation_id", "Only of this conversation.", _text(255), text(255))
_MODEL = Parameter("model", "Only of this model.", _text(255), text(255))
_ENDPOINT = Parameter("endpoint", "Only of this endpoint.", _text(512), text(512))
_MODEL_USED = Parameter("model_used", "Only of this model.", _text(255), text(255))
_WITH_MODEL = Parameter("model_used", "Only those with a message of this model.", _text(255), text(255))
_CODES = Parameter(
    "status",
    "Only calls with this status code, or with one of a class: `503`, `5xx`.",
    {"type": "string", "pattern": "^[1-5]([0-9][0-9]|xx)$"},
    _codes,
)
_STATUS = Parameter("status", "Only those that are active, or deleted.", _one_of(*_STATUSES), choice(*_STATUSES))
_KIND = Parameter("kind", "Only of this kind.", _one_of(*get_args(Kind)), choice(*get_args(Kind)))
_ACTIVE = Parameter("active_only", "Only users with an event today.", {"type": "boolean"}, boolean, default=False)
_SEARCH = Parameter(
    "search", "A part of the user id or the name; capital letters do not matter.", _text(255), text(255)
)
_SORT = Parameter(
    "sort",
    "user_id and username ascending, the others descending; ties by user_id.",
    {**_one_of(*_SORTS), "default": "user_id"},
    choice(*_SORTS),
    default="user_id",
)


def _sorted_by(meaning: str, *orders: str) -> Parameter:
    """Describe a sort whose first order is the default."""
    shape = {**_one_of(*orders), "default": orders[0]}
    return Parameter("sort", meaning, shape, choice(*orders), default=orders[0])


_CONVERSATION_SORT = _sorted_by("Descending; ties newest first.", *CONVERSATION_ORDERS)
_MESSAGE_SORT = _sorted_by("By time; ties by id.", *MESSAGE_ORDERS)
_CALL_SORT = _sorted_by("Descending; ties newest first.", *CALL_ORDERS)
_ENDPOINT_SORT = _sorted_by("endpoint ascending, the others descending; ties by endpoint.", *ENDPOINT_ORDERS)
_DAY_SORT = _sorted_by("Descending; ties newest first.", *DAY_ORDERS)
_DAYS = Parameter(
    "days",
    "How many days, today included.",
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
    whole(1, MAX_DAYS),
)


async def _activities(ask: Ask) -> Listing:
    wanted = ask.values
    return await reports.activities(
        ask.connection,
        ask.tenant_id,
        ask.page,
        wanted.get("user_id"),
        wanted.get("activity_type"),
        wanted.get("type_contains"),
    )


async def _messages(ask: Ask) -> Listing:
    wanted = ask.values
    return await reports.messages(
        ask.connection,
        ask.tenant_id,
        ask.page,
        wanted.get("conversation_id"),
        wanted.get("user_id"),
        wanted.get("model_used"),
        wanted.get("sort", "newest"),
    )


async def _llm_calls(ask: Ask) -> Listing:
    wanted = ask.values
    of = {name: wanted.get(name) for name in _OF_CALLS}
    return await reports.llm_calls(ask.connection, ask.tenant_id, ask.page, **of)


async def _top_users(ask: Ask) -> Listing:
    return await reports.top_users(ask.connection, ask.tenant_id, ask.page)


async def _users(ask: Ask) -> Listing:
    wanted = ask.values
    active_on = ask.today if wanted.get("active_only") else None
    sort = wanted.get("sort", "user_id")
    return await reports.users(ask.connection, ask.tenant_id, ask.page, active_on, sort, wanted.get("search"))


async def _conversations(ask: Ask) -> Listing:
    wanted = ask.values
    return await reports.conversations(
        ask.connection,
        ask.tenant_id,
        ask.page,
        wanted.get("user_id"),
        wanted.get("status"),
        wanted.get("model_used"),
        wanted.get("sort", "created_at"),
    )


async def _api_calls(ask: Ask) -> Listing:
    sort = ask.values.get("sort", "timestamp")
    return await reports.api_calls(ask.connection, ask.tenant_id, ask.page, _chosen(ask), sort)


async def _api_stats(ask: Ask) -> Values:
    return {"stats": await read_call_stats(ask.connection, ask.tenant_id, ask.days, ask.page, _chosen(ask))}


def _chosen(ask: Ask) -> Calls:
    return Calls(*map(ask.values.get, ("endpoint", "user_id", "status")))


async def _endpoints(ask: Ask) -> Listing:
    return await endpoints(ask.connection, ask.tenant_id, ask.days, ask.page, ask.values.get("sort", "count"))


async def _annotations(ask: Ask) -> Listing:
    return await annotations(ask.connection, ask.tenant_id, ask.page, ask.values.get("kind"))


async def _days(ask: Ask) -> Listing:
    """Read days: the last ``days``, or those from ``from`` to ``to``."""
    days, page = ask.days, ask.page
    last = ask.today if page.end is None else min(ask.today, days.last_before(page.end))
    wanted = ask.values.get("days") or (DEFAULT_DAYS if page.start is None else None)
    first = "" if wanted is None else days.shift(last, 1 - wanted)
    if page.start is not None:
        first = max(first, days.of(page.start))
    try:
        sort = ask.values.get("sort", "date")
        return await reports.daily_stats(ask.connection, ask.tenant_id, days, first, last, page, sort)
    except (ValueError, OverflowError):
        raise invalid("cursor", "is not a cursor of this list") from None


LISTS = (
    List(
        "users/activities",
        "activities",
        "getActivities",
        "Activities, newest first",
        shapes.ACTIVITY,
        _activities,
        {"": "si"},
        (_USER, _TYPE, _TYPE_PART),
        table="user_activity",
        appended=True,
        is_heavy=_by_type,
    ),
    List(
        "users/top",
        "top-users",
        "getTop",
        "Users by activities, most first",
        shapes.TOP_USER,
        _top_users,
        {"": "is"},
        is_heavy=_in_range,
    ),
    List(
        "users/list",
        "users",
        "getUsers",
        "Users; a range is one of last_seen",
        shapes.USER,
        _users,
        _SORTS,
        (_ACTIVE, _SORT, _SEARCH),
        table="users",
        is_heavy=_of_users,
    ),
    List(
        "conversations",
        "conversations",
        "getConversations",
        "Conversations, by default latest created first",
        shapes.CONVERSATION,
        _conversations,
        {"": "si", "updated_at": "si", "message_count": "ii", "total_tokens": "ii", "avg_response_time": "ii"},
        (_USER, _STATUS, _WITH_MODEL, _CONVERSATION_SORT),
        table="conversation_metrics",
        is_heavy=_of_conversations,
    ),
    List(
        "messages",
        "messages",
        "getMessages",
        "Messages, by default newest first",
        shapes.MESSAGE,
        _messages,
        {"": "si", "oldest": "si"},
        (_CONVERSATION, _USER, _MODEL_USED, _MESSAGE_SORT),
        table="message_metrics",
        appended=True,
        is_heavy=_of_messages,
    ),
    List(
        "llm-calls",
        "llm-calls",
        "getLlmCalls",
        "LLM calls, newest first",
        shapes.LLM_CALL,
        _llm_calls,
        {"": "si"},
        (_CONVERSATION, _USER, _MODEL),
        table="llm_calls",
        is_heavy=_selected,
    ),
    List(
        "api-usage",
        "api-usage",
        "getCalls",
        "API calls, by default newest first, and statistics of all that are selected",
        shapes.API_CALL,
        _api_calls,
        {"": "si", "response_time": "ii", "status_code": "ii"},
        (_ENDPOINT, _USER, _CODES, _CALL_SORT),
        table="api_usage",
        appended=True,
        beside=_api_stats,
        beside_shape={"stats": shapes.STATS},
        is_heavy=_always,
    ),
    List(
        "api-usage/endpoints",
        "api-endpoints",
        "getEndpoints",
        "Endpoints, by default most calls first; a range is one of whole local days",
        shapes.ENDPOINT,
        _endpoints,
        {"": "is", "endpoint": "s", **dict.fromkeys(ENDPOINT_ORDERS[2:], "is")},
        (_ENDPOINT_SORT,),
        is_heavy=_always,
    ),
    List(
        "daily-stats",
        "daily-stats",
        "getDaily",
        "Local days, by default newest first; days without events are there with zeros",
        shapes.DAY,
        _days,
        {"": "s", **dict.fromkeys(DAY_ORDERS[1:], "is")},
        (_DAYS, _DAY_SORT),
        table="daily_stats",
        limit=MAX_LIMIT,
        is_heavy=_of_days,
    ),
    List(
        "annotations",
        "annotations",
        "getAnnotations",
        "Annotations, latest first; a range selects those of which a part lies in it",
        shapes.ANNOTATION,
        _annotations,
        {"": "ss"},
        (_KIND,),
    ),
)
