"""Passwords as argon2id hashes."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from examples.convoai.service import Refused

Result = TypeVar("Result")

AT_ONCE = 2
"""Hashes that are made at once: each takes 64 MiB and the time of a core."""
WAITING = 200
"""Requests that may wait for that; those beyond it are told to come again."""


class Passwords:
    """Makes and verifies hashes, in threads of their own."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        # What the password of somebody unknown is verified against: it takes as long as that of somebody known.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Make a hash; raises :exc:`Refused` if too many wait."""
        return await self._in_turn(self._hasher.hash, password)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Verify a password; a hash of None is that of nobody. Raises :exc:`Refused` if too many wait."""
        is_right = await self._in_turn(self._verify, password_hash or self._nobody, password)
        return is_right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Say whether a hash was made with parameters of before."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _in_turn(self, work: Callable[..., Result], *arguments: str) -> Result:
        if self._waiting >= WAITING:
            raise Refused(503, "too many sign in just now", Retry_After="2")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
