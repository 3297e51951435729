"""Reads a file, its git history and the index, and says whose each line is: what `safe-agent blame` prints."""

import itertools
import os
import stat
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.places import Places
from wrapper.policy.model import Policy
from wrapper.provenance import lineage
from wrapper.provenance.attribution import NOBODY, Former, Lineage, LineOrigin, Rules, State, attributed, lines_of
from wrapper.provenance.index import Index, SessionState, workspace_ids
from wrapper.provenance.lineage import STAGED, Committed, Graph, History
from wrapper.provenance.model import Codes, Emission, Fault, Kind
from wrapper.provenance.packing import opened
from wrapper.provenance.pairing import Flags
from wrapper.provenance.prints import plain_codes

if TYPE_CHECKING:
    from wrapper.provenance.key import Key
    from wrapper.provenance.matching import Matcher

__all__ = ["STAGED", "Blamed", "Blaming", "Committed", "blamed"]

_LARGEST: Final = 64 << 20  # bytes of a file that is blamed


@dataclass(frozen=True, slots=True)
class Blamed:
    r"""A file, and whose each of its lines is; lines end with `\n`, what follows the last one is a line if not empty.

    `path`: in its repository, else as it was named. `commits`: of each line, None where it is not committed.
    `emissions`: those that `origins` name, by their number. `faults`: why the index may not tell everything.
    """

    path: str
    revision: str
    text: bytes
    origins: tuple[LineOrigin, ...]
    commits: tuple[Committed | None, ...]
    emissions: Mapping[int, Emission]
    faults: tuple[Fault, ...]

    def emission(self, number: int) -> Emission:
        """Give an emission that a line names."""
        return self.emissions[number]

    @property
    def lines(self) -> list[bytes]:
        """The lines that `origins` and `commits` are of."""
        return lines_of(self.text)


