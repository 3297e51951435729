"""The ledger of a machine: which sessions were begun, how far their logs came, who read them.

It is a log like that of a session (`format`), not encrypted and never ended, which the processes of one user add to by
turns. It makes visible what a session's own log cannot: that one is gone, or was cut. `docs/ledger.md` has it whole.

What an append promises, and how:
- What it acknowledged is proven for ever: entries and a signed checkpoint are on disk before it returns, and the key
  that signed is gone by then.
- One writer at a time (flock(2) on the folder); the end of the log and the next key are handed on in the state file.
- Nothing is ever written over, and nothing signed twice. Where log and state do not agree (a writer was killed, the
  disk was full, somebody cut or replaced one of them), the ledger goes on in a new segment, whose first entry says so.
  That never stops a session, and it is visible for ever.
- The log goes to disk before the state: a state that knows more than the log has means that the log was cut.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wrapper.audit import entries as made
from wrapper.audit import format as layout
from wrapper.audit import ledgerscan, ledgersheet, ledgerstate, notes
from wrapper.audit.ledgerstate import State
from wrapper.audit.ledgerview import NOTE_PUB, Segment, View, read
from wrapper.audit.proofs import root
from wrapper.audit.refusals import hint
from wrapper.durable import sync_folder
from wrapper.errors import AuditError

__all__ = ["NOTE_KEY", "NOTE_PUB", "Ledger", "Position", "Segment", "View", "read"]

NOTE_KEY: Final = "note.key"
_DRAFT: Final = ".draft"
_CHECKPOINT: Final = layout.FRAME_SIZE + layout.CHECKPOINT_SIZE  # each append ends in one
_YEAR_10000: Final = 253402300799.0


class Position(NamedTuple):
    """Where the ledger stands: `size` frames in the segment `segment`, and the root over them (32 bytes)."""

    segment: int
    size: int
    root: bytes


class _Break(NamedTuple):
    """Why the last segment cannot be gone on with, and the state that is there."""

    why: str
    state: State | None


class _Start(NamedTuple):
    """Where a new segment begins; `recovered` says why, None for a ledger's first."""

    number: int
    first: int
    previous: str
    recovered: made.Recovered | None


