"""A request as it may leave: target, headers and body redacted, with a note of every replacement.

Two phases: `examine_request` finds, and may take long; `outgoing` replaces what policy decides, and is quick.

Rules of this file:
1. Bytes outside the replaced spans are those the client sent: a body that is written anew breaks the provider's
   hashes, signatures and prompt caches.
2. A target is searched as it stands and, piece by piece, percent-decoded; a piece is rewritten only if decoding
   shows a secret that the raw bytes hid. So is the whole, for a secret that goes over the borders of pieces.
3. Headers and targets lose only what is certain: ids and versions in them look random and must arrive. They are
   redacted whatever policy says, and block like bodies.
4. Header names are searched as well: a header whose name holds a secret is dropped.
5. A value that the inside must not know is replaced though policy only wants its kind watched.
6. What is packed in a body that is no JSON (an upload), and what is attached to one that is (`attached`), is looked at
   too. Nothing can be replaced there: what is certain keeps the request here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from redactors.engine import Engine
from redactors.finding import Confidence, Finding, Redaction
from redactors.pieces import Memory
from redactors.vault import Origin
from wrapper.gateway import attached
from wrapper.gateway.bodies import says_json
from wrapper.gateway.credential import CREDENTIAL_HEADERS
from wrapper.gateway.intercept.archives import MOST_UNPACKED, holds_packed
from wrapper.gateway.unfold import Unfolding

Headers = tuple[tuple[str, str], ...]
Decide = Callable[[Finding], str]
"""Says of a finding: `redact`, `monitor` (it leaves, and is recorded) or `block` (the request does not leave)."""

# RFC 9110 section 7.6.1, RFC 9112 section 9; and what the gateway sets anew because it sends another body and asks
# for answers that it can read.
_PER_HOP = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "http2-settings",
    "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_PIECES = re.compile(rb"([/?&=;,]+)")
ENCODINGS: Final = 8
"""How many times over a target is percent-decoded; a path that is encoded more often is refused (`arrival`)."""
_SAFE_IN_TARGET = "!$%&'()*+,-./:;=?@[]_~"  # no `#`: what follows it would be a fragment and not be sent
PACKED: Final = " packed"
"""Where a value is that stands in something packed in the body."""
_LONG: Final = 1 << 16  # bytes: more are never searched with all else waiting, whatever they hold (`server`)
_MONITORED: Final = "monitored"
_BLOCKED: Final = "blocked"


class Masked(NamedTuple):
    """One value found in one part of a request; `where` is `@OFFSET` in the body, PACKED, ` url` or ` header NAME`.

    `action`: "" it was replaced; `monitored`, it leaves; `blocked`, because of it the request does not.
    """

    kind: str
    placeholder: str
    rule: str
    where: str
    times: int
    action: str = ""


class Examined(NamedTuple):
    """A request with all that was found in it.

    `target` and `headers` are redacted (`masked` notes it) and go without credentials and per-hop headers; `body` is
    as it came, `findings` are in it: sorted, not overlapping, fit to be replaced. Those whose start is in `quotes` get
    quotation marks. `packed` is what was found in what is packed in the body.
    """

    target: str
    headers: Headers
    body: bytes
    findings: tuple[Finding, ...]
    quotes: frozenset[int]
    masked: tuple[Masked, ...]
    packed: tuple[Finding, ...] = ()


class Outgoing(NamedTuple):
    """What leaves, unless `blocked` says why it must not; `masked` notes what was replaced or only monitored."""

    target: str
    headers: Headers
    body: bytes
    masked: tuple[Masked, ...]
    blocked: tuple[Masked, ...] = ()


def examine_request(
    target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes, engine: Engine, memory: Memory
) -> Examined:
    """Find what a request must not tell; its body is decoded already, `memory` remembers what `engine` found.

    Takes tens of milliseconds for megabytes that `memory` has not seen.
    """
    masked: list[Masked] = []
    clean_target = redact_target(target, engine, masked)
    clean_headers = tuple(_redact_headers(list(headers), engine, masked))
    findings, quotes = _examine_body(body, _content_type(clean_headers), engine, memory)
    packed = tuple(_in_packed(body, _content_type(clean_headers), engine))
    return Examined(clean_target, clean_headers, body, tuple(findings), quotes, tuple(masked), packed)


def bytes_to_search(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> int:
    """Give how many bytes `examine_request` may have to search, about; what is long is not asked what it holds."""
    named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    if len(body) > _LONG:
        return len(body)
    is_json = says_json(_content_type(named), body)
    return MOST_UNPACKED if (attached.holds_attached if is_json else holds_packed)(body) else len(body)


def _in_packed(body: bytes, content_type: str, engine: Engine) -> Iterator[Finding]:
    for text in () if says_json(content_type, body) else attached.texts_in(body):
        yield from (found for found in Unfolding(engine).find(text) if found.confidence is Confidence.CERTAIN)


def outgoing(examined: Examined, engine: Engine, decide: Decide = lambda _: "redact") -> Outgoing:
    """Replace in a request what `decide` wants replaced; what it blocks is replaced too, for the log."""
    actions = [_action(found, engine, decide) for found in examined.findings]
    replaced = [found for found, action in zip(examined.findings, actions, strict=True) if action != _MONITORED]
    redaction = engine.replace(examined.body, replaced, quotes=examined.quotes)
    notes = _notes(examined.findings, actions, engine)
    notes += [note._replace(action=_BLOCKED) if _blocks(note, decide) else note for note in examined.masked]
    in_packed = [_MONITORED if _action(one, engine, decide) == _MONITORED else _BLOCKED for one in examined.packed]
    notes += _notes(examined.packed, in_packed, engine, PACKED)
    return Outgoing(
        examined.target,
        examined.headers,
        redaction.data,
        tuple(note for note in notes if note.action != _BLOCKED),
        tuple(note for note in notes if note.action == _BLOCKED),
    )


def credential_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Pick the headers that authenticate, with lower-case names; a cookie is none of them and stays with the rest."""
    named = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return {name: value for name, value in named if name in CREDENTIAL_HEADERS and "cookie" not in name}


