"""In which order tokens that come at once are verified."""

import asyncio

from starlette.requests import Request

from realtime.principal import Principal
from storage.fairness.shares import FairShares
from web.auth.tokens import ADMIN
from web.reports.admission import Admission


async def arrivals(admission: Admission, *who: tuple[str, str]) -> list[str]:
    """Let tokens from addresses come in one moment; gives the tokens in the order in which they are let in."""
    order: list[str] = []

    async def arrive(token: str, address: str) -> None:
        await admission.begin(token, address)
        order.append(token)

    await asyncio.gather(*(arrive(*each) for each in who))
    assert len(order) == len(who)
    return order


def admission_of(*known: tuple[str, str, str]) -> Admission:
    """Make one that has verified some tokens, each of a tenant and a subject."""
    made = Admission(FairShares("memory", 1 << 30, 1.0, 1.0))
    for token, tenant, subject in known:
        made.admit(Request({"type": "http"}), token, Principal(subject, tenant, (ADMIN,), 0))
    return made


async def test_new_tokens_keep_no_known_tenant_waiting() -> None:
    """While a thousand tokens that nobody has shown before come at once, who was verified already is let in at once."""
    admission = admission_of(("known", "globex", "ada"))
    crowd = [(f"token-{number}", "127.0.0.1") for number in range(1000)]
    assert (await arrivals(admission, *crowd, ("known", "127.0.0.1"))).index("known") < 8
    admission.drop_token("known")
    assert (await arrivals(admission, *crowd, ("known", "127.0.0.1"))).index("known") == 1000


async def test_addresses_take_turns_with_new_tokens() -> None:
    """Forged tokens from one address do not keep a new token from another one waiting."""
    crowd = [(f"token-{number}", "127.0.0.1") for number in range(1000)]
    assert (await arrivals(admission_of(), *crowd, ("new", "127.0.0.2"))).index("new") < 8


async def test_subjects_of_a_tenant_arrive_in_turn() -> None:
    """An admin who asks for a thousand things at once does not keep another one of the tenant waiting."""
    admission = admission_of(("ada's", "acme", "ada"), ("bob's", "acme", "bob"))
    crowd = [("ada's", "127.0.0.1")] * 1000
    assert (await arrivals(admission, *crowd, ("bob's", "127.0.0.1"))).index("bob's") < 8
