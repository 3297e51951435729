"""Heads of requests and answers: what may stand in one, and what belongs to the connection alone; pure.

Rules of this file:
1. What is forwarded is made anew from parts that were checked: a method, a target, an authority, fields. None of them
   can hold a line's end or a character that some reader takes for one, so one request never becomes two (RFC 9112
   section 11, RFC 9113 section 10.3).
2. The authority of a request is the host that was connected to, whatever way it is given (421, RFC 9110 section 7.4).
3. What is refused is never quoted: it may hold a secret, and the refusal is recorded.
"""

import re
from collections.abc import Iterable
from typing import Final

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import AnswerHead, Headers, RequestHead
from wrapper.gateway.refusal import RefusedError

HEAD_BYTES: Final = 64 * 2**10
"""Of a head, all in all: what the gateway's listener takes, and four times what common servers do."""
FIELDS: Final = 256
"""Of a head: browsers send some 20, and servers stop at 100 (Apache)."""

_OWN: Final = frozenset({
    b"connection", b"content-length", b"expect", b"host", b"http2-settings", b"keep-alive", b"proxy-connection", b"te",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
_STAYING: Final = frozenset({b"close", b"keep-alive", b"te", b"upgrade"})  # options that are no fields to take out
_FRAMING: Final = _OWN | {b"authorization", b"cookie", b"set-cookie", b"trailer"}  # RFC 9110 section 6.5.1
_METHOD: Final = re.compile(r"[A-Z][A-Z-]{0,31}")
_TARGET: Final = re.compile(r"/[!\"$-~]*")  # all that is visible, but `#`: a fragment is never sent (RFC 3986, 3.5)
_ABSOLUTE: Final = re.compile(r"https://([!-.0-~]+)(/[!\"$-~]*)?", re.IGNORECASE)
_NAMES: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9a-z]+\n)*")  # RFC 9110 section 5.6.2, in lower case
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_NEVER: Final = frozenset({"CONNECT", "PRI", "TRACE"})  # tunnels in a tunnel; an echo of what was swapped in
_SECURE: Final = 443

Own = dict[bytes, bytes]
"""The connection's own fields of a head; several of one name are joined by commas."""


def sorted_out(fields: Iterable[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], Own]:
    """Part a head's fields (names in lower case) from those of the connection, and from those it calls its own."""
    kept: list[tuple[bytes, bytes]] = []
    own: Own = {}
    for name, value in fields:
        if name in _OWN:
            own[name] = own[name] + b", " + value if name in own else value
        else:
            kept.append((name, value.strip(b" \t")))
    if b"connection" in own:
        named = tokens(own[b"connection"]) - _STAYING
        if named:
            kept = [field for field in kept if field[0] not in named]
    if b"te" in own and b"trailers" in tokens(own[b"te"]):
        kept.append((b"te", b"trailers"))
    return kept, own


def tokens(value: bytes) -> frozenset[bytes]:
    """Read a list of words."""
    return frozenset(part.strip(b" \t") for part in value.lower().split(b","))


def length_of(own: Own) -> int | None:
    """Read `content-length`. RefusedError (400) where it is no single number."""
    value = own.get(b"content-length")
    if value is None:
        return None
    if not _LENGTH.fullmatch(value.strip(b" \t")):
        raise RefusedError(400, "the length of the body is no number")
    return int(value)


def checked_fields(fields: Headers, status: int = 400) -> Headers:
    """Give fields back that may be sent. RefusedError (`status`)."""
    names = b"".join([name + b"\n" for name, _ in fields])
    if names.count(b"\n") != len(fields) or not _NAMES.fullmatch(names):
        raise RefusedError(status, "a header has a name that is none")
    if _CONTROL.search(b"".join([value for _, value in fields])):
        raise RefusedError(status, "a header has a control character in its value")
    return fields


def checked_trailers(fields: Iterable[tuple[bytes, bytes]], status: int = 400) -> Headers:
    """Give trailers back without those that would change what came before them."""
    return checked_fields(tuple(field for field in fields if field[0] not in _FRAMING), status)


def request_head(
    destination: Destination,
    method: str,
    target: str,
    authority: str,
    fields: Iterable[tuple[bytes, bytes]],
    upgrade: str,
) -> RequestHead:
    """Check the parts of a request. RefusedError: 400; 405 for a method that is never passed on; 421: another host."""
    if method in _NEVER:
        raise RefusedError(405, "a request has a method that is never passed on")
    if not _METHOD.fullmatch(method):
        raise RefusedError(400, "a request has a method that is none")
    _check_authority(authority, destination)
    headers = checked_fields(tuple(fields))
    return RequestHead(method, authority, _origin_form(method, target, destination), headers, upgrade)


def _check_authority(authority: str, destination: Destination) -> None:
    host, colon, port = authority.partition(":")
    same_port = port == str(destination.port) if colon else destination.port == _SECURE
    if host.lower() != destination.host or not same_port:
        raise RefusedError(421, "a request names another host than the connection is to (its Host or :authority)")


def _origin_form(method: str, target: str, destination: Destination) -> str:
    if _TARGET.fullmatch(target) or (method == "OPTIONS" and target == "*"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RefusedError(400, "the target of a request is not valid")
    _check_authority(absolute[1], destination)
    return absolute[2] or "/"


def answer_head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> AnswerHead:
    """Check an answer's parts. RefusedError (502)."""
    return AnswerHead(status, checked_fields(tuple(fields), 502))


def is_bodiless(method: str, status: int) -> bool:
    """Whether an answer has no body whatever it announces (RFC 9112 section 6.3)."""
    return method == "HEAD" or status in {204, 304}
