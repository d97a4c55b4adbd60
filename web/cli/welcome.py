"""What ``make run`` says before it serves: where the panel is, what can be asked, and how to post an event."""

import os
import sys

from web.auth.tokens import own_token, shared_secret
from web.cli.command import own_url
from web.ingest.tracking import PREFIX as TRACK
from web.reports.endpoints import PREFIX
from web.settings import DEFAULT_TENANT, InvalidSetting, Settings

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


def greeting(settings: Settings) -> str:
    """Write the greeting, with an admin token of twelve hours if the service signs its own."""
    url, secret = own_url(settings), shared_secret(settings)
    token = "<token of your auth service>" if secret is None else _token(secret, settings)
    reports = "\n".join(f"    {url}{PREFIX}/{report}" for report in REPORTS)
    return f"""
ConvoAI Analytics

  Dashboard (an admin's link, valid for {HOURS} hours):
    {url}/analytics#token={token}
  The same live, in a terminal:
    .venv/bin/convoai-analytics watch

  Admin endpoints (Authorization: Bearer <the token above>):
{reports}

  Post an event:
    curl {url}{TRACK}/activity-public -H 'Content-Type: application/json' \\{_key(settings)}
      -d '{{"user_id": "u-1", "username": "Ada", "activity_type": "login"}}'
"""


def _key(settings: Settings) -> str:
    """Write the header that this machine needs, if it is not trusted."""
    trusted = any(network.is_loopback for network in settings.trusted_networks)
    return "" if trusted else '\n      -H "X-Tracking-Key: $KEY" \\'


def _token(secret: str, settings: Settings) -> str:
    return own_token(settings, secret, "admin", DEFAULT_TENANT, HOURS * 3600)


if __name__ == "__main__":
    try:
        print(greeting(Settings.read(os.environ)), flush=True)
    except InvalidSetting as error:
        sys.exit(f"convoai-analytics: {error}")
