"""Finds patterns in what users write, disguised as it may be, without holding other requests up.

Text is made plain first: signs nobody sees are taken out, other forms of the same letters, broken lines and broken
words are undone, a run of blanks becomes one. Letters of other scripts that only look alike stay what they are.
"""

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

# Unicode's default ignorable code points that text is written with (Derived Core Properties): seen by no reader.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_BROKEN_WORD: Final = re.compile(r"(?<=\w)[-\u2010\u2011][^\S\n]*\n\s*(?=\w)")
# Where no word is broken, nothing unseen stands (Hangul's fillers are letters) and nothing is composed.
_LINE_END: Final = re.compile(r"(?<=[\w!-,.-~])(?<![\u115f\u1160\u3164\uffa0])\n(?=[\w!-~])")
# A step of this many characters takes a millisecond or two; others run in between.
_STEP: Final = 2**15
# What a pattern finds over the border of two steps may be this long: more than the sentences patterns are made for.
_OVERLAP: Final = 2**12
_MOST_FINDINGS: Final = 8192  # texts times patterns whose outcome is kept: beyond any conversation; 100 bytes each


class Phrases:
    """Remembers what was found: each text of a conversation is searched once for each pattern."""

    def __init__(self) -> None:
        self._expressions: dict[str, re.Pattern[str]] = {}
        self._found: dict[tuple[bytes, str], bool] = {}

    async def found(self, text: str, patterns: Iterable[str]) -> frozenset[str]:
        """Return those of `patterns` (of Python's `re`; case does not matter) that are found in `text`."""
        known = digest(text)
        wanted = tuple(dict.fromkeys(patterns))
        outcome = {one: self._found[known, one] for one in wanted if (known, one) in self._found}
        if text and len(outcome) < len(wanted):
            searched = await _made_plain(text)
            for one in wanted:
                if one not in outcome:
                    outcome[one] = await self._is_in(searched, one)
            self._keep({(known, one): is_there for one, is_there in outcome.items()})
        return frozenset(one for one, is_there in outcome.items() if is_there)

    async def _is_in(self, searched: str, pattern: str) -> bool:
        expression = self._expressions.get(pattern)
        if expression is None:
            expression = self._expressions[pattern] = re.compile(pattern, re.IGNORECASE)
        for start, end in _windows(searched):
            hit = expression.search(searched, start, end)
            if hit and (end == len(searched) or expression.match(searched, hit.start())):  # `$` is no step's end
                return True
            if end < len(searched):
                await asyncio.sleep(0)
        return False

    def _keep(self, outcome: dict[tuple[bytes, str], bool]) -> None:
        if len(self._found) + len(outcome) > _MOST_FINDINGS:
            self._found.clear()
        self._found |= outcome


def plain(text: str) -> str:
    """Make text plain."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)))
    if "\n" in text:
        text = _BROKEN_WORD.sub("", text)
    return " ".join(text.split())


def digest(text: str) -> bytes:
    """Return 32 bytes that stand for a text, lone surrogates and all."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def _made_plain(text: str) -> str:
    """Make a long text plain step by step."""
    pieces = []
    for piece in _pieces(text):
        pieces.append(plain(piece))
        if len(piece) < len(text):
            await asyncio.sleep(0)
    return " ".join(filter(None, pieces))


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text at ends of lines; one without any stays as it is."""
    start = 0
    while len(text) - start > _STEP and (end := _LINE_END.search(text, start + _STEP)):
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _windows(searched: str) -> Iterator[tuple[int, int]]:
    """Give where each step begins and ends: at a blank, so that no word ends where a step does."""
    for start in range(0, max(1, len(searched)), _STEP):
        end = searched.find(" ", start + _STEP + _OVERLAP)
        if end < 0:
            yield start, len(searched)
            return
        yield start, end
