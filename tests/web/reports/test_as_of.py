"""The summary as of an earlier position."""

import pytest

from tests.paths import API
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running

pytestmark = pytest.mark.each_database


async def test_the_summary_of_a_position_is_the_one_it_was(running: Running) -> None:
    """With `at` the summary is, word for word, the answer that had this position; another tenant's is a 410."""
    answers = []
    for number in range(4):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
        await running.post("message-public", {**MESSAGE, "message_id": f"m{number}"})
        answers.append(await running.get("summary"))
    for answer in answers:
        assert await running.get("summary", at=answer["position"]) == answer
    for path, status in (("summary", 410), ("snapshot", 410)):
        response = await running.http.get(
            f"{API}/{path}", params={"at": answers[0]["position"]}, headers=running.admin("acme")
        )
        assert (response.status_code, response.json()["field"]) == (status, "at")
    nonsense = await running.http.get(f"{API}/summary", params={"at": "now"}, headers=running.admin())
    assert (nonsense.status_code, nonsense.json()["field"]) == (422, "at")


async def test_a_snapshot_is_of_the_newest_position_alone(running: Running) -> None:
    """A snapshot, of which the log does not know all, is given of the newest position and refused of others."""
    await running.post("activity-public", ACTIVITY)
    first = await running.get("summary")
    assert (await running.get("snapshot", at=first["position"]))["position"] == first["position"]
    await running.post("activity-public", {**ACTIVITY, "user_id": "other"})
    gone = await running.http.get(f"{API}/snapshot", params={"at": first["position"]}, headers=running.admin())
    assert gone.status_code == 410