class Ledger:
    """The ledger in `folder`, which is made at the first append. Any number of processes may have one."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def append(self, *entries: made.Entry) -> Position:
        """Add entries; they are on disk and signed when it returns. Raises AuditError where they are not."""
        records = [made.encode(entry) for entry in entries]
        with _failing("write", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with ledgerscan.held(self._folder, fcntl.LOCK_EX):
                standing = self._standing()
                if isinstance(standing, State):
                    state = self._go_on(standing, records)
                else:
                    state = self._begin(standing, records)
        return Position(state.segment, state.size, state.tree().root())

    def note(self) -> str:
        """Return the ledger's checkpoint of now as a signed note (C2SP tlog-checkpoint). Raises AuditError."""
        with _failing("sign a checkpoint of", self._folder):
            try:
                with ledgerscan.held(self._folder, fcntl.LOCK_EX):
                    state, key = self._signing()
            except FileNotFoundError as error:
                raise AuditError(f"there is no ledger in `{self._folder}`") from error
        origin = ledgerscan.origin_of(state.ledger, state.segment)
        message = notes.text(notes.Checkpoint(origin, state.size, state.tree().root()))
        return f"{message}\n{notes.sign(message, key)}"

    def _signing(self) -> tuple[State, notes.NoteKey]:
        """Return the state that a note is of, and the key that signs it."""
        standing = self._standing()
        if standing is None:
            raise AuditError(f"there is no ledger in `{self._folder}`")
        key = self._note_key()
        if isinstance(standing, State) and standing.ledger != ledgerscan.ledger_name(key.public):
            standing = _Break("its note key is another than before", standing)
        return standing if isinstance(standing, State) else self._begin(standing, []), key

    def _now(self) -> float:
        """Return the time; a clock that is far off must not keep a ledger from going on."""
        return min(max(0.0, self._clock()), _YEAR_10000)

    def _log(self, number: int) -> Path:
        return self._folder / layout.segment_names(number)[1]

    def _standing(self) -> State | _Break | None:
        """Return the state to go on from, or why that is not possible; None where there is no ledger yet."""
        numbers = ledgerscan.numbers(self._folder)
        state, why = ledgerstate.load(self._folder)
        if not numbers:
            is_new = state is None and not (self._folder / NOTE_KEY).exists()
            return None if is_new else _Break("its log is missing", state)
        if state is None:
            return _Break(why, None)
        if state.segment != numbers[-1]:
            is_newer = state.segment > numbers[-1]
            return _Break("its log is missing" if is_newer else "its state is that of an earlier segment", state)
        why = self._disagreement(state)
        return _Break(why, state) if why else state

    def _disagreement(self, state: State) -> str:
        """Say what is wrong with the end of the log; nothing where it is as the state has it."""
        with self._log(state.segment).open("rb", buffering=0) as log:
            size = os.fstat(log.fileno()).st_size
            if size != state.end:
                return "its log was cut" if size < state.end else "its log goes on behind what its state knows"
            tail = os.pread(log.fileno(), _CHECKPOINT, size - _CHECKPOINT)
        is_known = layout.leaf_hash(tail[: layout.FRAME_SIZE], tail[layout.FRAME_SIZE :]) == state.tip
        return "" if is_known else "its log is another than its state knows"

    def _go_on(self, state: State, records: list[bytes]) -> State:
        data, after = ledgersheet.written(state, records)
        log = os.open(self._log(state.segment), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _write(log, data)
            os.fdatasync(log)
        finally:
            os.close(log)
        ledgerstate.store(self._folder, after)
        return after

    def _begin(self, broken: _Break | None, records: list[bytes]) -> State:
        """Begin a segment; its first entry says why the one before was left."""
        start = self._start(broken) if broken else _Start(1, 0, "", None)
        if start.recovered:
            records = [made.encode(start.recovered), *records]
        signer = Ed25519PrivateKey.generate()
        name = ledgerscan.ledger_name(self._note_key().public)
        header = self._header(start, name, signer)
        digest = layout.header_hash(header)
        turn = broken.state.turn if broken and broken.state else 0
        key = signer.private_bytes_raw()
        blank = State(turn, name, start.number, start.first, digest, 0, len(header), 0, digest, (), key)
        data, after = ledgersheet.written(blank, records)
        self._place(self._log(start.number), header + data, 0o600)
        ledgerstate.store(self._folder, after)
        return after

    def _header(self, start: _Start, name: str, signer: Ed25519PrivateKey) -> bytes:
        return layout.encode_header(
            layout.LogHeader(
                session=name,
                segment=start.number,
                created=self._now(),
                recipients=(),
                key_file="",
                key_commitment="",
                verification_key=signer.public_key().public_bytes_raw().hex(),
                previous=start.previous,
                first=start.first,
            )
        )

    def _start(self, broken: _Break) -> _Start:
        """Look at what is left of the last segment; what cannot be proven of it is not gone on from."""
        numbers = ledgerscan.numbers(self._folder)
        known = broken.state
        segment, size, first, over, torn = 0, 0, 0, root(()), 0
        if numbers:
            segment, torn = numbers[-1], self._log(numbers[-1]).stat().st_size
            with contextlib.suppress(AuditError):
                vouched = known.size if known and known.segment == segment else 0
                found = ledgerscan.prove(self._folder, segment, known=vouched)
                size, over, torn = len(found.leaves), found.root, found.torn
                first = found.preface.header.first + size
        missing = max(0, known.first + known.size - first) if known else 0
        recovered = made.Recovered(self._now(), "", segment, size, over.hex(), torn, missing=missing, why=broken.why)
        number = max(segment, known.segment if known else 0) + 1
        return _Start(number, first, over.hex(), recovered) if number > 1 else _Start(1, 0, "", recovered)

    def _note_key(self) -> notes.NoteKey:
        """Return the key that signs checkpoints; made where there is none, one that is damaged is kept beside it."""
        path = self._folder / NOTE_KEY
        try:
            return notes.NoteKey.parse(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            pass
        except (UnicodeDecodeError, AuditError):
            path.rename(path.with_name(f"{NOTE_KEY}.damaged"))
        private = Ed25519PrivateKey.generate()
        name = ledgerscan.key_name(ledgerscan.ledger_name(private.public_key().public_bytes_raw()))
        key = notes.NoteKey(name, private)
        self._place(self._folder / NOTE_PUB, f"{key.vkey()}\n".encode(), 0o644)
        self._place(path, f"{key.encoded()}\n".encode(), 0o600)
        return key

    def _place(self, path: Path, data: bytes, mode: int) -> None:
        """Make a file, whole and durable or not at all."""
        draft = self._folder / _DRAFT
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(draft, flags, mode)
        try:
            _write(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            draft.unlink()
            raise
        finally:
            os.close(descriptor)
        draft.rename(path)
        sync_folder(self._folder)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def _failing(what: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(f"cannot {what} the ledger: {error.strerror}", hint=hint(error, folder)) from error
