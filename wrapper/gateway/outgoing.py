"""A request as it may leave: target, headers and body redacted, with a note of every replacement.

Rules of this file:
1. Bytes outside the replaced spans are those the client sent: a body that is written anew breaks the provider's
   hashes, signatures and prompt caches.
2. A target is searched as it stands and, piece by piece, percent-decoded; a piece is rewritten only if decoding
   shows a secret that the raw bytes hid.
3. Headers and targets lose only what is certain: ids and versions in them look random and must arrive.
4. Header names are searched as well: a header whose name holds a secret is dropped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from redactors.finding import Confidence, Redaction
from wrapper.gateway.bodies import says_json
from wrapper.gateway.credential import CREDENTIAL_HEADERS
from wrapper.gateway.unfold import Finder, unfold

Headers = tuple[tuple[str, str], ...]

# RFC 9110 section 7.6.1, RFC 9112 section 9; and what the gateway sets anew because it sends another body and asks
# for answers that it can read.
_PER_HOP = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "http2-settings",
    "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_PIECES = re.compile(rb"([/?&=;,]+)")
_ENCODINGS = 3  # a value encoded more than three times over is no accident, and no client of ours does it twice
_SAFE_IN_TARGET = "!$%&'()*+,-./:;=?@[]_~"  # no `#`: what follows it would be a fragment and not be sent


class Redactor(Finder, Protocol):
    """What the gateway needs of the engine."""

    def redact(self, data: bytes, *, minimum: Confidence = ...) -> Redaction:
        """Replace secrets in bytes."""

    def redact_json(self, data: bytes) -> Redaction:
        """Replace secrets in the raw bytes of a JSON document."""


class Masked(NamedTuple):
    """One value replaced in one part of a request; `where` is `@OFFSET` in the body, ` url` or ` header NAME`."""

    kind: str
    placeholder: str
    rule: str
    where: str
    times: int


class Outgoing(NamedTuple):
    """What leaves: `target` is path and query, `headers` go without credentials and per-hop headers."""

    target: str
    headers: Headers
    body: bytes
    masked: tuple[Masked, ...]


def redact_request(target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes, engine: Redactor) -> Outgoing:
    """Redact a request of which `body` is decoded already. May take tens of milliseconds for megabytes."""
    masked: list[Masked] = []
    clean_target = redact_target(target, engine, masked)
    clean_headers = tuple(_redact_headers(list(headers), engine, masked))
    clean_body = _redact_body(body, _content_type(clean_headers), engine, masked)
    return Outgoing(clean_target, clean_headers, clean_body, tuple(masked))


def credential_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Pick the headers that authenticate, with lower-case names; a cookie is none of them and stays with the rest."""
    named = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return {name: value for name, value in named if name in CREDENTIAL_HEADERS and "cookie" not in name}


def recorded(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as the log holds them: lower-case names, no credentials and cookies."""
    return {name.lower(): value for name, value in headers if name.lower() not in CREDENTIAL_HEADERS}


def _redact_body(body: bytes, content_type: str, engine: Redactor, masked: list[Masked]) -> bytes:
    if not body:
        return body
    redaction = _read_as_json(body, engine) if says_json(content_type, body) else None
    redaction = redaction or engine.redact(unfold(body, engine))
    masked.extend(_notes(redaction))
    return redaction.data


def _read_as_json(body: bytes, engine: Redactor) -> Redaction | None:
    """None: no JSON whatever its type says, to be searched as bytes."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return engine.redact_json(unfold(body, engine))


def _redact_headers(
    headers: Sequence[tuple[bytes, bytes]], engine: Redactor, masked: list[Masked]
) -> Iterator[tuple[str, str]]:
    dropped = _PER_HOP | _named_by_connection(headers)
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1")
        if name.lower() in dropped or (name.lower() in CREDENTIAL_HEADERS and name.lower() != "cookie"):
            continue
        in_name = engine.redact(raw_name, minimum=Confidence.CERTAIN)
        if in_name.findings:
            masked.extend(_notes(in_name, " header"))
            continue
        value = engine.redact(unfold(raw_value, engine), minimum=Confidence.CERTAIN)
        masked.extend(_notes(value, f" header {name.lower()}"))
        yield name, value.data.decode("utf-8", "replace")


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    """Headers that the Connection header declares to be for this hop only (RFC 9110 section 7.6.1)."""
    values = [value.decode("latin-1").lower() for name, value in headers if name.lower() == b"connection"]
    return frozenset(name.strip() for value in values for name in value.split(","))


def redact_target(target: bytes, engine: Redactor, masked: list[Masked]) -> str:
    """Redact path and query; adds to `masked`."""
    whole = engine.redact(target, minimum=Confidence.CERTAIN)
    masked.extend(_notes(whole, " url"))
    pieces = [_redact_piece(piece, engine, masked) for piece in _PIECES.split(whole.data)]
    return quote_from_bytes(b"".join(pieces), safe=_SAFE_IN_TARGET)


def _redact_piece(piece: bytes, engine: Redactor, masked: list[Masked]) -> bytes:
    """Redact a piece of the target as it reads percent-decoded, once or several times over."""
    text = piece
    for _ in range(_ENCODINGS):
        if b"%" not in text and b"+" not in text:
            break
        text = unquote_to_bytes(text.replace(b"+", b"%20") if text is piece else text)
        redaction = engine.redact(text, minimum=Confidence.CERTAIN)
        if redaction.findings:
            masked.extend(_notes(redaction, " url"))
            return quote_from_bytes(redaction.data, safe="").encode()
    return piece


def _content_type(headers: Headers) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _notes(redaction: Redaction, part: str = "") -> list[Masked]:
    """One note for each placeholder and rule, at its first place: a conversation repeats itself in every request."""
    counts: dict[tuple[str, str, str], int] = {}
    first: dict[tuple[str, str, str], int] = {}
    for finding, placeholder in zip(redaction.findings, redaction.placeholders, strict=True):
        key = (finding.kind, placeholder, finding.rule)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, finding.start)
    return [Masked(*key, part or f"@{first[key]}", count) for key, count in counts.items()]
