"""What LLM calls cost, by model and by user, over whole local days: sums of the rollups of days."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.rollup import Rollup
from storage.model.rollups import LLM_MODEL_DAYS, LLM_USER_DAYS
from storage.tables import schema

_SUMS = (
    "calls",
    "failed_calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanodollars",
    "unpriced_calls",
)


@dataclass(frozen=True)
class Cost:
    """The LLM calls of a model or a user. ``label`` is what the rollup has: for a model provider, tab and model."""

    label: str
    calls: int
    failed_calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanodollars: int
    unpriced_calls: int


async def costs_by_model(connection: AsyncConnection, tenant_id: str, first: str, last: str) -> list[Cost]:
    """Add up the calls of each model from one local day to another, highest cost first.

    The label "" stands for all that came when a day had as many models as it may have.
    """
    return await _costs(connection, LLM_MODEL_DAYS, "model", tenant_id, first, last, None)


async def costs_by_user(connection: AsyncConnection, tenant_id: str, first: str, last: str, limit: int) -> list[Cost]:
    """Add up the calls of each user in the same way; at most so many users. Calls that name no user are in none."""
    return await _costs(connection, LLM_USER_DAYS, "user_id", tenant_id, first, last, limit)


async def _costs(
    connection: AsyncConnection,
    rollup: Rollup,
    label: str,
    tenant_id: str,
    first: str,
    last: str,
    limit: int | None,
) -> list[Cost]:
    columns = schema.ROLLUPS[rollup.name].c
    # Whole numbers on every database: PostgreSQL adds up to decimals.
    sums = [cast(func.sum(columns[name]), BigInteger).label(name) for name in _SUMS]
    query = (
        select(columns[label], *sums)
        .where(columns.tenant_id == tenant_id, columns.day >= first, columns.day <= last)
        .group_by(columns[label])
        .order_by(func.sum(columns.cost_nanodollars).desc(), func.sum(columns.calls).desc(), columns[label])
        .limit(limit)
    )
    return [Cost(*row) for row in await connection.execute(query)]
