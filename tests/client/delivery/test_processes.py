"""Processes that fork, end and are ended: what the client tracked in each of them arrives, once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2

from tests.client.delivery.endpoint import Endpoint, endpoint
from tests.servers.ports import free_port
from tests.servers.program import spawn

BEGIN = """
import os, signal, sys, threading, time
from convoai_analytics_client import Analytics
analytics = Analytics(URL, flush_seconds=0.05)
"""
WAIT = """
print("tracked", flush=True)
time.sleep(60)
"""


def program(serving: Endpoint, text: str, *before: str) -> "subprocess.Popen[bytes]":
    """Start a program that has a client for the endpoint."""
    whole = BEGIN.replace("URL", repr(serving.url)) + text
    return spawn([*before, sys.executable, "-W", "error", "-c", whole], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(started: "subprocess.Popen[bytes]", seconds: float = 20) -> tuple[int, str]:
    _, errors = started.communicate(timeout=seconds)
    return started.returncode, errors.decode()


def users(serving: Endpoint) -> Counter[str]:
    """Count the events that arrived, by user, copies with one id once."""
    return Counter({event["event_id"]: event["user_id"] for event in serving.events}.values())


def test_a_forked_child_posts_its_own_events_only() -> None:
    """What waits when a process forks is posted by the parent alone, and the child has a thread and ids of its own."""
    with endpoint() as serving:
        text = """
analytics.track_user_activity("parent", "Ada", "login")
child = os.fork()
analytics.track_user_activity("child" if not child else "parent", "Ada", "login")
stats = analytics.stats()
assert stats.tracked == (1 if not child else 2), stats
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
        code, errors = ended(program(serving, text))
        assert code == 0, errors
        assert users(serving) == {"parent": 2, "child": 1}


def test_forks_while_threads_track() -> None:
    """Children that are forked while other threads track, hold locks, or import, hang in none of their calls."""
    with endpoint() as serving:
        text = """
going = True
def track():
    while going:
        analytics.track_user_activity("parent", "Ada", "login")
        time.sleep(0.002)
threads = [threading.Thread(target=track) for _ in range(4)]
[thread.start() for thread in threads]
children = []
for _ in range(20):
    child = os.fork()
    if not child:
        analytics.track_user_activity("child", "Ada", "login")
        os._exit(0 if analytics.flush(20) else 1)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
going = False
[thread.join() for thread in threads]
assert codes == [0] * 20, codes
"""
        code, errors = ended(program(serving, text), 40)
        assert code == 0, errors
        assert users(serving)["child"] == 20


def test_workers_of_multiprocessing_post_at_their_end() -> None:
    """A worker that ends by itself, which skips atexit, has posted what it tracked."""
    with endpoint() as serving:
        text = """
import multiprocessing
def work(number):
    analytics.track_user_activity(f"worker-{number}", "Ada", "login")
workers = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(3)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
"""
        code, errors = ended(program(serving, text))
        assert code == 0, errors
        assert users(serving) == {f"worker-{number}": 1 for number in range(3)}


def test_sigterm_posts_what_waits() -> None:
    """Where the program leaves SIGTERM to the system, what waits is posted, and it still ends by the signal."""
    with endpoint() as serving:
        started = program(serving, 'analytics.track_user_activity("u", "Ada", "login")' + WAIT)
        wait_for_line(started)
        started.terminate()
        assert ended(started)[0] == -signal.SIGTERM
        assert users(serving) == {"u": 1}


def wait_for_line(started: "subprocess.Popen[bytes]") -> None:
    """Wait until a program says that it has tracked."""
    assert started.stdout is not None
    assert started.stdout.readline() == b"tracked\n"


def test_a_program_keeps_its_own_handler_of_sigterm() -> None:
    """A handler that the program set is not replaced, and the end that it chooses posts what waits."""
    with endpoint() as serving:
        text = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
Analytics(None)
analytics.track_user_activity("u", "Ada", "login")
"""
        started = program(serving, text + WAIT)
        wait_for_line(started)
        started.terminate()
        assert ended(started)[0] == 7
        assert users(serving) == {"u": 1}


def test_an_end_waits_only_so_long() -> None:
    """A program whose service does not answer ends in time, and its log says how many events were not sent."""
    text = """
