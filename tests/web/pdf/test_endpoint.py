"""Reports as PDF: what they say is what the other endpoints say, and their structure is that of PDF/UA-1."""

import csv
import io
from typing import Any

import httpx2
import pytest

from storage.model.clock import Days
from storage.model.money import read_dollars
from tests.paths import API
from tests.servers.service import Running, start
from tests.web.pdf.pages import Structure, size, text
from tests.web.pdf.samples import MARKUP, at, fill
from web.pdf.language.words import language
from web.pdf.report import NAMES

pytestmark = pytest.mark.each_database

RANGE = {"from": "2026-03-01", "to": "2026-03-07"}
EN = language("en", Days("UTC"))


async def answer(running: Running, tenant: str = "default", **query: str) -> httpx2.Response:
    return await running.http.get(f"{API}/report.pdf", params=query, headers=running.admin(tenant))


async def pdf(running: Running, tenant: str = "default", **query: str) -> bytes:
    response = await answer(running, tenant, **query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/pdf"
    return response.content


async def test_the_overview_says_what_the_series_say(running: Running) -> None:
    """Each key figure is the sum of the series of the same range, and the position is that of the summary."""
    await fill(running)
    found = text(await pdf(running, **RANGE))
    names = {"users": "New users", "messages": "Messages", "tokens": "Tokens", "api_calls": "API calls"}
    names |= {"api_errors": "Failed API calls", "llm_calls": "LLM calls", "conversations": "New conversations"}
    series = await running.get("series", interval="day", metrics=",".join((*names, "llm_cost")), **RANGE)
    for metric, label in names.items():
        assert f"{label} {EN.number(sum(series['metrics'][metric]))} " in found, label
    cost = sum(read_dollars(value) or 0 for value in series["metrics"]["llm_cost"])
    assert f"Cost of LLM calls {EN.money(cost)} " in found
    active = await running.get("active-users", **RANGE)
    assert f"Active users {active['active_users']} " in found
    summary = await running.get("summary")
    assert summary["position"] in found
    assert "Range: 1 Mar 2026 to 6 Mar 2026" in found
    assert "Time zone: UTC" in found


async def test_costs_are_those_of_the_calls(running: Running) -> None:
    """The costs by model and by user add up to the nano-dollar from the list of LLM calls, and are rounded once."""
    await fill(running)
    found = text(await pdf(running, of="costs", **RANGE))
    calls = (await running.get("llm-calls", limit="1000", **RANGE))["items"]
    for column in ("model", "user_id"):
        for label in {call[column] for call in calls}:
            of_label = [call for call in calls if call[column] == label]
            cost = sum(read_dollars(call["cost"]) or 0 for call in of_label)
            assert f"{EN.number(len(of_label))} 0 " in found, label
            assert EN.money(cost, 4) in found, label
    whole = sum(read_dollars(call["cost"]) or 0 for call in calls)
    assert f"Cost of LLM calls {EN.money(whole)} " in found


async def test_a_list_has_the_rows_of_its_csv(running: Running) -> None:
    """A list has the rows that its filters select, in the order of its CSV."""
    await fill(running)
    query = {"user_id": "u1", **RANGE}
    found = text(await pdf(running, of="messages", **query))
    written = await running.http.get(f"{API}/messages", params=query, headers={**running.admin(), "Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(written.text)))
    assert len(rows) == 5
    places = [found.index(EN.moment(row["created_at"])) for row in rows]
    assert places == sorted(places)
    assert "Limited to: User u1" in found
    # With spaces: a position may have the same letters in it.
    assert " c1 " in found
    assert " c0 " not in found


async def test_every_report_is_accessible(running: Running) -> None:
    """Each report in each language is a tagged PDF/UA-1 file with title and language, without images of pixels."""
    await fill(running)
    for name in NAMES:
        for code in ("en", "de"):
            found = Structure(await pdf(running, of=name, language=code, **RANGE))
            assert (found.standard, found.language, found.is_marked, found.shows_title) == ("1", code, True, True)
            assert found.title
            assert "/H1" in found.tags
            assert "/Table" in found.tags or name == "annotations"
            assert found.images == []


async def test_charts_have_a_text_that_says_the_same(running: Running) -> None:
    """The alternative of each chart has its lowest, its highest value and its sum."""
    await fill(running)
    found = Structure(await pdf(running, **RANGE))
    assert found.tags.count("/Figure") == len(found.alternatives) == 4
    series = await running.get("series", interval="day", metrics="messages", **RANGE)
    values = series["metrics"]["messages"]
    assert (
        f"Messages, bar chart of 6 points from 1 Mar to 6 Mar: lowest {min(values)}, highest {max(values)}. "
        f"Sum: {sum(values)}." in found.alternatives
    )


async def test_the_same_figures_give_the_same_bytes(tmp_path: Any, database_url: str) -> None:
    """Position and range alone decide what is in a file: again, and in another process, it has the same bytes."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    await fill(running)
    first = await pdf(running, **RANGE)
    assert await pdf(running, **RANGE) == first
    await running.drop()
    running = await start(tmp_path, DATABASE_URL=database_url)
    assert await pdf(running, **RANGE) == first
    await fill_one_more(running)
    assert await pdf(running, **RANGE) != first
    await running.drop()


async def fill_one_more(running: Running) -> None:
    await running.post(
        "activity-public", {"user_id": "u9", "username": "Nine", "activity_type": "login", "timestamp": at(6)}
    )


async def test_no_text_is_read_as_markup(running: Running) -> None:
    """Names that are markup of the typesetter are shown as they are, and characters without a glyph as a box."""
    await fill(running)
    await running.post(
        "activity-public",
        {"user_id": "中文😀\u202e" + "x" * 240, "username": "#sys.inputs", "activity_type": "a", "timestamp": at(6)},
    )
    found = text(await pdf(running, of="users"))
    assert " ".join(MARKUP.split()) in found
    assert "#sys.inputs" in found
    assert "x" * 30 not in found or "xxx" in found


async def test_paper_and_language_are_as_asked(running: Running) -> None:
    """A4 is the usual paper, Letter is the other one; German texts have German numbers."""
    await fill(running)
    assert size(await pdf(running, **RANGE)) == (595, 842)
    assert size(await pdf(running, paper="us-letter", **RANGE)) == (612, 792)
    found = text(await pdf(running, language="de", **RANGE))
    assert "Zeitraum: 1. März 2026 bis 6. März 2026" in found
    assert "Aktive Nutzer" in found


async def test_a_saved_view_is_printed_under_its_name(running: Running) -> None:
    """A view's page, filters and range decide what is printed; a range of the query goes first."""
    await fill(running)
    view = {"name": "Ben's messages *now*", "page": "messages", "filters": {"user_id": "u1"}, "range": None}
    view["range"] = "2026-03-02T00:00:00Z/2026-03-04T00:00:00Z"
    made = await running.http.post(f"{API}/views", json=view, headers=running.admin())
    assert made.status_code == 201, made.text
    found = text(await pdf(running, view=made.json()["id"]))
    assert "Ben's messages *now*" in found
    assert "Range: 2 Mar 2026, 00:00 to 4 Mar 2026, 00:00" in found
    assert EN.moment(at(3, 9)) in found
    assert EN.moment(at(4, 9)) not in found
    found = text(await pdf(running, view=made.json()["id"], **RANGE))
    assert EN.moment(at(4, 9)) in found


async def test_what_cannot_be_printed_is_said(running: Running) -> None:
    """A report, view, range or filter that there is none of is a 422 or 404 that names the parameter."""
    wrong = [
        ({"of": "everything"}, 422, "of"),
        ({"view": "ffffffff"}, 404, "view"),
        ({"of": "users", "view": "ffffffff"}, 422, "view"),
        ({"paper": "a0"}, 422, "paper"),
        ({"language": "fr"}, 422, "language"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, 422, "to"),
        ({"from": "2020-03-02", "to": "2026-03-01"}, 422, "from"),
        ({"of": "users", "sort": "shoe size"}, 422, "sort"),
    ]
    for query, status, field in wrong:
        response = await answer(running, **query)
        assert (response.status_code, response.json().get("field")) == (status, field), query


async def test_nothing_yet_is_a_report_too(running: Running) -> None:
    """A tenant without an event has reports of zeros."""
    for name in NAMES:
        found = text(await pdf(running, of=name))
        assert "Position:" in found
        assert "nothing recorded yet" in found


async def test_tenants_are_apart(running: Running) -> None:
    """A report has the figures of the token's tenant alone, and its views are not another one's."""
    await fill(running)
    made = await running.http.post(f"{API}/views", json={"name": "Ours", "page": "users"}, headers=running.admin())
    found = text(await pdf(running, "acme", **RANGE))
    assert "Messages 0 " in found
    assert "Tenant: acme" in found
    assert (await answer(running, "acme", view=made.json()["id"])).status_code == 404


async def test_a_report_of_a_position_is_of_no_other(running: Running) -> None:
    """With `at` a report is of this position; once that has moved on, it is a 410 and no other figures."""
    await fill(running)
    position = (await running.get("summary"))["position"]
    assert position in text(await pdf(running, at=position, **RANGE))
    await fill_one_more(running)
    gone = await answer(running, at=position, **RANGE)
    assert (gone.status_code, gone.json()["field"]) == (410, "at")
    assert (await answer(running, at="now")).status_code == 422


async def test_a_report_that_did_not_change_is_not_made_again(running: Running) -> None:
    """With its ETag a report is answered with 304 until the next commit."""
    await fill(running)
    first = await answer(running, **RANGE)
    headers = {**running.admin(), "If-None-Match": first.headers["etag"]}
    again = await running.http.get(f"{API}/report.pdf", params=RANGE, headers=headers)
    assert again.status_code == 304
    await fill_one_more(running)
    assert (await running.http.get(f"{API}/report.pdf", params=RANGE, headers=headers)).status_code == 200
