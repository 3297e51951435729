"""Which hunks of a change a person has to look at, and what was said of them; what `safe-agent review` shows."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from wrapper.provenance.attribution import lines_of
from wrapper.provenance.hunks import Hunk, hunks
from wrapper.provenance.judgements import NO_LINE, Block, Judgements, Said, Verdict, last, verdict
from wrapper.provenance.model import Fault
from wrapper.provenance.prints import line_codes, trivial

if TYPE_CHECKING:
    from wrapper.provenance.attribution import LineOrigin
    from wrapper.provenance.changes import Change
    from wrapper.provenance.keyed import Keyed
    from wrapper.provenance.model import Emission

LARGEST: Final = 64 << 20  # bytes
ID_SIZE: Final = 8  # hex digits: 32 bits tell some thousand hunks apart, and a prefix that is not unique is refused


class Attributed(Protocol):
    """What is used of `blaming.Blamed`."""

    @property
    def origins(self) -> "tuple[LineOrigin, ...]":
        """Whose each line is."""

    @property
    def emissions(self) -> "Mapping[int, Emission]":
        """The emissions that lines name."""

    @property
    def faults(self) -> "tuple[Fault, ...]":
        """Why the index may not tell everything."""


Attribute = Callable[["Change"], Attributed]


class Found(NamedTuple):
    """One hunk. `place`: `PATH:FIRST-LAST`, from 1; `said`: what stands of it.

    `id`: the same wherever its lines stand; if they say nothing by themselves, where they stand beside the same ones.
    `text`: all lines of its file. `words`: the last word on each of `hunk.lines`. `sources`: where its lines come from,
    that of most lines first.
    """

    id: str
    path: str
    hunk: Hunk
    text: Sequence[bytes]
    block: Block
    words: tuple[Said, ...]
    said: Said
    sources: "tuple[Emission, ...]"

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.path}:{self.hunk.first + 1}-{self.hunk.last + 1}"

    @property
    def is_approved(self) -> bool:
        """Say whether a person has approved every line of it, and nobody rejected one later."""
        return self.said is not None and self.said.verdict is Verdict.APPROVED


@dataclass(frozen=True, slots=True)
class Review:
    """All agent-written hunks of a change, in the order of its files; `faults`: what may be missing, each once."""

    found: tuple[Found, ...]
    faults: "tuple[Fault, ...]"

    @property
    def left(self) -> tuple[Found, ...]:
        """Those that nobody has approved."""
        return tuple(found for found in self.found if not found.is_approved)


def review(changes: Iterable["Change"], attribute: Attribute, judgements: Judgements, keyed: "Keyed") -> Review:
    """Find the hunks that changes add. Raises what `attribute` does."""
    found: list[Found] = []
    faults: dict[Fault, None] = {}
    for change in changes:
        if change.added is not None and not change.added:
            continue
        if is_too_large(change):
            faults[Fault("", f"`{change.path}` is too large to be looked at")] = None
            continue
        blamed = attribute(change)
        faults.update(dict.fromkeys(blamed.faults))
        found += found_in(change, blamed, judgements, keyed)
    return Review(tuple(found), tuple(faults))


def is_too_large(change: "Change") -> bool:
    """Say whether a file is larger than what `blame` looks at: then nothing is known of it."""
    return len(change.content) > LARGEST


def found_in(change: "Change", blamed: Attributed, judgements: Judgements, keyed: "Keyed") -> Iterator[Found]:
    """Yield the hunks that one change adds to one file, with what was said of them."""
    text = lines_of(change.content)
    added = None if change.added is None else [number in change.added for number in range(len(text))]
    codes = line_codes(change.content, keyed).tolist()
    quiet = trivial(change.content).tolist()
    for hunk in hunks(text, blamed.origins, quiet, added):
        block = _block(hunk, codes, quiet)
        words = judgements.of(block)
        sources = tuple(blamed.emissions[number] for number in hunk.emissions)
        yield Found(_id(block), change.path, hunk, text, block, words, verdict(words), sources)


def judged(found: Found, judgements: Judgements) -> Found:
    """Return a hunk with what is said of it now."""
    words = judgements.of(found.block)
    return found._replace(words=words, said=verdict(words))


def words_on(change: "Change", blamed: Attributed, judgements: Judgements, keyed: "Keyed") -> dict[int, Said]:
    """Return the last word on each agent-written line of a file (its number, from 0), added by the change or not."""
    words: dict[int, Said] = {}
    for one in (change._replace(added=None), change):  # a hunk of the whole may be longer than what was judged
        for found in found_in(one, blamed, judgements, keyed):
            for line, word in zip(found.hunk.lines, found.words, strict=True):
                words[line] = last((words.get(line), word))
    return words


def _block(hunk: Hunk, codes: Sequence[int], trivially: Sequence[bool]) -> Block:
    before = NO_LINE if hunk.before is None else codes[hunk.before]
    after = NO_LINE if hunk.after is None else codes[hunk.after]
    places = [line for line in (hunk.before, *hunk.lines, hunk.after) if line is not None]
    quiet = frozenset(codes[line] for line in places if trivially[line])
    return Block(tuple(codes[line] for line in hunk.lines), before, after, hunk.tells, quiet)


def _id(block: Block) -> str:
    named = block.codes if block.tells else (block.before, *block.codes, block.after)  # as far as an approval reaches
    codes = b"".join(code.to_bytes(8, "little") for code in named)
    return hashlib.sha256(codes).hexdigest()[:ID_SIZE]
