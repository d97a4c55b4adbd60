"""Which media type a client would rather have."""

import pytest

from web.http.accept import prefers, takes_gzip

CSV, JSON = "text/csv", "application/json"


@pytest.mark.parametrize(
    "header",
    [
        "text/csv",
        "TEXT/CSV",
        "text/csv; charset=utf-8",
        "text/csv;header=present;q=0.5",
        "text/csv, */*",
        "text/csv, application/json;q=0.9",
        "text/*, application/json;q=0.2",
        "application/json;q=0, */*",
        "text/html, text/csv;q=0.1",
    ],
)
def test_csv_is_asked_for(header: str) -> None:
    """CSV goes to those who weigh it more, or name it more exactly."""
    assert prefers(header, CSV, JSON)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "*/*",
        "application/json",
        "application/json, text/csv",
        "text/csv, application/json",
        "application/json, text/plain, */*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/csv;q=0",
        "text/csv;q=0, */*",
        "text/csv;q=nan",
        "text/csv;q=2",
        "text/csv;q=0.5, application/json",
        "text/csvx",
        ",;,",
        "image/png",
    ],
)
def test_json_is_the_usual(header: str) -> None:
    """JSON goes to everybody else, also to those who accept neither."""
    assert not prefers(header, CSV, JSON)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_taken(header: str, taken: bool) -> None:
    """Accept-Encoding decides, with its weights."""
    assert takes_gzip(header) == taken
