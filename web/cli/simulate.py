"""The command ``simulate``: simulated users who use the platform's own endpoints, in real time or faster."""

import asyncio
import hmac
import secrets
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from web.cli.platform_client import Answer, PlatformClient, PlatformError, UserSession
from web.cli.simulated_users import PlannedConversation, SimulatedUsers, Visit, name

AT_ONCE = 200
"""Visits at a time; further ones are dropped, so that slow services do not fill the memory here."""
SIGN_INS = 8
"""Of them at a time: each costs the auth service a tenth of a second of CPU."""
WRONG_PASSWORDS, WRONG_SECONDS = 50, 300.0
"""Wrong passwords in so much time. All simulated users have one address, and the example's auth service shuts out one
with 100."""
LAST_SECONDS = 30.0
"""How long visits may continue after the end."""
LINE_SECONDS = 10.0
FAILURES_SHOWN = 5


@dataclass
class SimulationCounts:
    """What was done. All of it is bounded: steps and kinds of trouble are few."""

    visits: int = 0
    turned_away: int = 0
    registered: int = 0
    conversations: int = 0
    messages: int = 0
    answers: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    first_seconds: float = 0.0
    first_pieces: int = 0
    planned: Counter[str] = field(default_factory=Counter)
    """What went wrong as it was to: wrong passwords and the like."""
    failures: Counter[str] = field(default_factory=Counter)
    """What went wrong with the services."""

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        if answer.first_seconds is not None:
            self.first_seconds += answer.first_seconds
            self.first_pieces += 1
        if answer.is_whole:
            self.answers += 1
            self.tokens += answer.tokens or 0
            self.unknown_tokens += answer.tokens is None

    @property
    def first(self) -> str:
        """Write how long the first piece of an answer took, at the mean."""
        return f"{self.first_seconds / self.first_pieces:.2f} s" if self.first_pieces else "-"

    @property
    def answered(self) -> str:
        """Write how many answers there were, and their tokens."""
        unknown = f", of {self.unknown_tokens:,} not known" if self.unknown_tokens else ""
        return f"{self.answers:,} answers ({self.tokens:,} tokens{unknown})"

    def line(self) -> str:
        """Write the figures as one line."""
        return (
            f"{self.visits:,} visits, {self.conversations:,} conversations, {self.messages:,} messages, "
            f"{self.answered}, first piece after {self.first}, {self.planned.total():,} planned failures, "
            f"{self.failures.total():,} errors"
        )

    def summary(self, seconds: float) -> str:
        """Write all of it on a few lines."""
        lines = [f"in {seconds:.1f} s: {self.line()}", f"{self.registered:,} users registered"]
        if self.planned:
            lines.append(f"planned failures: {_listed(self.planned, len(self.planned))}")
        if self.turned_away:
            lines.append(f"turned away, since {AT_ONCE} were there: {self.turned_away:,}")
        if self.failures:
            lines.append(f"errors: {_listed(self.failures, FAILURES_SHOWN)}")
        return "\n".join(lines)


def _listed(counts: Counter[str], most: int) -> str:
    shown = [f"{what} ({times:,})" for what, times in counts.most_common(most)]
    return ", ".join([*shown, *(["..."] if len(counts) > most else [])])


