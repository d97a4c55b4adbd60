"""OpenTelemetry's spans of LLM calls: from the body of a request to events."""
