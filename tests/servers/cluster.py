"""The topology of docker-compose.yml as processes of this machine, from the same settings: ``make cluster``.

Three processes on PostgreSQL and Valkey behind HAProxy. Tests run it, and break it.
"""

import asyncio
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx2
import yaml

from tests.paths import TRACK
from tests.repository import ROOT
from tests.servers.ports import free_port
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.process import Process
from tests.servers.program import spawn
from tests.servers.proxies import program
from tests.servers.valkey import Valkey
from web.auth.tokens import ADMIN, make_token, purpose
from web.cli.welcome import HOURS
from web.settings import DEFAULT_TENANT, Settings

COMPOSE = ROOT / "docker-compose.yml"
CONFIGURATION = ROOT / "haproxy.cfg"
PORT = 8002
PROCESSES = 3
UP_SECONDS = 60


def services() -> dict[str, Any]:
    """Read the services of docker-compose.yml; of what they need from the environment, what is not there is made up."""
    environment = {"ANALYTICS_JWT_SECRET": secrets.token_urlsafe(48), **os.environ, "POSTGRES_PASSWORD": PASSWORD}

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        return environment[name] if kind == "?" else environment.get(name) or text

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: filled(part) for name, part in node.items()}
        if isinstance(node, list):
            return [filled(part) for part in node]
        return re.sub(r"\$\{(\w+):([?-])([^}]*)\}", value, node) if isinstance(node, str) else node

    found: dict[str, Any] = filled(yaml.safe_load(COMPOSE.read_text())["services"])
    return found


class Replica(Process):
    """One process of the cluster, with the settings of docker-compose.yml and no others."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir()
        super().__init__(folder)
        own = {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")}
        self.environment = {**own, **settings}
        self.address = f"127.0.0.1:{settings['ANALYTICS_PORT']}"
        self.url = f"http://{self.address}"


class CannotBalance(Exception):
    """The balancer has ended; the text is what it said."""


class Balancer:
    """HAProxy with haproxy.cfg, before the *processes*."""

    def __init__(self, folder: Path, port: int, processes: Sequence[str] = (), resolver: str = "") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "balancer.log"
        self._environment = {**os.environ, "BALANCER_BIND": f"127.0.0.1:{port}"}
        self._environment |= {f"PROCESS_{number}": address for number, address in enumerate(processes, 1)}
        self._environment |= {"BALANCER_RESOLVER": resolver} if resolver else {}
        self._program: subprocess.Popen[bytes] | None = None

    async def start(self, status: int = 200) -> None:
        """Start it, and wait until it answers so: 200 when it has found a process, 503 before."""
        with self.log.open("ab") as log:
            command: list[str | Path] = [program("haproxy"), "-db", "-f", CONFIGURATION]
            self._program = spawn(command, env=self._environment, stdout=log, stderr=log)
        await self.until(status)

    async def until(self, status: int) -> None:
        """Wait until it answers so."""
        assert self._program is not None
        async with asyncio.timeout(UP_SECONDS), httpx2.AsyncClient() as client:
            while await self._status(client) != status:
                if self._program.poll() is not None:
                    raise CannotBalance(self.log.read_text().strip())
                await asyncio.sleep(0.05)

    async def _status(self, client: httpx2.AsyncClient) -> int:
        try:
            return (await client.get(f"{self.url}/health")).status_code
        except httpx2.TransportError:
            return 0

    def found(self, process: str) -> int:
        """Count how often it has found a process to be up, by its log."""
        return self.log.read_text().count(f"Server processes/{process} is UP")

    def stop(self) -> None:
        if self._program is not None:
            self._program.terminate()
            self._program.wait(10)


class Cluster:
    """The processes and, at *port* (0: any), the balancer, on these stores; *own* settings go first."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, port: int = 0, **own: str) -> None:
        self.database_url = database_url
        folder.mkdir(exist_ok=True)
        given = services()["analytics"]["environment"]
        settings: dict[str, str] = {
            **given,
            "ANALYTICS_HOST": "127.0.0.1",
            "ANALYTICS_DATABASE_URL": database_url.replace(f":{PASSWORD}@", "@"),
            "ANALYTICS_REDIS_URL": redis_url,
            "ANALYTICS_TRUSTED_PROXIES": "127.0.0.1",
            **{f"ANALYTICS_{name}": value for name, value in own.items()},
        }
        self.processes = [
            Replica(folder / f"process{number}", {**settings, "ANALYTICS_PORT": str(free_port())})
            for number in range(1, PROCESSES + 1)
        ]
        self.balancer = Balancer(folder, port or free_port(), [process.address for process in self.processes])
        self.url = self.balancer.url

    async def start(self) -> None:
        """Start the processes all at once, then the balancer."""
        await asyncio.gather(*(process.start(UP_SECONDS) for process in self.processes))
        await self.balancer.start()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """Stop the processes, all at once; the balancer last, since panels are sent away through it."""
        running = [process for process in self.processes if process.pid is not None]
        for process in running:
            process.signal(signal.SIGTERM)
        for process in running:
            process.stop_if_running()
        self.balancer.stop()

    async def keep_up(self) -> None:
        """Start again what ends, as Docker does by ``restart: unless-stopped``."""
        while True:
            await asyncio.sleep(0.2)
            for process in self.processes:
                if process.pid is None:
                    print(f"  {process.url} has ended, and is started again", flush=True)
                    await process.start(UP_SECONDS)
                    print(f"  {process.url} is process {process.pid}", flush=True)


