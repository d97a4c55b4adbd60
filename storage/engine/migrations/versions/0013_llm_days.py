"""Calls of language models by local day: of each model, user and conversation."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, DAY, LABEL = _ordered(255), _ordered(10), _ordered(512)
SUMS = (
    "calls",
    "failed_calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanodollars",
    "unpriced_calls",
    "unpriced_tokens",
)


def upgrade() -> None:
    for prefix in ("", "carried_"):
        _table(f"{prefix}llm_model_days", "model", LABEL)
        _table(f"{prefix}llm_user_days", "user_id", KEY)
        _table(f"{prefix}llm_conversation_days", "conversation_id", KEY)
        columns = ["tenant_id", "conversation_id"]
        op.create_index(f"{prefix}llm_conversation_days_conversation", f"{prefix}llm_conversation_days", columns)


def _table(name: str, label: str, kind: sa.types.TypeEngine[str]) -> None:
    op.create_table(
        name,
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.Column(label, kind, nullable=False),
        *(sa.Column(column, sa.BigInteger(), nullable=False) for column in SUMS),
        sa.PrimaryKeyConstraint("tenant_id", "day", label),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise RuntimeError("an older version does not know the calls by day: restore a backup")
