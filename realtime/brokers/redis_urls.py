"""A Redis URL, and what it names; pure.

    redis://[user:password@]host[:port][/db]
    redis+sentinel://[user:password@]host[:port],.../service[/db]
    redis+cluster://[user:password@]host[:port],...

``rediss`` instead of ``redis``: all of it over TLS. User and password are percent-encoded.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

SINGLE, SENTINEL, CLUSTER = "single", "sentinel", "cluster"
"""What a URL may name: one server; the master that sentinels name; the node of a cluster that owns the channel."""

_URL = re.compile(
    r"(?P<scheme>rediss?)(\+(?P<kind>sentinel|cluster))?://"
    r"((?P<credentials>[^/?#]*)@)?(?P<hosts>[^/?#@]+)(?P<path>/[^?#]*)?(\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_PATHS = {SINGLE: r"(/(?P<db>[0-9]*))?", SENTINEL: r"/(?P<service>[^/]+)(/(?P<db>[0-9]*))?", CLUSTER: r"/?"}
_DEFAULT_PORTS = {SINGLE: 6379, SENTINEL: 26379, CLUSTER: 6379}
_FORMS = {
    SINGLE: "redis://user:password@host:port/db",
    SENTINEL: "redis+sentinel://user:password@host:port,host:port/service",
    CLUSTER: "redis+cluster://user:password@host:port,host:port",
}
_TLS_OPTIONS = frozenset(f"ssl_{name}" for name in ("ca_certs", "certfile", "keyfile", "cert_reqs", "check_hostname"))
_SENTINEL_OPTIONS = frozenset(("sentinel_username", "sentinel_password"))


@dataclass(frozen=True)
class RedisUrl:
    """A parsed URL.

    ``hosts`` are the server, the sentinels, or nodes of the cluster; ``service`` is what sentinels call it.
    """

    kind: str
    hosts: tuple[tuple[str, int], ...]
    service: str
    _scheme: str
    _db: str
    _credentials: str = field(repr=False)
    _sentinel_credentials: str = field(repr=False)
    _options: str

    def server(self, host: str, port: int) -> str:
        """Write the URL of one server, as Redis clients take it."""
        return self._write(self._credentials, host, port, self._db)

    def sentinel(self, host: str, port: int) -> str:
        """Write the URL of one sentinel, which has credentials of its own."""
        return self._write(self._sentinel_credentials, host, port, "")

    def _write(self, credentials: str, host: str, port: int, db: str) -> str:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"{self._scheme}://{credentials}{place}/{db}{self._options}"


def parse_redis_url(url: str) -> RedisUrl:
    """Check a URL; raises ``ValueError`` with what is wrong, without repeating it."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(f"must be a URL such as {' or '.join(_FORMS.values())}; rediss instead of redis: over TLS")
    kind = found["kind"] or SINGLE
    path = re.fullmatch(_PATHS[kind], found["path"] or "")
    hosts = tuple(_host(item, _DEFAULT_PORTS[kind]) for item in found["hosts"].split(","))
    if path is None or None in hosts or (kind == SINGLE and len(hosts) > 1):
        raise ValueError(f"must have the form {_FORMS[kind]}")
    parts = path.groupdict()
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    known = (_TLS_OPTIONS if found["scheme"] == "rediss" else frozenset()) | (
        _SENTINEL_OPTIONS if kind == SENTINEL else frozenset()
    )
    if not options.keys() <= known:
        raise ValueError(f"may have, behind its question mark, {', '.join(sorted(known)) or 'nothing'}")
    user, password = options.pop("sentinel_username", ""), options.pop("sentinel_password", "")
    return RedisUrl(
        kind,
        tuple(host for host in hosts if host is not None),
        parts.get("service") or "",
        found["scheme"],
        parts.get("db") or "",
        f"{found['credentials']}@" if found["credentials"] else "",
        f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else "",
        f"?{urlencode(options)}" if options else "",
    )


def _host(text: str, default: int) -> tuple[str, int] | None:
    found = _HOST.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"] or default) < 65536:
        return None
    return found["host"].strip("[]"), int(found["port"] or default)
