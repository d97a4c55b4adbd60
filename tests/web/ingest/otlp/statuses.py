"""Reading a google.rpc.Status, as exporters do."""

import json

from web.ingest.otlp.wire import BYTES, parts


def read_status(body: bytes, media: str) -> tuple[int, str]:
    """Give code and message."""
    if media == "application/json":
        document = json.loads(body)
        return document["code"], document["message"]
    code, message = 0, ""
    for part in parts(body, 0, len(body)):
        if part.number == 1:
            code = body[part.content - 1] if part.content == part.end else body[part.content]
        elif part.number == 2 and part.kind == BYTES:
            message = body[part.content : part.end].decode()
    return code, message
