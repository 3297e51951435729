"""How a moment of a session is said, in a row and in full; pure."""

from collections.abc import Iterator
from typing import Final

from wrapper.audit.verdicts import name_of
from wrapper.errors import AuditError, SafeAgentError
from wrapper.review.app.painted import Line, clipped, said
from wrapper.review.app.reading import Entry
from wrapper.review.export.clock import clock
from wrapper.review.render import printable
from wrapper.review.story import Moment
from wrapper.review.times import moment as instant

MOST_LINES: Final = 5_000  # of one moment
OF_THE_LOG: Final = -1  # the sequence of a row that says something of the log itself
_TONES: Final = {
    "prompt": "accent", "answer": "strong", "call": "accent", "result": "dim", "change": "good", "redacted": "warn",
    "judged": "warn", "refused": "bad", "warning": "warn", "read": "dim", "output": "dim", "usage": "dim",
}  # fmt: skip
_DIFFERENCE: Final = {"+": "new", "-": "gone", "@": "hunk"}


def ill(error: SafeAgentError, at: float) -> Moment:
    """Make the row that stands where a log stops being good."""
    kind = name_of(error) if isinstance(error, AuditError) else "unreadable"
    return Moment(OF_THE_LOG, at, kind, error.what, (f"hint: {error.hint}",) if error.hint else ())


def unsealed(at: float) -> Moment:
    """Make the row that ends a log without a seal."""
    return Moment(OF_THE_LOG, at, "open", "not sealed: its recorder was killed; what came last may be missing")


def tone_of(moment: Moment) -> str:
    """Name the tone in which a moment's kind is said."""
    return "bad" if moment.sequence == OF_THE_LOG else _TONES.get(moment.kind, "plain")


def told(entry: Entry, began: float, width: int) -> Line:
    """Say a moment in a row of `width` cells."""
    moment = entry.moment
    tone = tone_of(moment)
    at, kind = f"{clock(moment.at - began):>7}  ", clipped(printable(moment.kind), 10) + " "
    title = clipped(printable(moment.title[: width * 2]), max(width - len(at) - 11, 1)).rstrip()
    return (
        (at, "dim"),
        (kind, tone),
        (title, tone if tone in ("dim", "bad") else "plain"),
    )


def full(moment: Moment, began: float) -> Iterator[Line]:
    """Say a moment with all of its texts, up to MOST_LINES lines."""
    if moment.sequence == OF_THE_LOG:
        yield (said(moment.kind, "bad"),)
    else:
        place = f"  record {moment.sequence}, {instant(moment.at)}, {clock(moment.at - began)} in"
        yield (said(moment.kind, tone_of(moment)), (place, "dim"))
    yield (said(moment.title, "strong"),)
    for path in moment.paths:
        yield (("file ", "dim"), said(path))
    if moment.lines:
        yield ()
    differs = moment.kind == "change" or (moment.kind == "call" and bool(moment.paths))  # other calls are commands
    for number, text in enumerate(one for line in moment.lines for one in line.split("\n")):
        if number == MOST_LINES:
            yield (("… and more; `safe-agent audit show` has all", "dim"),)
            return
        yield (said(text, _DIFFERENCE.get(text[:1], "plain") if differs else "plain"),)