def recorded(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as the log holds them: lower-case names, no credentials and cookies."""
    return {name.lower(): value for name, value in headers if name.lower() not in CREDENTIAL_HEADERS}


def _examine_body(
    body: bytes, content_type: str, engine: Engine, memory: Memory
) -> tuple[Sequence[Finding], frozenset[int]]:
    if not body:
        return (), frozenset()
    if not says_json(content_type, body):
        return Unfolding(engine).find(body), frozenset()
    found = memory.find(body)
    return found.findings, found.quotes


def _action(found: Finding, engine: Engine, decide: Decide) -> str:
    rule = found.rule.removeprefix(attached.PACKED)
    decided = decide(found._replace(rule=rule))
    if decided == "block":
        return _BLOCKED
    if decided == "monitor" and not _is_outsides(found, engine):
        return _MONITORED
    return "" if rule == found.rule else _BLOCKED


def _is_outsides(found: Finding, engine: Engine) -> bool:
    placeholder = engine.vault.issue(found.kind, found.value, Origin.INSIDE).encode()
    return engine.vault.restore(placeholder, to=Origin.INSIDE) == placeholder


def _blocks(note: Masked, decide: Decide) -> bool:
    """Judge what was found in a header or the target by kind and rule."""
    return decide(Finding(0, 0, note.kind, Confidence.CERTAIN, note.rule, b"")) == "block"


def _redact_headers(
    headers: Sequence[tuple[bytes, bytes]], engine: Engine, masked: list[Masked]
) -> Iterator[tuple[str, str]]:
    dropped = _PER_HOP | _named_by_connection(headers)
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1")
        if name.lower() in dropped or (name.lower() in CREDENTIAL_HEADERS and name.lower() != "cookie"):
            continue
        in_name = engine.redact(raw_name, minimum=Confidence.CERTAIN)
        if in_name.findings:
            masked.extend(_notes_of(in_name, " header", engine))
            continue
        value = _certainly_redacted(raw_value, engine)
        masked.extend(_notes_of(value, f" header {name.lower()}", engine))
        yield name, value.data.decode("utf-8", "replace")


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    """Headers that the Connection header declares to be for this hop only (RFC 9110 section 7.6.1)."""
    values = [value.decode("latin-1").lower() for name, value in headers if name.lower() == b"connection"]
    return frozenset(name.strip() for value in values for name in value.split(","))


def redact_target(target: bytes, engine: Engine, masked: list[Masked]) -> str:
    """Redact path and query; adds to `masked`."""
    notes: list[Masked] = []
    redacted = _redact_pieces(target, engine, notes)
    decoded = engine.redact(_decoded(target), minimum=Confidence.CERTAIN) if b"%" in target else None
    if decoded is not None and decoded.findings and decoded.data != _decoded(redacted):  # pieces do not show all of it
        notes = _notes_of(decoded, " url", engine)
        redacted = _redact_pieces(decoded.data, engine, notes)
    masked.extend(notes)
    return quote_from_bytes(redacted, safe=_SAFE_IN_TARGET)


def _redact_pieces(target: bytes, engine: Engine, masked: list[Masked]) -> bytes:
    whole = engine.redact(target, minimum=Confidence.CERTAIN)
    masked.extend(_notes_of(whole, " url", engine))
    return b"".join(_redact_piece(piece, engine, masked) for piece in _PIECES.split(whole.data))


def _decoded(target: bytes) -> bytes:
    for _ in range(ENCODINGS):
        target, before = unquote_to_bytes(target), target
        if target == before:
            break
    return target


def _redact_piece(piece: bytes, engine: Engine, masked: list[Masked]) -> bytes:
    """Redact a piece of the target as it reads percent-decoded, once or several times over."""
    text, before = piece, b""
    for _ in range(ENCODINGS):
        if text == before or (b"%" not in text and b"+" not in text):
            break
        text, before = unquote_to_bytes(text.replace(b"+", b"%20") if text is piece else text), text
        redaction = engine.redact(text, minimum=Confidence.CERTAIN)
        if redaction.findings:
            masked.extend(_notes_of(redaction, " url", engine))
            return quote_from_bytes(redaction.data, safe="").encode()
    return piece


def _content_type(headers: Iterable[tuple[str, str]]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _certainly_redacted(value: bytes, engine: Engine) -> Redaction:
    found = [one for one in Unfolding(engine).find(value) if one.confidence is Confidence.CERTAIN]
    return engine.replace(value, found)


def _notes_of(redaction: Redaction, part: str, engine: Engine) -> list[Masked]:
    return _notes(redaction.findings, [""] * len(redaction.findings), engine, part)


def _notes(findings: Sequence[Finding], actions: Sequence[str], engine: Engine, part: str = "") -> list[Masked]:
    """One note for each value and rule, at its first place: a conversation repeats itself in every request."""
    counts: dict[tuple[str, bytes, str, str], int] = {}
    first: dict[tuple[str, bytes, str, str], int] = {}
    for finding, action in zip(findings, actions, strict=True):
        key = (finding.kind, finding.value, finding.rule, action)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, finding.start)
    return [
        Masked(kind, engine.vault.issue(kind, value, Origin.INSIDE), rule, part or f"@{start}", times, action)
        for ((kind, value, rule, action), times), start in zip(counts.items(), first.values(), strict=True)
    ]
