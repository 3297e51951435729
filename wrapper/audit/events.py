"""What a session's log can hold: one frozen type per kind of event, tagged `type` on disk.

Texts and bodies in events are already redacted; no event ever holds a secret's value. `at` is seconds since the
epoch, UTC. Paths are relative to the workspace unless they begin with `/`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from wrapper.errors import AuditError


class Event(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """The base of all events."""

    at: float


class SessionStart(Event, frozen=True, tag="start", kw_only=True):
    """Who started what, where; `policy` is the SHA-256 of the effective policy, `plan` the plan as JSON text.

    `view` says how files are shown: `fuse`, or `binds: ` and why.
    """

    session: str
    user: str
    host: str
    workspace: str
    agent: str
    agent_version: str
    version: str
    argv: tuple[str, ...]
    policy: str
    plan: str
    degraded: tuple[str, ...] = ()
    view: str = ""


class Output(Event, frozen=True, tag="output", kw_only=True):
    """Bytes shown on the terminal (or written to a pipe) after redaction; `stream` is `tty`, `stdout` or `stderr`."""

    stream: str
    data: bytes


class Typed(Event, frozen=True, tag="typed", kw_only=True):
    """Keys the user typed, after redaction, where policy asks for them; never a line that was not echoed."""

    data: bytes


class Resize(Event, frozen=True, tag="resize", kw_only=True):
    """The terminal's new size in characters."""

    rows: int
    columns: int


class Redacted(Event, frozen=True, tag="redacted", kw_only=True):
    """One kind of value replaced at one place.

    `place` is `environment`, `file`, `request` (to a provider), `egress` (a request to another host), `response` or
    `terminal`. `where` names the variable, the path, or the request's number and offset. `action` is empty where the
    value was replaced, `monitored` where it left as it is, `blocked` where the request was not sent, `dropped` where it
    was taken out without a placeholder. Whatever it is, `placeholder` stands for the value.
    """

    kind: str
    placeholder: str
    place: str
    where: str
    rule: str = ""
    count: int = 1
    action: str = ""


class Request(Event, frozen=True, tag="request", kw_only=True):
    """A request as it leaves: `number` counts from 1 in the session, headers without credentials, body redacted.

    Where `base` is not 0, the body is the first `prefix` bytes of request `base`'s, then `body`, then the last `suffix`
    bytes of request `base`'s. Out of a reader comes `base` 0 with the body in full, wherever the log holds it; `prefix`
    and `suffix` then say how much of it an earlier request had already.

    `upstream` is the name of the one that policy routed it to, empty: the client's own. `model` is the one asked for.
    `account` is the kind of login that authenticates it, and the placeholder of its key or token.
    A message of the client's on a WebSocket is a request of the method `WEBSOCKET`; headers has the first one only.
    """

    number: int
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    base: int = 0
    prefix: int = 0
    suffix: int = 0
    upstream: str = ""
    model: str = ""
    account: str = ""


class Response(Event, frozen=True, tag="response", kw_only=True):
    """What came back for request `number`, after redaction; `complete` is false where the stream broke off.

    `status` 101 answers a message on a WebSocket; `body` is the provider's messages, joined by line feeds.
    """

    number: int
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True


class Refused(Event, frozen=True, tag="refused", kw_only=True):
    """A request of the inside that safe-agent did not forward, and why."""

    number: int
    method: str
    url: str
    reason: str


class Judged(Event, frozen=True, tag="judged", kw_only=True):
    """What policy, or the user whom it made safe-agent ask, decided about request `number` before it was sent.

    `about` is `task`, `approval`, `budget`, `send`, `kind`, `identity` or `route` (what a host may be asked). With
    `number` 0 it is `host` (`rule` is the pattern), `push` or `commit` (`rule` ends in the ref and the commits' ids).
    `rule` is the one that decided, `action` `allowed`, `warned`, `denied`, `routed` or `blocked`. `reason` is what the
    user wrote; `by` is `policy`, `user`, `remembered` (an earlier answer of the user's) or `nobody` (no one could be
    asked, or answered).
    """

    number: int
    about: str
    rule: str
    action: str
    reason: str = ""
    by: str = ""


