"""File descriptors: how many this process may have, and how many of them connections may take.

A process that has none left accepts no connection, and opens no file. The usual soft limit of 1,024 is for programs
that use ``select()``; this one does not.
"""

import dataclasses
import resource
from contextlib import suppress

import structlog

from web.settings import Settings

log = structlog.get_logger()

MAX_DESCRIPTORS = 1 << 20
"""What is asked for where there is no limit: more than memory permits."""
KEPT = 2_300
"""Descriptors that connections leave alone: those of files, database and Redis, and of :data:`WAITING` connections."""
WAITING = 2_048
"""Connections that may be accepted before they begin to be served."""
SUBSCRIBERS = 0.75
"""The part of the connections that subscribers may take; the rest is for posts and reads."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, for this process and those that it starts, and give what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    with suppress(ValueError, OSError):
        # Some systems have a lower limit that they do not tell.
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def for_connections(limit: int) -> int:
    """Tell how many of *limit* descriptors connections may take: of few, three quarters."""
    return limit - min(KEPT, limit // 4)


def for_waiting(limit: int) -> int:
    """Tell how many connections may wait to be served: of few descriptors, those kept back that files do not need."""
    return min(WAITING, max(16, limit - for_connections(limit) - (KEPT - WAITING)))


def fitting(settings: Settings, limit: int) -> Settings:
    """Lower ``ANALYTICS_MAX_CONNECTIONS`` to what *limit* descriptors allow, and say so."""
    subscribers = int(for_connections(limit) * SUBSCRIBERS)
    if settings.max_connections <= subscribers:
        return settings
    log.warning(
        "few_descriptors",
        detail=f"ANALYTICS_MAX_CONNECTIONS is {settings.max_connections}, but {limit} descriptors (ulimit -Hn) are "
        f"enough for {subscribers} panels: raise the hard limit, or lower the setting",
    )
    return dataclasses.replace(settings, max_connections=subscribers)
