"""Who claims what: notes of git-ai, records of Agent Trace, commit messages, each read into claims of lines.

What cannot be taken over is told with where it stands and why, and the rest is taken: one bad note must not hide
another's. Everything here is a stranger's.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from wrapper.errors import ProvenanceError, WorkspaceError
from wrapper.provenance.exchange import agenttrace, gitai, giving, trailers
from wrapper.provenance.exchange.claims import Claim
from wrapper.provenance.exchange.ranges import topmost
from wrapper.provenance.exchange.repository import Commit, Repository, parts

ORIGINS: Final[Mapping[str, str]] = {
    "git-ai": "git-ai note at",
    "agent-trace": "agent-trace record",
    "trailers": "commit message of",
}
"""How the origins of claims begin, by where they were taken from."""

_AT_ONCE: Final = 500  # commits
_UNKNOWN: Final = "unknown"
_NOBODY: Final = agenttrace.Contributor(type="unknown")


class Remark(NamedTuple):
    """What was not taken over, and why; `is_fault` where somebody meant it to be."""

    where: str
    why: str
    is_fault: bool = True


def from_notes(repository: Repository, revisions: str = "") -> Iterator[Claim | Remark]:
    """Yield what git-ai's notes of some commits, or of all, claim. Raises WorkspaceError where git fails."""
    notes = repository.notes(gitai.REF)
    wanted = [one for one in repository.commits(revisions) if one in notes] if revisions else list(notes)
    for some in parts(wanted, _AT_ONCE):
        commits = {commit.id: commit for commit in repository.about(some)}
        of: dict[str, list[Commit]] = {}
        for commit in commits.values():
            of.setdefault(notes[commit.id], []).append(commit)
        for blob, note in repository.contents(list(of)):
            for commit in of.pop(blob):
                yield from _told(note, commit)
        left = [commit for missing in of.values() for commit in missing]
        yield from (Remark(f"{ORIGINS['git-ai']} {commit.id}", "it is too large, or not there") for commit in left)


def from_records(repository: Repository, data: bytes, name: str, at: str = "") -> Iterator[Claim | Remark]:
    """Yield what records of Agent Trace in the file `name` claim; `at`: of which commit, where a record names none.

    Raises WorkspaceError where git does not know `at`.
    """
    fallback = repository.commit_id(at) if at else ""
    number = 0
    try:
        for number, raw in enumerate(agenttrace.records(data), 1):
            where = f"record {number} of {name}"
            try:
                yield from _recorded(repository, agenttrace.read(raw), where, fallback)
            except ProvenanceError as error:
                yield Remark(where, error.what)
    except ProvenanceError as error:
        yield Remark(name, error.what)


def from_trailers(repository: Repository, revisions: str = "") -> Iterator[Claim | Remark]:
    """Yield what messages of some commits, or of all, claim: the lines that the commit added.

    Raises WorkspaceError where git fails.
    """
    commits = repository.commits(revisions) if revisions else repository.history()
    for some in parts(commits, _AT_ONCE):
        told = {one.id: (one, trailers.read(one.message, one.address)) for one in repository.about(some)}
        named = [commit for commit in some if commit in told and told[commit][1]]
        if not named:
            continue
        changes = list(repository.changes(named))
        left = {change.commit for change in changes}
        for change, ranges in repository.added(changes):
            left.discard(change.commit)
            commit, agents = told[change.commit]
            origin = f"{ORIGINS['trailers']} {commit.id}"
            for one in agents if ranges else ():
                agent = one.agent or _UNKNOWN
                yield Claim(commit.id, change.path, ranges, agent, one.model, one.session, origin, commit.at)
        for name in sorted(left):
            yield Remark(f"{ORIGINS['trailers']} {name}", "the commit changes too much to be read")


def _told(note: bytes, commit: Commit) -> Iterator[Claim | Remark]:
    where = f"{ORIGINS['git-ai']} {commit.id}"
    try:
        yield from _noted(gitai.read(note), commit, where)
    except ProvenanceError as error:
        yield Remark(where, error.what)


def _noted(log: gitai.Log, commit: Commit, where: str) -> Iterator[Claim | Remark]:
    persons = 0
    for file in log.files:
        counted = topmost([entry.ranges for entry in file.entries])  # of two entries for a line, the last one counts
        for entry, ranges in zip(file.entries, counted, strict=True):
            if gitai.is_persons(entry.key):
                persons += sum(one.last - one.first + 1 for one in ranges)
            elif ranges:
                agent = log.agent(entry.key) or gitai.Agent(_UNKNOWN, entry.key, "", b"")
                model = "" if agent.model == _UNKNOWN else agent.model
                yield Claim(commit.id, file.path, ranges, agent.tool or _UNKNOWN, model, agent.id, where, commit.at)
    if persons:
        yield Remark(where, f"that a person wrote {persons} lines is nobody's evidence", is_fault=False)


def _recorded(repository: Repository, record: agenttrace.Record, where: str, fallback: str) -> Iterator[Claim | Remark]:
    if record.vcs is not None and record.vcs.type != "git":
        yield Remark(where, f"its revision is one of {record.vcs.type}")
        return
    commit = _commit(repository, record.vcs.revision if record.vcs else fallback)
    if commit is None:
        named = f"git has no commit `{record.vcs.revision[:64]}`" if record.vcs else "it names no revision: say `--at`"
        yield Remark(where, named)
        return
    origin = f"{ORIGINS['agent-trace']} {record.id} at {commit.id}"
    clients = giving.clients(record)
    tool = (record.tool.name if record.tool else "") or ""
    for file in record.files:
        for conversation in file.conversations:
            session = conversation.url or ""
            for one in conversation.ranges:
                who = one.contributor or conversation.contributor or _NOBODY
                if who.type not in ("ai", "mixed"):
                    lines = f"lines {one.start_line}-{one.end_line}"
                    yield Remark(f"{origin}, {file.path}", f"{lines}: contributor is {who.type}", is_fault=False)
                    continue
                provider, _, model = (who.model_id or "").rpartition("/")
                agent = clients.get(session) or tool or provider or _UNKNOWN
                said = f"{origin} (mixed)" if who.type == "mixed" else origin
                hashed = one.content_hash or ""
                yield Claim(commit.id, file.path, (one.lines,), agent, model, session, said, commit.at, hashed)


def _commit(repository: Repository, revision: str) -> Commit | None:
    """Find the commit of an id; a stranger's record may name nothing else: no branch, no path."""
    if not revision or not set(revision) <= set("0123456789abcdef"):
        return None
    with contextlib.suppress(WorkspaceError):
        return next(repository.about([repository.commit_id(revision)]), None)
    return None