class Run:
    """Plays the plan of simulated users. ``at`` is the simulated time that it has reached, in seconds.

    Names and passwords are of this run alone: knowing the seed does not help to sign in.
    """

    def __init__(self, simulated_users: SimulatedUsers, services: PlatformClient, speed: float) -> None:
        self.counts = SimulationCounts()
        self.at = 0.0
        self.here: set[asyncio.Task[None]] = set()
        self.simulated_users = simulated_users
        self._services = services
        self._speed = speed
        self._name, self._secret = secrets.token_hex(4), secrets.token_bytes(32)
        self._registered: set[int] = set()
        self._sign_ins = asyncio.Semaphore(SIGN_INS)
        self._wrong: deque[float] = deque(maxlen=WRONG_PASSWORDS)

    async def play(self, seconds: float | None) -> None:
        """Play the visits of so many *seconds* of simulated time; None: until this is cancelled."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            try:
                for visit in self.simulated_users.visits():
                    is_last = seconds is not None and visit.at >= seconds
                    await self._until(began, seconds if is_last and seconds is not None else visit.at)
                    if is_last:
                        break
                    if len(self.here) >= AT_ONCE:
                        self.counts.turned_away += 1
                        continue
                    task = group.create_task(self._visit(visit))
                    self.here.add(task)
                    task.add_done_callback(self.here.discard)
                if self.here:
                    await asyncio.wait(set(self.here), timeout=LAST_SECONDS)
            finally:
                for task in self.here:
                    task.cancel()

    async def _until(self, began: float, at: float) -> None:
        """Wait until the simulated time is *at*; it advances meanwhile."""
        while True:
            now = (time.monotonic() - began) * self._speed
            self.at = min(now, at)
            # Also without a wait other tasks have their turn.
            await asyncio.sleep(min(1.0, max(0.0, (at - now) / self._speed)))
            if now >= at:
                return

    async def _visit(self, visit: Visit) -> None:
        self.counts.visits += 1
        try:
            session = await self._come(visit)
            if session is not None:
                await self._stay(session, visit)
        except PlatformError as error:
            self.counts.failures[str(error)] += 1

    async def _come(self, visit: Visit) -> UserSession | None:
        """Sign in, the first time after registering; None: the person gave up."""
        account = f"{name(visit.person)}-{self._name}"
        password = hmac.digest(self._secret, account.encode(), "sha256").hex()
        async with self._sign_ins:
            if visit.person not in self._registered:
                await self._services.register(account, password)
                # A user may have two visits at once.
                self.counts.registered += visit.person not in self._registered
                self._registered.add(visit.person)
            for _ in range(visit.wrong_passwords):
                if not self._may_be_wrong():
                    break
                self.counts.planned["wrong password"] += 1
                if await self._services.sign_in(account, f"not {password}") is not None:
                    raise PlatformError("sign-in: a wrong password was taken")
            else:
                if visit.gives_up:
                    self.counts.planned["gave up signing in"] += 1
                    return None
            session = await self._services.sign_in(account, password)
        if session is None:
            raise PlatformError("sign-in: the right password was refused")
        return session

    def _may_be_wrong(self) -> bool:
        now = time.monotonic()
        if len(self._wrong) == WRONG_PASSWORDS and now - self._wrong[0] < WRONG_SECONDS:
            return False
        self._wrong.append(now)
        return True

    async def _stay(self, session: UserSession, visit: Visit) -> None:
        if visit.asks_for_unknown:
            self.counts.planned["unknown conversation"] += 1
            if await session.is_known(secrets.token_hex(16)):
                raise PlatformError("messages: a conversation that nobody began is there")
        for conversation in visit.conversations:
            if not await self._converse(session, conversation):
                return
        if visit.signs_out:
            await session.sign_out()

    async def _converse(self, session: UserSession, conversation: PlannedConversation) -> bool:
        """Have a conversation; False: the person is gone."""
        conversation_id = await session.begin()
        self.counts.conversations += 1
        if not conversation.questions:
            self.counts.planned["abandoned conversation"] += 1
        for question in conversation.questions:
            await asyncio.sleep(question.thought / self._speed)
            self.counts.messages += 1
            answer = await session.ask(conversation_id, question.text, question.leaves_after)
            self.counts.add(answer)
            if not answer.is_whole:
                self.counts.planned["left during an answer"] += 1
                return False
        if conversation.is_deleted:
            await session.delete(conversation_id)
        return True


async def simulate(
    simulated_users: SimulatedUsers, auth_url: str, chatbot_url: str, speed: float, hours: float | None
) -> SimulationCounts:
    """Let *simulated_users* use the services for so many *hours* of simulated time (None: for ever), or until SIGINT or
    SIGTERM.

    Tells on standard output how it goes. Raises :exc:`WrongAddress` if a service is not there when it begins; what goes
    wrong afterwards is counted.
    """
    services = PlatformClient(auth_url, chatbot_url, AT_ONCE)
    try:
        await services.check()
        run, began = Run(simulated_users, services, speed), time.monotonic()
        playing = asyncio.create_task(run.play(None if hours is None else 3600 * hours))
        meter = asyncio.create_task(_show_progress(run))
        try:
            with _ended_by_signals(playing):
                await asyncio.wait([playing])
        finally:
            for task in (playing, meter):
                task.cancel()
            await asyncio.gather(playing, meter, return_exceptions=True)
            print(run.counts.summary(time.monotonic() - began), flush=True)
        if not playing.cancelled():
            playing.result()
        return run.counts
    finally:
        await services.close()


@contextmanager
def _ended_by_signals(task: "asyncio.Task[None]") -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _show_progress(run: Run) -> None:
    """Show the progress until cancelled: a table on a terminal, else a line now and then."""
    if not sys.stdout.isatty():
        while True:
            await asyncio.sleep(LINE_SECONDS)
            print(f"{run.simulated_users.clock(run.at)}, {len(run.here)} here: {run.counts.line()}", flush=True)
    with Live(render(run), console=Console(), auto_refresh=False) as live:
        try:
            while True:
                live.update(render(run), refresh=True)
                await asyncio.sleep(0.25)
        finally:
            live.update(render(run), refresh=True)


def render(run: Run) -> RenderableType:
    """Draw how it goes."""
    counts = run.counts
    head = Text.assemble(
        ("ConvoAI crowd", "bold"), f"  {run.simulated_users.clock(run.at)}  ", (f"{len(run.here)} here", "cyan")
    )
    figures = Table(box=box.ROUNDED, show_header=False, show_lines=True)
    cells: dict[str, int | str] = {
        "Visits": counts.visits,
        "Users registered": counts.registered,
        "Conversations": counts.conversations,
        "Messages": counts.messages,
        "Answers": counts.answers,
        "Tokens": counts.tokens,
        "First piece after": counts.first,
        "Planned failures": counts.planned.total(),
        "Errors": counts.failures.total(),
    }
    shown = [
        Text.assemble((f"{title}\n", "dim"), (f"{value:,}" if isinstance(value, int) else value, "bold"))
        for title, value in cells.items()
    ]
    for begin in range(0, len(shown), 3):
        figures.add_row(*shown[begin : begin + 3])
    parts: list[RenderableType] = [head, figures]
    if counts.planned:
        parts.append(Text(_listed(counts.planned, len(counts.planned)), "dim"))
    if counts.turned_away:
        parts.append(Text(f"{counts.turned_away:,} turned away: {AT_ONCE} were there", "yellow"))
    if counts.failures:
        parts.append(Text(f"errors: {_listed(counts.failures, FAILURES_SHOWN)}", "red"))
    return Group(*parts)
