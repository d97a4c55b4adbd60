"""Very many tenants with a panel each: following them costs little, and none is called stale while all is well."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.figures import Figures
from tests.faults.isolation.attacks.tenants import tokens
from tests.faults.isolation.pace import Pace, p99_ms
from tests.faults.isolation.subscriber_group import SubscriberGroup
from tests.faults.scene import START_SECONDS
from tests.servers.process import Process

PER_SECOND = 20.0
"""Events of a neighbour, who has no panel."""


@pytest.mark.parametrize("tenants", [2000, 5000])
async def test_no_tenant_is_called_stale(tenants: int, tmp_path: Path, full: bool, figures: Figures) -> None:
    """Of very many tenants, to whom nothing is posted, each panel is told in every heartbeat that all is well."""
    count, beat, seconds = (tenants, 10, 30) if full else (tenants // 20, 1, 5)
    # The panels come from one address.
    process = Process(tmp_path, HEARTBEAT_SECONDS=str(beat), MAX_CONNECTIONS_PER_ADDRESS="10000")
    await process.start(START_SECONDS)
    try:
        async with Pace(process.url, PER_SECOND) as pace:
            begun = pace.begin()
            await asyncio.sleep(seconds / 5)
            before, begun = pace.since(begun), pace.begin()
            began = asyncio.get_running_loop().time()
            async with SubscriberGroup(int(process.url.rpartition(":")[2]), tokens(count), count) as subscribers:
                arrival = asyncio.get_running_loop().time() - began
                during, begun = pace.since(begun), pace.begin()
                # A beat after they came all have been told of themselves.
                await asyncio.sleep(beat)
                await subscribers.tell("forget")
                cpu = process.cpu_seconds()
                await asyncio.sleep(seconds)
                cpu = process.cpu_seconds() - cpu
                told = await subscribers.tell("heartbeats")
                missing, idle = await subscribers.tell("missing"), pace.since(begun)
        figures(
            f"{count} tenants with a panel each",
            served_after=f"{arrival:.1f} s",
            heartbeats=told["all"],
            stale=told["stale"],
            cpu=f"{100 * cpu / seconds:.1f} % of a core, {PER_SECOND:g} posts a second of a neighbour included",
            its_p99=f"{p99_ms(before):.0f} ms before, {p99_ms(during):.0f} while they come, {p99_ms(idle):.0f} then",
        )
        # Each gets one in every interval; one may just be due at either end.
        assert told["all"] >= count * (seconds / beat - 1)
        assert (told["stale"], missing) == (0, 0)
        assert "follow_failed" not in process.log()
    finally:
        process.stop_if_running()
