"""Arbitrary bytes, and a client that sends them."""

import contextlib
import socket
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.servers.service import Running
from tests.servers.tasks import SECONDS
from tests.subscribers.bare import handshake

SUBSCRIBE = b'{"type":"subscribe","topics":["summary"],"position":null}'


def examples(full: bool) -> settings:
    return settings(
        max_examples=5000 if full else 400,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


class Wire:
    """A client that sends bytes as it likes."""

    def __init__(self, running: Running) -> None:
        self._socket = socket.create_connection(("127.0.0.1", running.service.settings.port), timeout=SECONDS)
        self._token = running.token()

    def shake_hands(self) -> None:
        self.send(handshake(self._token))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._socket.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def hear(self) -> bytes:
        """Wait for an answer, and give its beginning."""
        with contextlib.suppress(ConnectionError):
            return self._socket.recv(65_536)
        return b""

    def end(self, half: bool) -> bytes:
        """Say no more, or hang up; give what came until the service ended it too."""
        answer = b""
        with self._socket:
            try:
                if half:
                    self._socket.shutdown(socket.SHUT_WR)
                    while data := self._socket.recv(65_536):
                        answer += data
            except TimeoutError:
                raise AssertionError(f"the service did not end it: {answer!r}") from None
            except OSError:
                # It was quicker.
                pass
        return answer


def counted(answers: Counter[bytes]) -> dict[str, int]:
    """Write how often each status was answered."""
    return {status.decode() or "unanswered": count for status, count in sorted(answers.items())}
