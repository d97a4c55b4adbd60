"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY = _ordered(255)
STAMP = _ordered(24)

DAILY_STATS = """
CREATE VIEW daily_stats AS
SELECT tenant_id, CAST(REPLACE(start, '-', '') AS INTEGER) AS id, start AS date,
  SUM(SUM(CASE WHEN metric = 'users' THEN value ELSE 0 END))
    OVER (PARTITION BY tenant_id ORDER BY start) AS total_users,
  SUM(CASE WHEN metric = 'active_users' THEN value ELSE 0 END) AS active_users,
  SUM(CASE WHEN metric = 'users' THEN value ELSE 0 END) AS new_users,
  SUM(CASE WHEN metric = 'conversations' THEN value ELSE 0 END) AS total_conversations,
  SUM(CASE WHEN metric = 'messages' THEN value ELSE 0 END) AS total_messages,
  SUM(CASE WHEN metric = 'api_calls' THEN value ELSE 0 END) AS total_api_calls,
  SUM(CASE WHEN metric = 'response_time_us' THEN value ELSE 0 END) / 1000000.0
    / NULLIF(SUM(CASE WHEN metric = 'responses' THEN value ELSE 0 END), 0) AS avg_response_time,
  SUM(CASE WHEN metric = 'api_errors' THEN value ELSE 0 END) AS error_count
FROM counters WHERE grain = 'day' GROUP BY tenant_id, start
"""


def upgrade() -> None:
    op.create_table(
        "about",
        sa.Column("name", _ordered(40), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_usage",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("endpoint", _ordered(512), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("user_id", KEY, nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("api_usage_endpoint", "api_usage", ["tenant_id", "endpoint", "timestamp", "id"], unique=False)
    op.create_index(
        "api_usage_event",
        "api_usage",
        ["tenant_id", "event_id"],
        unique=True,
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index("api_usage_time", "api_usage", ["tenant_id", "timestamp", "id"], unique=False)
    op.create_index("api_usage_user", "api_usage", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "changes",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "sequence"),
    )
    op.create_table(
        "conversation_events",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("timestamp", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "conversation_events_conversation", "conversation_events", ["tenant_id", "conversation_id"], unique=False
    )
    op.create_index(
        "conversation_events_event",
        "conversation_events",
        ["tenant_id", "event_id"],
        unique=True,
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index("conversation_events_time", "conversation_events", ["tenant_id", "timestamp"], unique=False)
    op.create_index("conversation_events_user", "conversation_events", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "conversation_metrics",
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
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "conversation_metrics_time", "conversation_metrics", ["tenant_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "conversation_metrics_user", "conversation_metrics", ["tenant_id", "user_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "counters",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("grain", _ordered(6), nullable=False),
        sa.Column("metric", sa.String(length=40), nullable=False),
        sa.Column("start", _ordered(16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "grain", "metric", "start"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "heads",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.String(length=32), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_metrics",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("token_count", sa.BigInteger(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=True),
        sa.Column("model_used", sa.String(length=255), nullable=True),
        sa.Column("created_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "message_metrics_conversation",
        "message_metrics",
        ["tenant_id", "conversation_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "message_metrics_event",
        "message_metrics",
        ["tenant_id", "event_id"],
        unique=True,
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index("message_metrics_message", "message_metrics", ["tenant_id", "message_id"], unique=True)
    op.create_index("message_metrics_time", "message_metrics", ["tenant_id", "created_at"], unique=False)
    op.create_index("message_metrics_user", "message_metrics", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "user_activity",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("activity_type", sa.String(length=100), nullable=False),
        sa.Column("timestamp", STAMP, nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=1024), nullable=True),
        sa.Column("extra_data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "user_activity_event",
        "user_activity",
        ["tenant_id", "event_id"],
        unique=True,
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index("user_activity_time", "user_activity", ["tenant_id", "timestamp", "id"], unique=False)
    op.create_index("user_activity_user", "user_activity", ["tenant_id", "user_id", "timestamp", "id"], unique=False)
    op.create_table(
        "user_days",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", _ordered(10), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("username", KEY, nullable=True),
        sa.Column("named_at", STAMP, nullable=True),
        sa.Column("named_id", sa.BigInteger(), nullable=True),
        sa.Column("first_seen", STAMP, nullable=False),
        sa.Column("last_seen", STAMP, nullable=False),
        sa.Column("activity_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "users_rank", "users", ["tenant_id", sa.literal_column("activity_count DESC"), "user_id"], unique=False
    )
    op.execute(DAILY_STATS)


def downgrade() -> None:
    raise RuntimeError("the first tables are not taken back: drop the database instead")
