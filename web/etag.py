"""Entity tags (RFC 9110, 8.8.3). All are weak: an answer may be gzipped on its way, and is then other bytes."""


def weak(version: str) -> str:
    """Write the header ETag of an answer's *version*."""
    return f'W/"{version}"'


def matches(header: str, etag: str) -> bool:
    """Compare the header If-None-Match with an *etag* that :func:`weak` wrote: weakly, as it asks to (13.1.2)."""
    known = [item.strip().removeprefix("W/") for item in header.split(",")]
    return header.strip() == "*" or etag.removeprefix("W/") in known
