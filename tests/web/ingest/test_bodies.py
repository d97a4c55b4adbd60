"""Bodies of the tracking endpoints: media types, sizes, gzip, batches, and bodies that are malformed."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from tests.paths import TRACK
from tests.samples.events import ACTIVITY, BATCH
from tests.servers.service import Running

each_database = pytest.mark.each_database


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff\xfe", b'{"user_id": NaN}', b"nul", b"[" * 100_000])
async def test_what_is_not_json_is_400(running: Running, body: bytes) -> None:
    """A body that is not JSON is a 400, single or batch."""
    for name in ("activity-public", "batch"):
        response = await running.http.post(
            f"{TRACK}/{name}", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 400, (name, response.text)


async def test_an_event_that_is_no_object_is_422(running: Running) -> None:
    """JSON that is no object is a 422."""
    for body in (b"[]", b"1", b'"x"', b"null"):
        response = await running.http.post(f"{TRACK}/activity-public", content=body)
        assert response.status_code == 422


async def test_too_large_is_413(running: Running) -> None:
    """A single body over 1 MiB, a batch over 16 MiB decompressed or over 10,000 events is a 413."""
    large = json.dumps({**ACTIVITY, "user_agent": "x" * (1 << 20)})
    assert (await running.http.post(f"{TRACK}/activity-public", content=large)).status_code == 413

    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    assert (await running.http.post(f"{TRACK}/activity-public", content=chunks())).status_code == 413
    bomb = gzip.compress(b"[" + b" " * (17 << 20) + b"]")
    response = await running.http.post(f"{TRACK}/batch", content=bomb, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 413
    many = json.dumps([BATCH[0]] * 10_001)
    assert (await running.http.post(f"{TRACK}/batch", content=many)).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; version=1; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
async def test_a_wrong_media_type_is_415(running: Running, headers: dict[str, str]) -> None:
    """Any other media type, charset or content encoding is a 415."""
    for name in ("activity-public", "batch"):
        response = await running.http.post(f"{TRACK}/{name}", content=json.dumps(ACTIVITY), headers=headers)
        assert response.status_code == 415


@each_database
async def test_a_batch_keeps_the_good_items(running: Running) -> None:
    """Good items of a batch are recorded, bad ones are listed with their place; duplicates are counted."""
    bad = [{"type": "message"}, {"type": "robbery"}, 5]
    items = [BATCH[0], bad[0], BATCH[1], bad[1], BATCH[2], BATCH[3], BATCH[3], bad[2]]
    response = await running.http.post(f"{TRACK}/batch", json=items)
    answer = response.json()
    assert response.status_code == 201
    assert (answer["recorded"], answer["duplicates"]) == (4, 1)
    assert [(item["index"], item["field"]) for item in answer["rejected"]] == [(1, "message_id"), (3, "type"), (7, "")]
    assert (await running.verdict()).differences == []


@pytest.mark.parametrize("squeeze", [False, True])
async def test_a_batch_comes_as_ndjson_or_gzip(running: Running, squeeze: bool) -> None:
    """NDJSON is taken line by line, gzip is accepted, and a malformed line spoils nothing but itself."""
    body = "\n".join([json.dumps(BATCH[0]), "", "{oops", json.dumps(BATCH[3])]).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    if squeeze:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    answer = (await running.http.post(f"{TRACK}/batch", content=body, headers=headers)).json()
    assert answer["recorded"] == 2
    assert [item["index"] for item in answer["rejected"]] == [1]


async def test_broken_gzip_is_400(running: Running) -> None:
    """A gzip body that is broken or cut off is a 400."""
    whole = gzip.compress(json.dumps(BATCH).encode())
    for body in (b"no gzip", whole[:-12]):
        response = await running.http.post(f"{TRACK}/batch", content=body, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 400


@each_database
async def test_an_empty_batch_is_fine(running: Running) -> None:
    """A batch without events records nothing and tells the position."""
    answer = (await running.http.post(f"{TRACK}/batch", json=[])).json()
    assert answer["recorded"] == 0
    assert answer["position"] == (await running.get("summary"))["position"]


async def test_a_surrogate_in_a_batch_spoils_one_item(running: Running) -> None:
    """Half of a surrogate pair in one item of a batch rejects that item alone."""
    body = json.dumps([BATCH[0], {**BATCH[3], "conversation_id": "\ud83d"}, BATCH[1]])
    answer = (await running.http.post(f"{TRACK}/batch", content=body)).json()
    assert answer["recorded"] == 2
    assert [(item["index"], item["field"]) for item in answer["rejected"]] == [(1, "conversation_id")]


async def test_a_gzip_of_many_members_is_whole(running: Running) -> None:
    """A gzip body of several members is read to its end; garbage behind it is a 400."""
    lines = [json.dumps(item).encode() + b"\n" for item in BATCH]
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    body = b"".join(gzip.compress(line) for line in lines)
    answer = (await running.http.post(f"{TRACK}/batch", content=body, headers=headers)).json()
    assert answer["recorded"] == len(BATCH)
    response = await running.http.post(f"{TRACK}/batch", content=body + b"garbage", headers=headers)
    assert response.status_code == 400


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@each_database
@pytest.mark.parametrize("levels", [9, 600, 1200, 20_000])
async def test_depth_is_named(running: Running, levels: int) -> None:
    """However deep extra_data nests, it is a 422 that names it; in a batch no other item is lost to it."""
    event = json.dumps(ACTIVITY)[:-1] + f',"extra_data":{deep(levels)}' + "}"
    response = await running.http.post(f"{TRACK}/activity-public", content=event)
    assert (response.status_code, response.json()["field"]) == (422, "extra_data")
    batch = f'[{json.dumps(BATCH[0])},{event[:-1]},"type":"activity"}},{json.dumps(BATCH[1])}]'
    answer = (await running.http.post(f"{TRACK}/batch", content=batch)).json()
    assert answer["recorded"] == 2
    assert [(item["index"], item["field"]) for item in answer["rejected"]] == [(1, "extra_data")]


HOSTILE = {
    "field name full of paths": b'{"' + b" - at `$" * 130_000 + b'\\n":1}',
    "many small items": b"[" + b"1," * 8_000_000 + b"1]",
    "many blank lines": b"\n" * (15 << 20),
    "one surrogate in many": b'["\\ud800",' + b"1," * 5_000_000 + b"1]",
    "many escapes": b'["' + b'\\"' * 7_000_000 + b'"]',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_body_blocks_nobody(running: Running, name: str) -> None:
    """A body made to be slow is refused while the service goes on answering others."""
    path = "activity-public" if name.startswith("field") else "batch"
    kind = "application/x-ndjson" if "lines" in name else "application/json"
    async with asyncio.timeout(5):
        response = await running.http.post(f"{TRACK}/{path}", content=HOSTILE[name], headers={"Content-Type": kind})
    assert response.status_code in (201, 413, 422), response.text
    assert len(response.content) < 1_000
    assert (await running.post("activity-public", ACTIVITY))["recorded"] == 1


@pytest.mark.parametrize(
    "body", ["[{oops}]", "[1,]", "[,1]", "[1 2]", "[1]]", "[1],[2]", "{}", "1", '"[]"', "[{]}", "[1}"]
)
async def test_a_broken_array_is_400(running: Running, body: str) -> None:
    """An array that is not JSON is a 400 as a whole, and so is what is no array."""
    items = body.replace("[1", f"[{json.dumps(BATCH[0])}", 1)
    response = await running.http.post(f"{TRACK}/batch", content=items, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert (await running.get("summary"))["total_activities"] == 0


async def test_no_other_encoding_is_guessed(running: Running) -> None:
    """A body in UTF-16, or behind a byte order mark, is a 400."""
    for body in (json.dumps(BATCH).encode("utf-16"), b"\xef\xbb\xbf" + json.dumps(BATCH).encode()):
        response = await running.http.post(f"{TRACK}/batch", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
