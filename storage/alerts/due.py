"""What time alone decides: silence, windows that close, and what has held for long enough.

Rules are looked at in a read transaction first, which costs others nothing; only if a state is to change they are
decided in one that holds the tenant's head.
"""

from sqlalchemy import Connection, select

from storage.alerts.decide import Decided, decide, watch_of
from storage.alerts.state import PENDING
from storage.alerts.unusual.baseline import NOT_KNOWN, Baseline
from storage.alerts.unusual.evaluation import evaluate_hours
from storage.alerts.watch import Watch
from storage.alerts.window import Moment
from storage.model.clock import Days, now
from storage.tables import schema
from storage.tables.heads import Head

_heads = schema.heads.c
_states = schema.alert_states.c


def tenants(connection: Connection) -> dict[str, int]:
    """Name the tenants that have rules, each with the version of these."""
    query = select(_heads.tenant_id, _heads.alerts).where(_heads.alerts != 0).order_by(_heads.tenant_id)
    return dict(map(tuple, connection.execute(query)))


def waiting(connection: Connection) -> set[str]:
    """Name the tenants of which something has held for as long as it had to."""
    query = select(_states.tenant_id).where(_states.status == PENDING, _states.due_at <= now())
    return set(connection.scalars(query))


def would_change(
    connection: Connection, tenant_id: str, watch: Watch, days: Days, baseline: Baseline = NOT_KNOWN
) -> bool:
    """Say whether any state of a tenant's rules, which *watch* has just been loaded with, is to change now."""
    at = now()
    evaluation = watch.evaluate(connection, tenant_id, Moment.of(at, days), days)
    return bool(evaluation.states or evaluate_hours(connection, tenant_id, watch, baseline, at).states)


def decide_now(connection: Connection, head: Head, epoch: str, days: Days, baseline: Baseline = NOT_KNOWN) -> Decided:
    """Decide a tenant's rules as of now, in a transaction that holds its head."""
    return decide(connection, head, watch_of(connection, head, None), epoch, days, baseline=baseline)
