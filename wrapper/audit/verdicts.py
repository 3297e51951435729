"""What is proven of a session: by its own log, and by what the ledger saw of it at the time.

The log alone cannot tell that it was cut between two frames, replaced as a whole, or deleted; the ledger can. Each
verdict has an exit code of its own: a script can tell them apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from wrapper.audit import reader
from wrapper.audit.anchored import ForkedError
from wrapper.audit.entries import Beat, Closed, Entry, Opened, Recovered, Rotated, Shredded
from wrapper.audit.format import NoKeyError, Position, TamperedError, TruncatedError
from wrapper.audit.reader import Left, Session, State, Verified
from wrapper.audit.seal import Opener
from wrapper.errors import AuditError

ANCHORED: Final = "anchored"
FORKED: Final = "forked"

OPEN_CODE: Final = 10  # TRUNCATED is 11, TAMPERED 12, NOKEY 13, FORKED 14: the errors carry them
UNANCHORED_CODE: Final = 9  # sealed, where `anchored` is required

_CUT: Final = "frames that were there are missing: it was cut"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one session; `verdict` in lower case, `exit_code` 0 where it is sealed or better.

    `told` is the number of the ledger's frames after which the ledger knew all that the verdict rests on, None where
    it does not know the end of the session.
    """

    session: str
    verdict: str
    exit_code: int
    reason: str = ""
    hint: str = ""
    frames: int | None = None
    records: int | None = None
    signed: int | None = None
    decrypted: bool = False
    told: int | None = None


@dataclass(slots=True)
class Told:
    """All that the ledger says of one session; `end` is where in the ledger its end stands (frames up to there).

    Of two entries about the same, the first counts: it was acknowledged when the session was there. Who has the account
    later can add any entry, as well signed as that one, and an anchor proves of both only that they stand there.
    """

    headers: dict[int, str] = field(default_factory=dict)
    seen: dict[tuple[int, int], str] = field(default_factory=dict)
    end: int | None = None
    recovered: Recovered | None = None
    shredded: bool = False

    def add(self, sequence: int, entry: Entry) -> None:
        """Take one entry about this session."""
        match entry:
            case Opened(segment=segment, header=header):
                self.headers.setdefault(segment, header)
            case Beat() | Rotated() | Closed() | Recovered():
                if entry.size:
                    self.seen.setdefault((entry.segment, entry.size), entry.root)
                if isinstance(entry, Closed) and self.end is None:
                    self.end = sequence + 1
                if isinstance(entry, Recovered) and not (self.recovered and self.recovered.size):
                    self.recovered = entry
            case Shredded():
                self.shredded = True


def by_session(entries: Iterable[tuple[int, Entry]]) -> Mapping[str, Told]:
    """Sort what the ledger says by session."""
    told: dict[str, Told] = {}
    for sequence, entry in entries:
        session = getattr(entry, "session", "")
        if session:
            told.setdefault(session, Told()).add(sequence, entry)
    return {session: known for session, known in told.items() if known.headers or known.seen}


def gone(told: Mapping[str, Told], there: Sequence[Session]) -> list[Verdict]:
    """Return a verdict for each session that the ledger knows and that is not there."""
    names = {session.id for session in there}
    return [
        of_error(
            name,
            TruncatedError(
                "the session is gone, but the ledger knows it", hint="its folder was deleted, or its log in it"
            ),
        )
        for name in sorted(set(told) - names)
    ]


