"""Tracks what an OpenAI-compatible model answers, once, when an answer has ended: the assistant's message and the call.

The ``openai`` package is not needed: whatever has the shape of its answers and streams will do, dictionaries too.
"""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import perf_counter
from types import FunctionType, MethodType
from typing import Any, NamedTuple, TypeVar, overload

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.answer import Answer
from convoai_analytics_client.delivery.failure_log import LOG
from convoai_analytics_client.environment import default

MAX_SECONDS = 86_400.0
"""The service takes no longer times."""
SHORTEST_ID = 16
"""Characters of an id that is taken for unique. Ollama makes ``chatcmpl-`` and a number below 999: messages would be
taken for duplicates of others."""

T = TypeVar("T")
_logged: set[str] = set()


@overload
def track_openai(
    answer: Callable[[], T],
    *,
    conversation_id: Any,
    user_id: Any,
    message_id: Any = None,
    provider: str = "openai",
    model: str | None = None,
    analytics: Analytics | None = None,
    started: float | None = None,
) -> T: ...


@overload
def track_openai(
    answer: T,
    *,
    conversation_id: Any,
    user_id: Any,
    message_id: Any = None,
    provider: str = "openai",
    model: str | None = None,
    analytics: Analytics | None = None,
    started: float | None = None,
) -> T: ...


def track_openai(
    answer: Any,
    *,
    conversation_id: Any,
    user_id: Any,
    message_id: Any = None,
    provider: str = "openai",
    model: str | None = None,
    analytics: Analytics | None = None,
    started: float | None = None,
) -> Any:
    """Track the message that *answer* is and the LLM call that made it, and give the answer.

    *answer* is one of chat completions or of the Responses API: whole, which is given back as it is; or a stream, for
    which a :class:`TrackedStream` or :class:`AsyncTrackedStream` is given that passes on all of it. It may also be a
    coroutine that gives one, then what this returns is awaited; or a function without arguments, which is called.

    The message is tracked once, as the assistant's: when a stream has ended, has failed, was closed, or is no longer
    used by anybody. It counts if any of its content was delivered, or if the answer says that it is finished: a stream
    that breaks leaves the message that people saw, an error before that leaves none. The LLM call names the message.
    It is tracked also without one if its model is known: the one that the answer names, or *model*. An error becomes
    its ``error_type``. What this call does wrong never reaches the caller.

    *message_id*: None stands for the id that the answer names, or for a new one if it names none, or one so short that
    it cannot be unique. Of two messages with one id, only the first counts.
    *provider*: who runs the model. *model*: the one that is asked for, for calls that fail before an answer names one.
    *analytics*: None stands for the client that the environment describes.
    *started*: a time of ``time.perf_counter()``, before the request was sent. None stands for this call. That is exact
    for a function and for a coroutine, which are begun here. A stream that is given has been opened before, so what
    passed until its first byte is missing. For a whole answer that is given, the response time is unknown then.

    Tokens are the output tokens that the answer's ``usage`` names, unknown if it names none: ask servers for them by
    ``stream_options={"include_usage": True}``. The model is the one that the answer names.
    """
    begun = perf_counter() if started is None else started
    names = _Names(message_id, conversation_id, user_id, provider, model, analytics)
    if isinstance(answer, (FunctionType, MethodType, partial)):
        try:
            answer = answer()
        except Exception as error:
            _track(Answer(), names, perf_counter() - begun, error=error)
            raise
        return _tracked(answer, names, begun)
    # All of a whole answer was waited for before this call.
    is_timed = started is not None or inspect.isawaitable(answer)
    return _tracked(answer, names, begun, is_timed=is_timed)


