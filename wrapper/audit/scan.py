"""Walks a segment frame by frame and proves each; the one place where verification happens.

Without the log key, signatures and the tree are checked; with it also that every record decrypts in its place.
The walk stops at the first thing that is not as written and says which frame that was. Memory is bounded by one frame.
"""

import collections
import os
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.audit.ratchet import Ratchet
from wrapper.audit.signatures import check_signature

_NO_KEY: Final = bytes(32)
_NOTHING: Final[Mapping[int, object]] = MappingProxyType({})


class Sealed(NamedTuple):
    """One proven record, not decrypted where the walk has no key."""

    sequence: int
    record: bytes | None


class Preface(NamedTuple):
    """A log's header, its hash over the bytes as they stand, and the format's version."""

    header: layout.LogHeader
    digest: bytes
    version: int


class Frame(NamedTuple):
    """One frame as it stands in the file, with its number and the flags of its header."""

    sequence: int
    kind: int
    flags: int
    head: bytes
    body: bytes


def read_header(stream: BinaryIO) -> Preface:
    """Read a log's header; the stream then stands at the first frame. Raises as `format` does."""
    prefix = stream.read(layout.PREFIX_SIZE)
    version, length = layout.decode_prefix(prefix)
    text = stream.read(length)
    if len(text) < length:
        raise TruncatedError("the log ends inside its header")
    return Preface(layout.decode_header(text, version), layout.header_hash(prefix + text), version)


class Walk:
    """One pass over the frames of `stream`, which stands behind the header; iterate it, then read its counts.

    `frames` counts those proven, `records` the DATA frames among them, `signed` those under a verified signature.
    `ended` is the type of the frame that ended the segment, 0 where there is none; `torn` how many bytes of an
    unfinished frame stand at the end. `roots` gets, of the sizes in `wanted`, the root over so many frames. `check`
    checks the signatures, or gathers them for later. What a running session adds is seen by iterating again after
    `extend`. Raises TamperedError.
    """

    def __init__(
        self,
        stream: BinaryIO,
        preface: Preface,
        log_key: bytes | None = None,
        *,
        wanted: Mapping[int, object] = _NOTHING,
        check: Callable[[bytes, bytes, bytes], None] = check_signature,
    ) -> None:
        header = preface.header
        self._stream = stream
        self._start = stream.tell()
        self._left = 0
        self._header = preface.digest
        self._first = header.first
        self._rules = layout.rules(header, preface.version)
        self.previous = preface.digest
        self.verification = bytes.fromhex(header.verification_key)
        self._tree = layout.Tree()
        self._ratchet = None if log_key is None else Ratchet(log_key, preface.version)
        self._epoch = -1
        self._next_epoch()
        self._decompressor = zstandard.ZstdDecompressor()  # one for all: each takes as long to make as a record to read
        self._wanted = wanted
        self._check_signature = check
        self.roots: dict[int, bytes] = {}
        self.records = self.signed = self.torn = self.ended = 0
        self.extend()

    @property
    def frames(self) -> int:
        """How many frames have been proven."""
        return self._tree.size

    @property
    def sealed(self) -> bool:
        """Whether an END frame closed the log."""
        return self.ended == layout.END

    def root(self) -> bytes:
        """Return the root over the frames proven so far."""
        return self._tree.root()

    def extend(self) -> None:
        """Take note of how long the file is by now."""
        self._left = os.fstat(self._stream.fileno()).st_size - self._start

    def __iter__(self) -> Iterator[Sealed]:
        for frame, key in self.walk():
            if frame.kind == layout.DATA:
                yield Sealed(frame.sequence, self._opened(frame, key))

    def walk(self) -> Iterator[tuple[Frame, bytes | None]]:
        """Yield each frame with its record's key, None where there is none; `previous` is then the leaf before it."""
        while (frame := self._read()) is not None:
            key = None
            if frame.kind == layout.DATA:
                key = None if self._ratchet is None or frame.flags & layout.PLAIN else self._ratchet.next_key()
            else:
                self._check(frame)
            yield frame, key
            self._passed(frame)

    def _passed(self, frame: Frame) -> None:
        self.previous = layout.leaf_hash(frame.head, frame.body)
        self._tree.add(self.previous)
        if frame.kind == layout.DATA:
            self.records += 1
        else:
            self.signed = self._tree.size
        if self._tree.size in self._wanted:
            self.roots[self._tree.size] = self._tree.root()

    def _read(self) -> Frame | None:
        """Return the next frame; None at the end, where `torn` says whether it is a clean one."""
        sequence = self._first + self._tree.size
        if self._left and self.ended:
            raise TamperedError(f"frame {sequence}: bytes follow the {'END' if self.sealed else 'CONTINUED'} frame")
        self.torn = self._left
        if self._left < layout.FRAME_SIZE:
            return None
        head = self._stream.read(layout.FRAME_SIZE)
        found = layout.decode_frame_header(head, self._epoch, sequence, self._rules)
        size = layout.FRAME_SIZE + found.length
        if size > self._left:
            self._stream.seek(self._start)  # read again when the rest has come
            return None
        self._left -= size
        self._start += size
        self.torn = self._left
        return Frame(sequence, found.kind, found.flags, head, self._stream.read(found.length))

    def _opened(self, frame: Frame, key: bytes | None) -> bytes | None:
        if frame.flags & layout.PLAIN:
            return unpacked(frame, frame.body, self._decompressor)
        return None if key is None else opened(frame, key, self.previous, self._decompressor)

    def _check(self, frame: Frame) -> None:
        root, named, signature = frame.body[:32], frame.body[32:64], frame.body[64:]
        if root != self._tree.root():
            raise TamperedError(f"frame {frame.sequence}: the checkpoint is over other frames than those before it")
        try:
            message = layout.signed_message(self._header, frame.head, root, named)
            self._check_signature(self.verification, signature, message)
        except (InvalidSignature, ValueError) as error:
            raise TamperedError(f"frame {frame.sequence}: the checkpoint's signature is not valid") from error
        if (frame.kind == layout.END) != (named == _NO_KEY):
            raise TamperedError(f"frame {frame.sequence}: the checkpoint names a wrong next key")
        if frame.kind != layout.CHECKPOINT:
            self.ended = frame.kind
        self.verification = named
        self._next_epoch()

    def _next_epoch(self) -> None:
        if self._ratchet is not None:
            self._ratchet.next_epoch()
        self._epoch += 1


