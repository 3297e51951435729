"""A whole ledger, proven without any key; reading changes nothing on disk.

- A segment that another follows counts up to where the next one says that it was found; what stands behind that was
  never acknowledged. That a segment was so left is among the view's warnings, for ever.
- The state file tells a ledger that was cut from one that was not; without it (a copy), only an anchor can.
"""

import contextlib
import fcntl
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeGuard

from wrapper.audit import entries as made
from wrapper.audit import format as layout
from wrapper.audit import ledgerscan, ledgerstate
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.audit.ledgerscan import Found
from wrapper.audit.ledgerstate import Loaded
from wrapper.audit.proofs import root
from wrapper.errors import AuditError

NOTE_PUB: Final = "note.pub"


class Segment(NamedTuple):
    """One proven segment: `origin` names its checkpoints, `vkey` verifies them (empty where it is not at hand)."""

    number: int
    origin: str
    vkey: str
    size: int
    root: bytes
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A proven ledger: its entries with their sequences, and the trees they are in.

    `warnings` says in one line each what a reviewer has to know of it: where a segment was left, what is not proven.
    `size`, `root`, `origin` and `vkey` are those of the last segment, `leaves` has those of each, in order.
    """

    entries: tuple[tuple[int, made.Entry], ...]
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many frames the last segment has."""
        return self.segments[-1].size

    @property
    def root(self) -> bytes:
        """The root over them."""
        return self.segments[-1].root

    @property
    def origin(self) -> str:
        """The first line of the last segment's checkpoints."""
        return self.segments[-1].origin

    @property
    def vkey(self) -> str:
        """The key that verifies the last segment's checkpoints, empty where it is not at hand."""
        return self.segments[-1].vkey

    @property
    def leaves(self) -> tuple[tuple[bytes, ...], ...]:
        """The leaf hashes of each segment; that of number 1 is the first."""
        return tuple(segment.leaves for segment in self.segments)

    @property
    def missing(self) -> int:
        """How many frames were acknowledged and are gone; no crash does that, so it is 0 or somebody cut the ledger."""
        return sum(entry.missing for _, entry in self.entries if _is_own(entry))

    def segment(self, number: int) -> Segment:
        """Return segment `number`. Raises AuditError where there is none."""
        if not 0 < number <= len(self.segments):
            raise AuditError(f"the ledger has no segment {number}")
        return self.segments[number - 1]


def read(folder: Path) -> View:
    """Prove the ledger in `folder`.

    Raises TamperedError and TruncatedError with the first thing that is not as it was acknowledged, AuditError where
    there is no ledger or it cannot be read.
    """
    try:
        with contextlib.ExitStack() as last_file:
            with ledgerscan.held(folder, fcntl.LOCK_SH):  # not while proving: writers would wait for seconds
                numbers = ledgerscan.numbers(folder)
                loaded = _loaded(folder)
                _must_be_whole(folder, numbers, loaded)
                last = last_file.enter_context(contextlib.closing(ledgerscan.Opened(folder, numbers[-1])))
            headers = [_header(folder, number) for number in numbers]
            found = [_left_behind(folder, *pair) for pair in itertools.pairwise(headers)]
            found.append(_running(last, loaded))
            vkey = _vkey(folder)
    except FileNotFoundError as error:
        raise AuditError(f"there is no ledger in `{folder}`") from error
    except OSError as error:
        raise AuditError(f"cannot read the ledger in `{folder}`: {error.strerror}") from error
    for one in found[1:]:
        _must_have_begun(one)
    entries = tuple((sequence, made.decode(sequence, data)) for one in found for sequence, data in one.records)
    segments = tuple(_segment(one, vkey) for one in found)
    return View(entries, segments, (*_left(entries), *_open_end(found[-1], loaded)))


def _loaded(folder: Path) -> Loaded:
    try:
        return ledgerstate.load(folder)
    except OSError as error:
        return Loaded(None, f"the state file cannot be read: {error.strerror}")


