"""Errors as clients see them: problem documents (RFC 9457) that name the field at fault and never echo its value."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from storage.errors import ShareExceeded, StorageFull, StorageUnavailable
from storage.model.parsing import InvalidEvent, MalformedJson

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
"""The shape of the documents, as OpenAPI names it."""


class Problem(Exception):
    """A request that cannot be served. ``field`` is the input at fault, None if it is not about one.

    ``members`` are further ones of the document (RFC 9457, 3.2).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def body(self) -> bytes:
        """Write the document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if self.field is not None:
            document["field"] = self.field
        return msgspec.json.encode(document)

    def response(self) -> Response:
        """Make the HTTP response."""
        return Response(self.body(), self.status, {**self.headers, "Cache-Control": "no-store"}, MEDIA_TYPE)


def unauthorized(detail: str) -> Problem:
    """Make a 401 (RFC 9110, 15.5.2; RFC 6750)."""
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def invalid(field: str, detail: str) -> Problem:
    """Make a 422 for one input."""
    return Problem(422, f"{field or 'event'}: {detail}", field)


def not_found(field: str, detail: str) -> Problem:
    """Make a 404 for one input that names nothing."""
    return Problem(404, f"{field}: {detail}", field)


def unavailable(detail: str, retry_after: int = 1) -> Problem:
    """Make a 503 that says when to try again."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after)})


def explain(error: Exception) -> Problem:
    """Turn any error that an endpoint raises into a problem."""
    match error:
        case Problem():
            return error
        case InvalidEvent():
            return invalid(error.field, error.error)
        case MalformedJson():
            return Problem(400, str(error))
        case StorageFull():
            return Problem(507, str(error), headers={"Retry-After": str(error.retry_after)})
        case ShareExceeded():
            return Problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
        case StorageUnavailable():
            return unavailable(str(error), error.retry_after)
        case ClientDisconnect():
            # No client reads it; the access log and the metrics count it.
            return Problem(400, "the body ended too early")
        case HTTPException():
            detail = f"{error.detail}: see /docs" if error.status_code in (404, 405) else str(error.detail)
            return Problem(error.status_code, detail, headers=error.headers)
        case _:
            return Problem(500, "the service failed; the failure is logged")


async def handle(_request: Request, error: Exception) -> Response:
    """Answer any error that an endpoint raises."""
    return explain(error).response()


async def handle_bug(request: Request, error: Exception) -> Response:
    """Log an unexpected error, and answer 500."""
    route = getattr(request.scope.get("route"), "path", None)
    log.error("request_failed", route=route, method=request.method, exc_info=error)
    return explain(error).response()


HANDLERS: dict[Any, Any] = {
    Problem: handle,
    InvalidEvent: handle,
    MalformedJson: handle,
    StorageUnavailable: handle,
    ClientDisconnect: handle,
    HTTPException: handle,
    Exception: handle_bug,
}
