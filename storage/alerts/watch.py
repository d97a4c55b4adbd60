"""What is known of a tenant's rules in memory: conditions, states and sums. One :meth:`Watch.look` decides them all.

Rules and states are those of a version, which the head names; sums are those of a head, as rows of rollups are. The
writer keeps both between commits, so that a commit of a tenant with a hundred rules adds what is new, and compares.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from storage.alerts.condition import Condition, Subject, conditions
from storage.alerts.rule import Rule
from storage.alerts.state import FIRING, PENDING, Sign, State, advance
from storage.alerts.sums import Sums
from storage.alerts.window import Moment
from storage.model.changes import AlertCounts, Position
from storage.model.clock import Days
from storage.model.merging import Rolled

StateKey = tuple[str, str]
"""Rule and level."""


@dataclass(frozen=True)
class Transition:
    """A rule that fires, or is resolved: the state that it came to, of which condition, in which window."""

    state: State
    condition: Condition
    before: int


@dataclass(frozen=True)
class Look:
    """What a look found: the states that changed, as they are now, and the transitions on the way there."""

    states: list[State]
    transitions: list[Transition]


NOTHING_SEEN = Look([], [])


class Watch:
    """The rules of one tenant, and how they stand.

    ``version`` is what the head names them by; ``sequence`` and ``tag`` are those of the head whose sums are kept.
    """

    def __init__(self, version: int, rules: dict[str, Rule], states: dict[StateKey, State]) -> None:
        self.version = version
        self.rules = rules
        self.states = states
        self.sequence = -1
        self.tag = ""
        self._of_subject: defaultdict[Subject, list[Condition]] = defaultdict(list)
        for rule_id, rule in rules.items():
            for condition in conditions(rule_id, rule):
                self._of_subject[condition.subject].append(condition)
        self.sums = Sums(self._of_subject)
        self._decided: dict[Subject, tuple[int | None, int, str]] = {}

    @property
    def counts(self) -> AlertCounts:
        """Count the alerts that fire."""
        firing = [state for state in self.states.values() if state.fires]
        return AlertCounts(len(firing), sum(state.acknowledged_by is not None for state in firing))

    @property
    def keys(self) -> set[StateKey]:
        """Name the conditions that there are."""
        return {(found.rule_id, found.level) for group in self._of_subject.values() for found in group}

    def stands_at(self, sequence: int, tag: str) -> bool:
        """Say whether the sums are those of a head."""
        return (self.sequence, self.tag) == (sequence, tag)

    def keep(self, position: Position) -> None:
        """Take the sums for those of a head."""
        self.sequence, self.tag = position.sequence, position.tag

    def forget_sums(self) -> None:
        """Read all sums again at the next look."""
        self.sequence = -1

    def look(
        self, connection: Connection, tenant_id: str, moment: Moment, days: Days, rolled: Rolled | None = None
    ) -> Look:
        """Decide every rule at a moment, with what a commit *rolled*; None: read all sums.

        States become those that follow.
        """
        if not self._of_subject:
            return NOTHING_SEEN
        self.sums.bring(connection, tenant_id, moment, days, rolled)
        look = Look([], [])
        for subject, group in self._of_subject.items():
            figure = group[0].figure
            value = figure.value(self.sums.value(subject, figure.needs))
            before, key = self.sums.before(subject), self.sums.key(subject)
            # Where nothing moved nothing is decided again, unless something waits for the time.
            if self._decided.get(subject) != (value, before, key):
                self._decided[subject] = (value, before, key)
                for condition in group:
                    self._decide(condition, value, before, moment.at, look)
            elif any(condition.rule.for_minutes for condition in group):
                for condition in group:
                    self._decide(condition, value, before, moment.at, look)
        return look

    def _decide(self, condition: Condition, value: int | None, before: int, at: str, look: Look) -> None:
        name, key = (condition.rule_id, condition.level), self.sums.key(condition.subject)
        state, sign = self.states.get(name), condition.decide(value, before)
        if state is None:
            if sign is not Sign.BEYOND:
                return
            state = State(*name)
        elif sign is not Sign.BEYOND and state.status not in (FIRING, PENDING):
            return
        written = None if value is None else condition.figure.write(value)
        following = advance(state, sign, written, at, key, condition.rule.for_minutes)
        if not following:
            return
        fired = state.fires
        for found in following:
            if found.fires or fired:
                look.transitions.append(Transition(found, condition, before))
            fired = found.fires
        self.states[name] = following[-1]
        look.states.append(following[-1])

    def end(self, state: State, at: str) -> State:
        """Resolve what fires although its rule is gone, or watches something else now."""
        ended = replace(State(state.rule_id, state.level), status="resolved", since=at, value=state.value)
        self.states.pop((state.rule_id, state.level), None)
        return ended
