"""What ``make run`` says before it serves: where the dashboard is, and what to do in a second terminal."""

import os
import shlex
import sys

from storage.engine.sqlite import writer_of
from storage.engine.urls import file_of
from web.auth.tokens import own_token, shared_secret
from web.ingest.tracking import PREFIX as TRACK
from web.reports.endpoints import PREFIX
from web.settings import DEFAULT_TENANT, InvalidSetting, Settings, own_url
from web.settings import PREFIX as VARIABLE

HOURS = 12
REPORTS = (
    "summary",
    "users/activities?limit=50",
    "users/top?limit=5",
    "users/list?active_only=true",
    "conversations?user_id=...",
    "api-usage?endpoint=...",
    "daily-stats?days=30",
)

WATCHED = (
    "host",
    "port",
    "database_url",
    "jwt_audience",
    "jwt_issuer",
    "jwt_roles_claim",
    "jwt_admin_role",
    "jwt_tenant_claim",
)
"""The settings that ``watch`` needs in another terminal, beside secrets, which are never printed."""


class AlreadyServed(Exception):
    """The text says where the database is served."""


def greeting(settings: Settings) -> str:
    """Write the greeting, with an admin token of twelve hours if the service signs its own.

    Raises :exc:`AlreadyServed` if another process serves the database.
    """
    _check_unserved(settings)
    url, secret = own_url(settings), shared_secret(settings)
    token = "<token of your auth service>" if secret is None else _token(secret, settings)
    reports = "\n".join(f"    {url}{PREFIX}/{report}" for report in REPORTS)
    return f"""
ConvoAI Analytics

  Dashboard (an admin's link, valid for {HOURS} hours):
    {url}/analytics#token={token}

  In a second terminal, in this folder:
    post an event, and see it arrive:
      curl {url}{TRACK}/activity-public -H 'Content-Type: application/json' \\{_key(settings)}
        -d '{{"user_id": "u-1", "username": "Ada", "activity_type": "login"}}'
    post an hour of made-up traffic in a minute:
      {_variables(settings)}.venv/bin/convoai-analytics replay --sample --speed 60{_key_file(settings)}
    show the figures in the terminal:
      {_variables(settings)}.venv/bin/convoai-analytics watch
    make a key for your own services:
      {_variables(settings)}.venv/bin/convoai-analytics keys add --name my-service

  Admin endpoints (Authorization: Bearer <the token above>):
{reports}
"""


def _check_unserved(settings: Settings) -> None:
    file = file_of(settings.database_url)
    address = None if file is None else writer_of(file)
    if address is not None:
        where = f" at {address}/analytics" if address else ""
        raise AlreadyServed(f"a service already runs on {file}{where}: stop it, or set ANALYTICS_DATABASE_URL")


def _variables(settings: Settings) -> str:
    """Write the variables that are not as by default; a database on a server is left out, since it has a password."""
    usual = Settings.read({})
    words = []
    for name in WATCHED:
        value = getattr(settings, name)
        if value != getattr(usual, name) and (name != "database_url" or file_of(value) is not None):
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words.append(f"{VARIABLE}{name.upper()}={shlex.quote(text)} ")
    return "".join(words)


def _key(settings: Settings) -> str:
    """Write the header that this machine needs, if it is not trusted."""
    return "" if _is_trusted(settings) else '\n        -H "X-Tracking-Key: $KEY" \\'


def _key_file(settings: Settings) -> str:
    return "" if _is_trusted(settings) else " --key-file KEY_FILE"


def _is_trusted(settings: Settings) -> bool:
    return any(network.is_loopback for network in settings.trusted_networks)


def _token(secret: str, settings: Settings) -> str:
    return own_token(settings, secret, "admin", DEFAULT_TENANT, HOURS * 3600)


if __name__ == "__main__":
    try:
        print(greeting(Settings.read(os.environ)), flush=True)
    except (InvalidSetting, AlreadyServed) as error:
        sys.exit(f"convoai-analytics: {error}")
