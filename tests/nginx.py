"""nginx before a service, with its default way of passing requests on."""

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.conftest import free_port
from tests.program import spawn

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {upstream}; }}
  }}
}}
"""


class Nginx:
    """nginx on a free port, before the service at *upstream*: no line but ``proxy_pass``, so it speaks HTTP/1.0."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self._file = folder / "nginx.conf"
        self._file.write_text(CONFIGURATION.format(folder=folder, port=self._port, upstream=upstream))
        self._program: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it accepts."""
        # Debian keeps it where only root looks for it.
        found = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        assert found is not None, "nginx is needed: make installs it"
        self._program = spawn([found, "-e", self._folder / "nginx.log", "-c", self._file])
        async with asyncio.timeout(10):
            while not await self._accepts():
                assert self._program.poll() is None, (self._folder / "nginx.log").read_text()
                await asyncio.sleep(0.02)

    async def _accepts(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.close()
            await writer.wait_closed()
            return True
        return False

    def stop(self) -> None:
        if self._program is not None:
            self._program.terminate()
            self._program.wait(10)
