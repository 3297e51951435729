"""WebSocket as the fake provider speaks it: RFC 6455, with permessage-deflate (RFC 7692), by hand.

Rules of this file:
1. A client that breaks the protocol is told so with close code 1002: what stands between client and provider must not
   hide behind a forgiving reader.
2. Both sides keep their compression window from message to message, as the real provider does.
3. Pings are answered, and a close frame is answered with its own code; then the connection ends.
"""

import base64
import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Final, NamedTuple, Protocol

from wrapper.demo.exchange import Reply, Request

TEXT: Final = 1
PING: Final = 9
_CONTINUATION, _BINARY, _CLOSE, _PONG = 0, 2, 8, 10
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692, 7.2.1: taken off behind each message
_COMPRESSED: Final = 0x40
_NORMAL, _PROTOCOL_ERROR = 1000, 1002
_LONGEST_CONTROL: Final = 125


class Stream(Protocol):
    """A connection's bytes."""

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end of the stream."""

    def say(self, data: bytes) -> None:
        """Write to the other side."""


class _Frame(NamedTuple):
    opcode: int
    final: bool
    compressed: bool
    payload: bytes


class _BrokenError(ValueError):
    """The client broke the protocol."""


def wanted(request: Request) -> bool:
    """Tell whether the request asks for a WebSocket."""
    return request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket"


def handshake(request: Request, *, deflate: bool) -> Reply:
    """Accept; 400 for a handshake that is none."""
    key = request.headers.get("sec-websocket-key", "")
    if not re.fullmatch(r"[A-Za-z0-9+/]{22}==", key) or request.headers.get("sec-websocket-version") != "13":
        return Reply.of_json({"error": {"message": "no WebSocket handshake"}}, 400, "Bad Request")
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if deflate and _offers_deflate(request):
        headers.append(("Sec-WebSocket-Extensions", "permessage-deflate"))
    return Reply(101, "Switching Protocols", tuple(headers))


def _offers_deflate(request: Request) -> bool:
    return "permessage-deflate" in request.headers.get("sec-websocket-extensions", "")


class Channel:
    """The provider's end of one connection, after the handshake."""

    def __init__(self, stream: Stream, *, deflate: bool) -> None:
        self._stream = stream
        self._deflate = zlib.compressobj(wbits=-15) if deflate else None
        self._inflate = zlib.decompressobj(wbits=-15) if deflate else None
        self._closed = False

    @classmethod
    def after(cls, stream: Stream, reply: Reply) -> "Channel":
        """Take the connection on which `reply` has accepted the handshake."""
        return cls(stream, deflate="Sec-WebSocket-Extensions" in dict(reply.headers))

    def messages(self) -> Iterator[bytes]:
        """Yield the client's messages, decompressed, until it closes or breaks the protocol."""
        try:
            yield from self._messages()
        except (_BrokenError, zlib.error, UnicodeDecodeError) as error:
            self.close(_PROTOCOL_ERROR, str(error)[:100])

    def framed(self, text: bytes, sizes: Iterable[int] = ()) -> Iterator[bytes]:
        """Frame one message, in fragments whose payloads have the given sizes, the last one with all that is left."""
        opcode, payload = self._packed(text)
        for size in chain(sizes, repeat(len(payload))):
            piece, payload = payload[:size], payload[size:]
            yield frame(opcode, piece, final=not payload)
            if not payload:
                return
            opcode = _CONTINUATION

    def say(self, data: bytes) -> None:
        """Write frames."""
        self._stream.say(data)

    def send(self, text: bytes) -> None:
        """Send one message in one frame."""
        self.say(b"".join(self.framed(text)))

    def close(self, code: int = _NORMAL, reason: str = "") -> None:
        """Send a close frame; what the client sends from now on counts for nothing."""
        self._closed = True
        self.say(frame(_CLOSE, struct.pack("!H", code) + reason.encode()))

    def _packed(self, text: bytes) -> tuple[int, bytes]:
        if self._deflate is None:
            return TEXT, text
        packed = self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return TEXT | _COMPRESSED, packed.removesuffix(_TAIL)

    def _messages(self) -> Iterator[bytes]:
        begun: list[_Frame] = []
        while one := self._frame():
            match one.opcode:
                case 8:
                    if not self._closed:
                        self.say(frame(_CLOSE, one.payload[:2]))
                    return
                case 9 if not self._closed:
                    self.say(frame(_PONG, one.payload))
                case 9 | 10:
                    pass
                case _:
                    _check_order(begun, one)
                    begun.append(one)
                    if one.final:
                        message, begun = self._message(begun), []
                        if not self._closed:
                            yield message

    def _message(self, frames: list[_Frame]) -> bytes:
        data = b"".join(one.payload for one in frames)
        if frames[0].compressed:
            if self._inflate is None:
                raise _BrokenError("compressed without agreement")
            data = self._inflate.decompress(data + _TAIL)
        if frames[0].opcode == TEXT:
            data.decode()
        return data

    def _frame(self) -> _Frame | None:
        """Read one frame; None at the end of the stream."""
        head = self._stream.exactly(2)
        if len(head) < 2:
            return None
        opcode, length = head[0] & 15, head[1] & 127
        if not head[1] & 128 or head[0] & 0x30 or opcode not in (0, 1, 2, 8, 9, 10):
            raise _BrokenError("an unmasked frame, or reserved bits")
        if opcode >= _CLOSE and (length > _LONGEST_CONTROL or not head[0] & 128 or head[0] & _COMPRESSED):
            raise _BrokenError("a control frame that is none")
        if length > _LONGEST_CONTROL:
            length = int.from_bytes(self._stream.exactly(2 if length == 126 else 8))
        mask = self._stream.exactly(4)
        payload = self._stream.exactly(length)
        if len(payload) < length:
            return None
        return _Frame(opcode, bool(head[0] & 128), bool(head[0] & _COMPRESSED), _unmasked(payload, mask))


def _check_order(begun: list[_Frame], one: _Frame) -> None:
    if bool(begun) != (one.opcode == _CONTINUATION) or (begun and one.compressed):
        raise _BrokenError("fragments out of order")


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(whole)).to_bytes(size)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Return one frame as a server writes it: not masked. `opcode` may have the bit that says compressed."""
    first = opcode | (128 if final else 0)
    size = len(payload)
    if size <= _LONGEST_CONTROL:
        head = struct.pack("!BB", first, size)
    elif size < 2**16:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload
