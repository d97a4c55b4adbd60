"""Reports that are sent by e-mail again and again, and what of them has to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "report_schedules",
        sa.Column("tenant_id", _ordered(255), nullable=False),
        sa.Column("id", _ordered(16), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("report", sa.String(40), nullable=True),
        sa.Column("view_id", _ordered(16), nullable=True),
        sa.Column("every", sa.String(16), nullable=False),
        sa.Column("on_day", sa.BigInteger, nullable=True),
        sa.Column("at_time", sa.String(5), nullable=False),
        sa.Column("paper", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("created_at", _ordered(24), nullable=False),
        sa.Column("next_at", _ordered(24), nullable=False),
        sa.Column("sent_at", _ordered(24), nullable=True),
        sa.Column("problem", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("report_schedules_due", "report_schedules", ["next_at"])
    op.create_table(
        "report_deliveries",
        sa.Column("tenant_id", _ordered(255), nullable=False),
        sa.Column("schedule_id", _ordered(16), nullable=False),
        sa.Column("due_at", _ordered(24), nullable=False),
        sa.Column("recipient", _ordered(255), nullable=False),
        sa.Column("missed", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("try_at", _ordered(24), nullable=False),
        sa.Column("claim", _ordered(32), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "schedule_id", "due_at", "recipient"),
        sqlite_with_rowid=False,
    )
    op.create_index("report_deliveries_due", "report_deliveries", ["try_at"])


def downgrade() -> None:
    op.drop_table("report_deliveries")
    op.drop_table("report_schedules")
