"""CSV and NDJSON, without a service."""

import csv
import io

import msgspec
import pytest

from web.reports.formats import Csv, Ndjson


def rows(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\ttext",
    "\rtext",
    "\n=1",
    "  =HYPERLINK(1)",
    "\u00a0=1",
    "\ufeff=1",
    "\u200b@x",
    "\uff1d1",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_formulas_are_made_text(text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe, and is otherwise as it was."""
    assert rows(Csv(["a", "b"]).write([{"a": text, "b": text}])) == [[f"'{text}"] * 2]


@pytest.mark.parametrize(
    "text", ["text", "", "'=1", "a=1", "1-1", "m-1", "/v1/chat", "#1", "{=", "ü", "  x", "\U0001f4ca"]
)
def test_other_text_stays(text: str) -> None:
    """All other text is as it was."""
    assert rows(Csv(["a", "b"]).write([{"a": text, "b": 1}])) == [[text, "1"]]


def test_values_keep_their_kind() -> None:
    """Numbers are bare, also below zero, null is empty, an object is its JSON; lines end as RFC 4180 says."""
    form = Csv(["n", "f", "none", "extra"])
    item = {"n": -3, "f": 0.25, "none": None, "extra": msgspec.Raw(b'{"a":"b,c"}')}
    assert form.head() + form.write([item]) == b'n,f,none,extra\r\n-3,0.25,,"{""a"":""b,c""}"\r\n'


def test_a_byte_order_mark_comes_first_if_it_is_wanted() -> None:
    """With one, spreadsheets read UTF-8: it is before the header, once, and nowhere by default."""
    form = Csv(["name"], bom=True)
    written = form.head() + form.write([{"name": "Zoë"}, {"name": "Zoë"}])
    assert written == "\ufeffname\r\nZoë\r\nZoë\r\n".encode()
    assert Csv(["name"]).head() == b"name\r\n"


@pytest.mark.parametrize("text", ['a"b', "a,b", "a\nb", "a\r\nb", "a\rb", '"', " a "])
def test_what_csv_itself_uses_is_quoted(text: str) -> None:
    """A reader gets back every character."""
    assert rows(Csv(["a", "b"]).write([{"a": text, "b": text}])) == [[text, text]]


def test_ndjson_is_an_object_a_line() -> None:
    """Each line is the item as JSON; formulas are left alone, nothing runs them."""
    form = Ndjson()
    written = form.head() + form.write([{"a": "=1\n", "b": msgspec.Raw(b'{"c":1}')}, {"a": None, "b": None}])
    assert written == b'{"a":"=1\\n","b":{"c":1}}\n{"a":null,"b":null}\n'
