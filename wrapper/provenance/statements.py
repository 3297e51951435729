"""What one commit's files hold of agents' writing and who approved it, told to those who have no index; pure.

A statement goes with its commit as a git note (`refs/notes/safe-agent-review`). `docs/review.md` has the format. What
`prove` has shown when it returns:
1. The note is written in the one way that its content can be: so a changed bit is a changed content.
2. The ledger's checkpoint is signed by one of the keys that are trusted, as the ledger's own.
3. The statement's hash stands in that ledger: who holds the ledger said exactly this.
4. So does each approval, with the same verdict, person, time and reason, and before the statement.
5. It is about the commit that was asked for.
What it cannot show: that the machine which made it told all it knew, or that nobody was at its keyboard but a person.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from wrapper.audit import notes
from wrapper.audit.entries import Approved, Published
from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.inclusion import Chain, shown

REF: Final = "refs/notes/safe-agent-review"
NOBODY: Final = -1
_MAX_NOTE: Final = 64 << 20


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Agent-written lines, `first` to `last` from 1; `approval`: which of the statement's spoke of them last, or -1."""

    first: int
    last: int
    state: Literal["agent", "agent-edited"]
    approval: int = NOBODY


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the commit changes, as it leaves it: `blob` is git's id. Agent-written lines are in `spans`, all."""

    path: str
    blob: str
    spans: tuple[Span, ...]


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one person said; `digest` names it in the ledger. `at`: seconds since the epoch."""

    digest: str
    verdict: Literal["approved", "rejected"]
    user: str
    at: float
    reason: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of one commit. `is_whole`: the index had no fault: what is not named here is no work of a captured agent."""

    format: Literal["safe-agent review"] = "safe-agent review"
    version: Literal[1] = 1
    commit: str
    at: float
    user: str
    is_whole: bool
    files: tuple[File, ...]
    approvals: tuple[Approval, ...]

    def digest(self) -> str:
        """Return what the ledger has of it: the SHA-256 of its JSON without blanks, fields in their order."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the git note holds; bytes are in base64. `approved` has a chain for each of the statement's approvals."""

    statement: Statement
    note: str
    published: Chain
    approved: tuple[Chain, ...]


def encode(told: Told) -> bytes:
    """Return the bytes of the git note: JSON, indented, one line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def prove(data: bytes, commit: str, keys: Sequence[str]) -> Statement:
    """Prove a git note of `commit` by verifier keys of ledgers (C2SP signed-note), of which one must have signed.

    Raises TamperedError where anything of it is wrong, ProvenanceError where it is no such note, AuditError where a
    key is none.
    """
    told = told_in(data)
    note = notes.parse(told.note)
    _must_be_signed(note, keys)
    statement = told.statement
    published = shown(note.checkpoint, told.published)
    said = published.entry
    if not isinstance(said, Published) or (said.digest, said.user) != (statement.digest(), statement.user):
        raise TamperedError("the ledger has another statement than this one")
    if len(told.approved) != len(statement.approvals):
        raise TamperedError("the statement names approvals that nothing shows")
    for approval, chain in zip(statement.approvals, told.approved, strict=True):
        found = shown(note.checkpoint, chain)
        if found.sequence >= published.sequence or _approval(found.entry) != approval:
            raise TamperedError("the ledger has another approval than the statement says")
    if statement.commit != commit:
        raise TamperedError(f"the statement is about commit {statement.commit[:12]}")
    known = range(NOBODY, len(statement.approvals))
    if not all(span.approval in known for file in statement.files for span in file.spans):
        raise TamperedError("the statement has lines of an approval that it does not have")
    return statement


def approved(statement: Statement, span: Span) -> bool:
    """Say whether the last word on these lines is an approval."""
    return span.approval != NOBODY and statement.approvals[span.approval].verdict == "approved"


def told_in(data: bytes) -> Told:
    """Read a git note; nothing of it is proven. Raises ProvenanceError where it is no review, or TamperedError."""
    if len(data) > _MAX_NOTE:
        raise ProvenanceError("the note is too large for a review")
    try:
        told = msgspec.json.decode(data, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProvenanceError(f"this is no review that is known here: {error}") from error
    if encode(told) != data:
        raise TamperedError("the note is not written as safe-agent writes it: it was changed")
    return told


def _must_be_signed(note: notes.Note, keys: Sequence[str]) -> None:
    """Refuse a checkpoint that none of `keys` signed as the log's own: a witness's signature says less."""
    for key in keys:
        name = key.strip().partition("+")[0]
        if not note.checkpoint.origin.startswith(f"{name}/"):
            continue
        notes.verify(note, key)
        return
    raise TamperedError(
        f"the review is of the ledger `{note.checkpoint.origin}`, which is none of those that are trusted",
        hint="`--trust` takes the line in `note.pub` of the ledger on the reviewer's machine",
    )


def _approval(entry: object) -> Approval | None:
    if not isinstance(entry, Approved):
        return None
    return Approval(entry.digest, entry.verdict, entry.user, entry.at, entry.reason)


def parsed_key(text: str) -> str:
    """Return a verifier key in one line. Raises AuditError where it is none."""
    key = text.strip()
    if key.count("+") < 2 or any(blank in key for blank in " \t\n"):
        raise AuditError(
            f"`{key[:40]}` is not a ledger's verifier key",
            hint="it is the line in `note.pub` in the ledger's folder: NAME+ID+KEY",
        )
    return key
