"""The folder of one workspace's sheets: writes them whole and durable, chained by session; reads what is good of them.

`<state>/provenance/<workspace id>/<session>-<n>.sheet`, n from 1. What a sheet looks like: `sheets`. Rules:
1. A sheet is on disk, whole, under its name, or not at all: it is written as a draft, which readers do not look at.
   What a killed writer left of a draft is removed an hour later by whoever writes next.
2. Each sheet names the hash of the one before it in its session. A sheet that is missing, or that is an older one put
   back, breaks the chain; what was cut off at the end, only the ledger tells (`index`), or that none says `ends`.
3. What is good is used even where another one is not: a fault never hides what an agent wrote.
"""

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from wrapper.durable import sync_folder
from wrapper.errors import ProvenanceError
from wrapper.provenance import sheets
from wrapper.provenance.commits import heard
from wrapper.provenance.key import Key
from wrapper.provenance.model import Fault, Sheet
from wrapper.provenance.sheets import Proven, Standing

CLAIM: Final = "claim-"
"""How the names of sheets begin that hold what somebody else claims: they are no session's."""

_NAME: Final = re.compile(r"(?P<session>[A-Za-z0-9][A-Za-z0-9._-]{0,127})-(?P<number>[1-9][0-9]{0,8})\.sheet", re.ASCII)
_DRAFT: Final = ".draft-"
_LEFT: Final = 3600.0  # seconds after which nobody writes at a draft any more


class Good(NamedTuple):
    """What is known of a sheet that is as it was written; `first`, `last`: times of what it tells of.

    `commits` are those that git knew when the session began, in the sheet that says so.
    """

    number: int
    leaf: bytes
    standing: Standing
    first: float
    last: float
    size: int
    lines: int
    emissions: int
    commits: tuple[str, ...] | None = None


class Chain(NamedTuple):
    """The sheets of one session: those that are good, in order, and what is wrong."""

    session: str
    good: tuple[Good, ...]
    faults: tuple[Fault, ...]

    @property
    def ends(self) -> bool:
        """Say whether its last sheet says that it is the last."""
        return bool(self.good) and self.good[-1].standing.ends

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaves of the good sheets."""
        return tuple(one.leaf for one in self.good)


class Store:
    """The sheets in `folder`, which is named by the workspace's id, under `key`; made at the first write."""

    def __init__(self, folder: Path, key: Key) -> None:
        self.folder = folder
        self._key = key
        self._last: dict[str, tuple[int, bytes]] = {}

    def write(self, sheet: Sheet, *, ends: bool = False, gap: str = "") -> Path:
        """Write a sheet, whole and durable or not at all; the last one of a session `ends` it.

        `gap` says why something of the session is missing before this sheet's end. `sheet.number` counts from 1 in the
        session without a hole. Raises ProvenanceError.
        """
        path, name = self.path(sheet.session, sheet.number), f"{sheet.session}-{sheet.number}.sheet"
        if not _NAME.fullmatch(name):
            raise ProvenanceError(f"`{name}` is no name of a sheet")
        try:
            if not self._last:
                self._prepare()
            if path.exists():
                raise ProvenanceError(f"there is a sheet `{path.name}` already", hint=_hint(sheet.session))
            data = sheets.packed(sheet, Standing(self.folder.name, self._before(sheet), ends, gap), self._key)
            self._place(path, data)
        except OSError as error:
            raise ProvenanceError(
                f"cannot write the index `{self.folder}`: {error.strerror}", hint="free space there, then rebuild"
            ) from error
        self._last[sheet.session] = (sheet.number, sheets.leaf(data))
        return path

    def leaf(self, session: str) -> bytes:
        """Return the leaf of the sheet of a session that was written here last. Raises KeyError where none was."""
        return self._last[session][1]

    def adopt(self, other: "Store", session: str) -> None:
        """Take over all sheets of a session from a store of the same file system. Raises ProvenanceError."""
        try:
            self._prepare()
            for number in other.names(session).get(session, ()):
                other.path(session, number).rename(self.path(session, number))
            sync_folder(self.folder)
        except OSError as error:
            raise ProvenanceError(f"cannot change the index `{self.folder}`: {error.strerror}") from error

    def remove(self, session: str) -> None:
        """Delete all sheets of a session, durably. Raises ProvenanceError."""
        try:
            for number in sorted(self.names(session).get(session, ()), reverse=True):
                self.path(session, number).unlink()
                sync_folder(self.folder)
        except OSError as error:
            raise ProvenanceError(f"cannot change the index `{self.folder}`: {error.strerror}") from error
        self._last.pop(session, None)

    def chains(self) -> Iterator[Chain]:
        """Prove session by session; holds one sheet at a time. Raises ProvenanceError where it cannot be listed."""
        for session, numbers in sorted(self.names().items()):
            yield self._chain(session, numbers)

    def sheets(self, beginning: str = "") -> Iterator[Sheet]:
        """Yield the good sheets of sessions whose name begins so, by session and number, each proven when read."""
        for session, numbers in sorted(self.names(beginning).items()):
            for number in numbers:
                found = self._read(session, number)
                if not isinstance(found, Fault):
                    yield found[1].sheet

    def faults(self) -> tuple[Fault, ...]:
        """Return what is damaged, cut, missing in a chain, of another key, or not ended."""
        return tuple(fault for chain in self.chains() for fault in (*chain.faults, *unended(chain)))

    def has(self, session: str, number: int) -> bool:
        """Say whether there is such a sheet, good or not."""
        return self.path(session, number).exists()

    def path(self, session: str, number: int) -> Path:
        """Return where a sheet is."""
        return self.folder / f"{session}-{number}.sheet"

    def names(self, beginning: str = "") -> dict[str, list[int]]:
        """Return the numbers of the sheets of each session whose name begins so, ascending. Raises ProvenanceError."""
        found: dict[str, list[int]] = {}
        try:
            with os.scandir(self.folder) as there:  # for each session in turn: it must pass quickly over all others
                for entry in there:
                    if entry.name.startswith(beginning) and (matched := _NAME.fullmatch(entry.name)):
                        found.setdefault(matched["session"], []).append(int(matched["number"]))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ProvenanceError(f"cannot read the index `{self.folder}`: {error.strerror}") from error
        return {session: sorted(numbers) for session, numbers in found.items()}

    def _chain(self, session: str, numbers: list[int]) -> Chain:
        there = set(numbers)
        faults = [_fault(session, f"sheet {n} is missing") for n in range(1, numbers[-1]) if n not in there]
        good: list[Good] = []
        for number in numbers:
            found = self._read(session, number)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                good.append(_good(*found))
        return Chain(session, tuple(good), (*faults, *_breaks(session, good)))

    def _read(self, session: str, number: int) -> tuple[bytes, Proven] | Fault:
        """Return the content of a sheet's file and what it says, or what is wrong with it."""
        try:
            data = _content(self.path(session, number))
            found = sheets.proven(data, self._key)
        except OSError as error:
            return _fault(session, f"sheet {number} cannot be read: {error.strerror}")
        except ProvenanceError as error:
            return _fault(session, f"sheet {number}: {error.what}", error.hint)
        if (found.sheet.session, found.sheet.number, found.standing.workspace) != (session, number, self.folder.name):
            return _fault(session, f"sheet {number} is that of another place")
        return data, found

    def _before(self, sheet: Sheet) -> bytes:
        """Return the leaf of the sheet before this one."""
        number, leaf = self._last.get(sheet.session, (0, bytes(32)))
        if sheet.number == number + 1:
            return leaf
        found = self._read(sheet.session, sheet.number - 1)
        if isinstance(found, Fault):
            raise ProvenanceError(found.why, hint=found.hint)
        return sheets.leaf(found[0])

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self.folder.glob(f"{_DRAFT}*"):
            if time.time() - draft.stat().st_mtime > _LEFT:
                draft.unlink()
        sync_folder(self.folder.parent)

    def _place(self, path: Path, data: bytes) -> None:
        draft = self.folder / f"{_DRAFT}{os.urandom(8).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            draft.rename(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)


def unended(chain: Chain) -> tuple[Fault, ...]:
    """Return the fault of a session whose index has no end, where no other one says so."""
    is_told = chain.ends or not chain.good or chain.session.startswith(CLAIM)
    return () if is_told else (_fault(chain.session, "its index does not end: the session runs, or was killed"),)


def _good(data: bytes, found: Proven) -> Good:
    sheet = found.sheet
    rows = (len(data), len(sheet.lines), len(sheet.emissions))
    commits = next((said for one in sheet.emissions if (said := heard(one.origin)) is not None), None)
    return Good(sheet.number, sheets.leaf(data), found.standing, found.first, found.last, *rows, commits)


def _breaks(session: str, good: list[Good]) -> Iterator[Fault]:
    """Yield where a sheet does not follow the one before it, and what was lost while it was captured."""
    if good and good[0].number == 1 and any(good[0].standing.previous):
        yield _fault(session, "sheet 1 is not the first of its session")
    for before, one in itertools.pairwise(good):
        if one.number == before.number + 1 and one.standing.previous != before.leaf:
            yield _fault(session, f"sheet {one.number} is not the one that followed sheet {before.number}")
        if before.standing.ends and not session.startswith(CLAIM):
            yield _fault(session, f"sheet {one.number} was added behind the last one")
    for one in good:
        if one.standing.gap:
            hint = "" if session.startswith(CLAIM) else f"{_hint(session)}; what that does not bring back is in no log"
            yield _fault(session, f"not all of it was captured: {one.standing.gap}", hint)


def _fault(session: str, why: str, hint: str = "") -> Fault:
    return Fault(session, why, hint or _hint(session))


def _hint(session: str) -> str:
    return "import it again" if session.startswith(CLAIM) else f"`safe-agent provenance rebuild {session}`"


def _content(path: Path) -> bytes:
    """Read a regular file of a bounded size. Raises OSError, ProvenanceError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > sheets.LONGEST:
            raise ProvenanceError("it is too long to be a sheet")
        return file.read(sheets.LONGEST)
