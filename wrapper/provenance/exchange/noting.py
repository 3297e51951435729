"""Puts what we know of commits into git-ai's notes: ours are brought up to date, others' are left as they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from wrapper.errors import ProvenanceError
from wrapper.provenance.exchange import gitai, giving
from wrapper.provenance.exchange.repository import Commit, Repository, parts
from wrapper.provenance.exchange.telling import File

WRITTEN: Final = "written"
UNCHANGED: Final = "unchanged"
NOTHING: Final = "nothing known"
LEFT: Final = "left as it is"

_MESSAGE: Final = "notes by safe-agent"
_AT_ONCE: Final = 100  # commits, whose notes are in memory at once


class Noted(NamedTuple):
    """What became of a commit's note, one of the words above, and how many lines of agents' it tells of now."""

    commit: str
    outcome: str
    lines: int = 0

    @property
    def is_left(self) -> bool:
        """Say whether a note of others stands there that we did not touch."""
        return self.outcome == LEFT

    @property
    def is_written(self) -> bool:
        """Say whether it is another note now."""
        return self.outcome == WRITTEN


@dataclass(frozen=True, slots=True)
class Noting:
    """Writes the notes of commits of which `known` gives what is known. `force`: over notes that are not ours, too."""

    repository: Repository
    known: Callable[[str], Sequence[File]]
    force: bool = False

    def note(self, commits: Sequence[str], *, dry: bool) -> list[Noted]:
        """Write them, some hundred in one go; with `dry`, only say what would be. Raises WorkspaceError."""
        there = self.repository.notes(gitai.REF)
        done: list[Noted] = []
        for some in parts(commits, _AT_ONCE):
            before = dict(self.repository.contents([there[one] for one in some if one in there]))
            fresh: dict[str, bytes] = {}
            done += [self._noted(commit, there, before, fresh) for commit in self.repository.about(some)]
            if fresh and not dry:
                self.repository.write_notes(gitai.REF, fresh, _MESSAGE)
        return done

    def _noted(
        self, commit: Commit, there: Mapping[str, str], before: Mapping[str, bytes], fresh: dict[str, bytes]
    ) -> Noted:
        files = self.known(commit.id)
        if not any(who.session for file in files for who in file.lines):
            return Noted(commit.id, NOTHING)
        standing = before.get(there[commit.id]) if commit.id in there else None
        is_foreign, ours = (False, None) if commit.id not in there else _looked_at(standing)
        if is_foreign and not self.force:
            return Noted(commit.id, LEFT)
        log = giving.note(commit.id, f"{commit.author} <{commit.address}>", files, ours)
        note = gitai.write(log)
        lines = _count(log)
        if note == standing:
            return Noted(commit.id, UNCHANGED, lines)
        fresh[commit.id] = note
        return Noted(commit.id, WRITTEN, lines)


def _looked_at(note: bytes | None) -> tuple[bool, gitai.Log | None]:
    """Say whether a note is somebody else's, and give it where it is ours; what cannot be read is not ours."""
    try:
        log = gitai.read(note) if note is not None else None
    except ProvenanceError:
        return True, None
    is_ours = log is not None and giving.is_ours(log)
    return not is_ours, log if is_ours else None


def _count(log: gitai.Log) -> int:
    entries: Iterable[gitai.Entry] = (entry for file in log.files for entry in file.entries)
    return sum(one.last - one.first + 1 for entry in entries if not gitai.is_persons(entry.key) for one in entry.ranges)
