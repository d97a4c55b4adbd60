"""The routes of the application, by who may use them. A test compares them with the application's own."""

from starlette.routing import Route, WebSocketRoute

from tests.paths import API, TRACK
from tests.samples.events import EVENTS
from tests.servers.service import Running

ADMINS = [
    f"GET {API}/{path}"
    for path in (
        "summary",
        "users/activities",
        "users/top",
        "users/list",
        "conversations",
        "messages",
        "llm-calls",
        "api-usage",
        "api-usage/endpoints",
        "daily-stats",
        "series?metrics=messages",
        "response-times?of=messages",
        "breakdown?metric=cost&by=model",
        "snapshot",
        "active-users?from=2026-03-01",
        "api-usage/endpoints/detail?endpoint=/x",
        "models/detail?model_used=x",
        "search?part=x",
        "views",
        "annotations",
        "report.pdf",
        "report-schedules",
        "alerts",
        "alerts/history",
        "alerts/past?figure=messages",
        "alerts/silences",
        "alerts/targets",
    )
]
DETAILS = [f"GET {API}/users/detail?user_id=x", f"GET {API}/conversations/detail?conversation_id=x"]
"""For admins, who are told that there is nothing of this name."""
WRITES = {
    f"POST {API}/views": 415,
    f"PATCH {API}/views/{{view_id}}": 415,
    f"DELETE {API}/views/{{view_id}}": 404,
    f"POST {API}/report-schedules": 415,
    f"PUT {API}/report-schedules/{{schedule_id}}": 404,
    f"DELETE {API}/report-schedules/{{schedule_id}}": 404,
    f"POST {API}/annotations": 415,
    f"DELETE {API}/annotations/{{annotation_id}}": 404,
    f"PUT {API}/alerts/rules/{{rule_id}}": 415,
    f"DELETE {API}/alerts/rules/{{rule_id}}": 404,
    f"POST {API}/alerts/rules/{{rule_id}}/acknowledgements": 404,
    f"POST {API}/alerts/deliveries/{{delivery_id}}/attempts": 404,
    f"POST {API}/alerts/silences": 415,
    f"DELETE {API}/alerts/silences/{{silence_id}}": 404,
    f"PUT {API}/alerts/targets/{{target_id}}": 415,
    f"DELETE {API}/alerts/targets/{{target_id}}": 404,
    f"POST {API}/alerts/targets/{{target_id}}/secrets": 415,
    f"POST {API}/alerts/targets/{{target_id}}/trials": 404,
}
"""For admins, with what a request without a body gets."""
TRACKERS = [f"POST {TRACK}/{name}" for name in (*EVENTS, "batch")]
POSTHOG = "POST /batch/"
"""For services, which name their key in the body, or as everywhere else."""
EXPORTS = ["POST /v1/traces", "POST /api/public/otel/v1/traces"]
"""For services, too; they answer as OTLP says."""
OPEN = {
    "GET /health": 200,
    "GET /ready": 200,
    "GET /metrics": 200,
    "GET /docs": 200,
    "GET /openapi.json": 200,
    "GET /analytics": 200,
    "GET /analytics/": 200,
    "GET /analytics/panel.js": 200,
    "GET /analytics/assets/{name}": 404,
    # Whoever comes without an attempt is led to the dashboard, and signed in by nothing.
    f"GET {API}/sign-in/oidc/callback": 303,
}
LIVE = f"WS {API}/live"
STREAM = f"GET {API}/live"

OWN_PAGES = [f"{method} {API}/session" for method in ("GET", "POST", "DELETE")]
OWN_PAGES += [f"GET {API}/sign-in", f"POST {API}/sign-in/oidc"]
"""For the service's own pages only."""
CODES, RENEWALS = f"POST {API}/session/codes", f"POST {API}/session/renewals"
"""For those who have a token."""


def routes(running: Running) -> set[str]:
    """Name the routes of the application, each with its method."""
    found = set()
    for route in running.service.app.routes:
        if isinstance(route, WebSocketRoute):
            found.add(f"WS {route.path}")
        else:
            assert isinstance(route, Route), f"{route} is of a kind that this matrix does not know"
            found |= {f"{method} {route.path}" for method in (route.methods or {"GET"}) - {"HEAD"}}
    return found
