"""A story as lines for a person: sequence, time, kind, title, and what stands below it, shortened; pure.

Nothing in a line can act on a terminal but the styles that `style` puts around its parts.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from wrapper.review.render import clock, printable
from wrapper.review.story import Moment

Style = Callable[[str, str], str]
"""Takes a text and its role: a kind of moment, `time`, `plus`, `minus`, `place`, `more`, `bad`; gives it styled."""

_KIND_WIDTH: Final = 9
_INDENT: Final = 32
_MOST_LINES: Final = 12  # below a title; in full with `Look.whole`
_MOST_SAID: Final = 40  # of what was said, and of a difference
_NARROW: Final = 60  # characters; below that what stands below a title is indented less
_SAID: Final = ("prompt", "answer")  # what people read in full
_BAD: Final = ("denied", "failed", "answer #", "blocked")
_DIFFERENT: Final = {"+": "plus", "-": "minus", "@": "place"}


@dataclass(frozen=True, slots=True)
class Look:
    """How to print: `width` is the terminal's (0: as long as lines are), `whole` shows all lines of each moment."""

    style: Style = lambda text, _: text
    width: int = 0
    whole: bool = False


def printed(moment: Moment, start: float, look: Look) -> Iterator[str]:
    """Yield the lines of one moment; its time is counted from `start` (seconds since the epoch)."""
    role = "bad" if moment.kind in ("network", "result") and moment.title.startswith(_BAD) else moment.kind
    head = f"{moment.sequence:>7}  {clock(moment.at - start):>11}"
    indent = 8 if 0 < look.width < _NARROW + _INDENT else _INDENT
    fitted = _wrapped if moment.kind in _SAID else _cut
    title, *more = fitted(printable(moment.title), look.width - _INDENT if look.width else 0)
    yield f"{look.style(head, 'time')}  {look.style(f'{moment.kind:<{_KIND_WIDTH}}', role)} {look.style(title, role)}"
    for text in more:
        yield " " * _INDENT + look.style(text, role)
    for line in moment.lines if look.whole else shortened(moment):
        for text in fitted(printable(line), look.width - indent if look.width else 0):
            yield (" " * indent + look.style(text, _role(moment, line))).rstrip()


def shortened(moment: Moment) -> tuple[str, ...]:
    """Return the lines below a title, the middle of many left out: how many is said."""
    most = _MOST_SAID if moment.kind in ("prompt", "answer", "call", "change") else _MOST_LINES
    lines = moment.lines
    if len(lines) <= most + 1:  # a line that says that one is left out is no shorter
        return lines
    half = most // 2
    return (*lines[:half], f"… {len(lines) - 2 * half:,} more lines", *lines[-half:])


def _role(moment: Moment, line: str) -> str:
    if line.startswith("…"):
        return "more"
    if moment.kind in ("call", "change"):
        return _DIFFERENT.get(line[:1], "below")
    return "below"


def _cut(text: str, width: int) -> list[str]:
    """Cut a text at a number of columns; 0: not at all."""
    at = _beyond(text, width)
    return [text] if at >= len(text) else [f"{text[: max(0, at - 1)]}…"]


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines of a number of columns, between words where there are some; 0: not at all."""
    lines: list[str] = []
    while (at := _beyond(text, width)) < len(text):
        space = text.rfind(" ", 1, at + 1)
        end = space if space > 0 else max(1, at)
        lines.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*lines, text] if text or not lines else lines


def _beyond(text: str, width: int) -> int:
    """Return how many characters of a text fit into a number of columns; some take two, some none."""
    if width <= 0 or (len(text) <= width and text.isascii()):
        return len(text)
    used = 0
    for at, letter in enumerate(text):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        if used > width:
            return at
    return len(text)
