"""What the log says of a file's change, and how much of a file's content is the agent's; pure.

A log has no contents, but hashes of them and the lines in between. What came from a known content by a change that
is told in full is known, too: not its text, but how many of its lines say something, and how many the agent wrote.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from wrapper.audit.events import FileChange
from wrapper.provenance.novelty import Seen
from wrapper.provenance.prints import plain_codes, trivial

LEAST: Final = 5
"""Lines of its own that a content must have to count as an agent's: shorter ones are anybody's."""

_MOST: Final = 1 << 14  # contents that are remembered: some MB
_EMPTY: Final = hashlib.sha256().hexdigest()


class Difference(NamedTuple):
    """The lines that went and that came, without signs. `is_cut`: there are more that nobody wrote down.

    `is_all`: there was nothing before, so what came is the whole content. `around`: lines that stayed, as far as told.
    """

    gone: tuple[str, ...]
    come: tuple[str, ...]
    is_cut: bool
    is_all: bool
    around: tuple[str, ...] = ()


def difference(change: FileChange) -> Difference:
    """Read a change's diff, as `audit.touched` makes it; of one that was cut the last line is left out, too."""
    lines = change.diff.split("\n") if change.diff else []
    is_cut = not lines and (change.before != change.after or not (change.after or change.action == "created"))
    if lines and lines[-1].startswith("\\ "):
        lines, is_cut = lines[:-2], True
    gone = tuple(line[1:] for line in lines if line.startswith("-"))
    come = tuple(line[1:] for line in lines if line.startswith("+"))
    around = tuple(line[1:] for line in lines if line.startswith(" "))
    return Difference(gone, come, is_cut, bool(come) and not (gone or any(around) or is_cut), around)


class _Share(NamedTuple):
    """How many lines of a content say something, and how many of those are the agent's own."""

    lines: int = 0
    own: int = 0


class Contents:
    """Contents by their SHA-256, as far as they can be known; `own` are the lines that the agent wrote."""

    def __init__(self, own: Seen) -> None:
        self._own = own
        self._shares: dict[str, _Share] = {_EMPTY: _Share()}

    def written(self, text: str) -> None:
        """Know a content that a tool is to write; whether its last line is ended is not known."""
        share = self._share(text.split("\n"))
        for content in (text, f"{text}\n"):
            self._put(hashlib.sha256(content.encode("utf-8", "replace")).hexdigest(), share)

    def changed(self, change: FileChange, lines: Difference) -> bool:
        """Know the content after a change, where that can be; give whether it is the agent's."""
        before = _Share() if lines.is_all else self._shares.get(change.before)
        if before is not None and not lines.is_cut and change.after:
            gone, come = self._share(lines.gone), self._share(lines.come)
            share = _Share(before.lines - gone.lines + come.lines, before.own - gone.own + come.own)
            self._put(change.after, share)
        after = self._shares.get(change.after)
        return after is not None and is_agents(after.own, after.lines)

    def _share(self, lines: Iterable[str]) -> _Share:
        text = "\n".join(lines).encode("utf-8", "replace")
        telling = ~trivial(text)
        return _Share(int(telling.sum()), int((telling & self._own.has(plain_codes(text))).sum()))

    def _put(self, content: str, share: _Share) -> None:
        self._shares.pop(content, None)
        self._shares[content] = share
        if len(self._shares) > _MOST:
            del self._shares[next(iter(self._shares))]
            self._shares[_EMPTY] = _Share()


def is_agents(own: int, lines: int) -> bool:
    """Say whether a content counts as the agent's: more than half of what says something in it is its own."""
    return own >= LEAST and 2 * own > lines
