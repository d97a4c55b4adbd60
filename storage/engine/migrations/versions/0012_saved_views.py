"""Saved views of the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("tenant_id", _ordered(255), nullable=False),
        sa.Column("id", _ordered(16), nullable=False),
        sa.Column("name", _ordered(100), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("range", sa.String(length=60), nullable=True),
        sa.Column("user_id", _ordered(255), nullable=True),
        sa.Column("conversation_id", _ordered(255), nullable=True),
        sa.Column("model_used", _ordered(255), nullable=True),
        sa.Column("endpoint", _ordered(512), nullable=True),
        sa.Column("activity_type", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("created_at", _ordered(24), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("saved_views")
