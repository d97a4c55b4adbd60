"""Closing subscribers when the service stops: in batches, so that they do not all reconnect at once."""

import asyncio
import math
from collections.abc import Collection

from realtime.connection import Connection


async def drain(connections: Collection[Connection], seconds: float, pause: float) -> None:
    """End every connection within *seconds*, a batch each *pause*; few subscribers take less time."""
    subscribers = list(connections)
    batch = max(1, math.ceil(len(subscribers) * pause / seconds)) if seconds > 0 else max(1, len(subscribers))
    for begin in range(0, len(subscribers), batch):
        if begin:
            await asyncio.sleep(pause)
        for subscriber in subscribers[begin : begin + batch]:
            subscriber.close_for_restart()
