"""Frames of Amazon's event stream encoding, in which Bedrock delivers the events of an answer; pure.

A frame is: its length and that of its headers (4 bytes each, big-endian), the CRC-32 of these 8 bytes, headers,
payload, the CRC-32 of all before it. A frame whose `:event-type` is `chunk` has a JSON payload, whose member `bytes` is
an event of the Messages interface in base64; `p` is padding, so that the length of what passes says less.

Rules of this file:
1. However the stream is cut into chunks, the same frames come out; the bytes of those that nobody changes are theirs.
2. A frame that is not as its lengths and sums say, or is longer than allowed, is an error: nothing behind it has a
   certain beginning.

Sources: "Event stream encoding" in Amazon Transcribe's developer guide, "InvokeModelWithResponseStream" in Amazon
Bedrock's API reference, and what Claude Code 2.1.330 reads.
"""

import base64
import binascii
import json
import struct
import zlib
from typing import Final, NamedTuple, Self

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct(">III")
_SUM: Final = struct.Struct(">I")
_STRING: Final = 7  # the type of a header's value that is a string
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # of values of fixed length, by type
_VARIABLE: Final = frozenset({6, _STRING})
_CHUNK: Final = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}


class Frame(NamedTuple):
    """One frame: its headers' bytes and its payload."""

    headers: bytes
    payload: bytes

    @property
    def event(self) -> bytes | None:
        """The JSON of the event that a chunk holds; None of other frames. ValueError where a chunk holds none."""
        if _strings(self.headers).get(":event-type") != _CHUNK[":event-type"]:
            return None
        document = json.loads(self.payload)
        held = document.get("bytes") if isinstance(document, dict) else None
        if not isinstance(held, str):
            raise ValueError("a chunk holds no event")  # noqa: TRY004 (of what came, and not of a caller's argument)
        try:
            return base64.b64decode(held, validate=True)
        except binascii.Error as error:
            raise ValueError("a chunk's event is no base64") from error

    def with_payload(self, payload: bytes) -> Self:
        """Return the frame with other content."""
        return self._replace(payload=payload)

    def __bytes__(self) -> bytes:
        """Return the frame as it is sent."""
        prelude = struct.pack(">II", 16 + len(self.headers) + len(self.payload), len(self.headers))
        start = prelude + _SUM.pack(zlib.crc32(prelude)) + self.headers + self.payload
        return start + _SUM.pack(zlib.crc32(start))


def chunk(event: bytes) -> Frame:
    """Make the frame of an event's JSON."""
    return Frame(_CHUNK_HEADERS, json.dumps({"bytes": base64.b64encode(event).decode()}).encode())


class FrameParser:
    """Cuts a stream into frames. `limit`: most bytes of one frame."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes, give out the frames that they complete. ValueError for what is none."""
        self._held += data
        frames: list[Frame] = []
        at = 0
        while (end := self._end(at)) is not None:
            frames.append(self._frame(at, end))
            at = end
        del self._held[:at]
        return frames

    @property
    def is_between(self) -> bool:
        """Whether the stream stands between two frames."""
        return not self._held

    def _end(self, at: int) -> int | None:
        """Give where the frame at `at` ends; None where not all of it is there."""
        if len(self._held) - at < _PRELUDE.size:
            return None
        size, headers, summed = _PRELUDE.unpack_from(self._held, at)
        if summed != zlib.crc32(self._held[at : at + 8]):
            raise ValueError("a frame's prelude is not what its sum says")
        if not headers + 16 <= size <= self._limit:
            raise ValueError(f"a frame of {size} bytes with headers of {headers}; {self._limit} are allowed")
        return at + size if len(self._held) >= at + size else None

    def _frame(self, at: int, end: int) -> Frame:
        data = bytes(self._held[at:end])
        if _SUM.unpack_from(data, len(data) - 4)[0] != zlib.crc32(data[:-4]):
            raise ValueError("a frame is not what its sum says")
        border = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
        return Frame(data[_PRELUDE.size : border], data[border:-4])


def _strings(headers: bytes) -> dict[str, str]:
    """Read those headers that are strings. ValueError for what is not as its lengths say."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(headers):
            name = headers[at + 1 : at + 1 + headers[at]]
            at += 1 + len(name)
            kind = headers[at]
            at += 1
            if kind in _VARIABLE:
                (size,) = struct.unpack_from(">H", headers, at)
                value = headers[at + 2 : at + 2 + size]
                at += 2 + size
                if kind == _STRING:
                    found[name.decode()] = value.decode()
            else:
                at += _SIZES[kind]
    except (IndexError, KeyError, struct.error) as error:
        raise ValueError("a frame's headers are not what their lengths say") from error
    if at != len(headers):
        raise ValueError("a frame's headers end within a value")
    return found


def _written(strings: dict[str, str]) -> bytes:
    """Write headers that are strings."""
    return b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + struct.pack(">H", len(value)) + value.encode()
        for name, value in strings.items()
    )


_CHUNK_HEADERS: Final = _written(_CHUNK)
