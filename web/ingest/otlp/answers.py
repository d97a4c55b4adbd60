"""What an exporter is answered, in the media type that it sent (opentelemetry.io/docs/specs/otlp, OTLP/HTTP).

An ExportTraceServiceResponse, or a google.rpc.Status: both are a few bytes, so they need no library.
"""

import msgspec
from starlette.responses import Response

from web.http.problems import Problem

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MAX_RETRY_SECONDS = 2
"""The longest Retry-After: Python's exporter gives a request up when less than that is left of its ten seconds."""

_RETRYABLE = {429: 429, 502: 502, 503: 503, 504: 504, 507: 503}
"""The statuses that exporters send again, and the one that stands for another."""
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 11, 415: 3, 422: 3, 429: 8, 503: 14}
"""Codes of gRPC (google.rpc.Code) by statuses of HTTP."""
_UNKNOWN = 2


def accept(media: str, refused: int, reason: str) -> Response:
    """Acknowledge a request of which so many spans were *refused*, the first one for this *reason*."""
    if media == JSON:
        partial = {"partialSuccess": {"rejectedSpans": str(refused), "errorMessage": reason}} if refused else {}
        return Response(msgspec.json.encode(partial), media_type=JSON)
    partial_success = _whole(1, refused) + _text(2, reason)
    return Response(_bytes(1, partial_success) if refused else b"", media_type=PROTOBUF)


def refuse(media: str, problem: Problem) -> Response:
    """Answer an error as a Status."""
    status = _RETRYABLE.get(problem.status, problem.status)
    headers = {**problem.headers, "Cache-Control": "no-store"}
    if "Retry-After" in headers:
        headers["Retry-After"] = str(min(int(headers["Retry-After"]), MAX_RETRY_SECONDS))
    code = _CODES.get(status, _UNKNOWN)
    if media == PROTOBUF:
        return Response(_whole(1, code) + _text(2, problem.detail), status, headers, PROTOBUF)
    return Response(msgspec.json.encode({"code": code, "message": problem.detail}), status, headers, JSON)


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
