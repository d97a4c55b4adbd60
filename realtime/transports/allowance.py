"""What a subscriber may send: so much by each connection, and so much by all connections of a subject together.
Pure."""

from collections.abc import Hashable

from storage.fairness.token_bucket import TokenBucket, TokenBuckets

BURST_SECONDS = 10.0
"""What may be sent in so many seconds may be sent at once."""
SHARED = 10.0
"""How many connections' worth a subject may send over all of its connections, at the least."""
EACH_PER_SECOND = 0.2
"""What a subject may send for each connection that it may have, if that is more: within ten seconds all of them may
reconnect, which is one message for the handshake and one for the subscription."""


class Allowance:
    """What one connection may send."""

    __slots__ = ("_own", "_shared", "rule")

    def __init__(self, own: TokenBucket, shared: TokenBucket, rule: str) -> None:
        """Take the connection's own bucket, its subject's, and the *rule*, the text for a subscriber that breaks it."""
        self._own = own
        self._shared = shared
        self.rule = rule

    def take(self, messages: int, now: float) -> bool:
        """Take so many *messages*; False: that is more than was left."""
        is_enough = self._own.holds(messages, now) and self._shared.holds(messages, now)
        self._own.take(messages, now)
        self._shared.take(messages, now)
        return is_enough


class Allowances:
    """The allowances of all connections. Control frames, and parts of messages, count as messages."""

    def __init__(self, per_second: float, connections: int) -> None:
        """Take what a connection may send *per_second*, and how many *connections* a subject may have."""
        self._per_second = per_second
        shared = max(per_second * SHARED, connections * EACH_PER_SECOND)
        self._subjects = TokenBuckets(shared, shared * BURST_SECONDS)

    def of(self, subject: Hashable, now: float) -> Allowance:
        """Make the allowance of a new connection."""
        own = TokenBucket(self._per_second, self._per_second * BURST_SECONDS, now)
        return Allowance(own, self._subjects.of(subject, now), f"at most {self._per_second:g} messages a second")

    def admit(self, subject: Hashable, now: float) -> float:
        """Take one message for a handshake; gives the seconds until the subject may try again, 0 if it is admitted."""
        bucket = self._subjects.of(subject, now)
        wait = bucket.wait(now)
        if not wait:
            bucket.take(1, now)
        return wait
