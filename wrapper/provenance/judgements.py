"""What a person's approval or rejection is about: the content of lines, wherever they stand later; pure but for numpy.

An act is one decision of one person over some blocks of lines. Of the lines it holds keyed codes, of each block also
the codes of the lines around. Rules of this file:
1. An act speaks of a line where the line stands with a neighbour that it had when it was judged, or where exactly the
   block stands and says something by itself. So a line that was approved in one place, and means something else in
   another (`return None`), is not approved there; and a block that is moved, rebased, put into another file or cut in
   two keeps its verdict. A line that says nothing by itself is not known by another such: it needs a neighbour that
   says something, or both that it had, or `else:` and `return True` would be approved together everywhere.
2. Of several acts that speak of a line the last one counts, by the order of the ledger, not by any clock.
3. A hunk is approved when the last word on each of its lines is an approval. One rejected line rejects it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

NO_LINE: Final = 0
"""In place of the code of a neighbour: the file begins or ends there."""


class Verdict(StrEnum):
    """What a person said."""

    APPROVED = "approved"
    REJECTED = "rejected"


class Block(NamedTuple):
    """Codes of lines in their order, and of the lines around them (`NO_LINE`: none); `tells`: not all are trivial.

    `quiet`: which of all these codes are of trivial lines. An act is asked for by it, and need not hold it.
    """

    codes: tuple[int, ...]
    before: int = NO_LINE
    after: int = NO_LINE
    tells: bool = True
    quiet: frozenset[int] = frozenset()


class Judged(NamedTuple):
    """What was said once. `sequence`: its place in the ledger, `digest` (hex) names it there; `at`: seconds, UTC."""

    verdict: Verdict
    user: str
    at: float
    reason: str
    digest: str
    sequence: int


Said = Judged | None


@dataclass(slots=True)
class Judgements:
    """All acts that count, whatever the order in which they are added."""

    _behind: dict[tuple[int, int], Judged] = field(default_factory=dict)  # (line before, line) → of the line
    _ahead: dict[tuple[int, int], Judged] = field(default_factory=dict)  # (line, line after) → of the line
    _between: dict[tuple[int, int, int], Judged] = field(default_factory=dict)
    _whole: dict[tuple[int, ...], Judged] = field(default_factory=dict)

    def add(self, blocks: Iterable[Block], judged: Judged) -> None:
        """Take one act."""
        for block in blocks:
            _put(self._whole, block.codes, judged)
            for before, line, after in _neighbours(block):
                _put(self._between, (before, line, after), judged)
                if before != NO_LINE:
                    _put(self._behind, (before, line), judged)
                if after != NO_LINE:
                    _put(self._ahead, (line, after), judged)

    def of(self, block: Block) -> tuple[Said, ...]:
        """Return the last word on each line of a block, None where nobody has said anything."""
        whole = self._whole.get(block.codes) if block.tells else None
        return tuple(last((whole, *self._on(*place, block.quiet))) for place in _neighbours(block))

    def _on(self, before: int, line: int, after: int, quiet: frozenset[int]) -> Iterator[Said]:
        yield self._between.get((before, line, after))
        if line not in quiet or before not in quiet:
            yield self._behind.get((before, line))
        if line not in quiet or after not in quiet:
            yield self._ahead.get((line, after))


Place = TypeVar("Place")


def _put(words: dict[Place, Judged], place: Place, judged: Judged) -> None:
    known = words.get(place)
    if known is None or known.sequence < judged.sequence:
        words[place] = judged


def _neighbours(block: Block) -> Iterable[tuple[int, int, int]]:
    return zip((block.before, *block.codes[:-1]), block.codes, (*block.codes[1:], block.after), strict=True)


def last(words: Iterable[Said]) -> Said:
    """Return the word that was said last; None where nothing was."""
    return max((word for word in words if word is not None), key=lambda word: word.sequence, default=None)


def verdict(words: Sequence[Said]) -> Said:
    """Return what stands of a hunk by the last word on each line: a rejection of any, or approvals of all, or None."""
    if rejection := last(word for word in words if word is not None and word.verdict is Verdict.REJECTED):
        return rejection
    return last(words) if all(word is not None for word in words) else None
