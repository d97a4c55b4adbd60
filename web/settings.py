"""Every setting: its name, default, unit and meaning. The one reader of the environment.

A value that makes no sense stops the start with one clear line; the line never repeats the value, which can be secret.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from realtime.brokers.redis_urls import parse_redis_url
from storage.engine.urls import parse_url
from storage.model.events import KINDS, Kind
from storage.retention.policy import Retention

PREFIX = "ANALYTICS_"
DEFAULT_TENANT = "default"
MAX_NAME = 255
"""Characters of a claim's name, or of a role."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidSetting(ValueError):
    """A setting makes no sense; the text names it and says what it should be."""


def _setting(default: str, meaning: str, parse: Callable[[str], Any], unit: str = "") -> Any:
    return dataclasses.field(metadata={"default": default, "meaning": meaning, "parse": parse, "unit": unit})


def _text(value: str) -> str:
    return value


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return value

    return parse


def _database(value: str) -> str:
    parse_url(value)
    return value


def _redis(value: str) -> str:
    if value:
        parse_redis_url(value)
    return value


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        wrong = ValueError(f"must be a URL that begins with {' or '.join(f'{name}://' for name in schemes)}")
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            # A port that is none.
            raise wrong from None
        if value and not is_good:
            raise wrong
        return value

    return parse


def _smtp(value: str) -> str:
    parts = urlsplit(_url("smtp", "smtps", "smtp+plain")(value))
    if parts.path.strip("/") or parts.query or parts.fragment or bool(parts.username) != bool(parts.password):
        raise ValueError("must be like smtp://user:password@host:587, or without the user and password")
    return value


def is_address(value: str) -> bool:
    """Say whether *value* is an e-mail address (RFC 5321) without quotes, of ASCII."""
    return re.fullmatch(_ADDRESS, value, re.ASCII) is not None and len(value) <= MAX_NAME - 1


_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"[\w.!#$%&'*+/=?^`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*"


def _sender(value: str) -> str:
    named = re.fullmatch(r"[^<>\"\\]*<([^<>]*)>", value)
    if value and not (value.isprintable() and is_address(named[1] if named else value)):
        raise ValueError("must be an e-mail address, or a name and then the address in <>")
    return value


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _names(value: str) -> tuple[str, ...]:
    names = tuple(_items(value))
    if value and not (names and all(name.isprintable() for name in names)):
        raise ValueError("must be names, separated by commas")
    return names


def _name(value: str) -> str:
    if len(value) > MAX_NAME or not value.isprintable() or value != value.strip():
        raise ValueError(f"must be a name of at most {MAX_NAME} characters")
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split() or not value.isprintable():
        raise ValueError("must be scopes separated by spaces, one of them openid")
    return value


def _networks(value: str) -> tuple[Network, ...]:
    if value == "none":
        return ()
    try:
        return tuple(ipaddress.ip_network(item) for item in _items(value))
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8 or addresses, separated by commas") from None


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(item.rstrip("/").lower() for item in _items(value))
    if not all(re.fullmatch(r"https?://[^/\s*]+", origin) for origin in origins):
        raise ValueError("must be origins such as https://admin.example.com, separated by commas")
    return origins


def _keys(value: str) -> dict[str, str]:
    """Read ``key`` or ``tenant:key`` items into key -> tenant."""
    keys = {}
    for item in _items(value):
        tenant, _, key = item.rpartition(":")
        if not re.fullmatch(r"[A-Za-z0-9._~-]{16,255}", key):
            raise ValueError("must be keys of 16 or more letters, digits and ._~-, each as key or tenant:key")
        if key in keys:
            raise ValueError("must name each key once")
        keys[key] = tenant or DEFAULT_TENANT
    return keys


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError("must be the name of a time zone, such as Europe/Vienna") from None
    return value


def _kept_name(kind: Kind) -> str:
    return f"retention_{kind.name}_days"


def _kept(kind: Kind) -> Any:
    meaning = f"How many local days before today {kind.noun} are kept; older ones are refused, and pruned. 0: for ever."
    return _setting("0", meaning, _whole(0, 36_500), "days")


if TYPE_CHECKING:
    # Type checkers know no class that is made from a list of fields.
    class _Kept:
        pass
else:
    _Kept = dataclasses.make_dataclass("_Kept", [(_kept_name(kind), int, _kept(kind)) for kind in KINDS], frozen=True)


