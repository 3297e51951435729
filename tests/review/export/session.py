"""A session with an event of each kind, for tests of exports; nothing in it changes from run to run."""

import json
from collections.abc import Iterable
from typing import Any

from tests.audit.recording import start_event
from tests.review.conversing import answer, gives, says, streamed
from wrapper.audit import events
from wrapper.audit.reader import Record

URL = "https://api.invalid/v1/messages"
EDIT = {"file_path": "/work/project/app.py", "old_string": "print('hello')", "new_string": "print('goodbye')"}


def numbered(happened: Iterable[events.AnyEvent]) -> list[Record]:
    return [Record(number, event) for number, event in enumerate(happened)]


def shown(at: float, text: str | bytes, stream: str = "tty") -> events.Output:
    return events.Output(at=at, stream=stream, data=text.encode() if isinstance(text, str) else text)


def asked(at: float, number: int, *conversation: Any) -> events.Request:
    body = {"model": "m-1", "messages": list(conversation), "tools": [{"name": "Bash"}]}
    return events.Request(
        at=at, number=number, method="POST", url=URL, headers={}, body=json.dumps(body).encode(), model="m-1"
    )


def answered(at: float, number: int, said: dict[str, Any]) -> events.Response:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    body = streamed(answer(said, usage))
    return events.Response(at=at, number=number, status=200, headers={}, body=body)


def sent(at: float, number: int, target: str = "/repos/a/b/issues/1/comments", **more: Any) -> events.Sent:
    """A request to another host; by default a comment that is a whole."""
    body = more.pop("body", b'{"body":"looks good"}')
    about: dict[str, Any] = {"method": "POST", "headers": {}, "size": len(body), "sha256": "d" * 64, **more}
    return events.Sent(at=at, number=number, host="forge.invalid", port=443, target=target, body=body, **about)


def masked(at: float, kind: str, place: str, where: str, **more: Any) -> events.Redacted:
    return events.Redacted(at=at, kind=kind, placeholder=f"MASKED-{kind}-0000000A", place=place, where=where, **more)


def happened() -> list[events.AnyEvent]:
    """A prompt, a command that fails, an edit, masked values of each action, and all that can go wrong beside it."""
    prompt = {"role": "user", "content": "Make it say goodbye."}
    first = says("I look around.", ("t-1", "Bash", {"command": "cat .env"}))
    second = says("Now I change it.", ("t-2", "Edit", EDIT), ("t-3", "mcp__wiki__search", {"query": "goodbye"}))
    results = gives("t-1", "KEY=MASKED-STRIPE-KEY-0000000A", is_error=True)
    return [
        start_event(session="s-1", degraded=("view",), view="fuse"),
        masked(1_000.5, "GITHUB-TOKEN", "environment", "GITHUB_TOKEN"),
        events.Resize(at=1_000.6, rows=10, columns=40),
        shown(1_001.0, "\x1b[1mwelcome\x1b[0m\r\n> "),
        events.Typed(at=1_002.0, data=b"Make it say goodbye.\r"),
        asked(1_003.0, 1, prompt),
        masked(1_003.1, "STRIPE-KEY", "request", "#1@40", count=2, rule="stripe"),
        masked(1_003.2, "EMAIL", "request", "#1@80", action="monitored", rule="email"),
        masked(1_003.3, "IBAN", "request", "#1@90", action="dropped"),
        masked(1_003.4, "CARD", "request", "#1@95", action="blocked"),
        answered(1_004.0, 1, first),
        shown(1_004.5, "I look around.\r\n"),
        events.FilesRead(at=1_005.0, files=(("app.py", 1_004.9, 15), (".env", 1_004.95, 60))),
        events.FileChange(at=1_005.1, path=".env", action="masked"),
        asked(1_006.0, 2, prompt, first, results),
        answered(1_007.0, 2, second),
        events.FileChange(
            at=1_008.0, path="app.py", action="modified", by="agent", process="node[77]", before="a" * 64, after="b" * 64
        ),
        events.FileChange(at=1_008.1, path="new.py", action="created", by="agent"),
        events.FileChange(at=1_008.2, path="new.py", action="moved", target="old.py"),
        events.FileChange(at=1_008.3, path="old.py", action="deleted", before="c" * 64),
        events.Resize(at=1_008.5, rows=12, columns=60),
        shown(1_009.0, "changed app.py\r\n"),
        events.Connection(at=1_009.5, host="pypi.invalid", port=443, allowed=True, rule="pypi", sent=10, received=2000),
        events.Connection(at=1_009.6, host="evil.invalid", port=443, allowed=False, rule=""),
        sent(1_009.61, 7, used=("github",)),
        events.Answered(at=1_009.63, number=7, status=201, size=300, masked=("GITHUB-TOKEN",)),
        sent(1_009.64, 8, "/upload?a=1", method="PUT", body=b"first ", ended=False),
        sent(1_009.65, 8, "/upload?a=1", method="PUT", body=b"second", offset=6),
        events.Answered(at=1_009.66, number=8, status=500, size=0, complete=False, captured=("demo",)),
        sent(1_009.67, 9, "/live", method="WEBSOCKET", body=b"\xff\x00"),
        events.Judged(at=1_009.68, number=10, about="route", rule="hosts", action="denied", by="policy"),
        events.Judged(at=1_009.7, number=3, about="task", rule="no-training", action="denied", reason="why", by="user"),
        events.Judged(at=1_009.8, number=4, about="approval", rule="models", action="allowed", by="policy"),
        events.Refused(at=1_009.9, number=3, method="POST", url=URL, reason="the task is closed"),
        events.Request(at=1_010.0, number=5, method="GET", url="https://api.invalid/v1/models", headers={}, body=b""),
        events.Response(at=1_010.1, number=5, status=529, headers={}, body=b"overloaded"),
        events.Request(at=1_010.2, number=6, method="WEBSOCKET", url="not a url [", headers={}, body=b"\xff"),
        events.Warned(at=1_011.0, text="a mask was lost"),
        shown(1_100.0, "bye\r\n"),
        events.SessionEnd(at=1_101.0, exit_code=3, reason="it was stopped"),
    ]  # fmt: skip


def session() -> list[Record]:
    return numbered(happened())