class _Proxy:
    """What tracked streams share: all that the stream has, and the end of its tracking when it is closed or let go."""

    __slots__ = ("_iterator", "_source", "_tracking")

    _tracking: "_Tracking"

    def __init__(self, source: Any, tracking: "_Tracking") -> None:
        object.__setattr__(self, "_source", source)
        object.__setattr__(self, "_iterator", None)
        object.__setattr__(self, "_tracking", tracking)

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds until the first part with content; None if there was none yet."""
        return self._tracking.first

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._source)

    def close(self) -> Any:
        """Close the stream, if it can be; to be awaited where the stream's own is."""
        return self._close("close")

    def _close(self, name: str) -> Any:
        closing = None
        try:
            if (close := getattr(self._source, name, None)) is not None:
                closing = close()
        finally:
            if closing is None or not inspect.isawaitable(closing):
                self._tracking.end()
        return self._closed(closing) if inspect.isawaitable(closing) else closing

    async def _closed(self, closing: Any) -> Any:
        try:
            return await closing
        finally:
            self._tracking.end()

    def __del__(self) -> None:
        # No code could catch an error here, and the interpreter may be ending.
        with suppress(Exception):
            self._tracking.end_late()

    def __getattr__(self, name: str) -> Any:
        if name in _Proxy.__slots__:
            # A copy that has no source yet.
            raise AttributeError(name)
        return getattr(self._source, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._source, name, value)

    def __repr__(self) -> str:
        return repr(self._source)


class TrackedStream(_Proxy):
    """A stream that is tracked: items, attributes and errors are those of the stream itself.

    To ``isinstance`` it is also what it wraps. Only what is read through it is seen.
    """

    __slots__ = ()

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            object.__setattr__(self, "_iterator", iter(self._source))
        try:
            part = next(self._iterator)
        except BaseException as error:
            self._tracking.end(error=error)
            raise
        self._tracking.read(part)
        return part

    def __enter__(self) -> Any:
        entered = self._source.__enter__()
        return self if entered is self._source else entered

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._source.__exit__(*error)
        finally:
            self._tracking.end()


class AsyncTrackedStream(_Proxy):
    """As :class:`TrackedStream`, for ``async for``."""

    __slots__ = ()

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        if self._iterator is None:
            object.__setattr__(self, "_iterator", aiter(self._source))
        try:
            part = await anext(self._iterator)
        except BaseException as error:
            # A cancellation, too.
            self._tracking.end(error=error)
            raise
        self._tracking.read(part)
        return part

    async def __aenter__(self) -> Any:
        entered = await self._source.__aenter__()
        return self if entered is self._source else entered

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._source.__aexit__(*error)
        finally:
            self._tracking.end()

    def aclose(self) -> Any:
        """Close the stream; to be awaited."""
        return self._close("aclose")


class _EitherStream(TrackedStream, AsyncTrackedStream):
    """For streams that may be read either way, as LiteLLM's and those of some instrumentation."""

    __slots__ = ()


class _Names(NamedTuple):
    message_id: Any
    conversation_id: Any
    user_id: Any
    provider: str
    model: str | None
    analytics: Analytics | None


