"""Requests that tests make: the same spans in JSON and in protobuf."""

import json
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

Json = dict[str, Any]

JSON, PROTOBUF = "application/json", "application/x-protobuf"
TRACE = "0af7651916cd43dd8448eb211c80319c"
ENDED = (int(time.time()) - 60) * 1_000_000_000
"""When spans ended, in nanoseconds: a minute ago."""
CHAT: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}


def chat(number: int = 1, parent: int = 0, trace: str = TRACE, **attributes: Any) -> Json:
    """Make the span of a call; its *attributes* have ``__`` for a dot, and None takes one away."""
    told = {**CHAT, **{name.replace("__", "."): value for name, value in attributes.items()}}
    return span(number, parent, trace, {name: value for name, value in told.items() if value is not None})


def span(number: int, parent: int, trace: str, attributes: Json) -> Json:
    """Make a span of one second."""
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "chat",
        "startTimeUnixNano": str(ENDED - 1_000_000_000),
        "endTimeUnixNano": str(ENDED),
        "attributes": [{"key": name, "value": _value(value)} for name, value in attributes.items()],
    }


def as_json(*spans: Json, scope: str = "tests") -> bytes:
    """Write a request in JSON."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": spans}]}]}).encode()


def as_protobuf(*spans: Json, scope: str = "tests") -> bytes:
    """Write the same request in protobuf."""
    request = ExportTraceServiceRequest()
    found = request.resource_spans.add().scope_spans.add()
    found.scope.name = scope
    for told in spans:
        found.spans.add(
            trace_id=bytes.fromhex(told["traceId"]),
            span_id=bytes.fromhex(told["spanId"]),
            parent_span_id=bytes.fromhex(told["parentSpanId"]),
            name=told["name"],
            start_time_unix_nano=int(told["startTimeUnixNano"]),
            end_time_unix_nano=int(told["endTimeUnixNano"]),
            attributes=[
                KeyValue(key=attribute["key"], value=_message(attribute["value"])) for attribute in told["attributes"]
            ],
        )
    written: bytes = request.SerializeToString()
    return written


WRITERS = {JSON: as_json, PROTOBUF: as_protobuf}
"""By media type."""


def _value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}


def _message(value: Json) -> AnyValue:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return AnyValue(array_value=ArrayValue(values=[_message(item) for item in content["values"]]))
    name = kind.replace("Value", "_value")
    given: dict[str, Any] = {name: int(content) if kind == "intValue" else content}
    return AnyValue(**given)
