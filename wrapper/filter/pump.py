"""Move bytes from one descriptor to another through a stream that may hold some back.

How long something is held: complete lines come out within 20 ms, so `tail -f` is followed as it grows. What may still
become a secret waits for a second where a line is not over, unless a terminal shows it, and where a key block is not:
parts of a token may come from a network far apart, and half a token that has passed cannot be called back.
"""

import os
import select
from typing import Final, Protocol

_READ: Final = 64 * 1024
_SOON: Final = 0.020  # seconds
_LATER: Final = 1.0  # seconds
_RECENT: Final = 16 * 1024  # bytes: longer than any key block
_BEGIN, _END = b"-----BEGIN ", b"-----END "  # RFC 7468


class Stream(Protocol):
    """What bytes are passed through."""

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may go on."""

    def flush(self) -> bytes:
        """Give out what is held back."""


def pump(source: int, sink: int, stream: Stream) -> None:
    """Move all there is; the stream is not flushed at the end. Raises OSError, BrokenPipeError among them."""
    is_shown = os.isatty(sink)
    recent = b""
    while True:
        if stream.held and not _ready(source, _patience(recent, is_shown=is_shown)):
            write(sink, stream.flush())
            continue
        try:
            data = os.read(source, _READ)
        except BlockingIOError:  # somebody else in the pipeline made it so
            _ready(source, None)
            continue
        if not data:
            return
        write(sink, stream.feed(data))
        recent = (recent + data)[-_RECENT:]


def _patience(recent: bytes, *, is_shown: bool) -> float:
    if recent.rfind(_BEGIN) > recent.rfind(_END):
        return _LATER
    return _SOON if is_shown or recent.endswith((b"\n", b"\r")) else _LATER


def write(sink: int, data: bytes) -> None:
    """Write all of `data`, waiting where the other side is slow."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except BlockingIOError:
            select.select([], [sink], [])


def _ready(source: int, patience: float | None) -> bool:
    return bool(select.select([source], [], [], patience)[0])
