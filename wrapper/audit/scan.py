"""Walks a log frame by frame and proves each; the one place where verification happens.

Without the log key, signatures and the tree are checked; with it also that every record decrypts in its place.
The walk stops at the first thing that is not as written and says which frame that was. Memory is bounded by one frame.
"""

import collections
import os
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError, TruncatedError

_NO_KEY: Final = bytes(32)


class Sealed(NamedTuple):
    """One proven record, not decrypted where the walk has no key."""

    sequence: int
    record: bytes | None


def read_header(stream: BinaryIO) -> tuple[layout.LogHeader, bytes]:
    """Return a log's header and its hash; the stream then stands at the first frame. Raises as `format` does."""
    prefix = stream.read(layout.PREFIX_SIZE)
    length = layout.decode_prefix(prefix)
    text = stream.read(length)
    if len(text) < length:
        raise TruncatedError("the log ends inside its header")
    return layout.decode_header(text), layout.header_hash(prefix + text)


class Walk:
    """One pass over the frames of `stream`, which stands behind the header; iterate it once, then read its counts.

    `frames` counts those proven, `records` the DATA frames among them, `signed` those under a verified signature.
    `sealed` says that an END frame closed the log, `torn` how many bytes of an unfinished frame stand at the end.
    Raises TamperedError.
    """

    def __init__(
        self, stream: BinaryIO, header: layout.LogHeader, header_hash: bytes, log_key: bytes | None = None
    ) -> None:
        self._stream = stream
        self._left = os.fstat(stream.fileno()).st_size - stream.tell()  # what a running session adds is for next time
        self._header = header_hash
        self._previous = header_hash
        self._verification = bytes.fromhex(header.verification_key)
        self._tree = layout.Tree()
        self._ratchet = None if log_key is None else layout.Ratchet(log_key)
        self._cipher = self._next_cipher()
        self._epoch = 0
        self.records = self.signed = self.torn = 0
        self.sealed = False

    @property
    def frames(self) -> int:
        """How many frames have been proven."""
        return self._tree.size

    def __iter__(self) -> Iterator[Sealed]:
        while (frame := self._read()) is not None:
            head, kind, body = frame
            sequence = self._tree.size
            record = self._open(head, body, sequence) if kind == layout.DATA else None
            if kind != layout.DATA:
                self._check(head, kind, body, sequence)
            self._previous = layout.leaf_hash(head, body)
            self._tree.add(self._previous)
            if kind == layout.DATA:
                self.records += 1
                yield Sealed(sequence, record)
            else:
                self.signed = self._tree.size

    def _read(self) -> tuple[bytes, int, bytes] | None:
        """Return the next frame; None at the end, where `torn` says whether it is a clean one."""
        if self._left and self.sealed:
            raise TamperedError(f"frame {self._tree.size}: bytes follow the END frame")
        self.torn = self._left
        if self._left < layout.FRAME_SIZE:
            return None
        head = self._stream.read(layout.FRAME_SIZE)
        frame = layout.decode_frame_header(head, self._epoch, self._tree.size)
        if frame.length > self._left - layout.FRAME_SIZE:
            return None
        self._left -= layout.FRAME_SIZE + frame.length
        return head, frame.kind, self._stream.read(frame.length)

    def _open(self, head: bytes, body: bytes, sequence: int) -> bytes | None:
        if self._cipher is None:
            return None
        try:
            return self._cipher.decrypt(layout.nonce(sequence), body, head + self._previous)
        except InvalidTag as error:
            raise TamperedError(f"frame {sequence}: does not decrypt: changed, or not the one written here") from error

    def _check(self, head: bytes, kind: int, body: bytes, sequence: int) -> None:
        root, named, signature = body[:32], body[32:64], body[64:]
        if root != self._tree.root():
            raise TamperedError(f"frame {sequence}: the checkpoint is over other frames than those before it")
        try:
            message = layout.signed_message(self._header, head, root, named)
            Ed25519PublicKey.from_public_bytes(self._verification).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise TamperedError(f"frame {sequence}: the checkpoint's signature is not valid") from error
        self.sealed = kind == layout.END
        if self.sealed != (named == _NO_KEY):
            raise TamperedError(f"frame {sequence}: the checkpoint names a wrong next key")
        self._verification = named
        self._cipher = self._next_cipher()
        self._epoch += 1

    def _next_cipher(self) -> AESGCM | None:
        return None if self._ratchet is None else AESGCM(self._ratchet.next_key())


def last_records(descriptor: int, start: int, header_hash: bytes, log_key: bytes, most: int) -> list[Sealed]:
    """Return up to `most` records from the end of the log, decrypted; what lies before them is skipped, not proven.

    `start` is the offset of the first frame. Raises TamperedError where a record does not decrypt in its place.
    """
    places: collections.deque[tuple[int, int, int, int]] = collections.deque(maxlen=most)
    size = os.fstat(descriptor).st_size
    offset, before, epoch, sequence = start, -1, 0, 0
    while offset + layout.FRAME_SIZE <= size:
        frame = layout.decode_frame_header(os.pread(descriptor, layout.FRAME_SIZE, offset), epoch, sequence)
        after = offset + layout.FRAME_SIZE + frame.length
        if after > size:
            break
        if frame.kind == layout.DATA:
            places.append((epoch, sequence, offset, before))
        else:
            epoch += 1
        offset, before, sequence = after, offset, sequence + 1
    ratchet = layout.Ratchet(log_key)
    keys = {number: ratchet.next_key() for number in range(epoch + 1)} if places else {}
    return [
        Sealed(number, _open_at(descriptor, keys[period], number, here, _leaf_at(descriptor, previous, header_hash)))
        for period, number, here, previous in places
    ]


def _frame_at(descriptor: int, offset: int) -> tuple[bytes, bytes]:
    head = os.pread(descriptor, layout.FRAME_SIZE, offset)
    return head, os.pread(descriptor, int.from_bytes(head[:4], "big"), offset + layout.FRAME_SIZE)


def _leaf_at(descriptor: int, offset: int, header_hash: bytes) -> bytes:
    return header_hash if offset < 0 else layout.leaf_hash(*_frame_at(descriptor, offset))


def _open_at(descriptor: int, key: bytes, sequence: int, offset: int, previous: bytes) -> bytes:
    head, body = _frame_at(descriptor, offset)
    try:
        return AESGCM(key).decrypt(layout.nonce(sequence), body, head + previous)
    except InvalidTag as error:
        raise TamperedError(f"frame {sequence}: does not decrypt: changed, or not the one written here") from error