import logging
logging.basicConfig()
down = Analytics("http://127.0.0.1:9", exit_seconds=0.5)
for _ in range(5):
    down.track_user_activity("u", "Ada", "login")
"""
    with endpoint() as serving:
        began = time.monotonic()
        code, errors = ended(program(serving, text))
        assert code == 0
        assert "5 events" in errors
        assert time.monotonic() - began < 10


def test_os_exit_loses_only_what_is_in_memory(tmp_path: Path) -> None:
    """os._exit, after which no program can do anything, keeps what the spool had taken: the next process posts it."""
    with endpoint() as serving:
        text = f"""
spooling = Analytics("http://127.0.0.1:9", spool={str(tmp_path)!r})
for number in range(100):
    spooling.track_user_activity(f"u{{number}}", "Ada", "login")
while spooling.stats().spooled < 100:
    time.sleep(0.01)
os._exit(0)
"""
        assert ended(program(serving, text))[0] == 0
        assert not serving.events
        again = f"""
spooling = Analytics({serving.url!r}, spool={str(tmp_path)!r})
while spooling.stats().recorded < 100:
    time.sleep(0.01)
"""
        code, errors = ended(program(serving, again))
        assert code == 0, errors
        assert users(serving) == {f"u{number}": 1 for number in range(100)}


async def test_gunicorn_with_preloaded_workers(tmp_path: Path) -> None:
    """Workers that gunicorn forks from a preloaded program, and ends or recycles, post what each of them tracked."""
    with endpoint() as serving:
        (tmp_path / "shop.py").write_text(
            f"""
import os
from convoai_analytics_client import Analytics
analytics = Analytics({serving.url!r}, flush_seconds=30)
analytics.track_user_activity("master", "Ada", "login")
def app(environ, start_response):
    analytics.track_user_activity(environ["QUERY_STRING"], "Ada", "login")
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
"""
        )
        port = free_port()
        options = ["--preload", "--workers", "2", "--max-requests", "5", "--bind", f"127.0.0.1:{port}", "shop:app"]
        with (tmp_path / "log").open("wb") as log:
            server = spawn([sys.executable, "-m", "gunicorn", *options], cwd=tmp_path, stdout=log, stderr=log)
        async with httpx2.AsyncClient() as client:
            for number in range(30):
                await answered(client, f"http://127.0.0.1:{port}/?u{number}")
        server.terminate()
        assert await asyncio.to_thread(server.wait, 20) == 0, (tmp_path / "log").read_text()
        assert users(serving) == {"master": 1, **{f"u{number}": 1 for number in range(30)}}


async def answered(client: httpx2.AsyncClient, url: str) -> None:
    """Ask until a server that starts, or replaces a worker, answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            (await client.get(url)).raise_for_status()
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        else:
            return


async def test_celery_with_recycled_children(tmp_path: Path) -> None:
    """Children of Celery that end after every second task post what their tasks tracked."""
    with endpoint() as serving:
        (tmp_path / "broker").mkdir()
        (tmp_path / "jobs.py").write_text(
            f"""
from celery import Celery
from convoai_analytics_client import Analytics
analytics = Analytics({serving.url!r}, flush_seconds=30)
app = Celery("jobs", broker="filesystem://")
folder = {str(tmp_path / "broker")!r}
app.conf.broker_transport_options = {{"data_folder_in": folder, "data_folder_out": folder}}
app.conf.worker_max_tasks_per_child = 2
@app.task(name="track")
def track(number):
    analytics.track_user_activity(f"u{{number}}", "Ada", "login")
if __name__ == "__main__":
    for number in range(6):
        track.delay(number)
"""
        )
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
        assert await asyncio.to_thread(spawn([sys.executable, "jobs.py"], cwd=tmp_path, env=environment).wait, 30) == 0
        command = [sys.executable, "-m", "celery", "--app", "jobs", "worker", "--concurrency", "1"]
        with (tmp_path / "log").open("wb") as log:
            worker = spawn([*command, "--loglevel", "info"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while (tmp_path / "log").read_text().count("succeeded") < 6:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            await asyncio.sleep(0.05)
        worker.terminate()
        await asyncio.to_thread(worker.wait, 20)
        assert users(serving) == {f"u{number}": 1 for number in range(6)}, (tmp_path / "log").read_text()
