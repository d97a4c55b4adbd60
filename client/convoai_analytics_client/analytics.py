"""The client: tracking calls that cost about a microsecond, and a thread that posts what they leave."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from itertools import count
from os import getpid
from pathlib import Path
from sys import getsizeof
from time import monotonic, sleep, time
from typing import Any

from convoai_analytics_client import events, masks
from convoai_analytics_client.delivery import process_events
from convoai_analytics_client.delivery.failure_log import FailureLog
from convoai_analytics_client.delivery.memory import Memory
from convoai_analytics_client.delivery.queue import Queue
from convoai_analytics_client.delivery.sender import Sender
from convoai_analytics_client.delivery.spool import SPOOL_SECONDS, Spool
from convoai_analytics_client.delivery.stats import BEFORE_SEND, DISABLED, INVALID, SAMPLED, Stats
from convoai_analytics_client.delivery.transport import Transport
from convoai_analytics_client.done import DONE, Done
from convoai_analytics_client.events import RECORD_BYTES, Event, Record, text
from convoai_analytics_client.masks import Mask
from convoai_analytics_client.sampling import By, Sampling


class Analytics:
    """Tracks events of a service. Any thread and any event loop may call it.

    The ``track_*`` methods return at once, never wait and never raise. What they return may be awaited, made a task of
    (``asyncio.create_task``), or ignored. Identifiers may be anything that ``str`` makes a text of. Times and event ids
    are made at the call, so a post that is sent again counts once.
    """

    def __init__(
        self,
        url: str | None,
        key: str | None = None,
        *,
        spool: "str | Path | None" = None,
        before_send: Mask | None = None,
        hash_ip: bool = False,
        sample: float = 1.0,
        sample_by: By = "user",
        batch_events: int = 500,
        flush_seconds: float = 0.5,
        queue_events: int = 10_000,
        queue_bytes: int = 16 << 20,
        spool_bytes: int = 256 << 20,
        timeout: float = 10.0,
        exit_seconds: float = 5.0,
    ) -> None:
        """Make a client; the thread that posts starts with the first event.

        *url*: the service, such as ``http://127.0.0.1:8002``; None: nothing is posted, and every event is dropped.
        *key*: a tracking key, which names the tenant; None: the service must take posts from here without one.
        *spool*: a folder that keeps events until they are posted, also over the end of this process; None: memory only.
        *before_send*: sees each event before it is posted or spooled, and gives what is to be posted, None for nothing.
        *hash_ip*: addresses are replaced by a hash (:func:`masks.hash_ip`); its secret is the key.
        *sample*: the part of the users or conversations (*sample_by*) whose events are tracked.
        *batch_events*, *flush_seconds*: a post is made when so many events wait, or the first has waited for so long;
        without a spool it takes up to four times as many, and up to 1 MiB, when they wait.
        *queue_events*, *queue_bytes*: what may wait in memory; newer events are dropped.
        *spool_bytes*: what may wait on the disk, for each process.
        *timeout*: seconds until a post that gets no answer has failed.
        *exit_seconds*: what the end of the process waits for at most.

        Raises ValueError if an argument makes no sense.
        """
        if not 1 <= batch_events <= 10_000:
            raise ValueError("batch_events: expected 1 to 10,000")
        for name, value in {"flush_seconds": flush_seconds, "exit_seconds": exit_seconds}.items():
            if not value >= 0:
                raise ValueError(f"{name}: expected 0 or more")
        for name, value in {"queue_events": queue_events, "queue_bytes": queue_bytes, "timeout": timeout}.items():
            if not value > 0:
                raise ValueError(f"{name}: expected more than 0")
        self._exit_seconds = exit_seconds
        self._sampling = Sampling(sample, sample_by)
        self._mask = _mask(before_send, hash_ip, key)
        self._failures = FailureLog()
        self._queue = Queue(queue_events, queue_bytes, batch_events)
        self._sender: Sender | None = None
        self._spool: Spool | None = None
        if url is not None:
            transport = Transport(url, key, timeout)
            if spool is None:
                source: Memory | Spool = Memory(self._queue, self._encode, batch_events)
            else:
                source = self._spool = Spool(
                    Path(spool), spool_bytes, self._queue, self._encode, batch_events, self._failures
                )
            self._source = source
            self._sender = Sender(self._queue, source, transport, self._failures, batch_events, flush_seconds)
        self._reset()
        process_events.watch(self)
        if self._spool is not None and self._spool.has_left_over():
            self._start()

    def __repr__(self) -> str:
        return f"<Analytics, {self._queue.pending()} events pending>"

    def track_user_activity(
        self,
        user_id: Any,
        username: str,
        activity_type: str,
        ip_address: str | None = None,
        user_agent: str | None = None,
        extra_data: "dict[str, Any] | None" = None,
    ) -> Done:
        """Track something that a user did: ``login``, ``registration``, ``message_sent``, or a type of your own.

        *extra_data*: an object of at most 4 KiB as JSON; it is copied at the call.
        """
        try:
            values = (text(user_id), text(username), activity_type, text(ip_address), text(user_agent))
            extra = events.extra_text(extra_data)
            size = getsizeof(values[0]) + getsizeof(username) + getsizeof(user_agent) + getsizeof(extra)
            return self._track("activity", values, size, values[0], None, extra)
        except Exception as error:
            return self._invalid(error)

    def track_conversation(self, conversation_id: Any, user_id: Any, action: str) -> Done:
        """Track that a conversation was ``created`` or ``deleted``."""
        try:
            values = (text(conversation_id), text(user_id), action)
            return self._track(
                "conversation", values, getsizeof(values[0]) + getsizeof(values[1]), values[1], values[0]
            )
        except Exception as error:
            return self._invalid(error)

    def track_message(
        self,
        message_id: Any,
        conversation_id: Any,
        user_id: Any,
        role: str,
        tokens: int | None,
        model: str | None = None,
        response_time: float | None = None,
        time_to_first_token: float | None = None,
        finish_reason: str | None = None,
    ) -> Done:
        """Track a message. *role*: ``user``, ``assistant``, ``system`` or ``tool``.

        *tokens*: None if they are not known. *response_time*, *time_to_first_token*: seconds until the answer was
        complete, and until it began. *finish_reason*: why it ended, in the model's own word.
        """
        try:
            names = (text(message_id), text(conversation_id), text(user_id))
            values = (*names, role, tokens, model, response_time, time_to_first_token, finish_reason)
            size = getsizeof(names[0]) + getsizeof(names[1]) + getsizeof(names[2]) + getsizeof(model)
            return self._track("message", values, size, names[2], names[1])
        except Exception as error:
            return self._invalid(error)

    def track_llm_call(
        self,
        provider: str,
        model: str,
        operation: str = "chat",
        *,
        user_id: Any = None,
        conversation_id: Any = None,
        message_id: Any = None,
        input_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        output_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        response_time: float | None = None,
        time_to_first_token: float | None = None,
        finish_reason: str | None = None,
        error_type: str | None = None,
        service_tier: str | None = None,
        cost: Any = None,
    ) -> Done:
        """Track a call of a language model. *model*: the one that answered. Texts of prompts and answers are not sent.

        *operation*: ``chat``, ``completion``, ``embedding``, or one of your own. *message_id*: the message that is the
        answer. Numbers of tokens are None if they are not known, never 0 then; cached ones and those that were written
        to the cache are parts of *input_tokens*, reasoning of *output_tokens*. Times are in seconds. *error_type*: the
        call failed. *cost*: what you know that it cost, in US dollars, as a ``Decimal`` or as decimal text.
        """
        try:
            names = (text(user_id), text(conversation_id), text(message_id))
            tokens = (input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens)
            ends = (finish_reason, error_type, service_tier, events.dollars(cost))
            values = (provider, model, operation, *names, *tokens, response_time, time_to_first_token, *ends)
            size = getsizeof(names[0]) + getsizeof(names[1]) + getsizeof(names[2]) + getsizeof(model)
            return self._track("llm_call", values, size + getsizeof(error_type), names[0], names[1])
        except Exception as error:
            return self._invalid(error)

    def track_api_usage(
        self, endpoint: str, method: str, status_code: int, response_time: float, user_id: Any = None
    ) -> Done:
        """Track a call of your API. *endpoint*: the route's template, such as ``/conversations/{id}``.

        *response_time*: seconds. *user_id*: None for a caller who is not known.
        """
        try:
            values = (endpoint, method, status_code, response_time, text(user_id))
            return self._track("api_usage", values, getsizeof(endpoint) + getsizeof(values[4]), values[4], None)
        except Exception as error:
            return self._invalid(error)

    def stats(self) -> Stats:
        """Tell what became of the events so far."""
        return self._queue.stats()

    def flush(self, timeout: float = 10.0) -> bool:
        """Post what was tracked before this call, and wait *timeout* seconds at most; True: all of it is settled."""
        sender = self._sender
        if sender is None or not self._queue.pending():
            return not self._queue.pending()
        if not self._start():
            # The interpreter is ending and starts no thread any more.
            self._post_here(monotonic() + timeout)
        sender.hurry()
        return self._queue.flush(timeout)

    async def aflush(self, timeout: float = 10.0) -> bool:
        """Do as :meth:`flush` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, self.flush, timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Post what waits, *timeout* seconds at most, and end; what is tracked afterwards is dropped.

        True: all is settled. What is not stays in the spool, and is dropped if there is none.
        """
        self._queue.close()
        sender = self._sender
        if sender is None:
            return True
        deadline = monotonic() + timeout
        if self._queue.pending() and not self._start():
            self._post_here(deadline)
        self._is_ending = True
        sender.end(deadline)
        for thread in self._threads:
            thread.join(max(0.0, deadline + 1 - monotonic()))
        if self._spool is not None and not any(thread.is_alive() for thread in self._threads):
            self._spool.close()
        self._failures.log(now=True)
        return not self._queue.pending()

    def on_process_end(self) -> None:
        """Post what waits for a few seconds: the process ends."""
        if self._spool is not None and self._threads:
            self._fill()
        if not self.flush(self._exit_seconds) and self._spool is None:
            self._failures.add("the process ends before the service took them", self._queue.pending())
        self._failures.log(now=True)

    def on_fork(self) -> None:
        """Start again in a forked child: what waits here is the parent's to post."""
        self._queue.clear()
        self._failures.clear()
        if self._sender is not None:
            self._source.clear()
            self._sender.clear()
        self._reset()

    def _reset(self) -> None:
        self._pid = getpid()
        self._prefix = secrets.token_hex(8)
        self._number = count().__next__
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._is_started = self._is_ending = self._is_open = False

    def _track(
        self,
        kind: str,
        values: tuple[Any, ...],
        size: int,
        user_id: str | None,
        conversation_id: str | None,
        extra: str | None = None,
    ) -> Done:
        if (self._is_open and getpid() == self._pid) or self._admits(user_id, conversation_id):
            self._queue.put((size + RECORD_BYTES, kind, time(), self._number(), values, extra))
        return DONE

    def _admits(self, user_id: str | None, conversation_id: str | None) -> bool:
        """Say whether an event goes into the queue, and start what posts it."""
        if getpid() != self._pid:
            # Some servers fork without telling Python, as uWSGI does.
            self.on_fork()
        if self._sender is None:
            self._queue.drop(DISABLED)
            return False
        if not self._sampling.keeps(user_id, conversation_id):
            self._queue.drop(SAMPLED)
            return False
        # Once the threads run, and all is kept, this need not be asked again.
        self._is_open = self._start() and self._sampling.keeps_all
        return True

    def _invalid(self, error: Exception) -> Done:
        self._queue.drop(INVALID)
        self._failures.add(f"an event could not be written as JSON ({type(error).__name__})")
        return DONE

    def _start(self) -> bool:
        """Start the threads, if they do not run; False if none can be started any more."""
        with self._starting:
            if self._is_started or self._sender is None:
                return self._is_started
            threads = [threading.Thread(target=self._sender.run, name="analytics sender", daemon=True)]
            if self._spool is not None:
                threads.append(threading.Thread(target=self._keep_spooling, name="analytics spool", daemon=True))
            try:
                for thread in threads:
                    thread.start()
            except RuntimeError:
                return False
            self._threads = threads
            self._is_started = True
            process_events.watch_pools()
        return True

    def _keep_spooling(self) -> None:
        while not self._is_ending:
            self._queue.wait(3600)
            self._fill()
            if not self._is_ending:
                sleep(SPOOL_SECONDS)
        self._fill()

    def _fill(self) -> None:
        try:
            if self._spool is not None:
                self._spool.fill()
        except Exception as error:
            # Nothing may end the thread that spools.
            self._failures.add(f"the spool failed ({type(error).__name__})")

    def _post_here(self, deadline: float) -> None:
        """Post in the thread that calls."""
        if self._sender is not None:
            self._fill()
            self._sender.end(deadline)
            self._sender.run()

    def _encode(self, records: list[Record]) -> list[bytes]:
        """Write records as lines; those that cannot be written, or are not to be sent, are settled."""
        lines: list[bytes] = []
        for record in records:
            try:
                if self._mask is None:
                    lines.append(events.line(record, self._prefix))
                    continue
                made = self._masked(events.event(record, self._prefix))
                if made is not None:
                    lines.append(events.event_line(made))
            except Exception as error:
                self._queue.settle(dropped=1, why=INVALID)
                self._failures.add(f"an event could not be written as JSON ({type(error).__name__})")
        return lines

    def _masked(self, event: Event) -> Event | None:
        made = None
        try:
            made = self._mask(event) if self._mask is not None else event
        except Exception as error:
            # Not sent as it is: it holds what should have been masked.
            self._failures.add(f"before_send failed ({type(error).__name__})")
        if made is None:
            self._queue.settle(dropped=1, why=BEFORE_SEND)
        return made


def _mask(before_send: Mask | None, hash_ip: bool, key: str | None) -> "Callable[[Event], Event | None] | None":
    if not hash_ip:
        return before_send
    hashing = masks.hash_ip(key.encode() if key else secrets.token_bytes(32))
    return hashing if before_send is None else masks.in_turn(hashing, before_send)
