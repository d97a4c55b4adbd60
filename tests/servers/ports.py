"""Ports for servers under test."""

import itertools
import os
import random
import socket

FIRST, EACH = 10_000, 1_500
"""A process of the test run has so many ports, from the first on: all below those from which the system takes the ports
of outgoing connections, one of which could take a port between its choice and its use."""
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
_ports = itertools.cycle(range(FIRST + _PROCESS * EACH, FIRST + (_PROCESS + 1) * EACH))


def free_port() -> int:
    """Give a port that nothing listens on; it is not given out again soon."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("there is no free port")


# Runs that go on side by side begin at different places.
for _ in range(random.randrange(EACH)):
    next(_ports)
