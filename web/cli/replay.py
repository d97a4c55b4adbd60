"""The command ``replay``: traffic, posted at the pace at which it happened, or faster."""

import asyncio
import math
import secrets
import sys
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from storage.model import clock
from web.auth.ingest import KEY_HEADER
from web.cli.traffic import EPOCH, Json, Source, Timed
from web.ingest.tracking import NDJSON, PREFIX

BATCH_EVENTS = 500
BATCH_SECONDS = 0.05
"""What becomes due within this time goes into one batch."""
IN_FLIGHT = 2
"""Batches that are on their way at a time."""
ANSWER_SECONDS = 30.0
"""How long a batch waits for its answer."""
RETRY_SECONDS = 60.0
"""How long a batch is tried again while the service is not there."""
LINE_SECONDS = 5.0
"""How often progress is printed where there is no terminal."""

ROLES = ("user", "assistant", "system")


class ReplayError(Exception):
    """The replay cannot begin or continue; the text says what to do."""


@dataclass
class ReplayCounts:
    """What was posted, and what became of it; lines that are no events count as rejected.

    ``tokens`` are those of the messages posted, by role; ``reasons`` counts why events were rejected.
    """

    posted: int = 0
    recorded: int = 0
    duplicates: int = 0
    rejected: int = 0
    messages: int = 0
    api_calls: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, events: list[Json], answer: Json) -> None:
        """Count a batch and the service's *answer* to it."""
        self.posted += len(events)
        self.recorded += answer["recorded"]
        self.duplicates += answer["duplicates"]
        self.rejected += len(answer["rejected"])
        self.reasons.update(f"{item['field']!r} {item['error']}" for item in answer["rejected"])
        for event in events:
            self.api_calls += event.get("type") == "api_usage"
            if event.get("type") == "message":
                self.messages += 1
                role, tokens = event.get("role"), event.get("token_count")
                self.tokens[role if role in ROLES else "other"] += tokens if isinstance(tokens, int) else 0

    def progress(self, seconds: float) -> str:
        """Tell how far it is after so many *seconds*."""
        rate = self.posted / max(seconds, 0.001)
        became = f"{self.recorded:,} recorded, {self.duplicates:,} duplicates, {self.rejected:,} rejected"
        return f"{rate:,.0f} events/s, {became}"

    def summary(self, seconds: float) -> str:
        """Tell all of it on one line, and below it the most frequent reasons for rejecting, if there are any."""
        tokens = ", ".join(f"{count:,} {role}" for role, count in self.tokens.items()) or "none"
        sent = f"{self.messages:,} messages, {self.api_calls:,} API calls, {self.tokens.total():,} tokens ({tokens})"
        reasons = "".join(f"\nrejected {times:,}: {why}" for why, times in self.reasons.most_common(3))
        return f"posted {self.posted:,} events in {seconds:.1f} s: {sent}; {self.progress(seconds)}{reasons}"


def _time(timed: Timed) -> int:
    return timed.at


def due(events: list[Timed], start: int, elapsed: float, speed: float) -> int:
    """Say where the batch ends that begins at *start*, after *elapsed* seconds; at *start*: nothing is due yet."""
    now = events[0].at + 1000 * speed * elapsed if speed else math.inf
    return bisect_right(events, now, start, min(start + BATCH_EVENTS, len(events)), key=_time)


def wait(events: list[Timed], start: int, elapsed: float, speed: float) -> float:
    """Say how many seconds to wait until the event at *start*, and what is to go with it, is due."""
    return max(BATCH_SECONDS, (events[start].at - events[0].at) / 1000 / speed - elapsed)


