"""All four services as processes of this machine, with what they have to know of each other."""

import asyncio
import ctypes
import secrets
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2

from examples.convoai.settings import AUDIENCE
from examples.convoai.signing import keep

UP_SECONDS = 60.0
DOWN_SECONDS = 15.0
ADMIN = "admin"
GRANT = """INSERT OR IGNORE INTO user_roles (user_id, role_id)
SELECT users.id, roles.id FROM users, roles WHERE users.username = ? AND roles.name = 'admin'"""
"""What makes an admin of a user, from the next time they sign in."""
_PDEATHSIG = 1


class CannotRun(Exception):
    """The platform cannot run; the text says why."""


@dataclass(frozen=True)
class Ports:
    """The port of each service."""

    chatbot: int = 8000
    auth: int = 8001
    analytics: int = 8002
    page: int = 3000

    def url(self, name: str) -> str:
        """Give the address of a service."""
        return f"http://127.0.0.1:{getattr(self, name)}"


class Platform:
    """The processes. Their data, logs and secrets are in one folder, for its owner's eyes alone."""

    # Stopped in this order: who posts to another ends before it.
    names = ("page", "chatbot", "auth", "analytics")

    def __init__(self, folder: Path, ports: Ports, environment: Mapping[str, str]) -> None:
        """Take the *environment* that the processes get beside their own settings, such as OPENAI_BASE_URL."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder, self.ports = folder.resolve(), ports
        self._key = self._kept("tracking.key").decode()
        self._environment = {
            name: value for name, value in environment.items() if not name.startswith(("ANALYTICS_", "CONVOAI_"))
        }
        # The pace of the built-in model is for whoever starts it to choose.
        pace = environment.get("CONVOAI_TOKENS_PER_SECOND")
        self._environment |= {"CONVOAI_TOKENS_PER_SECOND": pace} if pace else {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    @property
    def url(self) -> str:
        """Where the chat page is."""
        return self.ports.url("page")

    async def start(self) -> None:
        """Start all, and wait until each is healthy; raises :exc:`CannotRun`."""
        for name in self.names:
            _check_free(name, getattr(self.ports, name))
        for name in self.names:
            self._processes[name] = await self._launch(name)
        async with httpx2.AsyncClient() as client:
            await asyncio.gather(*(self._until_healthy(client, name) for name in self.names))

    async def make_admin(self) -> tuple[str, str]:
        """Make an admin at the first start, as the integration guide has it; give name and password."""
        password = self._kept("admin.password").decode()
        async with httpx2.AsyncClient(base_url=self.ports.url("auth")) as client:
            answer = await client.post("/users/", json={"username": ADMIN, "password": password})
        if answer.status_code not in (201, 409):
            raise CannotRun(f"the auth service answered {answer.status_code} to a new user")
        await asyncio.to_thread(grant_admin, self.folder / "auth.db", ADMIN)
        return ADMIN, password

    async def watch(self) -> None:
        """Return never; raises :exc:`CannotRun` if a service ends by itself."""
        ends = {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
        raise CannotRun(self._failure(ends[done.pop()]))

    async def stop(self) -> None:
        """Stop all, one after the other; what does not end is ended."""
        for name in self.names:
            process = self._processes.get(name)
            if process is None or process.returncode is not None:
                continue
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), DOWN_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    def _kept(self, name: str) -> bytes:
        """Read a secret of the folder; it is made the first time."""
        file = self.folder / name
        if not file.exists():
            keep(file, secrets.token_urlsafe(24).encode())
        return file.read_bytes()

    async def _launch(self, name: str) -> asyncio.subprocess.Process:
        command, settings = [sys.executable, "-m", f"examples.convoai.{name}"], self._services(name)
        if name == "analytics":
            command, settings = [str(Path(sys.executable).with_name("convoai-analytics")), "serve"], self._analytics()
        # Each start has a log of its own: nothing that grows for ever.
        with (self.folder / f"{name}.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *command,
                env={**self._environment, **settings},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches this process alone, which stops the others in their order.
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def _services(self, name: str) -> dict[str, str]:
        return {
            "CONVOAI_DATA": str(self.folder),
            "CONVOAI_PORT": str(getattr(self.ports, name)),
            "CONVOAI_PAGE_URL": self.ports.url("page"),
            "CONVOAI_AUTH_URL": self.ports.url("auth"),
            "CONVOAI_CHATBOT_URL": self.ports.url("chatbot"),
            "ANALYTICS_URL": self.ports.url("analytics"),
            "ANALYTICS_TRACKING_KEY": self._key,
        }

    def _analytics(self) -> dict[str, str]:
        auth = self.ports.url("auth")
        return {
            "ANALYTICS_PORT": str(self.ports.analytics),
            "ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{self.folder}/analytics.db",
            "ANALYTICS_JWKS_URL": f"{auth}/.well-known/jwks.json",
            "ANALYTICS_JWT_ISSUER": auth,
            "ANALYTICS_JWT_AUDIENCE": AUDIENCE,
            "ANALYTICS_TRACKING_KEYS": self._key,
            # By way of the page.
            "ANALYTICS_ALLOWED_ORIGINS": self.ports.url("page"),
        }

    async def _until_healthy(self, client: httpx2.AsyncClient, name: str) -> None:
        try:
            async with asyncio.timeout(UP_SECONDS):
                while not await _is_healthy(client, self.ports.url(name)):
                    if self._processes[name].returncode is not None:
                        raise CannotRun(self._failure(name))
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CannotRun(self._failure(name)) from None

    def _failure(self, name: str) -> str:
        log = self.folder / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-5:]
        return "\n  ".join([f"the service {name} does not run; {log} ends with", *lines])


def grant_admin(database: Path, username: str) -> None:
    """Give a user of the auth service's database the role admin."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(GRANT, (username,))


async def _is_healthy(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health")).status_code == 200
    except httpx2.TransportError:
        return False


def _check_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotRun(f"port {port} is in use; --{name}-port names another") from None


def _end_with_parent() -> None:
    # However this process ends, the others do not stay behind.
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
