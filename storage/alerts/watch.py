"""What is known of a tenant's rules in memory: conditions, states and sums; :meth:`Watch.evaluate` decides all of them.

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
from storage.alerts.unusual.verdict import Finding
from storage.alerts.window import NO_SPAN, Moment, WindowSum
from storage.model.changes import AlertCounts, Position
from storage.model.clock import Days
from storage.model.merging import Rolled

StateKey = tuple[str, str]
"""Rule and level."""


@dataclass(frozen=True)
class Transition:
    """A rule that fires, or is resolved: the state that it came to, of which condition, in which window.

    ``finding`` is the hour that it is about, if it is one about what is unusual.
    """

    state: State
    condition: Condition
    before: int
    finding: Finding | None = None


@dataclass(frozen=True)
class Evaluation:
    """What a look found: the states that changed, as they are now, and the transitions on the way there."""

    states: list[State]
    transitions: list[Transition]

    def joined(self, other: "Evaluation") -> "Evaluation":
        """Give what both found."""
        return Evaluation(self.states + other.states, self.transitions + other.transitions)


NOTHING_FOUND = Evaluation([], [])


class _Watched:
    """A subject with its conditions, and its value when they were decided last.

    ``is_idle``: none of them fires or is pending, so that nothing follows from a value within the bounds of all.
    """

    def __init__(self, subject: Subject, conditions: list[Condition], sums: list[WindowSum]) -> None:
        self.subject = subject
        self.conditions = conditions
        self.waits = any(condition.rule.for_minutes for condition in conditions)
        self.is_idle = False
        self.value: int | None = None
        self.before = 0
        bounds = [condition.normal or NO_RANGE for condition in conditions]
        self._least, self._greatest = max(low for low, _ in bounds), min(high for _, high in bounds)
        self._figure = conditions[0].figure
        self._sums = sums
        self._totals: list[int] = []
        self._span = NO_SPAN

    @property
    def key(self) -> str:
        """Name the window of the calendar; "" for one that moves with the clock."""
        return self._span.key

    def has_moved(self, before: int) -> bool:
        """Bring the value up to the sums, and say whether it, or what it is compared with, is another one."""
        totals, span = [kept.total for kept in self._sums], self._sums[0].span
        if totals == self._totals and before == self.before and span is self._span:
            return False
        self._totals, self.before, self._span = totals, before, span
        if len(totals) == 1:
            self.value = totals[0]
        else:
            self.value = self._figure.value(dict(zip(self._figure.needs, totals, strict=True)))
        return True

    @property
    def is_normal(self) -> bool:
        """Whether nothing can follow from the value."""
        return self.is_idle and (self.value is None or self._least <= self.value <= self._greatest)


NO_RANGE = (1.0, 0.0)
"""The bounds of a condition that is decided each time."""


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
        of_subject: defaultdict[Subject, list[Condition]] = defaultdict(list)
        for rule_id, rule in rules.items():
            for condition in conditions(rule_id, rule):
                of_subject[condition.subject].append(condition)
        self.sums = Sums(of_subject)
        self._watched = [_Watched(subject, group, self.sums.of(subject)) for subject, group in of_subject.items()]

    @property
    def counts(self) -> AlertCounts:
        """Count the alerts that fire."""
        firing = [state for state in self.states.values() if state.fires]
        return AlertCounts(len(firing), sum(state.acknowledged_by is not None for state in firing))

    def stands_at(self, sequence: int, tag: str) -> bool:
        """Say whether the sums are those of a head."""
        return (self.sequence, self.tag) == (sequence, tag)

    def keep(self, position: Position) -> None:
        """Take the sums for those of a head."""
        self.sequence, self.tag = position.sequence, position.tag

    def forget_sums(self) -> None:
        """Read all sums again at the next look."""
        self.sequence = -1

    def evaluate(
        self, connection: Connection, tenant_id: str, moment: Moment, days: Days, rolled: Rolled | None = None
    ) -> Evaluation:
        """Decide every rule at a moment, with what a commit *rolled*; None: read all sums.

        States become those that follow.
        """
        if not self._watched:
            return NOTHING_FOUND
        self.sums.bring(connection, tenant_id, moment, days, rolled)
        evaluation = Evaluation([], [])
        for watched in self._watched:
            # Where nothing moved nothing is decided again, unless something waits for the time.
            moved = watched.has_moved(self.sums.before(watched.subject) if watched.subject.back else 0)
            if (moved or watched.waits) and not watched.is_normal:
                for condition in watched.conditions:
                    self._decide(condition, watched, moment.at, evaluation)
                watched.is_idle = not any(self._is_open(condition) for condition in watched.conditions)
        return evaluation

    def _is_open(self, condition: Condition) -> bool:
        """Say whether a condition fires or is pending."""
        state = self.states.get((condition.rule_id, condition.level))
        return state is not None and state.status in (FIRING, PENDING)

    def _decide(self, condition: Condition, watched: "_Watched", at: str, evaluation: Evaluation) -> None:
        sign = condition.decide(watched.value, watched.before)
        name = (condition.rule_id, condition.level)
        state = self.states.get(name)
        if sign is not Sign.BEYOND and (state is None or state.status not in (FIRING, PENDING)):
            return
        if state is None:
            state = State(*name)
        written = None if watched.value is None else condition.figure.write(watched.value)
        following = advance(state, sign, written, at, watched.key, condition.rule.for_minutes)
        if not following:
            return
        fired = state.fires
        for found in following:
            if found.fires or fired:
                evaluation.transitions.append(Transition(found, condition, watched.before))
            fired = found.fires
        self.states[name] = following[-1]
        evaluation.states.append(following[-1])

    def end(self, state: State, at: str) -> State:
        """Resolve what fires although its rule is gone, or watches something else now."""
        ended = replace(State(state.rule_id, state.level), status="resolved", since=at, value=state.value)
        self.states.pop((state.rule_id, state.level), None)
        return ended
