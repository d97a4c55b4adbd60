"""The cookies of signing in, and from whose pages they are taken: from this service's own alone.

A browser sends a cookie with every request to its host, whichever page made it: pages of another port, and of other
hosts of the same site, do not count as cross-site (RFC 6265bis, 5.2). So a request has to name the origin of its page,
and that has to be the service's own. Browsers add ``Origin`` to WebSockets and to what changes something. To the rest
the page adds ``X-Page-Origin``. Pages of other origins cannot: their browser asks the service before it sends a header
of that name, and the service does not allow it (Fetch, CORS preflight). ``Sec-Fetch-Site``, where a browser sends it,
has to agree.

The origin also says whether the page came over TLS, whatever stands between browser and service.
"""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

ORIGIN_HEADER = "x-page-origin"
"""By which a page names its own origin."""
SESSION = "convoai-analytics"
"""The name of the session's cookie, without prefix and port."""
API_PATH = "/api/v1/analytics"
"""The path of all cookies over plain HTTP; over TLS the prefix ``__Host-`` demands the path ``/``."""
_ORIGIN = re.compile(r"(https?)://([^/\s@]{1,255})", re.IGNORECASE)
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""32 bytes as base64url."""
_VALUE = re.compile(r"[A-Za-z0-9_-]{1,1000}")


@dataclass(frozen=True)
class PageOrigin:
    """The service's own origin, as a page of it named it."""

    scheme: str
    host: str

    @property
    def is_secure(self) -> bool:
        """Say whether the page came over TLS."""
        return self.scheme == "https"

    def cookie_name(self, name: str) -> str:
        """Give a cookie's whole name: with its port, since browsers send the cookies of all ports of a host."""
        port = self.host.rpartition(":")[2] if re.search(r":[0-9]+$", self.host) else ""
        return f"{'__Host-' if self.is_secure else ''}{name}{f'-{port}' if port else ''}"

    def set_cookie(self, name: str, value: str, seconds: int, path: str = API_PATH, same_site: str = "Strict") -> str:
        """Write the header that keeps a cookie for so many *seconds*; 0 deletes it."""
        path, secure = ("/", "; Secure") if self.is_secure else (path, "")
        attributes = f"Path={path}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
        return f"{self.cookie_name(name)}={value}; {attributes}"


def own_origin(headers: Headers) -> PageOrigin | None:
    """Give the origin of the page that makes the request, if it is the service's own; None if it is not, or unknown."""
    if headers.get("sec-fetch-site", "same-origin").lower() != "same-origin":
        return None
    named = {value.lower() for name in ("origin", ORIGIN_HEADER) for value in headers.getlist(name)}
    found = _ORIGIN.fullmatch(next(iter(named))) if len(named) == 1 else None
    if found is None or found[2] != headers.get("host", "").lower():
        return None
    return PageOrigin(found[1], found[2])


def session_secret(headers: Headers) -> str | None:
    """Take the session's secret out of a request of one of the service's own pages; None if there is none."""
    if "cookie" not in headers:
        return None
    origin = own_origin(headers)
    return None if origin is None else read_cookie(headers, origin.cookie_name(SESSION))


def read_cookie(headers: Headers, name: str) -> str | None:
    """Read a cookie that holds a secret; None if it is missing, given twice with other values, or holds none."""
    value = read_value(headers, name)
    return value if value is not None and _SECRET.fullmatch(value) else None


def read_value(headers: Headers, name: str) -> str | None:
    """Read a cookie of base64url; None if it is missing, given twice with other values, or something else."""
    pairs = (pair.strip().partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    found = {value for key, _, value in pairs if key == name}
    value = found.pop() if len(found) == 1 else ""
    return value if _VALUE.fullmatch(value) else None
