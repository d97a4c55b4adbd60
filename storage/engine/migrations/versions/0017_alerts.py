"""Alerts: rules, their states, what is sent, and who is told."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, STAMP, RULE, ID = _ordered(255), _ordered(24), _ordered(64), _ordered(16)
TABLES = ("alert_rules", "alert_states", "alert_transitions", "alert_deliveries", "alert_targets", "alert_silences")


def _column(name: str, kind: sa.types.TypeEngine[str] | sa.types.TypeEngine[int], null: bool = False) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=null)  # type: ignore[arg-type]


def _table(name: str, *columns: sa.Column[str], key: tuple[str, ...] = ("tenant_id", "id")) -> None:
    op.create_table(name, _column("tenant_id", KEY), *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)


def upgrade() -> None:
    op.add_column("heads", sa.Column("alerts", sa.BigInteger(), nullable=False, server_default="0"))
    _make_rules()
    _make_deliveries()
    op.create_table(
        "leases",
        _column("name", _ordered(40)),
        _column("holder", sa.String(32)),
        _column("until", STAMP),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )


def _make_rules() -> None:
    _table(
        "alert_rules",
        _column("id", RULE),
        _column("body", sa.Text()),
        _column("user_id", KEY, null=True),
        _column("author", sa.String(255)),
        _column("updated_at", STAMP),
    )
    op.create_index("alert_rules_user", "alert_rules", ["tenant_id", "user_id"])
    _table(
        "alert_states",
        _column("rule_id", RULE),
        _column("level", _ordered(8)),
        _column("status", sa.String(8)),
        _column("since", STAMP),
        _column("value", sa.String(40), null=True),
        _column("window_key", _ordered(16)),
        _column("due_at", STAMP, null=True),
        _column("acknowledged_at", STAMP, null=True),
        _column("acknowledged_by", sa.String(255), null=True),
        key=("tenant_id", "rule_id", "level"),
    )
    _table(
        "alert_silences",
        _column("id", ID),
        _column("body", sa.Text()),
        _column("until", STAMP),
        _column("author", sa.String(255)),
        _column("created_at", STAMP),
    )


def _make_deliveries() -> None:
    _table(
        "alert_transitions",
        _column("id", ID),
        _column("at", STAMP),
        _column("rule_id", RULE),
        _column("level", _ordered(8)),
        _column("status", sa.String(8)),
        _column("value", sa.String(40), null=True),
        _column("held", sa.String(16), null=True),
        _column("user_id", KEY, null=True),
        _column("body", sa.Text()),
    )
    op.create_index("alert_transitions_time", "alert_transitions", ["tenant_id", "at", "id"])
    _table(
        "alert_deliveries",
        _column("id", ID),
        _column("transition_id", ID),
        _column("target_id", RULE),
        _column("status", sa.String(10)),
        _column("attempts", sa.Integer()),
        _column("created_at", STAMP),
        _column("due_at", STAMP),
        _column("claimed_until", STAMP),
        _column("last_at", STAMP, null=True),
        _column("error", sa.String(200), null=True),
    )
    waiting = sa.text("status = 'waiting'")
    op.create_index(
        "alert_deliveries_due", "alert_deliveries", ["due_at"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index("alert_deliveries_time", "alert_deliveries", ["tenant_id", "created_at", "id"])
    op.create_index("alert_deliveries_transition", "alert_deliveries", ["tenant_id", "transition_id"])
    _table(
        "alert_targets",
        _column("id", RULE),
        _column("kind", sa.String(10)),
        _column("shown", sa.String(400)),
        _column("sealed", sa.Text()),
        _column("author", sa.String(255)),
        _column("updated_at", STAMP),
        _column("ended_at", STAMP, null=True),
    )


def downgrade() -> None:
    for name in (*reversed(TABLES), "leases"):
        op.drop_table(name)
    op.drop_column("heads", "alerts")
