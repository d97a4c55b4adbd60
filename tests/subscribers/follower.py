"""A panel that comes back: whenever its connection ends it connects anew, from the position that it holds."""

import asyncio
import random

from websockets.exceptions import WebSocketException

from tests.subscribers.live import LivePanel

FOREVER = 10_000.0
PAUSE_SECONDS = (0.02, 0.2)
"""Between two tries; a browser's are further apart."""


class Follower(LivePanel):
    """One panel. ``returns`` is how often it came back."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self.returns = -1
        self._following: asyncio.Task[None] | None = None

    async def resume(self) -> None:
        # Else a long run would keep all that was ever sent.
        self.frames.clear()
        await super().resume()

    def begin(self) -> None:
        """Follow from now on."""
        self._following = asyncio.create_task(self._follow())

    async def leave(self) -> None:
        """Follow no more."""
        assert self._following is not None
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self.close()

    async def _follow(self) -> None:
        while True:
            try:
                await self.resume()
                self.returns += 1
                await self.until(lambda: self.closed is not None, FOREVER)
            except (OSError, WebSocketException, TimeoutError):
                # The service is away, or was killed in the middle of the handshake.
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
            await self.close()
