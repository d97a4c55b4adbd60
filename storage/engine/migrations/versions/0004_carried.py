"""What removed rows leave behind, so that a recount still proves every figure, and how far each table reaches back."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP, DAY, MINUTE = _ordered(255), _ordered(24), _ordered(10), _ordered(16)


def upgrade() -> None:
    _table(
        "carried_users",
        ("tenant_id", "user_id"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("username", KEY, nullable=True),
        sa.Column("named_at", STAMP, nullable=True),
        sa.Column("named_id", sa.BigInteger(), nullable=True),
        sa.Column("first_seen", STAMP, nullable=False),
        sa.Column("last_seen", STAMP, nullable=False),
        sa.Column("activity_count", sa.BigInteger(), nullable=False),
    )
    _table(
        "carried_user_days",
        ("tenant_id", "day", "user_id"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("first_at", STAMP, nullable=False),
    )
    _table(
        "carried_endpoint_days",
        ("tenant_id", "day", "endpoint"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.Column("endpoint", _ordered(512), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.Text(), nullable=False),
    )
    _table(
        "carried_conversation_metrics",
        ("tenant_id", "conversation_id"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("message_count", sa.BigInteger(), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("response_count", sa.BigInteger(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=False),
        sa.Column("status", _ordered(8), nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.Column("founding_rank", sa.Integer(), nullable=False),
        sa.Column("founding_id", sa.BigInteger(), nullable=False),
    )
    op.create_index("carried_conversation_metrics_user", "carried_conversation_metrics", ["tenant_id", "user_id"])
    _table(
        "carried_counters",
        ("tenant_id", "metric", "start"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("metric", _ordered(300), nullable=False),
        sa.Column("start", MINUTE, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    for table in ("user_activity", "message_metrics", "api_usage", "conversation_events"):
        op.add_column("heads", sa.Column(f"{table}_from", MINUTE, nullable=False, server_default=""))
    op.add_column("heads", sa.Column("user_days_from", DAY, nullable=False, server_default=""))


def _table(name: str, key: tuple[str, ...], *columns: sa.Column[Any]) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)


def downgrade() -> None:
    raise RuntimeError("what removed rows left behind cannot be taken back: restore a backup instead")
