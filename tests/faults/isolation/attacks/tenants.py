"""Very many tenants, each with somebody who watches."""

import asyncio

from tests.faults.isolation.subscriber_group import SubscriberGroup
from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN, make_token

TOKEN_SECONDS = 86_400


def tokens(count: int) -> str:
    """Make a token for each of *count* tenants, separated by spaces."""
    return " ".join(make_token(SECRET, "ada", [ADMIN], f"tenant-{number}", TOKEN_SECONDS) for number in range(count))


async def many_tenants(url: str, seconds: float, count: int = 2000) -> None:
    """Let *count* tenants open a panel each, all at once, and watch; *seconds* is how long, their arrival included.

    The service at *url* must allow so many panels from one address.
    """
    subscribers = SubscriberGroup(int(url.rpartition(":")[2]), tokens(count), count)
    arriving = asyncio.ensure_future(subscribers.__aenter__())
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(subscribers.end)
        await asyncio.gather(arriving, return_exceptions=True)
