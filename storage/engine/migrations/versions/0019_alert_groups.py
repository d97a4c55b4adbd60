"""Messages of alerts about several transitions."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("alert_deliveries", sa.Column("group_id", _ordered(16), nullable=True))
    op.create_index("alert_deliveries_group", "alert_deliveries", ["group_id", "target_id"])


def downgrade() -> None:
    op.drop_index("alert_deliveries_group", "alert_deliveries")
    op.drop_column("alert_deliveries", "group_id")
