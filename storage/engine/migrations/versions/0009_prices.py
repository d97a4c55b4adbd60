"""Prices of LLM calls, and by which one the cost of a call was computed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP, ID = _ordered(255), _ordered(24), _ordered(16)


def upgrade() -> None:
    op.create_table(
        "prices",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("provider", KEY, nullable=False),
        sa.Column("model", KEY, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("set_at", STAMP, nullable=True),
        sa.Column("removed_at", STAMP, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("prices_model", "prices", ["tenant_id", "model"])
    op.add_column("llm_calls", sa.Column("price_id", ID, nullable=True))


def downgrade() -> None:
    raise RuntimeError("an older version does not know the prices of calls: restore a backup")