def judge(
    session: Session, opener: Opener | None, told: Mapping[str, Told] | None, *, decrypt: bool = False
) -> Verdict:
    """Prove one session. `told` is None where there is no ledger; `decrypt`: fail where the content cannot be read."""
    known = None if told is None else told.get(session.id)
    wanted: dict[int, dict[int, object]] = {}
    for segment, size in known.seen if known else ():
        wanted.setdefault(segment, {})[size] = None
    try:
        proven = _proven(session, opener, wanted, _left(known), decrypt=decrypt)
        if known is not None:
            _compare(proven, known)
    except AuditError as error:
        return of_error(session.id, error)
    is_sealed = proven.state is State.SEALED
    return Verdict(
        session=session.id,
        verdict=proven.state.value,
        exit_code=0 if is_sealed else OPEN_CODE,
        reason="; ".join(_reasons(proven, known, has_ledger=told is not None)),
        hint="its recorder was killed, or its end was cut off" if proven.state is State.OPEN else "",
        frames=proven.frames,
        records=proven.records,
        signed=proven.signed,
        decrypted=proven.decrypted,
        told=known.end if known and is_sealed else None,
    )


def _left(known: Told | None) -> Left | None:
    """Return how the ledger says that the session's recorder left the log, where it was killed."""
    said = known.recovered if known else None
    return Left(Position(said.segment, said.size, said.root), said.torn) if said else None


def _proven(
    session: Session,
    opener: Opener | None,
    wanted: Mapping[int, Mapping[int, object]],
    left: Left | None,
    *,
    decrypt: bool,
) -> Verified:
    try:
        return reader.verify(session.directory, opener, wanted=wanted, left=left)
    except NoKeyError:
        if decrypt:
            raise
        return reader.verify(session.directory, wanted=wanted, left=left)


def _compare(proven: Verified, known: Told) -> None:
    """Raise where the log is not, or not as far as, what the ledger saw of it."""
    for segment, header in known.headers.items():
        if segment <= len(proven.segments) and header != proven.segments[segment - 1][0]:
            raise ForkedError(
                f"the ledger saw another log begin as segment {segment} of this id",
                hint="the session was replaced, as a whole or from there on",
            )
    for (segment, size), root in known.seen.items():
        there = proven.segments[segment - 1][1] if segment <= len(proven.segments) else 0
        if there < size:
            saw = f"the ledger saw {size} frames of segment {segment}, {there} are there"
            raise TruncatedError(saw, hint=_CUT)
        if proven.roots[segment, size] != root:
            raise ForkedError(
                f"the first {size} frames of segment {segment} are not those that the ledger saw",
                hint="the log was written anew",
            )
    if known.end is not None and proven.state is not State.SEALED:
        raise TruncatedError("the ledger saw it sealed, now its end is missing", hint=_CUT)
    left = known.recovered
    if left is not None and (left.segment, left.size) != (len(proven.segments), proven.segments[-1][1]) and left.size:
        raise ForkedError(
            f"frames were added after its recorder had died: the ledger saw {left.size} in segment {left.segment}"
        )


def _reasons(proven: Verified, known: Told | None, *, has_ledger: bool) -> list[str]:
    reasons = [proven.reason] if proven.reason else []
    if proven.torn and proven.state is State.OPEN:
        reasons.append(f"it ends inside a frame, with {proven.torn} bytes of it left, as its recorder left it")
    loose = proven.frames - proven.signed
    if loose:
        reasons.append(f"its last {loose} frames are not signed")
    if has_ledger and known is None:
        reasons.append("the ledger of this machine does not know it")
    elif known is not None and known.end is None and proven.state is State.SEALED:
        reasons.append("the ledger was not told of its end")
    if known is not None and known.shredded:
        reasons.append("its keys were deleted by retention")
    return reasons


def of_error(session: str, error: AuditError) -> Verdict:
    """Return the verdict on what could not be proven because of `error`."""
    return Verdict(
        session=session, verdict=name_of(error), exit_code=error.exit_code, reason=error.what, hint=error.hint
    )


def name_of(error: AuditError) -> str:
    """Return the verdict that an error stands for."""
    match error:
        case ForkedError():
            return FORKED
        case TamperedError():
            return "tampered"
        case TruncatedError():
            return "truncated"
        case NoKeyError():
            return "nokey"
        case _:
            return "unreadable"