def opened(frame: Frame, key: bytes, previous: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """Decrypt a DATA frame under its record's key; `previous` is the leaf before it. Raises TamperedError."""
    try:
        packed = AESGCM(key).decrypt(layout.nonce(frame.sequence), frame.body, frame.head + previous)
    except InvalidTag as error:
        raise TamperedError(
            f"frame {frame.sequence}: does not decrypt: changed, or not the one written here"
        ) from error
    return unpacked(frame, packed, decompressor)


def unpacked(frame: Frame, packed: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """Return the record of a frame from what it was packed to. Raises TamperedError where that is not possible."""
    if not frame.flags & layout.COMPRESSED:
        return packed
    try:
        # asked first: the library allocates what a frame says of itself, whatever limit it is given
        if not 0 <= zstandard.frame_content_size(packed) <= layout.MAX_RECORD:
            raise TamperedError(f"frame {frame.sequence}: its record claims to be larger than a record may be")
        return decompressor.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise TamperedError(f"frame {frame.sequence}: its record cannot be unpacked") from error


class _Spot(NamedTuple):
    """Where a record lies: epoch, its number in the epoch, sequence, offset, offset of the frame before it (or -1)."""

    epoch: int
    number: int
    sequence: int
    offset: int
    before: int


def last_records(descriptor: int, start: int, preface: Preface, log_key: bytes, most: int) -> list[Sealed]:
    """Return up to `most` records from the end of the segment, decrypted; what lies before is skipped, not proven.

    `start` is the offset of the first frame. Raises TamperedError where a record does not decrypt in its place.
    """
    spots = _last_spots(descriptor, start, preface, most)
    ratchet, epoch, found = Ratchet(log_key, preface.version), -1, []
    passed, decompressor = 0, zstandard.ZstdDecompressor()
    for spot in spots:
        while epoch < spot.epoch:
            ratchet.next_epoch()
            epoch, passed = epoch + 1, 0
        ratchet.skip(spot.number - passed)
        passed = spot.number + 1
        head, body = _frame_at(descriptor, spot.offset)
        frame = Frame(spot.sequence, layout.DATA, head[5], head, body)
        previous = preface.digest if spot.before < 0 else layout.leaf_hash(*_frame_at(descriptor, spot.before))
        found.append(Sealed(spot.sequence, opened(frame, ratchet.next_key(), previous, decompressor)))
    return found


def _last_spots(descriptor: int, start: int, preface: Preface, most: int) -> collections.deque[_Spot]:
    spots: collections.deque[_Spot] = collections.deque(maxlen=most)
    allowed = layout.rules(preface.header, preface.version)
    size = os.fstat(descriptor).st_size
    offset, before, epoch, number, sequence = start, -1, 0, 0, preface.header.first
    while offset + layout.FRAME_SIZE <= size:
        head = os.pread(descriptor, layout.FRAME_SIZE, offset)
        frame = layout.decode_frame_header(head, epoch, sequence, allowed)
        after = offset + layout.FRAME_SIZE + frame.length
        if after > size:
            break
        if frame.kind == layout.DATA:
            spots.append(_Spot(epoch, number, sequence, offset, before))
            number += 1
        else:
            epoch, number = epoch + 1, 0
        offset, before, sequence = after, offset, sequence + 1
    return spots


def _frame_at(descriptor: int, offset: int) -> tuple[bytes, bytes]:
    head = os.pread(descriptor, layout.FRAME_SIZE, offset)
    return head, os.pread(descriptor, int.from_bytes(head[:4], "big"), offset + layout.FRAME_SIZE)
