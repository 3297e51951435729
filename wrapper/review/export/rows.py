"""Writes a moment of a session as a row of the page; pure.

Whatever a log holds is text here: it is made printable, then escaped, and stands only between tags or in quotes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from wrapper.review.export.clock import clock
from wrapper.review.render import printable
from wrapper.review.story import Moment

_MOST_LINES: Final = 400  # of one moment
_MOST_TITLE: Final = 600  # characters
_OPEN_KINDS: Final = frozenset({"prompt", "answer", "start", "end", "judged"})
_DIFF_KINDS: Final = frozenset({"call", "change"})
_OPEN: Final = 24  # lines that are shown without being asked for
_SIGNS: Final = {"+": "add", "-": "del", "@": "hunk"}


@dataclass(frozen=True, slots=True)
class Row:
    """A moment as HTML, but for its place in the recording, which is known when the recording is whole."""

    at: float
    kind: str
    name: str
    title: str
    details: str

    @property
    def size(self) -> int:
        """Characters that it brings into the page."""
        return len(self.title) + len(self.details)

    def html(self, start: float, played: float) -> str:
        """Return the element; `start` is when the session began, `played` seconds into the recording."""
        exact = escape(f"{self.at - start:.3f} s")
        return (
            f'<li class="row" id="{self.name}" data-kind="{self.kind}" data-at="{played:.3f}">'
            f'<button type="button" class="jump"><time title="{exact}">{clock(self.at - start)}</time>'
            f'<span class="kind k-{self.kind}">{self.kind}</span><span class="title">{self.title}</span></button>'
            f"{self.details}</li>\n"
        )


def row(moment: Moment, number: int) -> Row:
    """Write a moment; `number` makes its id unique, since moments can share a record."""
    title = moment.title[:_MOST_TITLE] + ("…" if len(moment.title) > _MOST_TITLE else "")
    name = f"m{moment.sequence}-{number}"
    return Row(moment.at, escape(moment.kind), name, safe(title), "".join(_details(moment)))


def _details(moment: Moment) -> Iterator[str]:
    if not moment.lines:
        return
    lines = moment.lines[:_MOST_LINES]
    more = len(moment.lines) - len(lines)
    diff = moment.kind in _DIFF_KINDS and any(line[:1] in ("+", "-") for line in lines)
    shown = " open" if len(lines) <= _OPEN and (diff or moment.kind in _OPEN_KINDS) else ""
    count = f"{len(moment.lines)} line{'' if len(moment.lines) == 1 else 's'}"
    yield f'<details{shown}><summary>{"diff, " if diff else ""}{count}</summary><pre tabindex="0">'
    yield "".join(_coloured(lines)) if diff else "\n".join(map(safe, lines))
    yield "</pre>"
    if more:
        yield f'<p class="more">{more} more lines: <code>safe-agent audit show</code> has them</p>'
    yield "</details>"


def _coloured(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        sign = _SIGNS.get(line[:1])
        yield f'<span class="{sign}">{safe(line)}\n</span>' if sign else f"<span>{safe(line)}\n</span>"


def safe(text: str) -> str:
    """Return text as HTML: nothing in it is markup, nothing is invisible or turns the direction of writing."""
    return escape(printable(text))
