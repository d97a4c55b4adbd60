"""The ways in which a message reaches a target: webhook, e-mail, and what apprise knows (Slack, Discord, ...)."""

import asyncio
import logging
import re
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import parse_qsl

from storage.alerts.deliveries import Result
from web.alerts.addresses import check_url, in_thread
from web.alerts.seal import Address, NoKey, Seal, Unreadable
from web.alerts.texts import short_text, subject, text
from web.alerts.webhook import Webhooks
from web.mail import Mail, Mailer, MailFailed
from web.settings import Settings, is_address

Channel = Literal["webhook", "email", "apprise"]
SECONDS = 20.0
"""How long an attempt by e-mail or apprise may take."""
FIXED = frozenset(("discord", "gchat", "opsgenie", "pagerduty", "pover", "slack", "sns", "tgram", "webex"))
"""The services of apprise whose host is their own: others lead wherever their address says."""
_SCHEME = re.compile(r"([a-z0-9]{2,20})://[^\s]+", re.ASCII)


def check_address(kind: str, url: str, *, anywhere: bool) -> str:
    """See that an address is one of its kind; gives what of it may be shown. Raises ``ValueError``.

    *anywhere*: private networks are allowed, so that every service of apprise may be used.
    """
    if kind == "webhook":
        return check_url(url)
    if kind == "email":
        if not is_address(url):
            raise ValueError("must be an e-mail address")
        return url
    found = _SCHEME.fullmatch(url)
    if found is None or (found[1] not in FIXED and not anywhere):
        raise ValueError(f"must be an address of apprise that begins with one of {', '.join(sorted(FIXED))}")
    _check_query(url, anywhere=anywhere)
    return f"{found[1]}://"


def _check_query(url: str, *, anywhere: bool) -> None:
    """See that an address of apprise leads to one place alone; raises ``ValueError``.

    Apprise takes several addresses that are separated by commas; a query may name a file of this machine or a URL as
    template, and times without an end.
    """
    if url.count("://") > 1:
        raise ValueError("must be one address: :// within it has to be written as %3A//")
    # Also behind a #, as apprise reads it.
    _, mark, query = url.partition("?")
    if mark and not anywhere:
        raise ValueError("must not hold a query (what begins with ?)")
    if any(name.strip().lower() == "template" for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise ValueError("must not hold a template")


@dataclass(frozen=True)
class Message:
    """What is sent to which target. ``id`` is that of the transition, or of the group of them."""

    tenant_id: str
    id: str
    body: str
    target_id: str
    kind: str
    sealed: str


class Channels:
    """Sends messages, each by the channel of its target."""

    def __init__(self, settings: Settings) -> None:
        self.seal = Seal(settings)
        self._webhooks = Webhooks(settings.alerts_networks)
        self._mailer = Mailer(settings)

    async def close(self) -> None:
        """Close every connection."""
        await self._webhooks.close()

    async def send(self, message: Message) -> Result:
        """Make one attempt; says what became of it, and raises nothing that a target can cause."""
        try:
            address = self.seal.open(message.tenant_id, message.target_id, message.sealed)
        except (Unreadable, NoKey) as error:
            return Result(str(error))
        if message.kind == "webhook":
            return await self._webhooks.send(message.id, message.body, address)
        if message.kind == "email":
            return await self._mail(message, address)
        return await _notify(message, address)

    async def _mail(self, message: Message, address: Address) -> Result:
        try:
            async with asyncio.timeout(SECONDS):
                await self._mailer.send(Mail(message.id, address.url, subject(message.body), text(message.body)))
        except TimeoutError:
            return Result(f"no answer within {SECONDS:g} s")
        except MailFailed as error:
            return Result(str(error), is_final=error.is_permanent)
        return Result()


async def _notify(message: Message, address: Address) -> Result:
    try:
        import apprise
    except ImportError:
        return Result("apprise is not installed: pip install 'convoai-analytics[apprise]'")
    # Its warnings hold parts of addresses.
    logging.getLogger("apprise").disabled = True
    service = apprise.Apprise()
    # Not its text, which apprise would split into several at commas.
    target = apprise.Apprise.instantiate(address.url)
    if target is None or not service.add(target):
        return Result("apprise does not know this address", is_final=True)
    # Of another type Opsgenie makes a note on an alert that it does not know, or closes it, and says that it did so.
    kind = apprise.NotifyType.WARNING
    send = partial(service.notify, body=short_text(message.body), title=subject(message.body), notify_type=kind)
    try:
        async with asyncio.timeout(SECONDS):
            taken = await in_thread(send)
    except TimeoutError:
        return Result(f"no answer within {SECONDS:g} s")
    except Exception as error:
        # A plugin may raise anything; its text can hold the address.
        return Result(f"apprise failed: {type(error).__name__}")
    return Result() if taken else Result("the service did not take it")
