"""Databases turned into what earlier versions made."""

from sqlalchemy import Connection, text

from tests.samples.history import Json, made_up


def earlier_events(seed: int, count: int = 300) -> list[Json]:
    """Events of the kinds that there were from the first version on."""
    return [event for event in made_up(seed, count) if event["type"] != "llm_call"]


def drop_prices(connection: Connection) -> None:
    """Drop the prices of LLM calls, which migration 0009 made."""
    connection.execute(text("DROP TABLE prices"))
    connection.execute(text("ALTER TABLE llm_calls DROP COLUMN price_id"))


def forget_llm_calls(connection: Connection) -> None:
    """Take back what migration 0007 made, and prices; none of the conversations may be founded by a call."""
    drop_prices(connection)
    connection.execute(text("DROP TABLE llm_calls"))
    connection.execute(text("ALTER TABLE heads DROP COLUMN llm_calls_from"))
    for name in ("time_to_first_token_us", "finish_reason"):
        connection.execute(text(f"ALTER TABLE message_metrics DROP COLUMN {name}"))
    for name in ("conversation_metrics", "carried_conversation_metrics"):
        connection.execute(text(f"UPDATE {name} SET founding_rank = 2 WHERE founding_rank = 3"))


def require_tokens(connection: Connection) -> None:
    """Give ``token_count`` its NOT NULL back, which migration 0005 took away."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE message_metrics ALTER COLUMN token_count SET NOT NULL"))
        return
    version = connection.scalar(text("PRAGMA schema_version"))
    connection.execute(text("PRAGMA writable_schema=ON"))
    connection.execute(
        text(
            "UPDATE sqlite_master SET sql = REPLACE(sql, 'token_count BIGINT', 'token_count BIGINT NOT NULL') "
            "WHERE name = 'message_metrics'"
        )
    )
    connection.execute(text(f"PRAGMA schema_version={version + 1}"))
    connection.execute(text("PRAGMA writable_schema=RESET"))


def drop_histograms(connection: Connection) -> None:
    """Drop the histograms by hour and by day, which migration 0008 made."""
    for name in ("response_hours", "response_days"):
        for prefix in ("", "carried_"):
            connection.execute(text(f"DROP TABLE {prefix}{name}"))


def without_returns(connection: Connection) -> None:
    """Take away what migration 0010 made, the hours and returns of users, and what came after it."""
    for name in ("sessions", "saved_views", "annotations", "report_schedules", "report_deliveries"):
        connection.execute(text(f"DROP TABLE {name}"))
    for name in ("rules", "states", "transitions", "deliveries", "targets", "silences"):
        connection.execute(text(f"DROP TABLE alert_{name}"))
    connection.execute(text("DROP TABLE leases"))
    connection.execute(text("ALTER TABLE heads DROP COLUMN alerts"))
    llm = ("llm_model_days", "llm_user_days", "llm_conversation_days", "llm_model_hours", "llm_outcome_days")
    for name in (*llm, "event_days"):
        for prefix in ("", "carried_"):
            connection.execute(text(f"DROP TABLE {prefix}{name}"))
    connection.execute(text("DROP INDEX user_days_user"))
    for name in ("user_returns", "carried_user_returns", "carried_last_days"):
        connection.execute(text(f"DROP TABLE {name}"))
    for name in ("user_days", "carried_user_days"):
        for column in ("hours", "messages", "tokens"):
            connection.execute(text(f"ALTER TABLE {name} DROP COLUMN {column}"))
    for name in ("user_hours", "user_returns"):
        connection.execute(text(f"ALTER TABLE heads DROP COLUMN {name}_from"))
    for name in ("counters", "carried_counters"):
        connection.execute(text(f"DELETE FROM {name} WHERE metric = 'hourly_users'"))
    connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))


def as_first(connection: Connection) -> None:
    """Turn a database of the newest tables into one of the first ones, as migration 0001 made them."""
    without_returns(connection)
    forget_llm_calls(connection)
    require_tokens(connection)
    keyed = " WITHOUT ROWID" if connection.dialect.name == "sqlite" else ""
    connection.execute(text("DROP VIEW daily_stats"))
    for name in ("audit", "revocations", "tracking_keys"):
        connection.execute(text(f"DROP TABLE {name}"))
    drop_histograms(connection)
    for name in ("users", "user_days", "endpoint_days", "conversation_metrics", "counters"):
        connection.execute(text(f"DROP TABLE carried_{name}"))
    for name in ("user_activity", "message_metrics", "api_usage", "conversation_events", "user_days"):
        connection.execute(text(f"ALTER TABLE heads DROP COLUMN {name}_from"))
    for name in ("endpoint_days", "user_days", "counters"):
        connection.execute(text(f"ALTER TABLE {name} RENAME TO new_{name}"))
    connection.execute(
        text(
            "CREATE TABLE counters (tenant_id VARCHAR(255) NOT NULL, grain VARCHAR(6) NOT NULL, metric VARCHAR(40) "
            "NOT NULL, start VARCHAR(16) NOT NULL, value BIGINT NOT NULL, "
            f"PRIMARY KEY (tenant_id, grain, metric, start)){keyed}"
        )
    )
    connection.execute(
        text(
            "INSERT INTO counters SELECT * FROM new_counters WHERE grain <> 'hour' AND metric NOT LIKE 'model_%' "
            "AND NOT (grain = 'minute' AND metric = 'active_users')"
        )
    )
    connection.execute(
        text(
            "CREATE TABLE user_days (tenant_id VARCHAR(255) NOT NULL, day VARCHAR(10) NOT NULL, user_id VARCHAR(255) "
            f"NOT NULL, PRIMARY KEY (tenant_id, day, user_id)){keyed}"
        )
    )
    connection.execute(text("INSERT INTO user_days SELECT tenant_id, day, user_id FROM new_user_days"))
    for name in ("endpoint_days", "user_days", "counters"):
        connection.execute(text(f"DROP TABLE new_{name}"))
    connection.execute(text("DROP INDEX conversation_metrics_status"))
    connection.execute(text("CREATE VIEW daily_stats AS SELECT 1 AS one"))
    connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