def _must_be_whole(folder: Path, numbers: list[int], loaded: Loaded) -> None:
    known = loaded.state.segment if loaded.state else 0
    if not numbers and not known:
        raise AuditError(f"there is no ledger in `{folder}`")
    wanted = range(1, max([*numbers, known]) + 1)
    if gone := sorted({*wanted} - {*numbers}):
        raise TruncatedError(f"segment {gone[0]} of the ledger is missing")


def _header(folder: Path, number: int) -> layout.LogHeader:
    with (folder / layout.segment_names(number)[1]).open("rb") as stream:
        return ledgerscan.preface_of(stream, number).header


def _left_behind(folder: Path, header: layout.LogHeader, follower: layout.LogHeader) -> Found:
    """Prove a segment as far as the one behind it says that it goes."""
    size = follower.first - header.first
    found = ledgerscan.prove(folder, header.segment, limit=size)
    _must_have(found, size, bytes.fromhex(follower.previous))
    return found


def _running(last: ledgerscan.Opened, loaded: Loaded) -> Found:
    """Prove the last segment, at least as far as the state says that it goes."""
    found, state = last.prove(), loaded.state
    if state is not None and state.segment == last.preface.header.segment:
        _must_have(found, state.size, state.tree().root())
    elif found.fault:
        raise found.fault
    return found


def _must_have(found: Found, size: int, expected: bytes) -> None:
    number, have = found.preface.header.segment, len(found.leaves)
    if have < size:
        raise found.fault or TruncatedError(
            f"segment {number} of the ledger: frame {found.preface.header.first + have} is missing",
            hint="it was acknowledged: the file was cut, or an older copy of it was put back",
        )
    if root(found.leaves[:size]) != expected:
        raise TamperedError(f"segment {number} of the ledger is another than the one that was acknowledged")


def _is_own(entry: made.Entry) -> TypeGuard[made.Recovered]:
    """Say whether an entry is about the ledger itself."""
    return isinstance(entry, made.Recovered) and not entry.session


def _must_have_begun(found: Found) -> None:
    """Refuse a segment that does not say first why the one before it was left."""
    number = found.preface.header.segment
    if not found.records:
        raise TruncatedError(f"segment {number} of the ledger: frame {found.preface.header.first} is missing")
    if not _is_own(made.decode(*found.records[0])):
        raise TamperedError(f"segment {number} of the ledger does not begin with why segment {number - 1} was left")


def _segment(found: Found, vkey: str) -> Segment:
    header = found.preface.header
    origin = ledgerscan.origin_of(header.session, header.segment)
    own = vkey if vkey.startswith(f"{ledgerscan.key_name(header.session)}+") else ""
    return Segment(header.segment, origin, own, len(found.leaves), found.root, found.leaves)


def _vkey(folder: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (folder / NOTE_PUB).read_text(encoding="ascii").strip()
    return ""


def _left(entries: tuple[tuple[int, made.Entry], ...]) -> Iterator[str]:
    for sequence, entry in entries:
        if _is_own(entry):
            what = f"frame {sequence}: segment {entry.segment} was left after {entry.size} frames: {entry.why}"
            lost = f", {entry.missing} frames are missing" if entry.missing else ""
            torn = f", {entry.torn} bytes behind it do not count" if entry.torn else ""
            yield f"{what}{lost}{torn}"


def _open_end(last: Found, loaded: Loaded) -> Iterator[str]:
    number, state = last.preface.header.segment, loaded.state
    if state is None:
        yield f"{loaded.why}: it would not be noticed if the end of the ledger were cut off"
    elif state.segment < number or state.size < len(last.leaves):
        yield "the ledger goes on behind what its state knows: a writer was killed, or an old state was put back"
    if last.torn:
        yield f"the last {last.torn} bytes of segment {number} are under no checkpoint and do not count"
    if last.fault:
        yield last.fault.what
