"""What a request asks of a report: its query, and the saved view that it may name, as what is wanted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import QueryParams

from storage.engine.database import ReadTransaction
from storage.model.clock import Days
from storage.saved_views import FILTERS, SavedView, read_views
from web.http.operations import Parameter, choice, moment, read_query, text
from web.http.problems import invalid, not_found
from web.pdf.period import preset
from web.pdf.report import LANGUAGES, NAMES, OVERVIEW, PAPERS, SOURCES, Wanted
from web.reports.lists import List

PAGES: Mapping[str, str] = {
    "activity": "activities",
    "users": "users",
    "conversations": "conversations",
    "messages": "messages",
    "api": "api-endpoints",
    "calls": "api-usage",
    "days": "daily-stats",
    "user": "activities",
    "conversation": "messages",
    "endpoint": "api-usage",
    "model": "messages",
}
"""The list that is printed of a page of the dashboard; of any other page it is the overview."""
_ONE_OF = {"type": "string"}
OF = Parameter(
    "of",
    "The overview, the costs of LLM calls, or a list. A saved view is printed with `view` instead.",
    {**_ONE_OF, "enum": list(NAMES), "default": OVERVIEW},
    choice(*NAMES),
)
VIEW = Parameter("view", "The `id` of a saved view, with its range unless one is given.", _ONE_OF, text(16))
BASE = (
    OF,
    VIEW,
    Parameter("from", "Inclusive: a date (of the tenant's zone) or an ISO 8601 time.", _ONE_OF, moment),
    Parameter(
        "to",
        "Exclusive, in the same way. Default of overview and costs: the seven days before today; of a list: all.",
        _ONE_OF,
        moment,
    ),
    Parameter(
        "paper", "The size of a page.", {**_ONE_OF, "enum": list(PAPERS), "default": "a4"}, choice(*PAPERS), "a4"
    ),
    Parameter(
        "language",
        "English or German.",
        {**_ONE_OF, "enum": list(LANGUAGES), "default": "en"},
        choice(*LANGUAGES),
        "en",
    ),
)
_NAMES_OF_FILTERS = sorted({parameter.name for source in SOURCES.values() for parameter in source.filters})
_FILTERS = tuple(
    Parameter(name, "Of a list that has it: as the list takes it.", _ONE_OF, text(512)) for name in _NAMES_OF_FILTERS
)
PARAMETERS = (*BASE, *_FILTERS)
"""Everything that a query may have."""


async def read_wanted(connection: ReadTransaction, tenant_id: str, given: Mapping[str, str], days: Days) -> Wanted:
    """Read what is wanted, with the saved view that may be named.

    Raises a :exc:`Problem`: 422 for what makes no sense, 404 if there is no such view.
    """
    query = given if isinstance(given, QueryParams) else QueryParams(given)
    values = read_query(query, BASE, days)
    if values["of"] is not None and values["view"] is not None:
        raise invalid("view", "takes the place of `of`: give one of the two")
    start, end = values["from"], values["to"]
    if start is not None and end is not None and start > end:
        raise invalid("to", "must not lie before from")
    wanted = Wanted(values["of"] or OVERVIEW, start, end, values["paper"], values["language"])
    source = SOURCES.get(wanted.name)
    if source is not None:
        filters = read_query(query, source.filters, days)
        shown = {parameter.name: query[parameter.name] for parameter in source.filters if parameter.name in query}
        wanted = replace(wanted, filters=filters, shown_filters=shown)
    if values["view"] is None:
        return wanted
    views = {view.id: view for view in await read_views(connection, tenant_id)}
    if values["view"] not in views:
        raise not_found(VIEW.name, "there is no such view")
    return _of_view(wanted, views[values["view"]], days)


def _of_view(wanted: Wanted, view: SavedView, days: Days) -> Wanted:
    """Make of what is wanted that which a saved view shows; its own range counts if the query has none."""
    start, end = wanted.start, wanted.end
    if start is None and end is None:
        start, end = _range(view.range, days)
    name = PAGES.get(view.page, OVERVIEW)
    source = SOURCES.get(name)
    filters, shown = ({}, {}) if source is None else _filters(source, view, days)
    return replace(wanted, name=name, start=start, end=end, filters=filters, shown_filters=shown, title=view.name)


def _range(written: str | None, days: Days) -> tuple[str | None, str | None]:
    """Read a view's range: a preset, or two times with a slash between them."""
    if written is None:
        return preset(days, "7d") or (None, None)
    start, slash, end = written.partition("/")
    if not slash:
        return preset(days, start) or (None, None)
    try:
        return (moment(start, days) if start else None), (moment(end, days) if end else None)
    except ValueError:
        return None, None


def _filters(source: List, view: SavedView, days: Days) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Give those filters of a view that the list has; a value that the list does not take is none."""
    wanted = {name: getattr(view, name) for name in FILTERS}
    filters, shown = {}, {}
    for parameter in source.filters:
        filters[parameter.name] = parameter.default
        value = wanted.get(parameter.name)
        if value is None:
            continue
        try:
            filters[parameter.name] = parameter.parse(value, days)
        except ValueError:
            continue
        shown[parameter.name] = value
    return filters, shown
