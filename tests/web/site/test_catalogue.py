"""What the front end knows of the service, held against what the service sends."""

from typing import Any

from tests.repository import ROOT
from tests.servers.service import Running
from web.reports.shapes import FRAMES
from web.site.catalogue import COMMAND, OUTPUT, typescript

LOGIN = {"user_id": "ada", "username": "Ada", "activity_type": "login"}
MESSAGE = {"message_id": "m-1", "conversation_id": "c-1", "user_id": "ada", "role": "user", "token_count": 7}


def missing_or_unknown(value: Any, shape: dict[str, Any], place: str = "") -> list[str]:
    """Name the fields that *shape* requires and *value* lacks, and those that *value* has beside it."""
    if isinstance(value, list) and "items" in shape:
        return [fault for item in value for fault in missing_or_unknown(item, shape["items"], place)]
    if not isinstance(value, dict) or "properties" not in shape:
        return []
    required, known = set(shape.get("required", ())), set(shape["properties"])
    unknown = set() if "additionalProperties" in shape else set(value) - known
    faults = [f"{place}.{name}" for name in sorted((required - set(value)) | unknown)]
    inside = ((name, value[name]) for name in known & set(value))
    return faults + [
        fault
        for name, part in inside
        for fault in missing_or_unknown(part, shape["properties"][name], f"{place}.{name}")
    ]


def test_the_front_end_has_the_catalogue_of_today() -> None:
    """The TypeScript that is checked in is what the Python catalogue gives now."""
    assert OUTPUT.read_text() == typescript(), f"{OUTPUT.relative_to(ROOT)} is stale: run `{COMMAND}`"


async def test_frames_have_the_fields_that_the_catalogue_names(running: Running) -> None:
    """A snapshot, a delta and a heartbeat of the running service have the required fields, and no unknown ones."""
    await running.post("activity-public", LOGIN)
    panel = await running.panel()
    await running.post("activity-public", LOGIN)
    await running.post("message-public", MESSAGE)
    await panel.until(lambda: {frame["type"] for frame in panel.frames} == {"snapshot", "delta", "heartbeat"})
    for frame in panel.frames:
        assert missing_or_unknown(frame, FRAMES[frame["type"]], frame["type"]) == []
