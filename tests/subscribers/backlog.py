"""Panels that do not read, and what then waits for them."""

import asyncio
import socket

from tests.servers.service import Running
from tests.subscribers.live import LivePanel


async def stalled(running: Running) -> LivePanel:
    """Connect a panel whose socket soon takes no more, as a frozen browser's does."""
    before = set(running.server.server_state.connections)
    panel = await running.panel()
    (connection,) = [item for item in set(running.server.server_state.connections) - before if hasattr(item, "conn")]
    # Else the kernel would take megabytes for a panel before the service sees that it does not read.
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    panel.freeze()
    return panel


def buffered(running: Running) -> int:
    """Bytes that wait in the service for panels that do not read."""
    connections = running.server.server_state.connections
    return max((item.transport.get_write_buffer_size() for item in connections if hasattr(item, "conn")), default=0)


async def flood(running: Running, commits: int) -> str:
    """Make changes whose frames are large, about 35 KB each."""
    position = ""
    for number in range(commits):
        event = {"user_id": "αβγδε"[number % 5] * 255, "username": "😀" * 255, "activity_type": "😀" * 100}
        position = (await running.post("activity-public", event))["position"]
        await asyncio.sleep(0.02)
    return position
