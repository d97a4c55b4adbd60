"""Proxies as people put them before a service, with as little said as their configuration allows."""

import shutil
import socket
import subprocess
import sys
import time
from os import environ, pathsep
from pathlib import Path

from tests.servers.program import spawn

UP_SECONDS = 20


def program(name: str) -> str:
    """Find a proxy's program, which Debian keeps where only root looks for it."""
    found = shutil.which(name, path=f"{environ['PATH']}{pathsep}/usr/sbin")
    if found is None:
        sys.exit(f"{name} is needed: install it with your system's packages")
    return found


class Proxy:
    """A proxy on ``port``, which passes on to the service on *target*."""

    def __init__(self, folder: Path, port: int, configuration: str, *command: str) -> None:
        self.port = port
        file = folder / "proxy.conf"
        file.write_text(configuration)
        with (folder / "proxy.log").open("ab") as log:
            self._program: subprocess.Popen[bytes] = spawn([*command, str(file)], stdout=log, stderr=log)
        deadline = time.monotonic() + UP_SECONDS
        while not _listens(port):
            assert self._program.poll() is None, (folder / "proxy.log").read_text()
            assert time.monotonic() < deadline, (folder / "proxy.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        self._program.terminate()
        self._program.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nginx(folder: Path, port: int, target: int, *directives: str) -> Proxy:
    """Start nginx with ``proxy_pass`` and these further *directives*."""
    lines = "; ".join([f"proxy_pass http://127.0.0.1:{target}", *directives])
    text = f"""
        daemon off; master_process off; pid {folder}/pid; error_log stderr;
        events {{}}
        http {{
          access_log off;
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
          server {{ listen 127.0.0.1:{port}; location / {{ {lines}; }} }}
        }}
    """
    return Proxy(folder, port, text, program("nginx"), "-e", "stderr", "-c")


def haproxy(folder: Path, port: int, target: int, mode: str, *options: str) -> Proxy:
    """Start HAProxy in the mode ``http`` or ``tcp``, with these further *options*."""
    lines = "\n".join(f"  {line}" for line in (f"mode {mode}", "timeout connect 5s", *options))
    text = f"""
defaults
{lines}
  timeout client 30s
  timeout server 30s
listen all
  bind 127.0.0.1:{port}
  server service 127.0.0.1:{target}
"""
    return Proxy(folder, port, text, program("haproxy"), "-db", "-f")
