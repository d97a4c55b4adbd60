"""Annotations: deploys, incidents and notes at a time, which charts show."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "annotations",
        sa.Column("tenant_id", _ordered(255), nullable=False),
        sa.Column("at", _ordered(24), nullable=False),
        sa.Column("id", _ordered(16), nullable=False),
        sa.Column("until", _ordered(24), nullable=True),
        sa.Column("kind", _ordered(16), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("link", sa.String(2000), nullable=True),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("created_at", _ordered(24), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "at", "id"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("annotations")
