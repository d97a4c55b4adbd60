"""Redis breaks, in every way it can, between two services: panels are never wrong, and who posts notices nothing.

Events are posted to one service; panels follow on both. While Redis is away they are kept up from the change log.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.faults.figures import Figures
from tests.faults.outages.redis_scene import PANELS, POSTERS, SECONDS, TOKEN, Posters, Scene
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.service import start
from tests.servers.valkey import Cluster, Sentinels, Valkey, ended
from tests.servers.valkey import until as wait
from tests.subscribers.live import LivePanel


@contextlib.asynccontextmanager
async def scene(folder: Path, postgres: Postgres, redis_url: str, full: bool) -> AsyncIterator[Scene]:
    """Start it all. In the full form each service is a process; else both run here, which starts them in no time."""
    name = postgres.create()
    database_url = postgres.url(name)
    async with contextlib.AsyncExitStack() as stack:
        urls = []
        for number in range(2):
            (own := folder / f"service{number}").mkdir()
            if full:
                process = Process(own, DATABASE_URL=database_url, REDIS_URL=redis_url)
                stack.callback(process.stop_if_running)
                await process.start(SECONDS)
                urls.append(process.url)
            else:
                running = await start(own, DATABASE_URL=database_url, REDIS_URL=redis_url)
                stack.push_async_callback(running.drop)
                urls.append(running.url)
        panels = [LivePanel(url, TOKEN) for url in urls for _ in range(PANELS)]
        for panel in panels:
            await panel.open()
            stack.push_async_callback(panel.close)
        posters = Posters(urls[0])
        tasks = [asyncio.create_task(panel.stay()) for panel in panels]
        tasks += [asyncio.create_task(posters.run(number)) for number in range(POSTERS)]
        try:
            found = Scene(urls, database_url, panels, posters, tasks)
            await found.until_state("ready")
            yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    postgres.drop(name)


Servers = Valkey | Sentinels | Cluster


@dataclass(frozen=True)
class Fault:
    """A way to break Redis. *heal* is None if it heals by itself, *is_away* if no change is carried meanwhile."""

    name: str
    servers: Callable[[Path], Servers]
    strike: Callable[[Servers], None]
    heal: Callable[[Servers], None] | None = None
    is_away: bool = True
    is_short: bool = False


def one(folder: Path) -> Servers:
    return Valkey(folder, free_port(), "--client-output-buffer-limit", "pubsub", "64kb", "32kb", "1")


def behind_sentinels(folder: Path) -> Servers:
    return Sentinels(folder, iter(free_port, 0))


def whole_cluster(folder: Path) -> Servers:
    return Cluster(folder, iter(free_port, 0), replicas=True)


def bare_cluster(folder: Path) -> Servers:
    return Cluster(folder, iter(free_port, 0))


def channels(servers: Servers) -> list[str]:
    """The channels that services listen on."""
    found = [name.decode() for server in servers.servers for name in server.command("PUBSUB CHANNELS")]
    return [name for name in found if name.endswith(":changes")]


def cut(servers: Servers) -> None:
    for server in servers.servers:
        server.cut()


def overflow(servers: Servers) -> None:
    """Publish more at once than the server keeps for anybody: it closes the subscriptions.

    Small messages: large ones the server keeps once for all, and does not count.
    """
    assert isinstance(servers, Valkey)
    before = closed(servers)
    with redis.Redis(port=servers.port) as client, client.pipeline() as burst:
        for _ in range(5000):
            burst.publish(channels(servers)[0], b"x" * 1_000)
        burst.execute()
    wait(lambda: closed(servers) >= before + 2)


def closed(server: Valkey) -> int:
    """How many clients a server has sent away because they did not read in time."""
    return int(server.command("INFO", "stats")["client_output_buffer_limit_disconnections"])


def lose_owner(servers: Servers) -> None:
    """Kill the node that has the channel: the only one at which anybody subscribes to anything."""
    assert isinstance(servers, Cluster)
    servers.lost = next(node for node in servers.masters if node.command("PUBSUB SHARDCHANNELS"))
    servers.lost.kill()


def bring_owner_back(servers: Servers) -> None:
    assert isinstance(servers, Cluster)
    assert servers.lost is not None
    servers.lost.start()


def kill(servers: Servers) -> None:
    servers.servers[0].kill()


def bring_back(servers: Servers) -> None:
    servers.servers[0].start()


def pause(servers: Servers) -> None:
    servers.servers[0].signal(signal.SIGSTOP)


def go_on(servers: Servers) -> None:
    servers.servers[0].signal(signal.SIGCONT)


def fail_over(servers: Servers) -> None:
    assert isinstance(servers, Sentinels)
    servers.fail_over()
    wait(lambda: servers.named == servers.replica.port)


def kill_master(servers: Servers) -> None:
    """Kill it, and wait until another one has taken its place."""
    assert isinstance(servers, Sentinels)
    kill(servers)
    wait(lambda: servers.named == servers.replica.port)


def pause_master(servers: Servers) -> None:
    """Stop it until another one has taken its place: it stays, and its connections too."""
    assert isinstance(servers, Sentinels)
    pause(servers)
    wait(lambda: servers.named == servers.replica.port)


FAULTS = [
    Fault("Redis killed, restarted", one, kill, bring_back, is_short=True),
    Fault("Redis paused", one, pause, go_on),
    Fault("Redis subscriptions cut", one, cut, is_away=False, is_short=True),
    Fault("Redis output buffer overflowed", one, overflow, is_away=False, is_short=True),
    Fault("Redis Sentinel: master killed", behind_sentinels, kill_master, is_away=False, is_short=True),
    Fault("Redis Sentinel: failover by hand", behind_sentinels, fail_over, is_away=False),
    Fault("Redis Sentinel: master paused", behind_sentinels, pause_master, is_away=False),
    Fault("Redis Cluster: node lost, has a replica", whole_cluster, lose_owner),
    Fault("Redis Cluster: node lost, has none", bare_cluster, lose_owner, bring_owner_back),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_redis_breaks(fault: Fault, tmp_path: Path, postgres: Postgres, full: bool, figures: Figures) -> None:
    """Whatever becomes of Redis: acknowledged events are there, panels exact, no digest disagrees, /ready says it."""
    if not (full or fault.is_short):
        pytest.skip("in the full form")
    times = 8 if full else 2
    servers = await asyncio.to_thread(fault.servers, tmp_path / "redis")
    with ended(servers):
        async with scene(tmp_path, postgres, servers.url, full) as found:
            seen: dict[str, object] = {"lag_before": f"{await found.lag(times):.2f} s"}
            seen["p99_before"] = f"{found.posters.p99()} ms"
            await asyncio.to_thread(fault.strike, servers)
            if fault.is_away:
                seen["degraded_after"] = f"{await found.until_state('degraded'):.1f} s"
                if fault.heal is not None:
                    # It is away, and stays so: what panels get now they get from the change log.
                    seen["lag_meanwhile"] = f"{await found.lag(times):.2f} s (aim 1)"
                    assert await found.states() == {"degraded"}
                    seen["p99_meanwhile"] = f"{found.posters.p99()} ms"
                    await asyncio.to_thread(fault.heal, servers)
            else:
                seen["lag_meanwhile"] = f"{await found.lag(times):.2f} s"
            seen["ready_after"] = f"{await found.until_state('ready'):.1f} s (aim 2)"
            seen["lag_after"] = f"{await found.lag(times):.2f} s"
            seen["p99_after"] = f"{found.posters.p99()} ms"
            await found.verify()
            figures(fault.name, **seen, acknowledged=len(found.posters.acknowledged), lost=0, wrong=0)
