"""Makes the spans of a session's trace out of its records, each when it ends; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from wrapper.audit.events import Answered, AnyEvent, Request, Response, Sent, SessionEnd, SessionStart
from wrapper.audit.reader import Record
from wrapper.review import wire
from wrapper.review.export import models
from wrapper.review.export.clock import sound
from wrapper.review.export.otlptypes import Attributes, Object, attributes, nanoseconds, span_id, trace_id
from wrapper.review.turns import Call, Result, Turn, Turns, Usage

_INTERNAL, _CLIENT = 1, 3  # SpanKind
_OK, _ERROR = 1, 2  # Status.StatusCode
_MESSAGE: Final = "WEBSOCKET"  # what answers it is told of the whole connection
_MOST_OPEN: Final = 4096  # spans that wait for their end; the oldest ends when there are more


@dataclass
class _Span:
    """A span that is not over."""

    what: str
    name: str
    kind: int
    start: float
    attributes: dict[str, Attributes] = field(default_factory=dict)
    status: Object = field(default_factory=dict)

    def fail(self, kind: str, message: str = "") -> None:
        self.attributes["error.type"] = kind
        self.status = {"code": _ERROR, **({"message": message} if message else {})}


class Spans:
    """Takes the records in order; `trace` is the id of the trace, known from the first record on."""

    def __init__(self) -> None:
        self.trace = trace_id("")
        self._session = ""
        self._resource: dict[str, Attributes] = {"service.name": "safe-agent"}
        self._root = _Span("session", "invoke_agent", _INTERNAL, 0.0)
        self._last = 0.0
        self._ended = False
        self._open: dict[str, _Span] = {}
        self._turns = Turns()

    def resource(self) -> list[Object]:
        """Return the attributes of what the telemetry is about."""
        return attributes(self._resource)

    def span_of(self, event: AnyEvent) -> str:
        """Return the id of the span that an event belongs to: that of its request where it has one, else the root's."""
        number = getattr(event, "number", 0)
        what = f"request {number}"
        return span_id(
            self._session, what if what in self._open or isinstance(event, Response | Answered) else "session"
        )

    def feed(self, record: Record) -> Iterator[Object]:
        """Yield the spans that end with this record."""
        event = record.event
        self._last = max(self._last, sound(event.at))
        if isinstance(event, SessionStart):
            self._start(event)
        elif isinstance(event, Request):
            yield from self._begin(_asking(event))
        elif isinstance(event, Sent) and not event.offset and event.method != _MESSAGE:
            yield from self._begin(_sending(event))
        for turn in self._turns.feed(record):
            yield from self._turn(turn)
        if isinstance(event, Response | Answered):
            yield from self._answered(event)
        elif isinstance(event, SessionEnd):
            self._root.attributes["process.exit.code"] = event.exit_code
            if event.exit_code:
                self._root.fail(str(event.exit_code), event.reason)
            self._ended = True

    def end(self) -> Iterator[Object]:
        """Yield what is open when the log ends, the root last."""
        for span in (*self._open.values(), self._root):
            if span is not self._root or not self._ended:
                span.attributes["safe_agent.unfinished"] = True
            yield self._made(span, self._last)
        self._open = {}

    def _start(self, event: SessionStart) -> None:
        self._session = event.session
        self.trace = trace_id(event.session)
        self._resource |= {
            "service.version": event.version,
            "service.instance.id": event.session,
            "host.name": event.host,
            "user.name": event.user,
        }
        about: dict[str, Attributes] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": event.agent,
            "gen_ai.agent.version": event.agent_version,
            "gen_ai.conversation.id": event.session,
            "process.working_directory": event.workspace,
            "safe_agent.policy": event.policy,
        }
        self._root = _Span("session", f"invoke_agent {event.agent}", _INTERNAL, event.at, about)

    def _begin(self, span: _Span) -> Iterator[Object]:
        self._open[span.what] = span
        if len(self._open) > _MOST_OPEN:
            yield self._made(self._open.pop(next(iter(self._open))), self._last)

    def _turn(self, turn: Turn) -> Iterator[Object]:
        match turn:
            case Call():
                about: dict[str, Attributes] = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": turn.tool,
                    "gen_ai.tool.call.id": turn.id,
                    "gen_ai.tool.type": "function",
                }
                yield from self._begin(_Span(f"call {turn.id}", f"execute_tool {turn.tool}", _INTERNAL, turn.at, about))
            case Result() if f"call {turn.id}" in self._open:
                span = self._open.pop(f"call {turn.id}")
                if turn.is_error:
                    span.fail("tool_error")
                yield self._made(span, turn.at)
            case Usage() if f"request {turn.request}" in self._open:
                self._open[f"request {turn.request}"].attributes |= _used(turn)
            case _:
                pass

    def _answered(self, event: Response | Answered) -> Iterator[Object]:
        span = self._open.pop(f"request {event.number}", None)
        if span is None:
            return
        span.attributes["http.response.status_code"] = event.status
        if event.status >= 400:
            span.fail(str(event.status))
        elif not event.complete:
            span.fail("incomplete", "the answer broke off")
        yield self._made(span, event.at)

    def _made(self, span: _Span, end: float) -> Object:
        made: Object = {
            "traceId": self.trace,
            "spanId": span_id(self._session, span.what),
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": nanoseconds(span.start),
            "endTimeUnixNano": max(nanoseconds(span.start), nanoseconds(end), key=int),
            "attributes": attributes(span.attributes),
            "status": span.status or {"code": _OK},
        }
        if span is not self._root:
            made["parentSpanId"] = span_id(self._session, "session")
        return made


def _asking(event: Request) -> _Span:
    model, provider = models.model(event), models.provider(event.url)
    parts = models.split(event.url)
    about: dict[str, Attributes] = {
        "http.request.method": event.method,
        "url.full": event.url,
        "server.address": parts.hostname or "",
        "server.port": parts.port or "",
        "safe_agent.request": event.number,
        "safe_agent.upstream": event.upstream,
    }
    name = f"{event.method} {parts.path or '/'}"
    if model:
        name = f"chat {model}"
        about |= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider or "unknown",
            "gen_ai.request.model": model,
        }
    return _Span(f"request {event.number}", name, _CLIENT, event.at, about)


def _sending(event: Sent) -> _Span:
    about: dict[str, Attributes] = {
        "http.request.method": event.method,
        "url.full": wire.address(event),
        "server.address": event.host,
        "server.port": event.port,
        "safe_agent.request": event.number,
    }
    path = event.target.partition("?")[0]
    return _Span(f"request {event.number}", f"{event.method} {path}", _CLIENT, event.at, about)


def _used(turn: Usage) -> dict[str, Attributes]:
    """Return the tokens by their names; what was read from a cache counts as input, too (semantic conventions)."""
    return {
        "gen_ai.response.model": turn.model,
        "gen_ai.usage.input_tokens": turn.input + turn.cache_read + turn.cache_write,
        "gen_ai.usage.output_tokens": turn.output,
        "gen_ai.usage.cache_read.input_tokens": turn.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": turn.cache_write,
    }
