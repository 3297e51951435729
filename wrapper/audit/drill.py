"""Tries keys on real logs: can each session still be opened, by whom, and what would be lost with a key.

Of a segment its first record is decrypted; the rest hangs on the same key. Changes nothing on disk.
"""

import collections
import enum
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from wrapper.audit import format as layout
from wrapper.audit.age import header as age
from wrapper.audit.age.kinds import HYBRID, X25519, kind
from wrapper.audit.format import NoKeyError, TamperedError
from wrapper.audit.scan import Walk
from wrapper.audit.seal import Opener
from wrapper.audit.segments import key_of, opened_segment, segment_numbers
from wrapper.errors import AuditError

_STANZAS: Final = MappingProxyType({b"X25519": X25519, b"mlkem768x25519": HYBRID})


class Outcome(enum.Enum):
    """What became of an attempt. ERASED: a key file is gone, so no key opens the session."""

    OPENED = "opened"
    CLOSED = "closed"
    ERASED = "erased"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Drilled:
    """One session; `readers` are the public halves of those who can read all of it, `problem` says why not we."""

    session: str
    outcome: Outcome
    readers: tuple[str, ...] = ()
    problem: str = ""


def drill(directory: Path, identity: Opener) -> Drilled:
    """Try to open every segment of the session in `directory`."""
    readers: tuple[str, ...] = ()
    try:
        readers = readers_of(directory)
        for number in segment_numbers(directory):
            _try(directory, number, identity)
    except NoKeyError as error:
        return Drilled(directory.name, Outcome.ERASED if _is_erased(directory) else Outcome.CLOSED, readers, error.what)
    except AuditError as error:
        return Drilled(directory.name, Outcome.DAMAGED, readers, error.what)
    return Drilled(directory.name, Outcome.OPENED, readers)


def readers_of(directory: Path) -> tuple[str, ...]:
    """Return the public halves of those who can read all of a session, as its logs say; needs no key.

    Raises AuditError where a log cannot be read.
    """
    common: dict[str, None] | None = None
    for number in segment_numbers(directory):
        with opened_segment(directory, number) as (_, preface):
            named = preface.header.recipients
        common = dict.fromkeys(one for one in named if common is None or one in common)
    return tuple(common or ())


def is_lost_without(drilled: Drilled, ours: Collection[str]) -> bool:
    """Say whether nobody else reads what was opened with the keys whose public halves are `ours`."""
    return drilled.outcome is Outcome.OPENED and set(drilled.readers) <= set(ours)


def _try(directory: Path, number: int, identity: Opener) -> None:
    with opened_segment(directory, number) as (stream, preface):
        log_key = key_of(directory, preface.header, identity)
        _must_match(directory, preface.header)
        next(iter(Walk(stream, preface, log_key)), None)


def _must_match(directory: Path, header: layout.LogHeader) -> None:
    """Compare the recipients in the key file with those that the log names; who they are, only their keys can tell."""
    name = layout.segment_names(header.segment)[0]
    types = [stanza.type for stanza in age.parse((directory / name).read_bytes()).stanzas]
    there = collections.Counter(_STANZAS[one] for one in types if one in _STANZAS)
    named = collections.Counter(kind(recipient).name for recipient in header.recipients)
    if any(there[native] < named[native] for native in _STANZAS.values()) or len(types) < len(header.recipients):
        raise TamperedError(f"`{name}` is for other readers than the log names")


def _is_erased(directory: Path) -> bool:
    names = (layout.segment_names(number)[0] for number in segment_numbers(directory))
    return not all((directory / name).exists() for name in names)
