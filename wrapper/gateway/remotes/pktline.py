"""git's pkt-line: lengths in four hexadecimal digits, then as many bytes (gitprotocol-common(5)); pure.

Rules of this file:
1. Whatever pieces the bytes come in, the same packets come out.
2. A length is four hexadecimal digits between 0004 and fff0 (65520), or one of the three marks. Anything else is an
   error at once: two readers could read it differently.
3. No more is held than one packet and what was fed last.
"""

import enum
import re
from typing import Final

LONGEST: Final = 65520
"""Bytes of a packet with its length (gitprotocol-common(5))."""

_HEAD: Final = 4
_DIGITS: Final = re.compile(rb"[0-9a-fA-F]{4}")
_BAND: Final = 1  # the byte that says which band a packet is of


class PktLineError(ValueError):
    """Bytes that are no pkt-line."""


class Mark(enum.Enum):
    """Packets without content."""

    FLUSH = b"0000"
    DELIMITER = b"0001"
    END = b"0002"


_MARKS: Final = {mark.value: mark for mark in Mark}


class PacketReader:
    """Cuts bytes into packets, as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes, however few."""
        self._held += data

    def packet(self) -> bytes | Mark | None:
        """Take the next packet's content, or a mark; None until it is there whole. Raises PktLineError."""
        head = bytes(self._held[:_HEAD])
        if not _DIGITS.match(head.ljust(_HEAD, b"0")):
            raise PktLineError("a length that is not four hexadecimal digits")
        if len(head) < _HEAD:
            return None
        if head in _MARKS:
            del self._held[:_HEAD]
            return _MARKS[head]
        length = int(head, 16)
        if not _HEAD <= length <= LONGEST:
            raise PktLineError(f"a length of {length}")
        if len(self._held) < length:
            return None
        content = bytes(self._held[_HEAD:length])
        del self._held[:length]
        return content


def packet(content: bytes) -> bytes:
    """Write one packet. Raises PktLineError where the content is too long for one."""
    length = len(content) + _HEAD
    if length > LONGEST:
        raise PktLineError(f"a length of {length}")
    return b"%04x" % length + content


def on_band(band: int, data: bytes) -> bytes:
    """Write data as packets of one band of the 64 KiB side-band (gitprotocol-pack(5), "Packfile Data")."""
    most = LONGEST - _HEAD - _BAND
    return b"".join(packet(bytes([band]) + data[at : at + most]) for at in range(0, len(data), most))
