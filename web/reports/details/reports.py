"""The endpoints of the reports about one thing."""

from collections.abc import Mapping
from typing import Any

from storage.read.details.conversation import conversation
from storage.read.details.endpoint import endpoint
from storage.read.details.model import model
from storage.read.details.user import user
from storage.read.reports import Page
from storage.read.search import search
from web.http.operations import Operation, Parameter, text, whole
from web.http.problems import invalid, not_found
from web.reports.details import shapes
from web.reports.endpoints import Reports
from web.reports.lists import Ask, Values
from web.reports.series import RANGE, cover, describe

MAX_FOUND = 20
"""Of each kind, what a search gives at the most."""


def _one(name: str, meaning: str, longest: int) -> Parameter:
    return Parameter(
        name, f"{meaning} Required.", {"type": "string", "minLength": 1, "maxLength": longest}, text(longest)
    )


_USER = _one("user_id", "The user's id.", 255)
_CONVERSATION = _one("conversation_id", "The conversation's id.", 255)
_ENDPOINT = _one("endpoint", "The endpoint, as its calls name it.", 512)
_MODEL = _one("model_used", "The model, as messages name it.", 255)
_PART = _one("part", "The beginning of an id, or a part of the name of an endpoint or a model.", 255)
_LIMIT = Parameter(
    "limit",
    "How many of each kind.",
    {"type": "integer", "minimum": 1, "maximum": MAX_FOUND, "default": 5},
    whole(1, MAX_FOUND),
    default=5,
)


def operations(reports: Reports) -> list[Operation]:
    """Make the endpoints."""
    return [
        reports.report(
            "users/detail",
            "getUser",
            "One user: figures and points of a range, types, models and endpoints",
            _user,
            shapes.USER,
            (_USER, *RANGE),
            moving=True,
            is_heavy=_always,
            missing="No event names this user.",
        ),
        reports.report(
            "conversations/detail",
            "getConversation",
            "One conversation: owner, status, totals, models and authors",
            _conversation,
            shapes.CONVERSATION,
            (_CONVERSATION,),
            is_heavy=_always,
            missing="No event names this conversation.",
        ),
        reports.report(
            "api-usage/endpoints/detail",
            "getEndpoint",
            "One endpoint: figures and points of a range, statuses, methods and users",
            _endpoint,
            shapes.ENDPOINT,
            (_ENDPOINT, *RANGE),
            moving=True,
            is_heavy=_always,
        ),
        reports.report(
            "models/detail",
            "getModel",
            "One model: figures and points of a range, and users",
            _model,
            shapes.MODEL,
            (_MODEL, *RANGE),
            moving=True,
            is_heavy=_always,
        ),
        reports.report(
            "search",
            "search",
            "Users and conversations whose id begins with a text, endpoints and models that have it in their name",
            _search,
            shapes.FOUND,
            (_PART, _LIMIT),
        ),
    ]


def _always(_page: Page, _values: Mapping[str, Any]) -> bool:
    """Raw rows are counted."""
    return True


def _required(ask: Ask, parameter: Parameter) -> str:
    if ask.values[parameter.name] is None:
        raise invalid(parameter.name, "is required")
    return str(ask.values[parameter.name])


async def _user(ask: Ask) -> Values:
    user_id, covered = _required(ask, _USER), await cover(ask)
    found = await user(ask.connection, ask.tenant_id, ask.days, covered, user_id)
    if found is None:
        raise not_found(_USER.name, "no event names this user")
    return {**describe(ask, covered), **found}


async def _conversation(ask: Ask) -> Values:
    found = await conversation(ask.connection, ask.tenant_id, _required(ask, _CONVERSATION))
    if found is None:
        raise not_found(_CONVERSATION.name, "no event names this conversation")
    return found


async def _endpoint(ask: Ask) -> Values:
    name, covered = _required(ask, _ENDPOINT), await cover(ask)
    found = await endpoint(ask.connection, ask.tenant_id, ask.days, covered, name)
    return {**describe(ask, covered), **found}


async def _model(ask: Ask) -> Values:
    name, covered = _required(ask, _MODEL), await cover(ask)
    found = await model(ask.connection, ask.tenant_id, ask.days, covered, name)
    return {**describe(ask, covered), **found}


async def _search(ask: Ask) -> Values:
    part, limit = _required(ask, _PART), ask.values["limit"]
    return {**await search(ask.connection, ask.tenant_id, ask.days, ask.today, part, limit)}
