"""Whoever attacks, in a process of its own: ``python -m tests.faults.isolation.attacker URL``.

:class:`Attacker` tells it what to do. It stands for machines elsewhere, so what it computes comes after what the
service and the neighbour do: otherwise the table would show how three programs share two processors.
"""

import asyncio
import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import uvloop

from tests.faults.isolation.remote import Remote, run

GRACE_SECONDS = 20.0
"""What an attack may take beyond its time, for connections that a hanging service does not end."""


class Attacks:
    """What the process does."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def attack(self, module: str, name: str, seconds: float, options: dict[str, Any]) -> Any:
        """Run an attack for some *seconds*, and give what it tells."""
        run_it = getattr(importlib.import_module(module), name)
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                return await run_it(self._url, seconds, **options)
        except TimeoutError:
            return {"unfinished": 1}


class Attacker(Remote):
    """The other end."""

    def __init__(self, url: str) -> None:
        super().__init__("tests.faults.isolation.attacker", url)

    async def attack(self, module: str, name: str, seconds: float, options: Mapping[str, Any]) -> Any:
        """Let it run a function of a *module* under ``tests/faults/isolation/attacks``."""
        return await self.tell("attack", module, name, seconds, options)


NICENESS = 10

if __name__ == "__main__":
    os.nice(NICENESS)
    uvloop.run(run(Attacks(sys.argv[1])))
