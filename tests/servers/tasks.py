"""The tasks and connections that a service has while nobody asks it for anything."""

import asyncio

from tests.servers.service import Running

SECONDS = 5
"""Within so many seconds the service has ended whatever a client left open."""


def running_tasks() -> set[str]:
    """Name what runs in the loop, but for who asks."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return {str(getattr(task.get_coro(), "__qualname__", "")) for task in tasks}


async def settle(running: Running, tasks: set[str]) -> None:
    """Wait until nobody is connected, and no task runs that did not before."""
    service, state = running.service, running.server.server_state
    left: object = None
    try:
        async with asyncio.timeout(SECONDS + 6):
            while True:
                panels = service.telemetry.registry.get_sample_value("convoai_panels")
                left = (panels, len(service.hub), len(state.connections), len(state.tasks), running_tasks() - tasks)
                if left[:4] == (0, 0, 0, 0) and (not tasks or not left[4]):
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"left over: {left}") from None