class Connection(Event, frozen=True, tag="connection", kw_only=True):
    """One decision of the egress proxy; byte counts are those after the tunnel closed."""

    host: str
    port: int
    allowed: bool
    rule: str
    sent: int = 0
    received: int = 0


class Sent(Event, frozen=True, tag="sent", kw_only=True):
    """Bytes of a request to another host than a provider, before they leave; with placeholders, as the inside wrote it.

    `target` is path and query, `headers` go without credentials. A body that has ended before anything leaves is told
    by one event. One that is sent while it comes has several of the same `number`, each on disk before its bytes leave:
    this one is about the `size` bytes of the body from `offset` on, and the body ends with them where `ended`. Only the
    first has headers. `body` is what is kept of these bytes, the first MOST_KEPT of a request's body; `sha256`, in hex,
    is of the whole body up to `offset + size`. `used` are names of secrets whose values replace placeholders in it
    behind this record, so that more or fewer bytes leave than `size`. A WebSocket's message is one of the method
    `WEBSOCKET`.
    """

    number: int
    host: str
    port: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    sha256: str
    offset: int = 0
    ended: bool = True
    used: tuple[str, ...] = ()


class Answered(Event, frozen=True, tag="answered", kw_only=True):
    """What came back for request `number` to another host: status and how many bytes the inside got of its body.

    `complete` is false where it broke off. `masked` are kinds of values that were masked in it, `captured` names the
    logins that were kept outside.
    """

    number: int
    status: int
    size: int
    complete: bool = True
    masked: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()


class FileChange(Event, frozen=True, tag="file", kw_only=True):
    """A change in the workspace; `action` is `created`, `modified`, `deleted`, `moved`, `masked` or `restored`.

    `by` is `agent` or `host` where the view knows it, `process` the one inside that wrote first (`node[1234]`: name and
    pid outside). `ranges` are (offset, length) of what was written; `before` and `after` the content's SHA-256 in hex.
    Offsets and hashes are of the content as the inside sees it: hashes of real values would let them be guessed.
    `diff` is what `touched.touched` says of it, redacted once more; empty for long and binary files.
    """

    path: str
    action: str
    target: str = ""
    by: str = ""
    process: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    before: str = ""
    after: str = ""
    diff: str = ""


class FilesRead(Event, frozen=True, tag="read", kw_only=True):
    """Files that the inside read: path, when first (seconds since the epoch), and how many bytes of it until now.

    A file that is read on comes again in a later event, with its first time and more bytes.
    """

    files: tuple[tuple[str, float, int], ...]


class Warned(Event, frozen=True, tag="warning", kw_only=True):
    """Something the user was told, or would have been: an overflow, a protected path that appeared, a lost mask."""

    text: str


class SessionEnd(Event, frozen=True, tag="end", kw_only=True):
    """How it ended: the exit code given to the caller and, where safe-agent ended it, the reason."""

    exit_code: int
    reason: str = ""


AnyEvent = (
    SessionStart
    | Output
    | Typed
    | Resize
    | Redacted
    | Request
    | Response
    | Refused
    | Judged
    | Connection
    | Sent
    | Answered
    | FileChange
    | FilesRead
    | Warned
    | SessionEnd
)

MOST_KEPT: Final = 2**20
"""Bytes of one request's body to another host that the log keeps."""

LATER: Final = frozenset({
    "view", "by", "process", "ranges", "before", "after", "diff", "action", "base", "prefix", "suffix", "upstream",
    "model", "account",
})  # fmt: skip
"""Fields that the first logs of this format do not have: where they are empty, or 0, nothing is known of them."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """Return the event as MessagePack: a map with the field names as keys and the tag under `type`."""
    return _encoder.encode(event)


def decode(record: bytes) -> AnyEvent:
    """Read one event back. Raises AuditError where `record` is no event that this version knows."""
    try:
        event: AnyEvent = _decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(f"not an event of this version: {error}", hint="read it with a newer safe-agent") from error
    return event


def tags() -> tuple[str, ...]:
    """Return the names of all kinds of events, as they stand under `type`."""
    return tuple(str(kind.__struct_config__.tag) for kind in AnyEvent.__args__)
