"""The page ``/docs``: the API's description as one static page, made from the OpenAPI document at the start.

No script and no foreign host, so it is readable where the network ends at the service.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from web.http.operations import JsonSchema

CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --accent: #7aa5ff; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { margin-top: 2.5rem; font-size: 1.2rem }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .8rem; display: flex; flex-wrap: wrap; gap: .3rem .7rem;
align-items: baseline }
summary:focus-visible { outline: 2px solid var(--accent); border-radius: .5rem }
details > div { padding: 0 .8rem .8rem; }
code, pre { font: .86rem/1.5 ui-monospace, monospace; } pre { background: var(--soft); padding: .7rem; overflow: auto;
border-radius: .4rem }
.method { font: 700 .8rem ui-monospace, monospace; color: var(--accent); min-width: 2.7rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top }
"""


def page(document: JsonSchema) -> bytes:
    """Write the page."""
    info = document["info"]
    schemas = "".join(
        _details(name, f"<code>{escape(name)}</code>", _schema(schema))
        for name, schema in document["components"]["schemas"].items()
    )
    body = "".join(_sections(document))
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(info['title'])} API</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"<p>{escape(info['description'])} The same as OpenAPI 3.1: <a href='/openapi.json'>/openapi.json</a>.</p>"
        f"{body}<h2>Schemas</h2>{schemas}</html>"
    ).encode()


def _sections(document: JsonSchema) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"


def _operation(method: str, path: str, operation: JsonSchema) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>" if "description" in operation else ""]
    if operation["security"]:
        keys = [" + ".join(option) or "none from a trusted network" for option in operation["security"]]
        parts.append(f"<p>Credentials: {escape(', or '.join(keys))}.</p>")
    if "parameters" in operation:
        rows = (
            f"<tr><td><code>{escape(item['name'])}</code><td>{_type(item['schema'])}<td>{escape(item['description'])}"
            for item in operation["parameters"]
        )
        parts.append(f"<table><tr><th>Parameter<th>Type<th>Meaning{''.join(rows)}</table>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body <code>{escape(media)}</code>: {_type(content['schema'])}</p>")
    rows = (
        f"<tr><td><code>{status}</code><td>{escape(answer['description'])}{_media(answer)}{_answer_schema(answer)}"
        for status, answer in operation["responses"].items()
    )
    parts.append(f"<table><tr><th>Answer<th>Meaning{''.join(rows)}</table>")
    heading = f"<span class='method'>{method.upper()}</span><code>{escape(path)}</code>{escape(operation['summary'])}"
    return _details(operation["operationId"], heading, "".join(parts))


def _details(name: str, heading: str, content: str) -> str:
    return f"<details id='{escape(name)}'><summary>{heading}</summary><div>{content}</div></details>"


def _media(answer: JsonSchema) -> str:
    """Name the media types, if there is a choice."""
    names = [f"<code>{escape(media)}</code>" for media in answer.get("content", {})]
    return f" As {' or '.join(names)}." if len(names) > 1 else ""


def _answer_schema(answer: JsonSchema) -> str:
    schemas = [content["schema"] for media, content in answer.get("content", {}).items() if "problem" not in media]
    return "".join(_schema(schema) for schema in schemas if schema.get("type") != "string")


def _schema(schema: Any) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=2))}</pre>"


def _type(schema: JsonSchema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#{escape(name)}'>{escape(name)}</a>"
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("default", "default"))
        if key in schema
    ]
    return escape(" ".join([str(schema.get("type", "any")), *bounds]))
