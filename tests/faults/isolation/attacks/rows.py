"""The rows of the table of noisy neighbours: each an attack, with what it needs."""

import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.isolation.attacks import authentication, connections, posting, reading, sqlite, tenants, writing
from tests.faults.isolation.attacks.bodies import BODIES

Function = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Attack:
    """A row of the table.

    An attack is a function of ``tests.faults.isolation.attacks`` that takes the service's URL and for how many seconds
    it goes on, then its ``options``; ``small`` are those that differ in short form. ``settings`` are the service's,
    without their prefix; ``events`` says how many the attacker's tenant has in its database before, each of another
    user: three in four are API calls, one is an activity.
    """

    name: str
    function: Function
    options: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    events: int = 0
    unread: bool = False
    only_full: bool = False

    def scaled(self, full: bool) -> "Attack":
        """Give it at the size that is asked for."""
        if full:
            return self
        return dataclasses.replace(self, options={**self.options, **self.small}, events=self.events // 40)


def _body(name: str) -> Attack:
    return Attack(name, posting.bodies, {"names": [name], "connections": 2}, only_full=True)


def _frames(kind: str) -> Attack:
    return Attack(f"5.5 MB of {kind}", connections.small_frames, {"kind": kind}, {"connections": 1})


ACME = {"tenant": "acme"}
"""The tenant of admins who attack."""
MANY_EVENTS = 300_000
MANY_PANELS = {f"MAX_CONNECTIONS{of}": "10000" for of in ("", "_PER_ADDRESS", "_PER_USER", "_PER_TENANT")}

BY_BODIES = [
    *(_body(name) for name in BODIES),
    Attack("all of these bodies at once", posting.bodies, {"names": list(BODIES)[:20], "connections": 8}),
    Attack("100 unfinished bodies of 16 MB", posting.unfinished, {}, {"connections": 20}),
    Attack("500 bodies that drip", posting.dripping, {}, {"connections": 50}),
    Attack("chunks of one byte", posting.one_byte_chunks, {}, {"connections": 1}),
    Attack("4,000 headers a request", posting.header_flood, {}, {"connections": 2}),
    Attack("a flood of single posts", posting.singles, {}, {"connections": 8}),
    Attack("pipelined posts", posting.pipelined, {}, {"connections": 2, "ahead": 100}),
    Attack("a flood of refused posts", posting.refused, {}, {"connections": 4}),
    Attack("16 MB to who takes none", posting.large_for_nothing, {}, {"connections": 1}),
    Attack("coming and going", posting.coming_and_going, {}, {"connections": 2}),
]
BY_CONNECTIONS = [
    *(_frames(kind) for kind in connections.SMALL_FRAMES),
    Attack("messages slow to inflate", connections.slow_to_inflate, {}, {"connections": 1}),
    Attack("one subject that comes back at once", connections.reconnecting, {}, {"connections": 2}),
    Attack("15,000 idle connections", connections.idle_connections, {"count": 15_000}, {"count": 300}),
    Attack("unfinished heads", connections.unfinished_heads, {}, {"count": 100}),
    Attack("unfinished messages", connections.unfinished_messages, {}, {"count": 20}),
    Attack("pipelined requests", connections.pipelined_requests, {}, {"connections": 1}),
    Attack("fields of one letter", connections.short_fields, {}, {"connections": 1}),
    Attack("tiny chunks", connections.tiny_chunks, {}, {"connections": 1}),
    Attack("endless trailers", connections.endless_trailer, {}, {"connections": 1}),
    Attack("empty lines", connections.empty_lines, {}, {"connections": 1}),
    Attack("queries of short parameters", connections.short_parameters, {}, {"connections": 1}),
    Attack("2,000 tenants with a panel each", tenants.many_tenants, {}, {"count": 50}, MANY_PANELS),
]
BY_WRITING = [
    Attack("10,000-event batches over 8 connections", writing.post_large_batches, {}, {"connections": 2}),
    Attack("10,000-event batches over 2 connections", writing.post_large_batches, {"connections": 2}, {}),
    Attack("single posts over 1,000 connections", posting.singles, {"connections": 1000}, {"connections": 50}),
    Attack("large batches that nobody waits for", writing.leave_large_batches, {}, {"connections": 2}),
]
BY_READING = [
    Attack(name, attack, {**ACME, **options}, {"clients": 5}, events=MANY_EVENTS)
    for name, attack, options in (
        ("60 reports over 300,000 events", reading.heavy_reports, {}),
        ("pages of 1,000 activities", reading.large_pages, {}),
        ("1,000 summaries at once", reading.summaries, {}),
        ("series of 11,000 points", reading.longest_series, {}),
        ("searches that match nothing", reading.hard_searches, {}),
        ("cursors and tags of 28 KB", reading.long_texts, {}),
        ("CSV of all users", reading.copied_lists, {}),
        ("200 pages that nobody reads", reading.unread_answers, {}),
        ("200 gzipped pages that nobody reads", reading.unread_answers, reading.GZIP),
        (
            "200 CSV of events that nobody reads",
            reading.unread_answers,
            {"path": "users/activities", **reading.CSV},
        ),
        ("200 CSV of users that nobody reads", reading.unread_answers, {"path": "users/list", **reading.CSV}),
        ("readers who leave", reading.clients_that_leave, {}),
        ("six readers beside 2,800 events a second", sqlite.readers_beside_posts, {}),
    )
]
BY_CREDENTIALS = [
    Attack(attack.__name__.replace("_", " "), attack, {"connections": 16}, {"connections": 2})
    for attack in authentication.ATTACKS
]
AUDIT = Attack("an audit that nobody reads", reading.summaries, {**ACME, "clients": 50}, {}, {"AUDIT_LOG": "on"})
BY_LOGS = [dataclasses.replace(AUDIT, unread=True)]
ATTACKS = [*BY_BODIES, *BY_CONNECTIONS, *BY_WRITING, *BY_READING, *BY_CREDENTIALS, *BY_LOGS]
