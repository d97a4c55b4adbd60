"""The endpoint that says what a rule about what is unusual would have fired in the past, before it is made or after."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from storage.alerts.figure import Figure, find_figure
from storage.alerts.rule import FALSE_ALARMS, LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS, InvalidRule, check_adds_up
from storage.alerts.unusual.past import MAX_DAYS, Alarm, Past, read_past
from storage.model.clock import now
from web.alerts import shapes
from web.alerts.access import PATH, Access, answer
from web.http.operations import Answer, Operation, Parameter, read_query, text, whole
from web.http.problems import invalid

DEFAULT_DAYS = 30
_FIGURE = Parameter("figure", "A figure that adds up.", {"type": "string", "maxLength": 255}, text(255))
_FALSE_ALARMS = Parameter(
    "false_alarms_a_month",
    "How many false alarms a month the rule allows.",
    {"type": "integer", "minimum": LEAST_FALSE_ALARMS, "maximum": MOST_FALSE_ALARMS, "default": FALSE_ALARMS},
    whole(LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS),
    FALSE_ALARMS,
)
_DAYS = Parameter(
    "days",
    "How many days back.",
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
    whole(1, MAX_DAYS),
    DEFAULT_DAYS,
)


class PastAlarms:
    """The endpoint."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def operations(self) -> list[Operation]:
        """List the endpoint."""
        return [
            Operation(
                "GET",
                f"{PATH}/past",
                "getPastAlarms",
                "Alerts",
                "What a rule of the kind unusual would have fired in the past",
                self._read,
                {200: Answer("The alarms, oldest first.", shapes.PAST)},
                access="admin",
                parameters=(_FIGURE, _FALSE_ALARMS, _DAYS),
            )
        ]

    async def _read(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        database = self._access.database
        values = read_query(request.query_params, (_FIGURE, _FALSE_ALARMS, _DAYS), database.days)
        figure = _figure(values["figure"])
        async with self._access.reports.heavy_turn(request):
            past = await read_past(database, tenant_id, figure, values[_FALSE_ALARMS.name], values[_DAYS.name], now())
        return answer(_document(past, figure))


def _figure(name: str | None) -> Figure:
    figure = None if name is None else find_figure(name)
    if figure is None:
        raise invalid("figure", "is required" if name is None else "is not known: see /docs")
    try:
        check_adds_up(figure)
    except InvalidRule as error:
        raise invalid(error.field, error.error) from None
    return figure


def _document(past: Past, figure: Figure) -> dict[str, Any]:
    return {
        "items": [_alarm(alarm, figure) for alarm in past.alarms],
        "since": None if past.since is None else _start(past.since),
    }


def _alarm(alarm: Alarm, figure: Figure) -> dict[str, Any]:
    return {
        "at": _start(alarm.hour),
        "value": figure.write(alarm.value),
        "direction": "up" if alarm.is_up else "down",
        "usual": {"least": figure.write(alarm.least), "greatest": figure.write(alarm.greatest), "hours": alarm.count},
        "until": None if alarm.until is None else _start(alarm.until),
    }


def _start(hour: str) -> str:
    return f"{hour}:00:00.000Z"
