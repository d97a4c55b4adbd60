"""The bare ``send()`` loop that fan-out is held against: in C, or in Python where there is no compiler.

``python -m bench.bare PORT CONNECTIONS FRAME_BYTES`` is the loop in Python; it does what ``bare.c`` says.
"""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.process import Process, python
from realtime.transports.frames import Frame

TICKS_PER_SECOND = 20
_SOURCE = Path(__file__).with_name("bare.c")


class Bare(Process):
    """The loop on *port*, for frames of *size* bytes on the wire; ``language`` is what it is written in."""

    def __init__(self, folder: Path, port: int, count: int, size: int) -> None:
        compiler = shutil.which("cc")
        self.language = "C" if compiler else "Python"
        command = python("bench.bare")
        if compiler:
            command = [str(folder / "bare")]
            subprocess.run([compiler, "-O2", "-o", *command, str(_SOURCE)], check=True)
        super().__init__([*command, str(port), str(count), str(size)])
        self.read_line()

    def run(self, rounds: int) -> None:
        """Send each connection so many frames, one a tick."""
        self.ask(str(rounds))


def main(port: int, count: int, size: int) -> None:
    """Send what is asked for, until standard input ends."""
    frame = Frame(b"x" * (size - 4), "delta").wire
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listener:
        print("listening", flush=True)
        connections = [listener.accept()[0] for _ in range(count)]
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for line in sys.stdin:
        due = time.monotonic()
        for _ in range(int(line)):
            for connection in connections:
                connection.send(frame)
            due += 1 / TICKS_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
        print("done", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
