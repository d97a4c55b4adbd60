"""The queue of handshakes: their rate is limited, and subjects take turns, however many handshakes of each wait."""

import asyncio
import math

from realtime.transports.allowance import Allowances
from storage.errors import ShareExceeded
from storage.fairness.turns import Turns
from web.http.problems import Problem, unavailable

HANDSHAKES_PER_SECOND, HANDSHAKES_AT_ONCE = 400.0, 50
"""The rate of handshakes: each costs a millisecond, and posts wait behind those that begin at once."""
MAX_WAIT_SECONDS = 8.0
"""A client that would have to wait longer gets 503: subscribers themselves give up after 10 s."""
RETRY_SECONDS = 5
"""After how long a subscriber may try again that found too many others before it."""


class HandshakeQueue:
    """Where handshakes wait for their turn. A handshake is one of the messages that a subject may send."""

    def __init__(self, allowances: Allowances) -> None:
        self._allowances = allowances
        waiting = int(HANDSHAKES_PER_SECOND * MAX_WAIT_SECONDS)
        self._turns = Turns("handshakes", HANDSHAKES_AT_ONCE, HANDSHAKES_AT_ONCE, waiting)

    async def enter(self, subject: tuple[str, str]) -> None:
        """Wait for the turn of a *subject* (tenant and subject of a valid token).

        Raises a 429 :exc:`Problem` if the subject has sent too many messages, a 503 if it would wait for too long.
        """
        loop = asyncio.get_running_loop()
        wait = self._allowances.admit(subject, loop.time())
        if wait:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, "the panels of this subject sent too many messages", headers=headers)
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await self._turns.enter(subject)
        except (ShareExceeded, TimeoutError):
            raise unavailable("too many panels come at once", RETRY_SECONDS) from None
        # So many places, each for so long, make the rate.
        loop.call_later(HANDSHAKES_AT_ONCE / HANDSHAKES_PER_SECOND, self._turns.leave, subject)
