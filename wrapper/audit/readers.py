"""Who can read what: the readers of sessions to come and of those that are there; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wrapper.audit.age.kinds import HYBRID, PLUGIN, kind
from wrapper.audit.keyfiles import Reader
from wrapper.audit.seal import Identities
from wrapper.errors import AuditError


@dataclass(frozen=True, slots=True)
class Standing:
    """A reader: of `new` sessions or not, of which `sessions`, its private half `here` or not (None: not known)."""

    reader: Reader
    kind: str
    new: bool
    here: bool | None
    sessions: tuple[str, ...]


def standings(
    receiving: Sequence[Reader],
    named: Sequence[Reader],
    identities: Identities | None,
    sessions: Mapping[str, Sequence[str]],
) -> Iterator[Standing]:
    """Yield who will read (`receiving`), then who else could: our own keys, and readers of `sessions`.

    `sessions` has the recipients of each session; `named` may have names for any of them. `identities` is None where
    the private keys were not looked at.
    """
    names = {one.recipient: one for one in (*named, *receiving)}
    future = [one.recipient for one in receiving]
    ours = identities.recipients() if identities else ()
    before = (recipient for group in sessions.values() for recipient in group)
    for recipient in dict.fromkeys((*future, *ours, *before)):
        what = _kind(recipient)
        untold = identities is None or what.startswith(PLUGIN)  # what a plugin has here, only it can say
        yield Standing(
            names.get(recipient, Reader(recipient)),
            what,
            recipient in future,
            None if untold else recipient in ours,
            tuple(session for session, group in sessions.items() if recipient in group),
        )


def reads_new(identities: Identities, recipients: Sequence[str]) -> bool:
    """Say whether sessions encrypted to `recipients` open with `identities`; a plugin's key is believed to fit."""
    plugged = len(identities.keys) > len(identities.recipients())
    return bool(set(identities.recipients()) & set(recipients)) or (
        plugged and any(kind(recipient).name == PLUGIN for recipient in recipients)
    )


def is_mixed(recipients: Sequence[str]) -> bool:
    """Say whether post-quantum recipients stand beside others, whose stanzas undo what they are for."""
    hybrid = [kind(recipient).name == HYBRID for recipient in recipients]
    return any(hybrid) and not all(hybrid)


def _kind(recipient: str) -> str:
    try:
        return str(kind(recipient))
    except AuditError:  # a log may name anything: whoever can write one here has written it
        return "unknown"
