"""What became of the events: an account that is balanced at any time."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stats:
    """Counts of events since this process began to track.

    At any time ``tracked + restored == recorded + duplicates + rejected + sum(dropped.values()) + pending``.
    """

    tracked: int = 0
    """Calls of ``track_*``."""
    restored: int = 0
    """Events that an earlier process had left in the spool."""
    recorded: int = 0
    """Events that the service has made durable."""
    duplicates: int = 0
    """Events that the service had already, from a post whose answer was lost."""
    rejected: int = 0
    """Events that the service refused because they broke a rule; the log names the field."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Events that were given up, by reason: see :data:`REASONS`."""
    pending: int = 0
    """Events that wait to be posted, in memory or in the spool."""
    spooled: int = 0
    """Events that were written to the spool so far: the first so many of ``tracked`` that were not dropped are safe
    from the end of this process."""


QUEUE_FULL = "queue_full"
SPOOL_FULL = "spool_full"
INVALID = "invalid"
BEFORE_SEND = "before_send"
SAMPLED = "sampled"
REFUSED = "refused"
UNSENT = "unsent"
CLOSED = "closed"
DISABLED = "disabled"

REASONS = {
    QUEUE_FULL: "the queue in memory was full",
    SPOOL_FULL: "the spool had no room, or its disk failed",
    INVALID: "a value could not be written as JSON",
    BEFORE_SEND: "before_send returned None or failed",
    SAMPLED: "sampling left it out",
    REFUSED: "the service refused the request, such as for a wrong key",
    UNSENT: "the process ended before the service took it",
    CLOSED: "it was tracked after close()",
    DISABLED: "there is no URL to post to",
}
"""Why events are dropped. The service counts them by these names, too."""
