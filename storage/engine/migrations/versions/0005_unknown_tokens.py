"""Messages whose number of tokens nobody knows: ``token_count`` may be null.

SQLite takes a rule away only by writing the table and its indexes anew, whatever their size. But no row has to change:
so the text of the table is changed where it stands, as sqlite.org/lang_altertable.html (7) has it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STRICT, LOOSE = "token_count BIGINT NOT NULL", "token_count BIGINT"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _loosen(connection)
    else:
        op.alter_column("message_metrics", "token_count", nullable=True)


def _loosen(connection: sa.Connection) -> None:
    """Change the text of the table; what is not as expected ends the migration, and its transaction, with an error."""
    before = _columns(connection)
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    try:
        connection.exec_driver_sql(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'message_metrics'",
            (STRICT, LOOSE),
        )
        # By the version other connections learn of it. This one reads the schema again when RESET ends the writing.
        connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema=RESET")
    wanted = [(name, kind, 0 if name == "token_count" else strict, *rest) for name, kind, strict, *rest in before]
    if _columns(connection) != wanted:
        raise RuntimeError("the table message_metrics is not as migration 0001 made it")
    if (found := connection.exec_driver_sql("PRAGMA integrity_check(sqlite_master)").scalar_one()) != "ok":
        raise RuntimeError(f"the schema does not pass SQLite's integrity check: {found}")


def _columns(connection: sa.Connection) -> list[tuple[object, ...]]:
    """Read name, type, NOT NULL, default and place in the key of each column."""
    return [tuple(row)[1:] for row in connection.exec_driver_sql("PRAGMA table_info(message_metrics)")]


def downgrade() -> None:
    raise RuntimeError("messages without a number of tokens cannot be written in the older table: restore a backup")
