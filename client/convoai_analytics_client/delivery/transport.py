"""HTTP to the service: one connection that is kept open, and what an answer says."""

# Nothing may be imported in the thread that posts: a child that is forked meanwhile would wait for that for ever.
# A name is looked up by this codec, which Python imports only then.
import encodings.idna  # noqa: F401
import gzip
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from convoai_analytics_client.delivery.reader import Response

VERSION = "0.1.0"
PATH = "/api/v1/analytics/track/batch"
GZIP_BYTES = 1024
"""What is shorter is not worth compressing."""
GZIP_LEVEL = 1
"""Level 1 takes 2 us an event; level 6 takes four times as long for a tenth less."""
MAX_ANSWER = 4 << 20
"""Bytes of an answer that are read."""
_TRANSIENT = (408, 429)


class Answer(NamedTuple):
    """What the service said: its status, its JSON object (empty if there is none), ``Retry-After`` in seconds."""

    status: int
    body: dict[str, Any]
    retry_after: float

    def is_taken(self) -> bool:
        """Say whether the events were taken."""
        counts = self.body.get("recorded"), self.body.get("duplicates")
        rejected = self.body.get("rejected", [])
        is_ours = all(isinstance(count, int) for count in counts) and isinstance(rejected, list)
        return 200 <= self.status < 300 and is_ours and all(isinstance(item, dict) for item in rejected)

    def is_transient(self) -> bool:
        """Say whether the same post may be taken later (RFC 9110, 15.5.9, 15.6; RFC 6585, 4)."""
        return self.status in _TRANSIENT or self.status >= 500


class Unreachable(Exception):
    """The service could not be reached, or the connection broke: the post may be sent again."""


class Transport:
    """Posts batches. Not for use by several threads at once."""

    def __init__(self, url: str, key: str | None, timeout: float) -> None:
        """Raises ValueError if *url* is not one of HTTP, or holds a password: errors and logs show URLs."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: expected the address of the service, such as http://127.0.0.1:8002")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "url: expected only scheme, host, port and path; the tracking key is an argument of its own"
            )
        if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
            raise ValueError("key: expected printable ASCII without blanks around it")
        self._is_secure = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/") + PATH
        self._timeout = timeout
        self._headers = {
            "User-Agent": f"convoai-analytics-client/{VERSION}",
            "Content-Type": "application/x-ndjson",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }
        self._connection: HTTPConnection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post NDJSON; raises :exc:`Unreachable`."""
        headers = {**self._headers, **headers}
        if len(body) > GZIP_BYTES:
            body, headers["Content-Encoding"] = gzip.compress(body, GZIP_LEVEL, mtime=0), "gzip"
        while True:
            is_old = self._connection is not None
            try:
                return self._request(body, headers)
            except (OSError, HTTPException) as error:
                self.close()
                # A connection that was idle may have been closed by the other side: that says nothing of the service.
                if not is_old or isinstance(error, TimeoutError):
                    raise Unreachable(type(error).__name__) from error

    def _request(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = self._connection = self._connection or self._connect()
        connection.request("POST", self._path, body, dict(headers))
        response = connection.getresponse()
        written = response.read(MAX_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(response.status, _object(written), _seconds(response.headers.get("Retry-After")))

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        connection.response_class = Response
        return connection

    def close(self) -> None:
        """Close the connection; the next post makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _object(written: bytes) -> dict[str, Any]:
    try:
        body = json.loads(written)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(retry_after: str | None) -> float:
    """Read a number of seconds, or a date (RFC 9110, 10.2.3); 0 for nothing, or what is neither."""
    if retry_after is None:
        return 0.0
    try:
        if retry_after.isdigit():
            return float(retry_after)
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