class _Writes(NamedTuple):
    """By path: the sessions in which an agent wrote more than is kept, and those that saw it written from outside."""

    cut: Mapping[str, set[str]]
    seen: Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Blaming:
    """The index of a user, opened once for many files. `root`: the workspace whose sessions count as its own.

    `faults`: why the index does not tell everything. `sessions`: those of all workspaces, by id.
    """

    matcher: "Matcher"
    key: "Key"
    root: Path
    rules: Rules
    faults: tuple[Fault, ...]
    sessions: Mapping[str, SessionState]
    _graphs: dict[str, Graph] = field(default_factory=dict)
    _present: dict[tuple[str, frozenset[str]], frozenset[str]] = field(default_factory=dict)
    _writes: "dict[Matcher, _Writes]" = field(default_factory=dict)
    _had: dict[tuple[str, str], Codes | None] = field(default_factory=dict)

    @classmethod
    def open(cls, places: Places, root: Path, policy: Policy) -> "Blaming":
        """Open all indexes of this user. Raises ProvenanceError where there is no key or an index cannot be read."""
        from wrapper.provenance.key import FILE, load  # noqa: PLC0415 (loads cryptography)
        from wrapper.provenance.matching import Matcher  # noqa: PLC0415 (loads numpy)

        key = load(places.config / FILE)
        index = Index.open(places.state, key)
        matcher = Matcher(opened(index, key, places), key.coder())
        said = policy.provenance
        rules = Rules(said.sticky, State(said.unwatched), counts_claims=said.claims == "count")
        return cls(matcher, key, root.resolve(), rules, index.faults, index.sessions)

    def blamed(self, path: Path, revision: str | None = None, text: bytes | None = None) -> Blamed:
        """Blame a file as it is on disk, or in a revision of the git repository around it (`:`: as it is staged).

        `text` is blamed in its place, if given: then `revision` only says where its history begins. Raises
        WorkspaceError where the file cannot be read.
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100 (a link is the file that was named, not its target)
        layout = git_layout(path.parent)
        name = lineage.relative(layout, path) if layout is not None else path.name
        if text is None:
            text = _read(path) if revision is None else _stored(layout, path, revision)
        found = None if layout is None else lineage.history(layout, name, text, revision)
        commits = found.commits if found else (None,) * len(lines_of(text))
        origins = attributed(text, self.matcher, self._lineage(found, text), self.rules)
        numbers = {origin.emission for origin in origins} - {NOBODY}
        emissions = {number: self.matcher.pack.emission(number) for number in sorted(numbers)}
        return Blamed(name, revision or "", text, origins, commits, emissions, self.faults)

    def attributed(self, text: bytes, path: Path | None = None) -> tuple[LineOrigin, ...]:
        """Say whose the lines of a text are; with `path` as if it were that file's next version."""
        if path is not None:
            return self.blamed(path, text=text).origins
        return attributed(text, self.matcher, self._lineage(None, text), self.rules)

    def emission(self, number: int) -> Emission:
        """Give an emission that a line names. Raises ProvenanceError where it cannot be read."""
        return self.matcher.pack.emission(number)

    def _lineage(self, found: History | None, text: bytes) -> Lineage:
        ours = workspace_ids(self.key, self.root)
        here = {session: state for session, state in self.sessions.items() if state.workspace in ours}
        starts = [state.first for state in self.sessions.values() if state.workspace in (*ours, "")]
        is_dated = not any(fault.session == "" for fault in self.faults)
        first = min(starts, default=inf) if is_dated else -inf
        known = Lineage(first=first, is_whole=not self.faults, sessions=frozenset(here))
        if found is None:
            return known
        is_cut = self.rules.unwatched is State.HUMAN and not self._cut(found.path).isdisjoint(here)
        known = replace(known, there=partial(self._there, found, text), is_cut=is_cut)
        if found.base is None:
            return known
        commits = self._graph(found)
        dates = commits.dates
        unproven = self._unproven(found, commits, frozenset(here))
        since = min((state.first for state in self.sessions.values() if state.sheets), default=inf)
        return replace(
            known,
            committed=lineage.committed_times(found, dates) if dates else (),
            watched=self._watched(found, dates, here),
            formers=partial(_formers, found, text, since),
            unproven=unproven,
            undated=unproven.get(min(here, key=lambda one: here[one].first, default=""), frozenset()),
        )

    def _graph(self, found: History) -> Graph:
        if found.revision not in self._graphs:
            try:
                self._graphs[found.revision] = lineage.graph(found.layout, found.revision, time.time())
            except (OSError, SubprocessError, ValueError):  # then no date proves anything
                self._graphs[found.revision] = Graph({}, {})
        return self._graphs[found.revision]

    def _unproven(self, found: History, commits: Graph, here: frozenset[str]) -> dict[str, frozenset[int]]:
        """Name, for each session, the lines whose commits git did not know when it began.

        Only of sessions of which that is known, and whose history is still here: else dates are all there is.
        """
        told = sorted(
            (state.first, one, state.commits) for one, state in self.sessions.items() if state.commits is not None
        )
        there = self._there_of(found, frozenset(tip for _, _, tips in told for tip in tips or ()))
        known = lineage.first_known(commits, [(one, tips or ()) for _, one, tips in told])
        when = [inf if one is None else known.get(one.id, len(told)) for one in found.commits]
        return {
            one: frozenset(line for line, number in enumerate(when) if number > at)
            for at, (_, one, tips) in enumerate(told)
            if (not there.isdisjoint(tips or ()) if tips else one in here)
        }

    def _there_of(self, found: History, ids: frozenset[str]) -> frozenset[str]:
        """Say which of these commits the repository has, asking it once for all files; all, where it cannot be asked.

        Then no date is believed.
        """
        key = str(found.layout.git_dir), ids
        if key not in self._present:
            try:
                self._present[key] = lineage.present(found.layout, sorted(ids))
            except (OSError, SubprocessError, ValueError):
                self._present[key] = ids
        return self._present[key]

    def _there(self, found: History, text: bytes, session: str) -> Flags | None:
        """Say which lines git had when a session began, wherever; None where nobody knows."""
        tips = self.sessions[session].commits if session in self.sessions else None
        if not tips:
            return None
        place = (str(found.layout.git_dir), session)
        if place not in self._had:
            self._had[place] = self._lines_at(found, tips)
        had = self._had[place]
        return None if had is None else np.isin(plain_codes(text), had)[: len(lines_of(text))]

    def _lines_at(self, found: History, tips: Sequence[str]) -> Codes | None:
        try:
            there = lineage.present(found.layout, tips)
            contents = lineage.contents_at(found.layout, [tip for tip in tips if tip in there])
            return np.unique(np.concatenate([np.empty(0, np.uint64), *(plain_codes(data) for data in contents)]))
        except (OSError, SubprocessError, ValueError):
            return None

    def _watched(self, found: History, dates: Mapping[str, float], here: Mapping[str, SessionState]) -> frozenset[int]:
        """Name the lines whose commit and the one before it were made in one whole session that saw a write outside."""
        lines = [
            (line, session)
            for line, one in enumerate(found.commits)
            for session, state in here.items()
            if one is not None and one.previous and state.is_whole and _within(state, dates, one)
        ]
        seen = self._seen(found.path) - self._cut(found.path) if lines else frozenset()
        return frozenset(line for line, session in lines if session in seen)

    def _cut(self, path: str) -> frozenset[str]:
        """Name the sessions in which an agent wrote more into a file, or a folder around it, than is kept.

        A tool may have named it from a folder within the repository, so any names that follow each other count.
        """
        cut, names = self._written().cut, path.split("/")
        runs = itertools.combinations(range(len(names) + 1), 2)
        return frozenset(session for start, end in runs for session in cut.get("/".join(names[start:end]), ()))

    def _seen(self, path: str) -> frozenset[str]:
        """Name the sessions that saw a file written from outside."""
        return frozenset(self._written().seen.get(path, ()))

    def _written(self) -> _Writes:
        """Read all emissions once, whatever the number of files: a year's index has hundreds of thousands."""
        if self.matcher not in self._writes:
            cut, seen = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
            for number in range(self.matcher.pack.emissions):
                one = self.matcher.pack.emission(number)
                if one.kind is Kind.WRITE and one.is_cut and one.path:
                    cut[one.path].add(one.session)
                elif one.kind is Kind.HOST:
                    seen[one.path].add(one.session)
            self._writes[self.matcher] = _Writes(cut, seen)
        return self._writes[self.matcher]


def blamed(path: Path, revision: str | None, *, places: Places, policy: Policy) -> Blamed:
    """Open the indexes and blame one file; for several, open `Blaming` once."""
    return Blaming.open(places, path.parent, policy).blamed(path, revision)


def _within(state: SessionState, dates: Mapping[str, float], commit: Committed) -> bool:
    return state.first <= dates.get(commit.previous, -inf) and commit.committed + 1 <= state.last


def _formers(found: History, text: bytes, since: float, lines: Sequence[int]) -> list[Former]:
    return lineage.formers(found, text, since, lines)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not block
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WorkspaceError(f"`{path}` is no regular file", hint="name a file")
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise WorkspaceError(f"cannot read `{path}`: {error.strerror}", hint="name a file") from error
    if len(data) > _LARGEST:
        raise WorkspaceError(f"`{path}` is larger than {_LARGEST >> 20} MiB", hint="nobody wrote that by hand")
    return data


def _stored(layout: GitLayout | None, path: Path, revision: str) -> bytes:
    if layout is None:
        raise WorkspaceError(f"`{path}` is in no git repository, so it has no revision `{revision}`")
    return lineage.content(layout, revision, lineage.relative(layout, path))
