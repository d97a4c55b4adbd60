"""Sessions of dashboards."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP, DIGEST = _ordered(255), _ordered(24), _ordered(64)


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("sub", KEY, nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("expires_at", STAMP, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("signed_by", sa.String(32), nullable=False),
        sa.Column("issued_at", STAMP, nullable=True),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("code", DIGEST, nullable=True),
        sa.Column("code_until", STAMP, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("sessions_subject", "sessions", ["tenant_id", "sub", "created_at"])


def downgrade() -> None:
    op.drop_table("sessions")