def greeting(cluster: Cluster, key: str) -> str:
    """Write where the dashboard is, how to post, and what to break."""
    settings = Settings.read(cluster.processes[0].environment)
    token = make_token(settings.jwt_secret, "admin", [ADMIN], DEFAULT_TENANT, HOURS * 3600, **purpose(settings))
    url = cluster.processes[0].url
    processes = "\n".join(f"    kill -9 {process.pid}    # {process.url}" for process in cluster.processes)
    return f"""
ConvoAI Analytics: {PROCESSES} processes on PostgreSQL and Valkey behind a balancer; Ctrl-C ends it, and its data

  Dashboard, by way of the balancer (an admin's link, valid for {HOURS} hours):
    {cluster.url}/analytics#token={token}
  Services post to a process itself, with a key:
    curl {url}{TRACK}/activity-public -H 'Content-Type: application/json' \\
      -H 'X-Tracking-Key: {key}' -d '{{"user_id": "u-1", "username": "Ada", "activity_type": "login"}}'
  An hour of traffic in a minute:
    echo {key} | .venv/bin/convoai-analytics replay --sample --speed 60 --url {url} --key-file -
  Break it while you watch; or stop them in order, without -9. Each is started again:
{processes}
"""


async def main(port: int) -> None:
    """Run the cluster until SIGINT or SIGTERM."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, me.cancel)
    key = os.environ.get("ANALYTICS_TRACKING_KEYS") or secrets.token_urlsafe(24)
    # PostgreSQL, which does not run as root, has a folder of its own that it can get at.
    with ExitStack() as stack, suppress(asyncio.CancelledError):
        folder, store = (Path(stack.enter_context(TemporaryDirectory(prefix="cluster-"))) for _ in range(2))
        postgres = Postgres(store, free_port())
        stack.callback(postgres.stop)
        valkey = Valkey(folder, free_port(), *services()["redis"]["command"][1:])
        stack.callback(valkey.stop)
        own = {"TRACKING_KEYS": key, "AUDIT_LOG": "off"}
        async with Cluster(folder, postgres.url(postgres.create("template1")), valkey.url, port, **own) as cluster:
            print(greeting(cluster, key.rpartition(",")[2].rpartition(":")[2]), flush=True)
            await cluster.keep_up()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(os.environ.get("BALANCER_PORT") or PORT)))
    except CannotBalance as error:
        sys.exit(f"the balancer cannot run; BALANCER_PORT names another port than {PORT}\n{error}")
