"""Text that was meant as a placeholder and is none: cut, in another case, one character off. Named, never restored.

A placeholder has two parts that each point to the right one: its tag, and the words before it. One of them must be as
it was issued; of the other, little may be wrong. What is near to no issued placeholder is not named: `MASKED-KEY-…` in
a document about placeholders is ordinary text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_MARKS = (b"MASKED", b"masked", b"Masked")
_TAG = re.compile(rb"-([0-9A-HJKMNP-TV-Z]{8})(?![0-9A-Za-z])")  # begins with a literal: 5 times faster
_TAG_SIZE = 8
_RUN = re.compile(rb"[A-Za-z0-9_-]+")
_RUN_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_REACH = 120  # bytes on either side of what gave it away; a placeholder is shorter
_MOST = 32  # runs judged in one piece of data: a model that repeats itself must not hold up others
_LEAST_OF_TAG = 3  # characters: fewer are said in passing (`MASKED-KEY-`)


class NearMiss(NamedTuple):
    """What stands at `start` to `end`, and which placeholder was meant; `how` goes between the two."""

    start: int
    end: int
    text: str
    placeholder: str
    how: str

    @property
    def what(self) -> str:
        """The near-miss as a sentence for the user."""
        return f"`{self.text}` {self.how} the placeholder `{self.placeholder}`; it was left as it is"


class Parts:
    """The placeholders there are, by their parts: tag to placeholder, and the words before it to all their tags."""

    def __init__(self) -> None:
        self.by_tag: dict[str, str] = {}
        self.by_stem: dict[str, list[str]] = {}

    def add(self, placeholder: str) -> None:
        """Take in one that was issued."""
        stem, tag = placeholder[:-_TAG_SIZE], placeholder[-_TAG_SIZE:]
        if tag not in self.by_tag:
            self.by_tag[tag] = placeholder
            self.by_stem.setdefault(stem, []).append(tag)


def near_misses(data: bytes, issued: Parts) -> list[NearMiss]:
    """Find near-misses; one pass where there is neither a mark nor a tag."""
    found: dict[int, NearMiss] = {}
    runs = {_run_around(data, place) for place in _suspicious(data, issued.by_tag)}
    for start, end in sorted(runs)[:_MOST]:
        text = data[start:end].decode("ascii")
        near = _near(text, issued)
        if near is not None:
            found[start] = NearMiss(start, end, text, *near)
    return list(found.values())


def _suspicious(data: bytes, tags: Mapping[str, str]) -> Iterator[int]:
    for mark in _MARKS:
        at = data.find(mark)
        while at >= 0:
            yield at
            at = data.find(mark, at + len(mark))
    for tag in _TAG.finditer(data):
        if tag[1].decode() in tags:
            yield tag.start(1)


def _run_around(data: bytes, place: int) -> tuple[int, int]:
    before = data[max(0, place - _REACH) : place]
    behind = _RUN.match(data, place, place + _REACH)
    return place - len(before) + len(before.rstrip(_RUN_CHARACTERS)), behind.end() if behind else place


def _near(text: str, issued: Parts) -> tuple[str, str] | None:
    """Say which placeholder a run of letters, digits and joints was meant to be, and what is wrong with it."""
    plain = text.upper().replace("_", "-")
    for part in plain.split("-"):
        for tag in (part[:_TAG_SIZE], part[-_TAG_SIZE:]):
            if tag in issued.by_tag:
                return _by_tag(text, plain, tag, issued.by_tag[tag])
    return _by_stem(plain[max(0, plain.find("MASKED")) :], issued.by_stem)


def _by_tag(text: str, plain: str, tag: str, placeholder: str) -> tuple[str, str] | None:
    if placeholder in text:
        return None  # it stands there as issued, whatever is around it
    if placeholder in plain:
        return placeholder, "differs in case or joints from"
    stem = plain[: plain.find(tag)]
    if placeholder.removesuffix(tag).endswith(stem):
        return placeholder, "is cut from"
    return placeholder, "has other words before its tag than"


def _by_stem(plain: str, stems: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    for at, character in enumerate(plain):
        stem = plain[: at + 1]
        if character != "-" or stem not in stems:
            continue
        rest = plain[at + 1 :]
        for tag in stems[stem]:
            if len(rest) >= _LEAST_OF_TAG and rest != tag and tag.startswith(rest):
                return stem + tag, "is cut from"
            if _is_one_off(rest, tag):
                return stem + tag, "differs by one character from"
    return None


def _is_one_off(text: str, tag: str) -> bool:
    """Tell whether `text` begins with `tag` but for one character: another, one missing, one too many, two swapped."""
    at = next(
        (at for at, (one, other) in enumerate(zip(text, tag, strict=False)) if one != other), min(len(text), len(tag))
    )
    swapped = text[at : at + 2] == tag[at : at + 2][::-1] and _begins(text[at + 2 :], tag[at + 2 :])
    another, missing = _begins(text[at + 1 :], tag[at + 1 :]), _begins(text[at:], tag[at + 1 :])
    return another or missing or swapped or _begins(text[at + 1 :], tag[at:])


def _begins(text: str, rest: str) -> bool:
    """Whether `text` is `rest`, or goes on with something new behind it."""
    return text.startswith(rest) and not text[len(rest) : len(rest) + 1].isalnum()
