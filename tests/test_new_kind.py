"""What a new kind of event takes: a declaration, its table, a migration."""

import json
import subprocess
import sys
from pathlib import Path

from tests.repository import ROOT


def test_a_kind_of_event_is_declared_once(tmp_path: Path) -> None:
    """A kind that is declared has its endpoint, its place in batches, its setting and documentation; its users count,
    its rows are pruned and erased, and every figure is still what a recount gives."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.new_kind", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["single"] == 201
    assert (seen["batch"]["recorded"], seen["batch"]["duplicates"], seen["batch"]["rejected"]) == (3, 1, [])
    assert seen["users"] == 4
    assert seen["paths"] == ["/api/v1/analytics/track/feedback-public"]
    assert seen["setting"] == 0
    assert seen["pruned"]["feedback"] == 3
    assert seen["forgotten"] == {"feedback": 1, "users": 1}
    assert seen["differences"] == []
