"""What the writers of a ledger hand on to each other between two appends: the next signing key, and where the log ends.

- A file of two slots; a renewed state goes into the one that the last did not use, and only when it is on disk the
  other is filled with zeros. So a torn write leaves the last state, and no signing key is there when it was used.
- Both are written over the same blocks (pwrite(2)), so that a used key does not stay on the disk. That is as good as
  the file system and the disk are: those which write elsewhere each time (btrfs, ZFS, F2FS, flash) keep old blocks.
- What cannot be read back is no state: the ledger then goes on in a new segment, under a new key.
"""

import hashlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from wrapper.audit import format as layout
from wrapper.durable import sync_folder

STATE_FILE: Final = "state"
_DRAFT: Final = ".state"
_SLOT: Final = 4096  # a block of most file systems: 64 peaks of 32 bytes and 300 more have room in it
_SUM: Final = 32


class State(msgspec.Struct, frozen=True, array_like=True):
    """The end of a ledger's running segment, as its last writer left it.

    `turn` counts the states ever written. `ledger` is the name in the headers, `first` the sequence of the segment's
    first frame, `digest` the hash of its header, `end` its length in bytes, `tip` the leaf of its last frame. `peaks`
    are those of the tree over `size` frames, `key` the private key of the next checkpoint.
    """

    turn: int
    ledger: str
    segment: int
    first: int
    digest: bytes
    size: int
    end: int
    epoch: int
    tip: bytes
    peaks: tuple[bytes, ...]
    key: bytes

    def tree(self) -> layout.Tree:
        """Return the tree over the segment's frames."""
        return layout.Tree(self.size, self.peaks)


class Loaded(NamedTuple):
    """The newest state on disk, or None and why there is none."""

    state: State | None
    why: str = ""


def load(folder: Path) -> Loaded:
    """Read the state of the ledger in `folder`. Raises OSError, but not where there is none."""
    try:
        descriptor = os.open(folder / STATE_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Loaded(None, "the state file is missing")
    try:
        data = os.pread(descriptor, 2 * _SLOT, 0)
    finally:
        os.close(descriptor)
    states = [state for at in (0, _SLOT) if (state := _unpacked(data[at : at + _SLOT])) is not None]
    if not states:
        return Loaded(None, "the state file is damaged")
    return Loaded(max(states, key=lambda state: state.turn))


def store(folder: Path, state: State) -> None:
    """Bring a state to disk, and what was the last one's out of it. Raises OSError."""
    own, other = (state.turn % 2) * _SLOT, (1 - state.turn % 2) * _SLOT
    try:
        descriptor = os.open(folder / STATE_FILE, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        _store_new(folder, bytes(own) + _packed(state) + bytes(other))
        return
    try:
        _put(descriptor, _packed(state), own)
        _put(descriptor, bytes(_SLOT), other)
    finally:
        os.close(descriptor)


def _put(descriptor: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written
    os.fdatasync(descriptor)


def _store_new(folder: Path, data: bytes) -> None:
    draft = folder / _DRAFT
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _put(descriptor, data, 0)
    finally:
        os.close(descriptor)
    draft.rename(folder / STATE_FILE)
    sync_folder(folder)


def _packed(state: State) -> bytes:
    text = msgspec.msgpack.encode(state)
    slot = len(text).to_bytes(4, "big") + text
    return (slot + hashlib.sha256(slot).digest()).ljust(_SLOT, b"\0")


def _unpacked(slot: bytes) -> State | None:
    end = 4 + int.from_bytes(slot[:4], "big")
    if end == 4 or hashlib.sha256(slot[:end]).digest() != slot[end : end + _SUM]:
        return None
    try:
        return msgspec.msgpack.decode(slot[4:end], type=State)
    except msgspec.DecodeError:
        return None
