"""What somebody claims of lines, made into emissions of the index; pure.

Rules of this file:
- A claim says that an agent wrote lines. That a person wrote them, or approved them, is never taken over: it would be a
  stranger's word against contamination, and a stranger can write anything.
- A claim is about content: the lines that stood there then. So it follows them wherever they go, like our own records.
- Lines around claimed ones are kept as ECHO: they are nobody's evidence, and say where the claimed ones stood.
- Words of a stranger's are cut to a length and hold no control characters: they are printed one day.
- A claim is dated with its commit, not with its import: what was committed before is not what it speaks of.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wrapper.messages import printable
from wrapper.provenance.exchange.ranges import Range, merged, within
from wrapper.provenance.keyed import Keyed
from wrapper.provenance.model import PRINT, Emission, Kind, Prints, Sheet
from wrapper.provenance.prints import blob_code, normalised_code, printed

_NEAR: Final = 8  # unclaimed lines between claimed ones that are still one text
_LONGEST: Final = 250  # characters of a name: what Agent Trace allows a model
_ROWS: Final = 200_000  # lines of a sheet: some ten megabytes


class Claim(NamedTuple):
    """Somebody says that `agent` wrote these lines of `path` in `commit`. `at`: seconds since the epoch.

    `origin` says where that is written, `content_hash` what the lines hash to (`agenttrace`), where it says that.
    """

    commit: str
    path: str
    ranges: tuple[Range, ...]
    agent: str
    model: str
    session: str
    origin: str
    at: float
    content_hash: str = ""


class Stated(NamedTuple):
    """A claim, or a part of one, as it goes into a sheet; `identity` is the same for the same claim again."""

    emission: Emission
    prints: Prints
    whole: tuple[int, ...]
    identity: bytes


class Claimed:
    """A file's content of which something is claimed; cut into lines once, however many claims there are."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._lines = text.split(b"\n")
        self.count = len(self._lines) - (self._lines[-1] == b"")
        self.is_binary = b"\0" in text

    def lines(self, numbers: Iterable[int]) -> bytes:
        """Give some of its lines, from 1, each with a line end."""
        return b"".join(self._lines[number - 1] + b"\n" for number in numbers)


def weight(claim: Claim, content: Claimed) -> int:
    """Say how many lines of a content a claim is about."""
    return sum(max(0, min(one.last, content.count) - one.first + 1) for one in merged(claim.ranges))


def stated(claim: Claim, content: Claimed, keyed: Keyed) -> Iterator[Stated]:
    """Yield what a claim of a file's content says, a run of lines each; nothing where it has none of the lines."""
    claimed = list(within(claim.ranges, content.count))
    if not claimed or content.is_binary:
        return
    is_whole = len(claimed) == content.count
    codes = (blob_code(content.text, keyed), normalised_code(content.text, keyed)) if is_whole else ()
    for run in _runs(claimed):
        kept = set(run)
        numbers = range(run[0], run[-1] + 1)
        part = content.lines(numbers)
        prints = printed(part, keyed, echo=[number not in kept for number in numbers])
        yield _stated(_emission(claim), prints, codes)


def identities(sheet: Sheet) -> Iterator[bytes]:
    """Give the identity of each claim in a sheet."""
    for number, emission in enumerate(sheet.emissions):
        if emission.kind is Kind.CLAIM:
            yield _identity(emission, sheet.lines[sheet.lines["emission"] == number])


def sheets(claims: Iterable[Stated], beginning: str) -> Iterator[Sheet]:
    """Put claims into sheets, each the only one of a session of its own: `beginning` and what follows from them."""
    some: list[Stated] = []
    for claim in claims:
        if some and sum(len(one.prints.lines) for one in some) + len(claim.prints.lines) > _ROWS:
            yield _sheet(some, beginning)
            some = []
        some.append(claim)
    if some:
        yield _sheet(some, beginning)


def said(text: str) -> str:
    """Make a stranger's word one that may be shown."""
    return printable(text.encode(errors="replace").decode())[:_LONGEST]


def _emission(claim: Claim) -> Emission:
    origin = f"{claim.origin}, session {said(claim.session)}" if claim.session else claim.origin
    return Emission(
        kind=Kind.CLAIM,
        session="",
        at=claim.at,
        model=said(claim.model),
        agent=said(claim.agent),
        path=printable(claim.path)[:4096],
        origin=origin,
    )


def _stated(emission: Emission, prints: Prints, whole: tuple[int, ...]) -> Stated:
    return Stated(emission, prints, whole, _identity(emission, prints.lines))


def _identity(emission: Emission, lines: npt.NDArray[np.void]) -> bytes:
    words = "\0".join((emission.origin, emission.path, emission.agent, emission.model, str(emission.at)))
    return sha256(words.encode() + b"\0" + lines["code"].tobytes() + lines["flags"].tobytes()).digest()


def _runs(lines: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut sorted line numbers where many lines between them are not claimed."""
    start = 0
    for at, (one, after) in enumerate(pairwise(lines), 1):
        if after - one > _NEAR:
            yield lines[start:at]
            start = at
    yield lines[start:]


def _sheet(claims: Sequence[Stated], beginning: str) -> Sheet:
    session = beginning + sha256(b"".join(sorted(one.identity for one in claims))).hexdigest()[:16]
    emissions = [msgspec.structs.replace(one.emission, session=session) for one in claims]
    blobs = [(code, number, sort) for number, one in enumerate(claims) for sort, code in enumerate(one.whole)]
    return Sheet(
        session=session,
        number=1,
        emissions=emissions,
        lines=_numbered([one.prints.lines for one in claims]),
        shapes=_numbered([one.prints.shapes for one in claims]),
        words=_numbered([one.prints.words for one in claims]),
        blobs=np.array(blobs, PRINT),
        reads=(),
    )


def _numbered(parts: Sequence[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    """Join the rows of emissions and write each one's number into them."""
    rows = np.concatenate(parts)
    rows["emission"] = np.repeat(np.arange(len(parts), dtype="<u4"), [len(part) for part in parts])
    return rows
