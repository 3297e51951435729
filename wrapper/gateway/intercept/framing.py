"""Frames of a WebSocket on their way in, with values masked within messages (RFC 6455 section 5); pure.

Rules of this file:
1. A message stays one message, and its type; how it is cut into frames may change. A value that several frames or
   messages carry is seen, since all of one connection are one text to the search.
2. Control frames stand between others, and are looked at by themselves.
3. Frames are plain: no extension was asked for. Bits that say otherwise, and frames that are masked as only a client's
   are, end the connection.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

_CONTINUATION: Final = 0x0
_CONTROL: Final = 0x8
_KNOWN: Final = frozenset({_CONTINUATION, 0x1, 0x2, 0x8, 0x9, 0xA})
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_LONGEST_CONTROL: Final = 125
_WITHIN: Final = 64 * 1024
"""Bytes of a frame that are waited for, so that short frames stay whole; longer ones pass as they come."""


class BrokenFrameError(ConnectionError):
    """Frames that break the protocol, or that cannot be searched."""


class Stream(Protocol):
    """Masks a text that comes in parts."""

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may go on."""

    def flush(self) -> bytes:
        """Give what is held back."""


class _Head(NamedTuple):
    """How a frame begins: `size` of its payload, and the bytes of its head."""

    final: bool
    opcode: int
    size: int
    length: int


class Frames:
    """Bytes of frames in, bytes of frames out. `whole` masks the payload of a control frame."""

    def __init__(self, stream: Stream, whole: Callable[[bytes], bytes]) -> None:
        self._stream = stream
        self._whole = whole
        self._buffer = b""
        self._frame: _Head | None = None
        self._left = 0  # bytes of the frame's payload that have not come
        self._opcode = _CONTINUATION  # of the message's first frame, until one has been given out
        self._in_message = False

    @property
    def held(self) -> bool:
        """Whether bytes of a message are held back that could go on."""
        return self._stream.held and self._in_message

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes. BrokenFrameError."""
        self._buffer += data
        return b"".join(self._frames())

    def flush(self) -> bytes:
        """Give what is held back of a message that goes on."""
        return self._written(self._stream.flush(), final=False) if self.held else b""

    def _frames(self) -> Iterator[bytes]:
        while True:
            if self._frame is None:
                self._frame = _head(self._buffer)
                if self._frame is None:
                    return
                self._buffer = self._buffer[self._frame.length :]
                self._left = self._frame.size
                self._begin(self._frame)
            is_control = self._frame.opcode & _CONTROL
            if len(self._buffer) < self._left and (is_control or self._frame.size <= _WITHIN or not self._buffer):
                return
            payload, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(payload)
            yield self._control(self._frame, payload) if is_control else self._data(self._frame, payload)
            if self._left == 0:
                self._frame = None

    def _begin(self, head: _Head) -> None:
        if head.opcode & _CONTROL:
            return
        if (head.opcode == _CONTINUATION) != self._in_message:
            raise BrokenFrameError("a WebSocket frame of the host is out of order")
        if not self._in_message:
            self._opcode, self._in_message = head.opcode, True

    def _data(self, head: _Head, payload: bytes) -> bytes:
        final = head.final and self._left == 0
        out = self._stream.feed(payload)
        if final:
            out += self._stream.flush()
        written = self._written(out, final=final) if out or final else b""
        self._in_message = not final
        return written

    def _written(self, payload: bytes, *, final: bool) -> bytes:
        opcode, self._opcode = self._opcode, _CONTINUATION
        return _frame(opcode, payload, final=final)

    def _control(self, head: _Head, payload: bytes) -> bytes:
        masked = self._whole(payload)
        if len(masked) > _LONGEST_CONTROL:
            masked = masked[:_LONGEST_CONTROL].decode("utf-8", "ignore").encode()
        return _frame(head.opcode, masked if masked != payload else payload, final=True)


def _head(data: bytes) -> _Head | None:
    """Read how a frame begins; None where there is too little of it."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    if first & _RESERVED or second & _MASKED:
        raise BrokenFrameError("a WebSocket frame of the host uses what was not agreed on")
    size, length = second, 2
    if size >= 126:
        form = "!H" if size == 126 else "!Q"
        length += struct.calcsize(form)
        if len(data) < length:
            return None
        (size,) = struct.unpack_from(form, data, 2)
    opcode = first & 0x0F
    if opcode not in _KNOWN:
        raise BrokenFrameError("a WebSocket frame of the host is of a kind that nobody knows")
    if opcode & _CONTROL and (size > _LONGEST_CONTROL or not first & _FINAL):
        raise BrokenFrameError("a control frame of the host is too long")
    return _Head(bool(first & _FINAL), opcode, size, length)


def _frame(opcode: int, payload: bytes, *, final: bool) -> bytes:
    first, size = opcode | (_FINAL if final else 0), len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 2**16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload
