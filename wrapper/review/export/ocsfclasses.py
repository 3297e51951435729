"""Says of an event of the log which class of OCSF it is and what the fields are that only this class has; pure.

Names, numbers and what is required are those of OCSF 1.8.0 (schema.ocsf.io).
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wrapper.audit.events import (
    Answered,
    AnyEvent,
    Connection,
    FileChange,
    FilesRead,
    Judged,
    Redacted,
    Refused,
    Request,
    Response,
    Sent,
    SessionEnd,
    SessionStart,
    Warned,
)
from wrapper.review import edits, wire
from wrapper.review.export import models
from wrapper.review.turns import Call, Turn

Fields = dict[str, Any]
"""An object of OCSF, to be written as JSON."""

_OTHER: Final = 99
_MOST_TEXT: Final = 1 << 15  # characters of a command; consumers have limits of their own
_MOST_OPEN: Final = 4096  # requests that are waiting for their answer
_METHODS: Final = {"POST": 1, "GET": 2, "HEAD": 2, "OPTIONS": 2, "PUT": 3, "PATCH": 3, "DELETE": 4}
_HTTP: Final = frozenset(_METHODS) | {"TRACE", "CONNECT"}
_FILE: Final = {"created": 1, "modified": 3, "deleted": 4, "moved": 5}
_PROCESS: Final = re.compile(r"(?P<name>.*)\[(?P<pid>\d{1,9})\]\Z", re.DOTALL)
_CONTROL: Final = ("security_control",)
_ALLOWED: Final = {"action_id": 1, "disposition_id": 1}
_BLOCKED: Final = {"action_id": 2, "disposition_id": 2}
_MODIFIED: Final = {"action_id": 4, "disposition_id": 11}  # corrected
_LOGGED: Final = {"action_id": 3, "disposition_id": 17}
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3
# redacted: severity, status of the finding (1 new, 4 resolved), what was done
_REDACTED: Final = {
    "": (_INFORMATIONAL, 4, _MODIFIED),
    "dropped": (_INFORMATIONAL, 4, {"action_id": 4, "disposition_id": 6}),
    "blocked": (_LOW, 4, _BLOCKED),
    "monitored": (_MEDIUM, 1, _LOGGED),
}
_LIFECYCLE: Final = {"file": 1, "request": 2, "egress": 2, "response": 2}  # of data: at rest, in transit; else in use
_JUDGED: Final = {"denied": _BLOCKED, "blocked": _BLOCKED, "warned": _LOGGED}


@dataclass(frozen=True, slots=True)
class Happened:
    """One event: its class, activity and severity, a sentence, and the fields of its class."""

    at: float
    class_uid: int
    activity: int
    message: str
    fields: Mapping[str, Any]
    activity_name: str = ""
    severity: int = _INFORMATIONAL
    profiles: tuple[str, ...] = ()
    process: Mapping[str, Any] = field(default_factory=dict)


class Requests:
    """The requests that wait for their answer, whose record does not say what was asked."""

    def __init__(self) -> None:
        self._open: dict[int, Happened] = {}

    def put(self, number: int, asked: Happened) -> None:
        """Remember one; the oldest is forgotten where there are too many."""
        self._open[number] = asked
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]

    def take(self, number: int) -> Happened | None:
        """Give the one that is answered now."""
        return self._open.pop(number, None)


def of_event(event: AnyEvent, requests: Requests, workspace: str) -> Iterator[Happened]:  # noqa: C901, PLR0912 (one case per kind of event, nothing else)
    """Yield what an event of the log is; nothing for what OCSF has no class for."""
    match event:
        case SessionStart():
            yield _started(event)
        case SessionEnd():
            yield _ended(event)
        case Request():
            asked = _asked(event)
            requests.put(event.number, asked)
            yield asked
        case Response():
            yield _answered(event, requests.take(event.number))
        case Sent():
            sent = _sent(event)
            if not event.offset:
                requests.put(event.number, sent)
            yield sent
        case Answered():
            yield _answered(event, requests.take(event.number))
        case Refused():
            yield _refused(event)
        case FileChange():
            yield _changed(event, workspace)
        case FilesRead():
            for path, first, count in event.files:
                message = f"{path} was read"
                yield Happened(first, 1001, 2, message, {"file": {**_file(path, workspace), "size": count}})
        case Connection():
            yield _connected(event)
        case Redacted():
            yield _redacted(event)
        case Judged():
            yield _judged(event)
        case Warned():
            yield Happened(event.at, 6008, 1, event.text, {}, severity=_MEDIUM)
        case _:
            pass


def of_turn(turn: Turn) -> Iterator[Happened]:
    """Yield what a call of a tool is: the start of a process, or an activity of its own."""
    if not isinstance(turn, Call):
        return
    command = "" if edits.edits(turn.input) else edits.command(turn.input)[:_MOST_TEXT]
    if command:
        process = {"uid": turn.id or f"call-{turn.sequence}", "name": turn.tool, "cmd_line": command}
        yield Happened(turn.at, 1007, 1, f"{turn.tool}: {command[:200]}", {"process": process})
        return
    fields = {"api": {"operation": turn.tool or "unknown", "request": {"uid": turn.id or f"call-{turn.sequence}"}}}
    yield Happened(turn.at, 6003, _OTHER, f"tool {turn.tool}", fields, activity_name="Call")


def _started(event: SessionStart) -> Happened:
    app = {"name": event.agent or "unknown", **({"version": event.agent_version} if event.agent_version else {})}
    unmapped = {
        "workspace": event.workspace,
        "command": " ".join(event.argv)[:_MOST_TEXT],
        "policy": event.policy,
        "degraded": list(event.degraded),
        "view": event.view,
    }
    return Happened(event.at, 6002, 3, f"{event.agent} was started", {"app": app, "unmapped": unmapped})


def _ended(event: SessionEnd) -> Happened:
    fields: Fields = {
        "app": {"name": "safe-agent"},
        "status_id": 2 if event.exit_code else 1,
        "status_code": str(event.exit_code),
    }
    if event.reason:
        fields["status_detail"] = event.reason
    return Happened(event.at, 6002, 4, f"ended with exit code {event.exit_code}", fields)


def _asked(event: Request) -> Happened:
    model, provider = models.model(event), models.provider(event.url)
    fields = _called(event.number, event.method, event.url)
    fields["unmapped"] = {"body_bytes": len(event.body), "upstream": event.upstream}
    profiles: tuple[str, ...] = ()
    if model:
        profiles = ("ai_operation",)
        fields["ai_model"] = {"name": model, "ai_provider": provider or "unknown"}
        fields["message_context"] = {"service": {"name": provider or "unknown"}, "ai_role_id": 4}
    return _api(event.at, event.method, wire.request(event), fields, profiles)


def _sent(event: Sent) -> Happened:
    fields = _called(event.number, event.method, wire.address(event))
    fields["unmapped"] = {
        "body_bytes": event.size,
        "body_offset": event.offset,
        "body_sha256": event.sha256,
        "secrets": list(event.used),
    }
    return _api(event.at, event.method, wire.sent(event), fields, ())


def _answered(event: Response | Answered, asked: Happened | None) -> Happened:
    known = {} if asked is None else {name: asked.fields[name] for name in asked.fields if name != "unmapped"}
    good = event.complete and event.status < 400
    known["api"] = {
        **known.get("api", {"operation": "unknown", "request": {"uid": str(event.number)}}),
        "response": {"code": event.status},
    }
    fields = {
        **known,
        "http_response": {"code": event.status, "body_length": _length(event)},
        "status_id": 1 if good else 2,
        "status_code": str(event.status),
        **({} if event.complete else {"status_detail": "the answer broke off"}),
    }
    activity, name = (_OTHER, "Answer") if asked is None else (asked.activity, asked.activity_name)
    return Happened(
        event.at,
        6003,
        activity,
        wire.response(event) if isinstance(event, Response) else wire.answered(event),
        fields,
        activity_name=name,
        severity=_INFORMATIONAL if good else _LOW,
        profiles=() if asked is None else asked.profiles,
    )


def _length(event: Response | Answered) -> int:
    return len(event.body) if isinstance(event, Response) else event.size


def _refused(event: Refused) -> Happened:
    fields = _called(event.number, event.method, event.url) | {"status_id": 2, "status_detail": event.reason} | _BLOCKED
    message = f"#{event.number} was not forwarded: {event.reason}"
    return _api(event.at, event.method, message, fields, _CONTROL, _LOW)


def _api(
    at: float, method: str, message: str, fields: Fields, profiles: tuple[str, ...], severity: int = _INFORMATIONAL
) -> Happened:
    activity = _METHODS.get(method, _OTHER)
    name = method if activity == _OTHER else ""
    return Happened(at, 6003, activity, message, fields, activity_name=name, severity=severity, profiles=profiles)


def _called(number: int, method: str, url: str) -> Fields:
    parts = models.split(url)
    request = {"url": {"url_string": url}, **({"http_method": method} if method in _HTTP else {})}
    fields: Fields = {
        "api": {"operation": f"{method} {parts.path or '/'}", "request": {"uid": str(number)}},
        "http_request": request,
    }
    if parts.hostname:
        port = {"port": parts.port} if parts.port is not None else {}
        fields["dst_endpoint"] = {"hostname": parts.hostname, **port}
    return fields


def _changed(event: FileChange, workspace: str) -> Happened:
    activity = _FILE.get(event.action, _OTHER)
    fields: Fields = {"file": _file(event.path, workspace, event.before if event.action == "deleted" else event.after)}
    if event.target:
        fields["file_result"] = _file(event.target, workspace, event.after)
    found = _PROCESS.match(event.process)
    process = {"name": found["name"], "pid": int(found["pid"])} if found else {}
    fields["unmapped"] = {"by": event.by, "before": event.before, "after": event.after}
    name = event.action.capitalize() if activity == _OTHER else ""
    message = f"{event.path} was {event.action}" + (f" to {event.target}" if event.target else "")
    return Happened(event.at, 1001, activity, message, fields, activity_name=name, process=process)


def _file(path: str, workspace: str, digest: str = "") -> Fields:
    whole = posixpath.join(workspace or "/", path)
    made: Fields = {"name": posixpath.basename(path.rstrip("/")) or path, "path": whole, "type_id": 0}
    if digest:
        made["hashes"] = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": digest}]
    return made


def _connected(event: Connection) -> Happened:
    where = {"hostname": event.host or "unknown", **({"port": event.port} if 0 <= event.port < 1 << 16 else {})}
    fields: Fields = {"dst_endpoint": where, "policy": {"name": event.rule or "default", "is_applied": True}}
    if event.allowed:
        fields |= _ALLOWED | {"status_id": 1, "traffic": {"bytes_out": event.sent, "bytes_in": event.received}}
        return Happened(event.at, 4001, 2, f"{event.host}:{event.port} was allowed", fields, profiles=_CONTROL)
    fields |= _BLOCKED | {"status_id": 2}
    message = f"{event.host}:{event.port} was denied"
    return Happened(event.at, 4001, 5, message, fields, severity=_LOW, profiles=_CONTROL)


def _redacted(event: Redacted) -> Happened:
    severity, status, done = _REDACTED.get(event.action, (_INFORMATIONAL, 1, _LOGGED))
    fields: Fields = {
        "data_security": {
            "category_id": 6,  # security
            "data_lifecycle_state_id": _LIFECYCLE.get(event.place, 3),
            "detection_pattern": event.rule or event.kind,
            "detection_system_id": 10,  # application-level DLP
            "total": event.count,
        },
        "count": max(event.count, 1),
        "status_id": status,
        "is_alert": event.action == "monitored",
        **done,
        "unmapped": {
            "kind": event.kind,
            "placeholder": event.placeholder,
            "place": event.place,
            "where": event.where,
            "action": event.action or "replaced",
        },
    }
    return Happened(event.at, 2006, 1, wire.redaction(event), fields, severity=severity, profiles=_CONTROL)


def _judged(event: Judged) -> Happened:
    done = _JUDGED.get(event.action, _ALLOWED)
    fields: Fields = {
        "status_id": 4,
        "policy": {"name": event.rule or event.about, "is_applied": True},
        **done,
        **({"comment": event.reason} if event.reason else {}),
        "unmapped": {"about": event.about, "action": event.action, "by": event.by, "request": event.number},
    }
    severity = _INFORMATIONAL if done is _ALLOWED else _LOW
    return Happened(event.at, 2004, 1, wire.judgement(event), fields, severity=severity, profiles=_CONTROL)