class Player:
    """Posts the events of a source. ``problem`` says why nothing is posted just now (empty: all goes well)."""

    def __init__(self, source: Source, client: httpx2.AsyncClient, shift: int) -> None:
        """*shift* is added to all times, in milliseconds."""
        self.events = source.events
        self.counts = ReplayCounts(rejected=source.malformed)
        self.problem = ""
        if source.malformed:
            self.counts.reasons["the line is not a JSON object"] = source.malformed
        self._client = client
        self._shift = shift
        self._run = secrets.token_hex(4)

    async def play(self, speed: float) -> None:
        """Post all events, each when it is due; raises an ``ExceptionGroup`` of :exc:`ReplayError`."""
        slots, loop, start = asyncio.Semaphore(IN_FLIGHT), asyncio.get_running_loop(), 0
        began = loop.time()
        async with asyncio.TaskGroup() as posts:
            while start < len(self.events):
                await slots.acquire()
                stop = due(self.events, start, loop.time() - began, speed)
                if stop > start:
                    posts.create_task(self._post(start, stop)).add_done_callback(lambda _: slots.release())
                    start = stop
                else:
                    slots.release()
                    await asyncio.sleep(wait(self.events, start, loop.time() - began, speed))

    async def _post(self, start: int, stop: int) -> None:
        events = [self._stamped(number) for number in range(start, stop)]
        self.counts.add(events, await self._send(msgspec.json.Encoder().encode_lines(events)))

    def _stamped(self, number: int) -> Json:
        """Give an event its time, and ids of this run: so it counts in every run, and once however often it is sent."""
        at, event = self.events[number].at, dict(self.events[number].event)
        event.setdefault("timestamp", clock.text(EPOCH + timedelta(milliseconds=at + self._shift)))
        for name in ("message_id", "conversation_id", "event_id"):
            if event.get(name) and isinstance(event[name], str):
                event[name] = f"{self._run}-{event[name]}"
        if event.get("event_id") is None and event.get("type") != "message":
            event["event_id"] = f"{self._run}.{number}"
        return event

    async def _send(self, body: bytes) -> Json:
        """Send a batch until it is answered; raises :exc:`ReplayError`."""
        pause, give_up = 0.25, time.monotonic() + RETRY_SECONDS
        while True:
            try:
                response = await self._client.post(f"{PREFIX}/batch", content=body)
            except httpx2.TransportError as error:
                self.problem, delay = f"cannot be reached ({type(error).__name__})", pause
            else:
                if response.status_code == 201:
                    self.problem = ""
                    answer: Json = msgspec.json.decode(response.content)
                    return answer
                if response.status_code not in (429, 502, 503, 504):
                    raise ReplayError(_refusal(response))
                self.problem, delay = f"answers {response.status_code}", _retry_after(response) or pause
            if time.monotonic() + delay > give_up:
                raise ReplayError(
                    f"the service {self.problem}: see that it runs at {self._client.base_url}, or name it with --url"
                )
            await asyncio.sleep(delay)
            pause = min(5.0, 2 * pause)


def _refusal(response: httpx2.Response) -> str:
    try:
        detail = msgspec.json.decode(response.content)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = "check the URL"
    hint = ". Give the service's tracking key with --key-file" if response.status_code == 401 else ""
    return f"the service answered {response.status_code}: {detail}{hint}"


def _retry_after(response: httpx2.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def connect(url: str, key: str | None) -> httpx2.AsyncClient:
    """Make the client that posts batches to the service at *url*; raises :exc:`ReplayError` if it can be none."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ReplayError("the URL of the service begins with http:// or https:// and names a host")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ReplayError("the tracking key has letters that no key has: see that the file holds the key alone")
    headers = {"Content-Type": NDJSON} if key is None else {"Content-Type": NDJSON, KEY_HEADER: key}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_SECONDS)


async def replay(source: Source, url: str, key: str | None, speed: float, keep_times: bool) -> ReplayCounts:
    """Post the events of *source* to the service at *url*, and report the progress on standard output.

    Events keep their distances in time, divided by *speed* (0: all at once). Their timestamps are shifted so that the
    last one is now, unless *keep_times*. *key* is a tracking key (None: none is needed). Raises :exc:`ReplayError`.
    """
    shift = 0 if keep_times else int(time.time() * 1000) - source.events[-1].at
    async with connect(url, key) as client:
        player, began = Player(source, client, shift), time.monotonic()
        meter = asyncio.create_task(_show_progress(player, began))
        try:
            await player.play(speed)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            meter.cancel()
            await asyncio.gather(meter, return_exceptions=True)
            print(player.counts.summary(time.monotonic() - began), flush=True)
    return player.counts


async def _show_progress(player: Player, began: float) -> None:
    """Show the progress until cancelled: a bar on a terminal, else a line now and then."""
    total = len(player.events)

    def told() -> str:
        return player.counts.progress(time.monotonic() - began) + (player.problem and f"; the service {player.problem}")

    if not sys.stdout.isatty():
        while True:
            await asyncio.sleep(LINE_SECONDS)
            print(f"{player.counts.posted:,} of {total:,}: {told()}", flush=True)
    text = TextColumn("{task.description}", markup=False)
    with Progress(BarColumn(), MofNCompleteColumn(), text, console=Console(), auto_refresh=False) as bar:
        task = bar.add_task("", total=total)
        try:
            while True:
                bar.update(task, completed=player.counts.posted, description=told(), refresh=True)
                await asyncio.sleep(0.1)
        finally:
            bar.update(task, completed=player.counts.posted, description=told(), refresh=True)