@dataclass(frozen=True)
class Settings(_Kept):
    """All settings; each field is the environment variable ``ANALYTICS_`` and its name in capitals."""

    host: str = _setting("127.0.0.1", "The address to serve on.", _text)
    port: int = _setting("8002", "The port to serve on.", _whole(0, 65535))
    database_url: str = _setting(
        "sqlite+aiosqlite:///data/analytics.db",
        "The database: a file, whose folder is made if it is missing, or postgresql+psycopg://user:password@host/name.",
        _database,
    )
    redis_url: str = _setting(
        "",
        "Redis or Valkey, for more than one process: redis://, redis+sentinel:// or redis+cluster://, rediss for TLS. "
        "Empty: one process, in-process broker.",
        _redis,
    )
    jwt_secret: str = _setting(
        "",
        "The HS256 secret, shared with the auth service; one under 32 bytes (RFC 7518, 3.2) is warned about. Empty: a "
        "random one is made once and kept beside the database, unless ANALYTICS_JWKS_URL is set.",
        _text,
    )
    jwks_url: str = _setting(
        "", "Where the auth service publishes its RS256 or ES256 keys. Empty: only HS256.", _url("http", "https")
    )
    jwt_audience: tuple[str, ...] = _setting(
        "",
        "The names of this service in the claim aud, separated by commas; a token has to have one of them. "
        "Empty: none, so that a token that names an audience is refused.",
        _names,
    )
    jwt_issuer: tuple[str, ...] = _setting(
        "",
        "Issuers whose tokens are taken, by the claim iss, separated by commas. Empty: any that has the key.",
        _names,
    )
    jwt_roles_claim: str = _setting(
        "roles",
        "The claim that holds the roles: its name, or a path such as realm_access.roles. It is a list of texts, or one "
        "text that is split at spaces.",
        _name,
    )
    jwt_admin_role: str = _setting("admin", "The role that may read the figures.", _name)
    jwt_tenant_claim: str = _setting(
        "tenant",
        "The claim that holds the tenant: its name, or a path. A token without it is of the default tenant.",
        _name,
    )
    oidc_issuer: str = _setting(
        "",
        "The OpenID provider that admins may sign in with, as it names itself in its tokens. Empty: none.",
        _url("http", "https"),
    )
    oidc_client_id: str = _setting("", "As which client the service is registered at the provider.", _name)
    oidc_client_secret: str = _setting("", "The client's secret. Empty: a public client, with PKCE alone.", _text)
    oidc_scopes: str = _setting(
        "openid email profile", "What the provider is asked for, separated by spaces; openid is needed.", _scopes
    )
    oidc_name: str = _setting("", "The provider's name on the button. Empty: its host.", _name)
    oidc_session_hours: float = _setting(
        "8",
        "How long a session lasts that was opened with the provider; then the page leads there again.",
        _number(0.05, 9_000),
        "hours",
    )
    tracking_keys: Mapping[str, str] = _setting(
        "", "Keys of services that post, each as key or tenant:key, separated by commas.", _keys
    )
    trusted_networks: tuple[Network, ...] = _setting(
        "none",
        "Networks whose clients may post to the default tenant without a key; none: a key is always needed.",
        _networks,
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "", "Proxies whose X-Forwarded-For is used as the client's address. Empty: none.", _networks
    )
    allowed_origins: tuple[str, ...] = _setting(
        "", "Origins, other than the service's own, whose pages may connect and read (CORS). Empty: none.", _origins
    )
    timezone: str = _setting(
        "UTC", "The time zone of local days; a database keeps its own until verify --repair --rezone.", _zone
    )
    smtp_url: str = _setting(
        "",
        "The mail server: smtp://user:password@host with STARTTLS, smtps:// with TLS from the start, smtp+plain:// "
        "without; ports 587, 465 and 25 unless one is named. Empty: no e-mail is sent.",
        _smtp,
    )
    mail_from: str = _setting(
        "", "The sender of e-mails: an address, or Name <address>. Needed with a mail server.", _sender
    )
    alerts_secret: str = _setting(
        "",
        "By this the addresses and secrets of alerts' targets are encrypted in the database. Empty: a random one is "
        "made once and kept beside the database's file; with PostgreSQL it has to be set before there are targets.",
        _text,
    )
    alerts_networks: tuple[Network, ...] = _setting(
        "none",
        "Private networks that alerts may be sent to, such as 10.0.0.0/8, separated by commas; with any, every service "
        "of apprise may be used. none: public addresses alone.",
        _networks,
    )
    tick_ms: int = _setting(
        "50", "The shortest time between two frames to a subscriber.", _whole(1, 10_000), "milliseconds"
    )
    heartbeat_seconds: float = _setting("10", "The time between two heartbeats.", _number(0.1, 300), "seconds")
    write_deadline_seconds: float = _setting(
        "10",
        "How long a subscriber may leave frames unread before it is closed with 4408.",
        _number(0.1, 300),
        "seconds",
    )
    max_connections: int = _setting("10000", "Subscribers in this process.", _whole(1, 1_000_000), "connections")
    max_connections_per_tenant: int = _setting(
        "5000", "Subscribers of one tenant.", _whole(1, 1_000_000), "connections"
    )
    max_connections_per_user: int = _setting("1000", "Subscribers of one subject.", _whole(1, 1_000_000), "connections")
    max_connections_per_address: int = _setting(
        "2000", "Subscribers of one address.", _whole(1, 1_000_000), "connections"
    )
    subscribe_seconds: float = _setting(
        "10",
        "How long after the handshake a client may wait before it subscribes; then 4400.",
        _number(0.1, 300),
        "seconds",
    )
    messages_per_second: float = _setting(
        "5",
        "How many messages a subscriber may send over time, with ten seconds' worth at once; "
        "pings and pongs count; then 4429.",
        _number(0.1, 50),
        "messages/s",
    )
    tracking_events_per_second: int = _setting(
        "0",
        "How many events a tracking key, or an address without one, may post to a process over time; "
        "then 429. 0: no limit.",
        _whole(0, 1_000_000),
        "events/s",
    )
    tracking_burst_events: int = _setting(
        "10000", "How many events may arrive at once before that limit applies.", _whole(1, 10_000_000), "events"
    )
    head_seconds: float = _setting(
        "10",
        "How long the head of a request, or of a WebSocket's handshake, may take to arrive; then 408.",
        _number(0.1, 300),
        "seconds",
    )
    body_seconds: float = _setting(
        "60", "How long the body of a request may take to arrive; then 408.", _number(0.1, 3600), "seconds"
    )
    answer_seconds: float = _setting(
        "60",
        "How long a client may leave an answer unread; then the connection is closed.",
        _number(1, 3600),
        "seconds",
    )
    memory_mb: int = _setting(
        "64",
        "What bodies and answers in flight may hold: a tenant alone a half, one key or subject a third; then 429. The "
        "objects made of a body take up to five times its size.",
        _whole(1, 1_000_000),
        "MB",
    )
    read_seconds: float = _setting(
        "30",
        "How long one read of the database may take, on PostgreSQL each of its queries; then it is ended: 503.",
        _number(1, 3600),
        "seconds",
    )
    queue_events: int = _setting(
        "50000",
        "Events that may wait for their commit: beyond its share a tenant gets 429, beyond all of it posts get 503.",
        _whole(1, 10_000_000),
        "events",
    )
    exports_mb: int = _setting(
        "1024",
        "Disk space for exports that wait to be read, in the folder of temporary files; "
        "shared and refused in the same way.",
        _whole(1, 1_000_000),
        "MB",
    )
    change_log_entries: int = _setting(
        "10000", "Changes kept for each tenant: how far back a subscriber can resume.", _whole(1, 1_000_000), "changes"
    )
    stop_seconds: int = _setting(
        "10", "How long a stop may take: subscribers are closed, open requests are finished.", _whole(1, 600), "seconds"
    )
    drain_seconds: float = _setting(
        "4",
        "Over how long a stop closes the subscribers; at most half of ANALYTICS_STOP_SECONDS.",
        _number(0, 300),
        "seconds",
    )
    drain_pause_ms: int = _setting(
        "100", "The time between two batches of subscribers that are closed.", _whole(10, 10_000), "milliseconds"
    )
    retention_audit_days: int = _setting(
        "0",
        "How many days the audit of keys, tokens, erasures and saved views is kept. 0: for ever.",
        _whole(0, 36_500),
        "days",
    )
    log_level: str = _setting("info", "debug, info, warning or error.", _choice("debug", "info", "warning", "error"))
    log_format: str = _setting(
        "auto", "json, console, or auto: console on a terminal, else json.", _choice("auto", "json", "console")
    )
    access_log: str = _setting(
        "errors", "Requests to log: off, errors (status 400 or more) or all.", _choice("off", "errors", "all")
    )
    audit_log: str = _setting(
        "on", "A line on standard output for each request of an admin: on or off.", _choice("on", "off")
    )

    @property
    def retention(self) -> Retention:
        """How long each table of events is kept."""
        return Retention({kind.table: getattr(self, _kept_name(kind)) for kind in KINDS})

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings from *environment*; raises :exc:`InvalidSetting`. An empty variable means the default."""
        values = {}
        for field in dataclasses.fields(cls):
            name = PREFIX + field.name.upper()
            try:
                values[field.name] = field.metadata["parse"](environment.get(name) or field.metadata["default"])
            except ValueError as error:
                raise InvalidSetting(f"{name} {error}") from None
        return cls(**values)


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Name the variables that look like settings but are none."""
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def own_url(settings: Settings) -> str:
    """Say where the service that *settings* describe is reached from this machine."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
