"""Tracking keys and revocations in the database, and an audit of what is done to them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP = _ordered(255), _ordered(24)


def upgrade() -> None:
    op.create_table(
        "tracking_keys",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", _ordered(16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("last_used_at", STAMP, nullable=True),
        sa.Column("revoked_at", STAMP, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revocations",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("kind", _ordered(3), nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.Column("revoked_at", STAMP, nullable=False),
        sa.Column("expires_at", STAMP, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "value"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.Column("id", _ordered(16), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=600), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "at", "id"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("revocations")
    op.drop_table("tracking_keys")
