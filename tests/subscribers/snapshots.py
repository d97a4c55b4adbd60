"""What a panel shows, held against the snapshot of the same position."""

from realtime.protocol import TOPICS
from tests.servers.service import Running
from tests.subscribers.live import Fed


async def equals_snapshot(running: Running, panel: Fed, tenant: str = "default") -> None:
    """Hold what a panel shows against the snapshot of the same position."""
    snapshot = await running.get("snapshot", tenant)
    await panel.until_position(snapshot["position"])
    assert panel.state.position == snapshot["position"]
    assert panel.state.shown() == {key: snapshot[key] for key in TOPICS}
