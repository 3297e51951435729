"""How events travel from the session's processes to the recorder, over a stream socket pair.

To the recorder: length (u32) and kind (u8), then the payload: an event as MessagePack, or, for terminal output, which
is the bulk, its time (f64), stream (u8) and bytes as they are. Back come answers of kind (u8) and number (u64): how
many durable events of this connection are on disk, or that the log failed, with the length of the reason that follows.
All numbers are big-endian.
"""

import struct
from collections.abc import Iterator
from typing import Final

from wrapper.audit.events import Event, Output, encode
from wrapper.audit.format import MAX_RECORD
from wrapper.errors import AuditError

EVENT: Final = 0
DURABLE: Final = 1
OUTPUT: Final = 2

WRITTEN: Final = 1
FAILED: Final = 2
MAX_REASON: Final = 4096

STREAMS: Final = ("tty", "stdout", "stderr")

HEAD: Final = struct.Struct(">IB")
OUTPUT_HEAD: Final = struct.Struct(">dB")
ANSWER: Final = struct.Struct(">BQ")


def pack(event: Event, *, durable: bool = False) -> tuple[bytes, bytes]:
    """Return head and payload of one event. Raises AuditError where it is larger than a record may be."""
    if isinstance(event, Output) and not durable and event.stream in STREAMS:
        size = OUTPUT_HEAD.size + len(event.data)
        head = HEAD.pack(_checked(size), OUTPUT) + OUTPUT_HEAD.pack(event.at, STREAMS.index(event.stream))
        return head, event.data
    payload = encode(event)
    return HEAD.pack(_checked(len(payload)), DURABLE if durable else EVENT), payload


def _checked(size: int) -> int:
    # what a body needs beside itself (URL, headers, times) fits into the difference of the two limits
    if size > MAX_RECORD - 64:
        raise AuditError(
            f"an event of {size >> 20} MiB is larger than the log takes ({MAX_RECORD >> 20} MiB)",
            hint="lower the body limit in the policy",
        )
    return size


def output(payload: memoryview) -> tuple[float, str, bytes]:
    """Split an OUTPUT payload into time, stream and bytes. Raises AuditError where it is none."""
    try:
        at, stream = OUTPUT_HEAD.unpack_from(payload)
        return at, STREAMS[stream], bytes(payload[OUTPUT_HEAD.size :])
    except (struct.error, IndexError) as error:
        raise AuditError("a process of the session sent a malformed event") from error


class Inbox:
    """Bytes of one connection on their way to become messages; `pending` counts those of an unfinished one."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that are no whole message yet."""
        return len(self._buffer)

    def feed(self, data: memoryview) -> None:
        """Take what the socket brought."""
        self._buffer += data

    def messages(self) -> Iterator[tuple[int, memoryview]]:
        """Yield kind and payload of each whole message; a payload is valid until the next one is asked for.

        Raises AuditError where the stream cannot be one of ours.
        """
        start, end = 0, len(self._buffer)
        with memoryview(self._buffer) as view:
            while end - start >= HEAD.size:
                length, kind = HEAD.unpack_from(view, start)
                if length > MAX_RECORD or kind not in (EVENT, DURABLE, OUTPUT):
                    raise AuditError("a process of the session sent a malformed event")
                if end - start - HEAD.size < length:
                    break
                start += HEAD.size
                with view[start : start + length] as payload:
                    yield kind, payload
                start += length
        del self._buffer[:start]
