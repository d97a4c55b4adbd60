"""The view ``daily_stats`` has the tokens of each day, as the report has them. No table is touched."""

from alembic import op

revision = "0006"
down_revision = "0005"

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
  SUM(CASE WHEN metric = 'api_errors' THEN value ELSE 0 END) AS error_count,
  SUM(CASE WHEN metric = 'tokens' THEN value ELSE 0 END) AS total_tokens
FROM counters WHERE grain = 'day' GROUP BY tenant_id, start
"""


def upgrade() -> None:
    op.execute("DROP VIEW daily_stats")
    op.execute(DAILY_STATS)


def downgrade() -> None:
    raise RuntimeError("an older version does not know the days' tokens: restore a backup")
