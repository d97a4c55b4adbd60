"""A program of this suite in a process of its own, told in lines what to do: a command in JSON, answered in JSON."""

import asyncio
import inspect
import sys
import time
from typing import Any

import msgspec

from bench.process import Process, python


class Remote(Process):
    """The end that tells. ``run`` is the other one."""

    def __init__(self, module: str, *arguments: object) -> None:
        """Start a *module*; what is secret goes over standard input."""
        super().__init__(python(module, *map(str, arguments)))

    async def tell(self, command: str, *arguments: Any) -> Any:
        """Give a command, the name of a method there, and its answer."""
        line = msgspec.json.encode([command, *arguments]).decode()
        return msgspec.json.decode(await asyncio.to_thread(self.ask, line))

    async def until_none(self, command: str, *arguments: Any, seconds: float = 300) -> float:
        """Wait until the answer to a command, such as ``missing``, is 0; tell the seconds that took."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while await self.tell(command, *arguments):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)
        return time.monotonic() - began


async def run(target: object) -> None:
    """Carry out commands, the names of methods of *target*, one after the other until standard input ends."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    while line := await lines.get():
        command, *arguments = msgspec.json.decode(line)
        answer = getattr(target, command)(*arguments)
        answer = await answer if inspect.isawaitable(answer) else answer
        print(msgspec.json.encode(answer).decode(), flush=True)