class _Tracking:
    """One answer: what it has said so far, and that it is tracked once."""

    def __init__(self, names: _Names, started: float) -> None:
        self.first: float | None = None
        self._names = names
        self._started = started
        self._last = started
        self._answer = Answer()
        self._has_ended = False

    def read(self, part: Any) -> None:
        """Record a part that is handed on."""
        if self._has_ended:
            return
        self._last = perf_counter()
        try:
            self._answer.read_part(part)
        except Exception as error:
            _log_once(f"a part of an answer could not be read ({type(error).__name__})")
        if self.first is None and self._answer.has_content:
            self.first = self._last - self._started

    def end(self, at: float | None = None, error: BaseException | None = None) -> None:
        """Track what there is; only the first call does. *at*: when the answer ended; None: now. *error*: why."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._last != self._started and not self._answer.is_known:
            _log_once("a stream is neither one of chat completions nor of the Responses API")
        seconds = (perf_counter() if at is None else at) - self._started
        _track(self._answer, self._names, seconds, self.first, error)

    def end_late(self) -> None:
        """Do as :meth:`end` for a stream that was not read since its last part."""
        self.end(self._last)


def _tracked(answer: Any, names: _Names, started: float, *, is_timed: bool = True) -> Any:
    """Give what is to be given for an answer. *is_timed*: whether a whole answer began when it was *started*."""
    if inspect.isawaitable(answer):
        return _awaited(answer, names, started)
    wrapper = _wrapper(answer)
    if wrapper is not None:
        return wrapper(answer, _Tracking(names, started))
    seconds = perf_counter() - started if is_timed else None
    read = Answer()
    try:
        read.read_whole(answer)
    except Exception as error:
        _log_once(f"an answer could not be read ({type(error).__name__})")
    if not read.is_known:
        _log_once("an answer is neither one of chat completions nor of the Responses API")
    _track(read, names, seconds)
    return answer


async def _awaited(answer: Any, names: _Names, started: float) -> Any:
    try:
        answer = await answer
    except Exception as error:
        _track(Answer(), names, perf_counter() - started, error=error)
        raise
    return _tracked(answer, names, started)


def _wrapper(answer: Any) -> type[_Proxy] | None:
    """Give the wrapper for a stream, None for a whole answer."""
    # As Python itself looks for methods: some objects claim to have any attribute.
    kind = type(answer)
    # Whole answers of the openai package can be iterated, over their fields.
    is_whole = isinstance(answer, Mapping) or hasattr(answer, "choices") or hasattr(answer, "output")
    is_sync = hasattr(kind, "__next__") or (hasattr(kind, "__iter__") and not is_whole)
    if hasattr(kind, "__aiter__"):
        return _EitherStream if is_sync else AsyncTrackedStream
    return TrackedStream if is_sync else None


def _track(
    answer: Answer,
    names: _Names,
    seconds: float | None,
    first: float | None = None,
    error: BaseException | None = None,
) -> None:
    """Track the message, if there is one, and the call, if its model is known, with the message's id."""
    try:
        analytics = names.analytics or default()
        times = (_sound(seconds), _sound(first))
        message_id = None
        if answer.is_message():
            message_id = _message_id(answer, names)
            analytics.track_message(
                message_id,
                names.conversation_id,
                names.user_id,
                "assistant",
                answer.tokens,
                answer.model,
                times[0],
                times[1],
                answer.finish_reason,
            )
        if (model := answer.model or names.model) is not None:
            # The end of a stream is no failure, and neither is a caller who wants no more of it.
            failed = isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration))
            analytics.track_llm_call(
                names.provider,
                model,
                user_id=names.user_id,
                conversation_id=names.conversation_id,
                message_id=message_id,
                input_tokens=answer.input_tokens,
                cached_input_tokens=answer.cached_tokens,
                output_tokens=answer.tokens,
                reasoning_tokens=answer.reasoning_tokens,
                response_time=times[0],
                time_to_first_token=times[1],
                finish_reason=answer.finish_reason,
                error_type=type(error).__name__ if failed else None,
                service_tier=answer.service_tier,
            )
    except Exception as error:
        _log_once(f"an answer could not be tracked ({type(error).__name__})")


def _message_id(answer: Answer, names: _Names) -> Any:
    if names.message_id is not None:
        return names.message_id
    named = answer.message_id
    return named if named is not None and len(named) >= SHORTEST_ID else _made_id()


def _sound(seconds: float | None) -> float | None:
    """Give a time; None for one of another clock than perf_counter, which makes no sense here."""
    return seconds if seconds is not None and 0 <= seconds <= MAX_SECONDS else None


def _made_id() -> str:
    # 4 ms of a program's start, for the few servers that name no id of use.
    from uuid import uuid4

    return uuid4().hex


def _log_once(what: str) -> None:
    """Log what went wrong, once, without values."""
    if what not in _logged:
        _logged.add(what)
        LOG.warning("analytics: %s; said once", what)
