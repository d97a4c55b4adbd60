"""Run the platform: ``python -m examples.convoai``."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from examples.convoai.platform import CannotRun, Platform, Ports


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m examples.convoai", description="Runs the ConvoAI example platform.")
    parser.add_argument("--data", type=Path, default=Path("data/platform"), help="the folder that keeps everything")
    for name in Platform.names:
        parser.add_argument(f"--{name}-port", type=int, default=getattr(Ports, name), metavar="PORT")
    return parser.parse_args()


def greeting(platform: Platform, username: str, password: str) -> str:
    """Write what to open, and as whom to sign in."""
    ports = platform.ports
    return f"""
ConvoAI is running. Ctrl-C ends it; what it keeps is in {platform.folder}

  Open      {platform.url}
  Sign in   {username}
  Password  {password}

  An admin sees the button Analytics; whoever registers on the page is a user without it.
  Services: auth {ports.url("auth")}/docs, chatbot {ports.url("chatbot")}/docs, analytics {ports.url("analytics")}/docs
"""


async def main(asked: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM; raises :exc:`CannotRun`."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel if task else lambda: None)
    ports = Ports(**{name: getattr(asked, f"{name}_port") for name in Platform.names})
    platform = Platform(asked.data, ports, os.environ)
    try:
        await platform.start()
        print(greeting(platform, *await platform.make_admin()), flush=True)
        await platform.watch()
    except asyncio.CancelledError:
        print("stopping", flush=True)
    finally:
        await platform.stop()


if __name__ == "__main__":
    try:
        asyncio.run(main(options()))
    except CannotRun as error:
        sys.exit(str(error))
