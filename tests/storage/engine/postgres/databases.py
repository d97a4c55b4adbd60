"""A database of PostgreSQL from outside: its name, its changes, and a lock that another process holds."""

from typing import Any

import psycopg
from sqlalchemy import select

from storage.engine.database import Database
from storage.tables import schema
from storage.verify.comparison import verify
from tests.servers.postgres import PASSWORD, Postgres

TENANTS = ("default", "acme", "globex")


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def is_clean(database: Database) -> bool:
    async with database.read() as connection:
        return (await verify(connection, database.days)).differences == []


async def sequences(database: Database, tenant: str) -> list[int]:
    log = schema.changes.c
    async with database.read() as connection:
        return list(
            await connection.scalars(select(log.sequence).where(log.tenant_id == tenant).order_by(log.sequence))
        )


def held_head(postgres: Postgres, url: str, tenant: str) -> "psycopg.Connection[Any]":
    """A transaction of another process, which holds a tenant's head row until it is rolled back; of all for "%"."""
    connection = psycopg.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", password=PASSWORD, dbname=name_of(url)
    )
    connection.execute("SELECT FROM heads WHERE tenant_id LIKE %s FOR UPDATE", [tenant])
    return connection
