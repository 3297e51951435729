"""A session as events of the Open Cybersecurity Schema Framework, version 1.8.0 (schema.ocsf.io), one a line.

| in the log | class |
|---|---|
| start, end | Application Lifecycle (6002) |
| request, response, refused, a tool that is called | API Activity (6003) |
| a command that is called for | Process Activity (1007) |
| file, read | File System Activity (1001), one per file |
| connection | Network Activity (4001) |
| redacted | Data Security Finding (2006) |
| judged | Detection Finding (2004) |
| warning | Application Error (6008) |

What stood on the terminal, what was typed, and what requests and answers said has no class there; it is left out.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Final, NamedTuple

from wrapper.audit.events import SessionStart
from wrapper.audit.reader import Record
from wrapper.review.export import ocsfclasses
from wrapper.review.export.clock import sound
from wrapper.review.export.ocsfclasses import Fields, Happened
from wrapper.review.turns import Turns
from wrapper.version import VERSION

_VERSION: Final = "1.8.0"
_NAMES: Final = {
    1001: "File System Activity",
    1007: "Process Activity",
    2004: "Detection Finding",
    2006: "Data Security Finding",
    4001: "Network Activity",
    6002: "Application Lifecycle",
    6003: "API Activity",
    6008: "Application Error",
}


class _Session(NamedTuple):
    """What every event says of the session that it is of."""

    id: str = ""
    user: str = ""
    host: str = ""
    agent: str = ""
    workspace: str = ""


def export(records: Iterable[Record], out: BinaryIO) -> None:
    """Write a line per event. Raises as the reading of `records` does."""
    session = _Session()
    turns = Turns()
    open_requests = ocsfclasses.Requests()
    for record in records:
        event = record.event
        if isinstance(event, SessionStart):
            session = _Session(event.session, event.user, event.host, event.agent, event.workspace)
        found = ocsfclasses.of_event(event, open_requests, session.workspace)
        said = (one for turn in turns.feed(record) for one in ocsfclasses.of_turn(turn))
        out.writelines(
            _line(_event(happened, session, record.sequence, number)) for number, happened in enumerate((*found, *said))
        )


def _line(event: Fields) -> bytes:
    return json.dumps(event).encode() + b"\n"  # ASCII: nothing in it can act on a terminal


def _event(happened: Happened, session: _Session, sequence: int, number: int) -> Fields:
    uid = f"{session.id}:{sequence}" + (f":{number}" if number else "")
    fields = dict(happened.fields)
    if happened.class_uid in (2004, 2006):  # findings
        fields["finding_info"] = {"uid": uid, "title": happened.message}
    return {
        "class_uid": happened.class_uid,
        "class_name": _NAMES[happened.class_uid],
        "category_uid": happened.class_uid // 1000,
        "activity_id": happened.activity,
        **({"activity_name": happened.activity_name} if happened.activity_name else {}),
        "type_uid": happened.class_uid * 100 + happened.activity,
        "time": round(sound(happened.at) * 1000),
        "severity_id": happened.severity,
        "message": happened.message,
        "metadata": _metadata(session, uid, happened.profiles),
        "device": {"type_id": 0, "hostname": session.host or "unknown"},
        "actor": _actor(session, happened.process),
        **({"src_endpoint": {"hostname": session.host or "unknown"}} if happened.class_uid in (4001, 6003) else {}),
        **fields,
    }


def _metadata(session: _Session, uid: str, profiles: tuple[str, ...]) -> Fields:
    return {
        "version": _VERSION,
        "uid": uid,
        "correlation_uid": session.id,
        "log_name": "safe-agent audit",
        "product": {"name": "safe-agent", "vendor_name": "safe-agent", "version": VERSION},
        "profiles": sorted({"host", *profiles}),
    }


def _actor(session: _Session, process: Mapping[str, Any]) -> Fields:
    actor: Fields = {"session": {"uid": session.id}, "app_name": session.agent or "unknown"}
    if session.user:
        actor["user"] = {"name": session.user}
    if process:
        actor["process"] = process
    return actor
