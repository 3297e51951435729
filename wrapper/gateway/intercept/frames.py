"""A WebSocket client's frames (RFC 6455 section 5), read to messages and written anew; pure.

Rules of this file:
1. No extension is known: a frame with a reserved bit or opcode is refused, so nothing compressed passes unseen.
2. What a frame announces is checked before it is waited for: a control frame has 125 bytes at most, a message `limit`.
3. Messages come out whole, control frames between their parts at once.
What comes in is read elsewhere (`framing`): there a long message is passed on as it comes.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from wrapper.gateway.refusal import RefusedError

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
_PONG: Final = 10
_CONTINUATION: Final = 0
_DATA: Final = frozenset({_CONTINUATION, TEXT, BINARY})
_CONTROL: Final = frozenset({CLOSE, PING, _PONG})
LONGEST_CONTROL: Final = 125
"""Bytes of a control frame's payload."""
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_MASK_BYTES: Final = 4


class Message(NamedTuple):
    """A whole message, or a control frame; its payload without the frame's mask."""

    opcode: int
    payload: bytes


class _Head(NamedTuple):
    """How a frame begins; `begin` is where its payload does, behind the mask."""

    final: bool
    opcode: int
    begin: int
    length: int


class Messages:
    """A client's bytes in, messages out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._opcode = _CONTINUATION

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take more bytes. RefusedError (400, 413) where they break the protocol, or a message is too long."""
        self._buffer += data
        while (head := self._head()) is not None and len(self._buffer) >= head.begin + head.length:
            mask = bytes(self._buffer[head.begin - _MASK_BYTES : head.begin])
            payload = _xored(bytes(self._buffer[head.begin : head.begin + head.length]), mask)
            del self._buffer[: head.begin + head.length]
            message = self._joined(head, payload)
            if message is not None:
                yield message

    def _head(self) -> _Head | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & _RESERVED or not second & _MASKED:
            raise _broken()
        length, begin = second & _LENGTH, 2
        if length >= _TWO_BYTES:
            form = struct.Struct(">H" if length == _TWO_BYTES else ">Q")
            if len(buffer) < begin + form.size:
                return None
            length = form.unpack_from(buffer, begin)[0]
            begin += form.size
        head = _Head(bool(first & _FIN), first & _OPCODE, begin + _MASK_BYTES, length)
        self._check(head)
        return head

    def _check(self, head: _Head) -> None:
        if head.opcode in _CONTROL:
            if not head.final or head.length > LONGEST_CONTROL:
                raise _broken()
            return
        if head.opcode not in _DATA or bool(self._opcode) != (head.opcode == _CONTINUATION):
            raise _broken()
        if head.length + sum(map(len, self._parts)) > self._limit:
            raise RefusedError(413, f"a WebSocket message has more than {self._limit} bytes")

    def _joined(self, head: _Head, payload: bytes) -> Message | None:
        if head.opcode in _CONTROL:
            return Message(head.opcode, payload)
        self._opcode = head.opcode or self._opcode
        self._parts.append(payload)
        if not head.final:
            return None
        message = Message(self._opcode, b"".join(self._parts))
        self._parts, self._opcode = [], _CONTINUATION
        return message


def framed(message: Message, mask: bytes) -> bytes:
    """Write a message as one frame; `mask` are 4 bytes that nobody can guess (RFC 6455 section 5.3)."""
    size = len(message.payload)
    first = _FIN | message.opcode
    if size < _TWO_BYTES:
        head = struct.pack(">BB", first, _MASKED | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, _MASKED | _TWO_BYTES, size)
    else:
        head = struct.pack(">BBQ", first, _MASKED | _EIGHT_BYTES, size)
    return b"".join((head, mask, _xored(message.payload, mask)))


def _xored(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    over = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(over)).to_bytes(size)


def _broken() -> RefusedError:
    return RefusedError(400, "a WebSocket frame breaks the protocol")
