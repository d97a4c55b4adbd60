"""The programs of docs/integration.md, what they need beside them, and the folder that they run in."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

from tests.repository import ROOT
from tests.servers.program import spawn

TEXT = (ROOT / "docs" / "integration.md").read_text()
BLOCK = re.compile(r"<!-- test: ([a-z ]+) -->\n```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {name: source for name, _, source in BLOCK.findall(TEXT)}
SERVICE = "http://127.0.0.1:8002"
BIN = Path(sys.executable).parent
DJANGO = """
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
"""
URLS = """
from django.urls import path

import views

urlpatterns = [path("login/<str:name>", views.login)]
"""
WSGI = """
from django.core.wsgi import get_wsgi_application

app = get_wsgi_application()
"""
OPENAI = """
import json
import os
from types import SimpleNamespace
from uuid import uuid4

import httpx2


class _Object(SimpleNamespace):
    def __getattr__(self, name):
        return None


def _object(text):
    made = json.loads(text, object_hook=lambda fields: _Object(**fields))
    made.id = f"chatcmpl-{uuid4().hex}"
    return made


def _request(asked):
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    return {"method": "POST", "url": os.environ["OPENAI_BASE_URL"] + "/chat/completions", "json": asked,
            "headers": headers}


def _create(**asked):
    if not asked.get("stream"):
        return _object(httpx2.request(**_request(asked)).text)
    return _chunks(asked)


def _chunks(asked):
    with httpx2.stream(**_request(asked)) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield _object(line.removeprefix("data: "))


async def _acreate(**asked):
    async def chunks():
        for chunk in _chunks(asked):
            yield chunk

    return chunks()


def OpenAI():
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=_create)))


def AsyncOpenAI():
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=_acreate)))
"""


class Folder:
    """Where the programs of a test are, and what they are run in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = folder
        self.url = url
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}:{ROOT / 'client'}",
        }

    def write(self, block: str, more: str = "") -> Path:
        """Write a block to the file that its first line names, for this service."""
        source = BLOCKS[block].replace(SERVICE, self.url)
        named = re.match(r"(?:#|//) (\w+\.\w+)\n", source)
        path = self.path / (named[1] if named else "block.sh")
        path.write_text(source + more)
        return path

    async def run(self, *command: str | Path) -> str:
        """Run a program that ends by itself, and give what it printed."""
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.path, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        written, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, written.decode()
        return written.decode()

    @contextlib.asynccontextmanager
    async def serving(self, *command: str | Path) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """Run a program until SIGTERM, at which it must end in good order."""
        with (self.path / "log").open("wb") as log:
            process = spawn(command, cwd=self.path, env=self.environment, stdout=log, stderr=log)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 20)
        finally:
            process.kill()
            process.wait()

    async def ask(self, process: "subprocess.Popen[bytes]", method: str, url: str, **options: Any) -> None:
        """Send a request as soon as the server answers."""
        async with httpx2.AsyncClient(timeout=20) as client:
            while True:
                try:
                    answer = await client.request(method, url, **options)
                    break
                except httpx2.TransportError:
                    assert process.poll() is None, (self.path / "log").read_text()
                    await asyncio.sleep(0.02)
        assert answer.status_code == 200, (self.path / "log").read_text()
