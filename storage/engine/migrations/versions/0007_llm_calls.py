"""Calls of language models, a kind of event of its own; and what messages say of their time and end."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP, MINUTE = _ordered(255), _ordered(24), _ordered(16)


def upgrade() -> None:
    op.create_table(
        "llm_calls",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("provider", KEY, nullable=False),
        sa.Column("model", KEY, nullable=False),
        sa.Column("operation", sa.String(100), nullable=False),
        *(sa.Column(name, KEY, nullable=True) for name in ("user_id", "conversation_id", "message_id")),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in (
                "input_tokens",
                "cached_input_tokens",
                "cache_write_tokens",
                "output_tokens",
                "reasoning_tokens",
                "response_time_us",
                "time_to_first_token_us",
            )
        ),
        sa.Column("finish_reason", sa.String(100), nullable=True),
        sa.Column("error_type", sa.String(255), nullable=True),
        sa.Column("service_tier", sa.String(100), nullable=True),
        sa.Column("cost_nanodollars", sa.BigInteger(), nullable=True),
        sa.Column("timestamp", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    keyed = sa.text("event_id IS NOT NULL")
    op.create_index(
        "llm_calls_event",
        "llm_calls",
        ["tenant_id", "event_id"],
        unique=True,
        sqlite_where=keyed,
        postgresql_where=keyed,
    )
    op.create_index("llm_calls_time", "llm_calls", ["tenant_id", "timestamp", "id"])
    op.create_index("llm_calls_user", "llm_calls", ["tenant_id", "user_id"])
    op.create_index("llm_calls_conversation", "llm_calls", ["tenant_id", "conversation_id"])
    op.add_column("heads", sa.Column("llm_calls_from", MINUTE, nullable=False, server_default=""))
    # No call was removed. But what needs every table has expired before the earliest of all cutoffs, and stays so.
    least = "MIN" if op.get_bind().dialect.name == "sqlite" else "LEAST"
    cutoffs = "user_activity_from, message_metrics_from, api_usage_from, conversation_events_from"
    op.execute(f"UPDATE heads SET llm_calls_from = {least}({cutoffs})")  # noqa: S608 - our own names
    op.add_column("message_metrics", sa.Column("time_to_first_token_us", sa.BigInteger(), nullable=True))
    op.add_column("message_metrics", sa.Column("finish_reason", sa.String(100), nullable=True))
    # A call with a user founds a conversation better than its deletion does, whose rank was 2.
    for table in ("conversation_metrics", "carried_conversation_metrics"):
        op.execute(f"UPDATE {table} SET founding_rank = 3 WHERE founding_rank = 2")  # noqa: S608 - our own names


def downgrade() -> None:
    raise RuntimeError("an older version does not know the calls of models: restore a backup")
