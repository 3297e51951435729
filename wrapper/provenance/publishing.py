"""Gives out what is known of commits, signed by the ledger; judges a range of commits by that alone, on a server."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wrapper.audit import notes
from wrapper.audit.entries import Published
from wrapper.audit.ledger import Ledger
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.changes import Change, Changes
from wrapper.provenance.exchange.repository import Repository, parts
from wrapper.provenance.hunks import BY_AGENT
from wrapper.provenance.judgements import Said
from wrapper.provenance.model import Fault
from wrapper.provenance.prints import trivial
from wrapper.provenance.reviewing import Attribute, Attributed, is_too_large, words_on
from wrapper.provenance.standing import standing
from wrapper.provenance.statements import (
    NOBODY,
    REF,
    Approval,
    File,
    Span,
    Statement,
    Told,
    approved,
    encode,
    prove,
    told_in,
)

if TYPE_CHECKING:
    from wrapper.provenance.judgements import Judgements
    from wrapper.provenance.keyed import Keyed

_MESSAGE: Final = "reviews by safe-agent"
_AT_ONCE: Final = 20  # notes of strangers that are in memory at once
_FETCH: Final = (
    f"`git fetch origin {REF}:{REF}`; on the reviewer's machine: `safe-agent review --publish`, push that ref"
)


class Unapproved(NamedTuple):
    """Agent-written lines that a range adds, `first` to `last` from 1; nobody approved them, or they are rejected."""

    path: str
    first: int
    last: int
    state: str
    rejected: bool


class Gate(NamedTuple):
    """What a server can tell of a range: `faults` say what it cannot. `spans`: how many pieces of agents it saw."""

    left: tuple[Unapproved, ...]
    faults: tuple[Fault, ...]
    spans: int


class Publisher(NamedTuple):
    """What statements are made with: whose lines are whose, what was said of them, and the ledger that signs."""

    attribute: Attribute
    judgements: "Judgements"
    keyed: "Keyed"
    ledger: Path
    user: str

    def publish(self, changes: Changes, commits: Sequence[str], faults: Iterable[Fault] = ()) -> list[Statement]:
        """Note of each commit what is agent-written in what it changes, and who approved it.

        `faults` are those of the index as a whole. Raises AuditError where the ledger does not sign, WorkspaceError,
        and ProvenanceError where a note of another ledger stands: this machine may know less than that one.
        """
        known = tuple(faults)
        if not commits:
            return []
        for commit, note in _noted(changes, commits):
            if note is not None:
                _must_be_ours(commit, note, Ledger(self.ledger))
        newest_first = reversed(commits)  # of the newest commit's history every other one's is a part: asked for once
        statements = [self._statement(changes, commit, known) for commit in newest_first][::-1]
        entries = [Published(statement.at, statement.digest(), self.user) for statement in statements]
        Ledger(self.ledger).append(*entries)
        approvals = (approval.digest for statement in statements for approval in statement.approvals)
        stands = standing(self.ledger, (*(entry.digest for entry in entries), *approvals))
        written = {}
        for statement, entry in zip(statements, entries, strict=True):
            chains = tuple(stands.chains[approval.digest] for approval in statement.approvals)
            written[statement.commit] = encode(Told(statement, stands.note, stands.chains[entry.digest], chains))
        Repository.around(changes.top).write_notes(REF, written, _MESSAGE)
        return statements

    def _statement(self, changes: Changes, commit: str, faults: tuple[Fault, ...]) -> Statement:
        files, approvals, is_whole = [], dict[Approval, int](), not faults
        for change in changes.of(commit):
            if is_too_large(change):
                is_whole = False
                files.append(File(_named(change.path), change.blob, ()))
                continue
            blamed = self.attribute(change)
            is_whole &= not blamed.faults
            words = words_on(change, blamed, self.judgements, self.keyed)
            for said in words.values():
                if said is not None:
                    approvals.setdefault(_approval(said), len(approvals))
            files.append(File(_named(change.path), change.blob, tuple(_spans(change, blamed, words, approvals))))
        return Statement(
            commit=commit,
            at=time.time(),
            user=self.user,
            is_whole=is_whole,
            files=tuple(files),
            approvals=tuple(approvals),
        )


def _approval(said: Said) -> Approval:
    assert said is not None  # noqa: S101 (asked by the caller)
    return Approval(said.digest, said.verdict.value, said.user, said.at, said.reason)


def _spans(
    change: Change, blamed: Attributed, words: Mapping[int, Said], approvals: Mapping[Approval, int]
) -> Iterator[Span]:
    """Yield runs of lines of one state and one last word; lines that say nothing do not split them."""
    quiet = trivial(change.content).tolist()
    run: list[int] = []
    about = ("", NOBODY)
    before = 0
    for line in sorted(words):
        said = words[line]
        now = (blamed.origins[line].state.value, NOBODY if said is None else approvals[_approval(said)])
        if run and (now != about or not all(quiet[before + 1 : line])):
            yield _span(run, about)
            run = []
        run.append(line)
        about, before = now, line
    if run:
        yield _span(run, about)


def _span(run: Sequence[int], about: tuple[str, int]) -> Span:
    state, approval = about
    return Span(run[0] + 1, run[-1] + 1, "agent" if state == BY_AGENT[0] else "agent-edited", approval)


def gate(changes: Changes, base: str, tip: str, keys: Sequence[str]) -> Gate:
    """Judge what `tip` adds to `base` by the notes of its commits, which one of `keys` must have signed.

    Raises WorkspaceError where git fails, AuditError where a key is none.
    """
    files: dict[str, tuple[Statement, File]] = {}
    faults: list[Fault] = []
    for commit, note in _noted(changes, changes.commits(base, tip)):
        try:
            statement = _stated(changes, commit, note, keys)
        except (ProvenanceError, AuditError) as error:
            faults.append(Fault("", f"commit {commit[:12]}: {error.what}", error.hint))
            continue
        if not statement.is_whole:
            faults.append(Fault("", f"commit {commit[:12]}: the index that it was judged by was not whole", ""))
        files |= {file.blob: (statement, file) for file in statement.files}
    left: list[Unapproved] = []
    seen = 0
    for change in changes.between(base, tip):
        if not change.added:
            continue
        if change.blob not in files:
            faults.append(Fault("", f"`{change.path}`: no review speaks of what stands there", _FETCH))
            continue
        statement, file = files[change.blob]
        spans = [span for span in file.spans if not change.added.isdisjoint(range(span.first - 1, span.last))]
        seen += len(spans)
        left += [_unapproved(change, statement, span) for span in spans if not approved(statement, span)]
    return Gate(tuple(left), tuple(faults), seen)


def _unapproved(change: Change, statement: Statement, span: Span) -> Unapproved:
    return Unapproved(
        change.path, span.first, span.last, span.state, span.approval != NOBODY and not approved(statement, span)
    )


def _noted(changes: Changes, commits: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield commits, each with its note; none where there is none, or one that is too large to be ours."""
    repository = Repository.around(changes.top)
    there = repository.notes(REF)
    for some in parts(commits, _AT_ONCE):
        contents = dict(repository.contents([there[commit] for commit in some if commit in there]))
        yield from ((commit, contents.get(there.get(commit, ""))) for commit in some)


def _must_be_ours(commit: str, note: bytes, ledger: Ledger) -> None:
    """Refuse to write over what another machine said of a commit, or over what is no review."""
    with contextlib.suppress(ProvenanceError, AuditError):
        if _name(told_in(note).note) == _name(ledger.note()):
            return
    raise ProvenanceError(
        f"commit {commit[:12]} has a review of another ledger, which may know more",
        hint=f"publish on that machine, or take it away: git notes --ref={REF} remove {commit}",
    )


def _name(note: str) -> str:
    """Name the ledger that a checkpoint is of, without its segment."""
    return notes.parse(note).checkpoint.origin.rpartition("/")[0]


def _stated(changes: Changes, commit: str, note: bytes | None, keys: Sequence[str]) -> Statement:
    if note is None:
        raise ProvenanceError("it has no review that can be read", hint=_FETCH)
    statement = prove(note, commit, keys)
    there = {(_named(change.path), change.blob) for change in changes.of(commit)}
    if there != {(file.path, file.blob) for file in statement.files}:
        raise ProvenanceError("the review is about other files than the commit changes")
    return statement


def _named(path: str) -> str:
    """Write a path so that JSON can hold it: a name may be no UTF-8 (PEP 383)."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
