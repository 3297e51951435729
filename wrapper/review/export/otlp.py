"""A session for OpenTelemetry: logs and a trace in OTLP/JSON, one message a line, as its collector reads files.

A line is an object with `resourceLogs` or `resourceSpans` (opentelemetry-proto 1.x, "OTLP/JSON": ids in hex, 64-bit
numbers as text). The session is the root span, each request to a model a span `chat MODEL`, each tool that was called a
span `execute_tool NAME`; names and attributes are those of the semantic conventions for generative AI (1.41). Of what
was said and shown nothing is in it: the conventions make content opt-in, and collectors keep what they get.
"""

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from wrapper.audit.events import (
    Answered,
    AnyEvent,
    Connection,
    FileChange,
    FilesRead,
    Judged,
    Output,
    Redacted,
    Refused,
    Request,
    Resize,
    Response,
    Sent,
    SessionEnd,
    Typed,
    Warned,
)
from wrapper.audit.reader import Record
from wrapper.review import wire
from wrapper.review.export.otlptypes import Attributes, Object, attributes, nanoseconds
from wrapper.review.export.spans import Spans
from wrapper.review.timeline import row
from wrapper.version import VERSION

_BATCH: Final = 128  # log records or spans in a line
_INFO, _WARN, _ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
_LEFT_OUT: Final = (Output, Typed, Resize)


def export(records: Iterable[Record], out: BinaryIO) -> None:
    """Write the lines. Raises as the reading of `records` does; what was read by then is written first."""
    spans = Spans()
    logs = _Batch("resourceLogs", "scopeLogs", "logRecords", out, spans)
    trace = _Batch("resourceSpans", "scopeSpans", "spans", out, spans)
    try:
        for record in records:
            for span in spans.feed(record):
                trace.add(span)
            if not isinstance(record.event, _LEFT_OUT):
                logs.add(_log(record, spans))
    finally:
        for span in spans.end():
            trace.add(span)
        logs.flush()
        trace.flush()


class _Batch:
    """Log records or spans that become one line."""

    def __init__(self, outer: str, scope: str, inner: str, out: BinaryIO, spans: Spans) -> None:
        self._names = (outer, scope, inner)
        self._out = out
        self._spans = spans
        self._held: list[Object] = []

    def add(self, one: Object) -> None:
        self._held.append(one)
        if len(self._held) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if not self._held:
            return
        outer, scope, inner = self._names
        scoped = {"scope": {"name": "safe-agent.audit", "version": VERSION}, inner: self._held}
        line = {outer: [{"resource": {"attributes": self._spans.resource()}, scope: [scoped]}]}
        self._out.write(json.dumps(line).encode() + b"\n")
        self._held = []


def _log(record: Record, spans: Spans) -> Object:
    event = record.event
    number, text = _severity(event)
    tag = str(event.__struct_config__.tag)
    return {
        "timeUnixNano": nanoseconds(event.at),
        "observedTimeUnixNano": nanoseconds(event.at),
        "severityNumber": number,
        "severityText": text,
        "eventName": f"safe_agent.{tag}",
        "body": {"stringValue": row(event).text},
        "attributes": attributes({"safe_agent.sequence": record.sequence, **dict(_about(event))}),
        "traceId": spans.trace,
        "spanId": spans.span_of(event),
    }


def _severity(event: AnyEvent) -> tuple[int, str]:
    match event:
        case Warned() | Refused():
            return _WARN
        case Connection(allowed=False):
            return _WARN
        case Redacted(action="monitored") | Judged(action="denied" | "blocked" | "warned"):
            return _WARN
        case Response() | Answered() if event.status >= 400 or not event.complete:
            return _ERROR
        case SessionEnd() if event.exit_code:
            return _ERROR
        case _:
            return _INFO


def _about(event: AnyEvent) -> Iterator[tuple[str, Attributes]]:
    """Yield the attributes of an event: those of the conventions where they have one, else our own."""
    match event:
        case Request():
            yield from (("http.request.method", event.method), ("url.full", event.url))
            yield from (("http.request.body.size", len(event.body)), ("safe_agent.request", event.number))
        case Response():
            yield from (("http.response.status_code", event.status), ("safe_agent.request", event.number))
            yield "http.response.body.size", len(event.body)
        case Sent():
            yield from (("http.request.method", event.method), ("url.full", wire.address(event)))
            yield from (("server.address", event.host), ("server.port", event.port))
            yield from (("http.request.body.size", event.size), ("safe_agent.request", event.number))
            yield from (("safe_agent.offset", event.offset), ("safe_agent.used", ", ".join(event.used)))
        case Answered():
            yield from (("http.response.status_code", event.status), ("safe_agent.request", event.number))
            yield from (("http.response.body.size", event.size), ("safe_agent.masked", ", ".join(event.masked)))
            yield "safe_agent.captured", ", ".join(event.captured)
        case Refused() | Judged() | Redacted():
            fields = (name for name in event.__struct_fields__ if name != "at")
            yield from ((f"safe_agent.{name}", getattr(event, name)) for name in fields)
        case Connection():
            yield from (("server.address", event.host), ("server.port", event.port))
            yield from (("safe_agent.allowed", event.allowed), ("safe_agent.rule", event.rule))
            yield from (("safe_agent.sent", event.sent), ("safe_agent.received", event.received))
        case FileChange():
            yield from (("file.path", event.path), ("safe_agent.action", event.action), ("safe_agent.by", event.by))
            yield from (("safe_agent.target", event.target), ("safe_agent.process", event.process))
        case FilesRead():
            yield "safe_agent.files", len(event.files)
        case SessionEnd():
            yield "process.exit.code", event.exit_code
        case _:
            pass
