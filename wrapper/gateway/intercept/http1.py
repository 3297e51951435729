"""HTTP/1.1's own forms: heads as bytes, chunks, and what both ends do with llhttp (by httptools); RFC 9112.

llhttp is strict as it is: two lengths, a length beside chunks, folded lines, bare line feeds, spaces before a colon and
codings other than `chunked` are refused by it.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import httptools

from wrapper.gateway.intercept.exchange import Answer, Body, Headers, RequestHead
from wrapper.gateway.intercept.heads import FIELDS, HEAD_BYTES, checked_fields, checked_trailers, is_bodiless
from wrapper.gateway.intercept.link import Link
from wrapper.gateway.refusal import RefusedError

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # a length is expected even of nothing, RFC 9110 section 8.6
WEBSOCKET: Final = b"websocket"
"""What a connection may become. Any other wish for an upgrade is passed over, as RFC 9110 section 7.8 lets one."""
_END: Final = b"\r\n\r\n"


class Framing:
    """The callbacks of llhttp that both ends share: fields and trailers within bounds."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.refusal: RefusedError | None = None
        self._size = 0
        self._unframed = 0  # bytes fed since something came of them

    def parse(self, feed: Callable[[bytes], None], data: bytes) -> None:
        """Feed. RefusedError for what is no HTTP or too much; httptools' HttpParserUpgrade passes."""
        self._unframed += len(data)
        try:
            feed(data)
        except httptools.HttpParserUpgrade:
            raise
        except httptools.HttpParserError as error:
            # Its own words are constant texts of llhttp; those about callbacks hold what came.
            words = str(error) if type(error) is httptools.HttpParserError else "it is not valid"
            raise self.refusal or RefusedError(400, f"no HTTP that is passed on: {words[:100]}") from error
        if self._unframed > HEAD_BYTES + len(data):
            raise too_large()

    def begin(self) -> None:
        """Start a message."""
        self.fields, self.url, self._size = [], b"", 0

    def on_url(self, url: bytes) -> None:
        """Add to the target."""
        self.url += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field."""
        self.fields.append((name.lower(), value))
        self._grow(len(name) + len(value))
        if len(self.fields) > FIELDS:
            self._refuse(too_large())

    def framed(self) -> None:
        """Say that something came of what was fed."""
        self._unframed = 0

    def trailers(self, status: int) -> Headers:
        """Give the fields that came since the head was taken."""
        return checked_trailers(self.fields, status) if self.fields else ()

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > HEAD_BYTES:
            self._refuse(too_large())

    def _refuse(self, error: RefusedError) -> None:
        self.refusal = error
        raise error


def too_large() -> RefusedError:
    """Say that a head, trailers or a chunk's extensions have no end."""
    return RefusedError(431, f"a head has more than {HEAD_BYTES} bytes or {FIELDS} fields")


def request_bytes(head: RequestHead, body: Body | None) -> bytes:
    """Write a request's head. RefusedError (400) where a value has become one that no head can hold."""
    checked_fields(head.headers)
    own: list[tuple[bytes, bytes]] = []
    if head.upgrade:
        own += [(b"connection", b"Upgrade"), (b"upgrade", head.upgrade.encode())]
    elif body is not None:
        own.append(_length(body))
    elif head.method in _WITH_BODY:
        own.append((b"content-length", b"0"))
    if (b"te", b"trailers") in head.headers and not head.upgrade:
        own.append((b"connection", b"TE"))
    first = f"{head.method} {head.target} HTTP/1.1\r\nhost: {head.authority}".encode("ascii")
    return _lines(first, _without_length(head.headers), own)


def answer_bytes(answer: Answer, method: str, *, keep: bool, chunks: bool) -> bytes:
    """Write an answer's head. `chunks`: the other end knows them (HTTP/1.1)."""
    head, body = answer.head, answer.body
    headers = checked_fields(head.headers, 502)
    own: list[tuple[bytes, bytes]] = []
    if head.status == 101:
        own += [(b"connection", b"Upgrade"), (b"upgrade", WEBSOCKET)]
    elif is_bodiless(method, head.status):
        own = [] if keep else [(b"connection", b"close")]
        return _lines(_status_line(head.status), headers, own)
    elif body is None:
        own.append((b"content-length", b"0"))
    elif body.length is not None or chunks:
        own.append(_length(body))
    if not keep and head.status != 101:
        own.append((b"connection", b"close"))
    return _lines(_status_line(head.status), _without_length(headers), own)


async def send_body(link: Link, body: Body) -> None:
    """Send a body whose head was written. Raises OSError where it is not as long as announced."""
    if body.length is None:
        await _send_chunks(link, body)
        return
    left = body.length
    async for piece in body:
        left -= len(piece)
        if left < 0:
            break
        link.write(piece)
        await link.drain()
    if left:
        raise ConnectionAbortedError("a body is not as long as it was announced")


async def _send_chunks(link: Link, body: Body) -> None:
    async for piece in body:
        if piece:
            link.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await link.drain()
    link.write(_lines(b"0", checked_trailers(body.trailers, 502), ()))


async def send_raw(link: Link, body: Body) -> None:
    """Send bytes as they are."""
    async for piece in body:
        link.write(piece)
        await link.drain()


def _length(body: Body) -> tuple[bytes, bytes]:
    if body.length is None:
        return b"transfer-encoding", b"chunked"
    return b"content-length", b"%d" % body.length


def _without_length(headers: Headers) -> Sequence[tuple[bytes, bytes]]:
    return [field for field in headers if field[0] != b"content-length"]


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b""))


def _lines(first: bytes, headers: Sequence[tuple[bytes, bytes]], own: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = [first]
    lines += [name + b": " + value for name, value in headers]
    lines += [name + b": " + value for name, value in own]
    return b"\r\n".join(lines) + _END
