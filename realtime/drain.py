"""Sending panels away when the service stops: in batches, so that they do not come back as a herd."""

import asyncio
import math
from collections.abc import Collection

from realtime.connection import Connection


async def drain(connections: Collection[Connection], seconds: float, pause: float) -> None:
    """End every connection within *seconds*, a batch each *pause*; few panels take a pause each, not all the time."""
    panels = list(connections)
    batch = max(1, math.ceil(len(panels) * pause / seconds)) if seconds > 0 else max(1, len(panels))
    for begin in range(0, len(panels), batch):
        if begin:
            await asyncio.sleep(pause)
        for panel in panels[begin : begin + batch]:
            panel.send_away()
