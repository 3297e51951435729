"""What was found in a request goes into the log, and may stop it."""

from collections.abc import Sequence

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.finding import BLOCKED
from wrapper.gateway.intercept.recording import Entry
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.refusal import RefusedError

_FILE = "fingerprint:"
_KNOWN = "known"
_FEW = 3  # findings that a refusal names


def weigh(notes: Sequence[Masked], entry: Entry, destination: Destination) -> None:
    """Record what was found. RefusedError (403) where it must not leave: its text says what, and never shows it."""
    if not notes:
        return
    entry.found(notes)
    blocked = [note for note in notes if note.action == BLOCKED]
    if not blocked:
        return
    for rule in dict.fromkeys(note.rule for note in blocked):
        entry.judged("kind", rule, "blocked")
    told = list(dict.fromkeys(f"{_named(note)} in {_place(note.where)}" for note in blocked))
    found = ", ".join(told[:_FEW]) + (f" and {len(told) - _FEW} more" if len(told) > _FEW else "")
    raise RefusedError(
        403,
        f"the request to `{destination.host}` was stopped, because it holds what must not leave: {found}",
        hint="take it out and ask again; where a credential is wanted, use its placeholder (MASKED-…) as it is",
    )


def _named(note: Masked) -> str:
    if note.rule.startswith(_FILE):
        return f"text of `{note.rule.removeprefix(_FILE)}`, a file that policy closes"
    return f"a value that is a secret ({note.kind})" if note.rule.startswith(_KNOWN) else f"{note.kind} ({note.rule})"


def _place(where: str) -> str:
    if where.startswith("@"):
        return f"the body at byte {where[1:]}"
    return {" url": "the target", " packed": "a packed file"}.get(where, f"the{where}")
