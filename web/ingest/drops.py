"""What clients report of events that they dropped: a header beside a batch, by reason. Pure."""

from collections.abc import Iterator

HEADER = "analytics-client-dropped"
REASONS = ("queue_full", "spool_full", "invalid", "before_send", "sampled", "refused", "unsent", "closed", "disabled")
"""Those of our own client; others are counted together, as ``other``."""
MAX_LENGTH = 1024
MAX_DIGITS = 12


def read_drops(header: str) -> Iterator[tuple[str, int]]:
    """Read ``queue_full=12, refused=3``; what is not of that form is passed over, since it may fail no post."""
    for member in header[:MAX_LENGTH].split(","):
        reason, _, written = member.strip().partition("=")
        if written.isascii() and written.isdigit() and len(written) <= MAX_DIGITS:
            yield (reason if reason in REASONS else "other"), int(written)
