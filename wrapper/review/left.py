"""What of a file left: in which requests, when, to whom, which bytes of which version; pure but for numpy.

Rules of this file:
- Only what left is looked at: URLs, headers and bodies of requests, and messages of the client's on a WebSocket. Of
  what went to other hosts than providers, the log keeps the first MiB of each body.
- A run is reported where its bytes stand in a request, in one of the `forms`; nothing is guessed (`runs`).
- What a request has of an earlier one is not searched again. What was found there counts for it, too, if the bytes in
  which it was found stand in it whole.
- A run that several versions have is said of one: the one of which most is there in one piece, of equals the newest.
"""

import bisect
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from wrapper.audit.events import Request, Sent
from wrapper.review import wire
from wrapper.review.forms import forms
from wrapper.review.runs import SHORTEST, Known, Run, merged

_MARGIN: Final = 4096  # bytes searched again on either side of what is new: a run may begin in what is not
_MOST_BODIES: Final = 16  # as many as the log itself builds on (`audit/deltas`)
_MOST_BYTES: Final = 64 << 20


class Version(NamedTuple):
    """One content that the file has or had: `name` says when (`the working copy`, a commit), `path` where."""

    name: str
    path: str
    data: bytes


class Span(NamedTuple):
    """Bytes `offset` to `offset + length` of a version, on lines `first` to `last` (from 1); `masked` did not leave."""

    offset: int
    length: int
    first: int
    last: int
    masked: int


class Part(NamedTuple):
    """What of one version was in a request, and in which forms it was written there."""

    version: int
    spans: tuple[Span, ...]
    forms: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """How many bytes of the version left."""
        return sum(span.length - span.masked for span in self.spans)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A part that left: first in record `sequence` (request `number`) at `at`, in `times` requests until `until`."""

    session: str
    sequence: int
    at: float
    number: int
    url: str
    upstream: str
    model: str
    part: Part
    times: int
    until: int


class _Found(NamedTuple):
    """A run, the form it had, and the bytes of the body within which it was found."""

    run: Run
    form: str
    start: int
    end: int


class _Searched(NamedTuple):
    body: bytes
    found: tuple[_Found, ...]


class Left:
    """Takes the requests of a session in order; `leavings` then says what was in them. One for each session."""

    def __init__(self, session: str, versions: Sequence[Version], known: Known) -> None:
        self._session = session
        self._versions = tuple(versions)
        self._lines = [_line_starts(version.data) for version in versions]
        self._known = known
        self._earlier: OrderedDict[int, _Searched] = OrderedDict()
        self._leavings: dict[tuple[str, str, str, Part], Leaving] = {}
        self.requests = 0

    def feed(self, sequence: int, event: Request | Sent) -> None:
        """Look through one request, or through a part of one that was sent while it came."""
        self.requests += not (isinstance(event, Sent) and event.offset)
        if isinstance(event, Sent):
            event = wire.as_request(event)
        found = self._in_body(event)
        around = "\n".join((event.url, *(f"{name}: {value}" for name, value in event.headers.items())))
        found += self._search(around.encode(errors="surrogateescape"), 0, None)
        model = (event.model or _model(event.body)) if found else ""
        for part in self._parts(found):
            key = (event.url, event.upstream, model, part)
            before = self._leavings.get(key)
            self._leavings[key] = (
                replace(before, times=before.times + 1, until=event.number)
                if before is not None
                else Leaving(self._session, sequence, event.at, event.number, *key, times=1, until=event.number)
            )

    def leavings(self) -> tuple[Leaving, ...]:
        """Return what left, in the order in which it first did."""
        return tuple(self._leavings.values())

    def _in_body(self, event: Request) -> list[_Found]:
        base = self._base(event)
        found: list[_Found] = []
        start, end = 0, len(event.body)
        if base is not None:
            grown = len(event.body) - len(base.body)
            start, end = event.prefix, len(event.body) - event.suffix
            for one in base.found:
                if one.end <= event.prefix:
                    found.append(one)
                elif one.start >= len(base.body) - event.suffix:
                    found.append(one._replace(start=one.start + grown, end=one.end + grown))
                elif one.start < event.prefix:
                    start = min(start, one.start)
                else:
                    end = max(end, min(one.end + grown, len(event.body)))
        start, end = _cut(event.body, max(0, start - _MARGIN), min(len(event.body), end + _MARGIN))
        found += self._search(event.body, start, end)
        self._remember(event.number, _Searched(event.body, tuple(found)))
        return found

    def _base(self, event: Request) -> _Searched | None:
        """Find the earlier body whose ends this one has; the log's reader does not say which it was."""
        shared = event.prefix + event.suffix
        if event.base or not shared:
            return None
        for one in reversed(self._earlier.values()):
            if (
                len(one.body) >= shared
                and one.body.startswith(event.body[: event.prefix])
                and one.body.endswith(event.body[len(event.body) - event.suffix :])
            ):
                return one
        return None

    def _remember(self, number: int, searched: _Searched) -> None:
        self._earlier.pop(number, None)
        self._earlier[number] = searched
        while len(self._earlier) > _MOST_BODIES or sum(len(one.body) for one in self._earlier.values()) > _MOST_BYTES:
            self._earlier.popitem(last=False)

    def _search(self, text: bytes, start: int, end: int | None) -> list[_Found]:
        window = text[start:end]
        found: list[_Found] = []
        for form, written in forms(window):
            plainer: dict[int, list[Run]] = {}
            for one in found:
                plainer.setdefault(one.run.known, []).append(one.run)
            new = self._known.find(written)
            new = [run for run in new if not any(_holds(other, run) for other in plainer.get(run.known, ()))]
            found += [_Found(run, form, start, start + len(window)) for run in new]
        return found

    def _parts(self, found: Sequence[_Found]) -> Iterator[Part]:
        """Yield what left of the version of which most did, then what is in no part before, of the next one."""
        left = list(found)
        while left:
            runs = merged([one.run for one in left])
            worth: dict[int, int] = {}
            for run in runs:  # one that is there in one piece is likelier than one with a little more in many
                worth[run.known] = worth.get(run.known, 0) + run.end - run.start - run.masked - SHORTEST
            best = min(worth, key=lambda version: (-worth[version], version))
            chosen = [run for run in runs if run.known == best]
            written = sorted({one.form for one in left if one.run.known == best})
            yield Part(best, tuple(self._span(run) for run in chosen), tuple(form for form in written if form))
            said = b"\0".join(self._text(run) for run in chosen)
            left = [one for one in left if one.run.known != best and self._text(one.run) not in said]

    def _text(self, run: Run) -> bytes:
        return self._versions[run.known].data[run.start : run.end]

    def _span(self, run: Run) -> Span:
        lines = self._lines[run.known]
        first, last = bisect.bisect_right(lines, run.start), bisect.bisect_right(lines, run.end - 1)
        return Span(run.start, run.end - run.start, first, last, run.masked)


class _Asked(msgspec.Struct):
    model: str = ""


def _model(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Asked).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def covered(parts: Sequence[Part]) -> int:
    """Count the bytes of one version that left in any of `parts`, which are all of it."""
    runs = [Run(0, span.offset, span.offset + span.length, span.masked) for part in parts for span in part.spans]
    return sum(run.end - run.start - run.masked for run in merged(runs))


def _holds(one: Run, other: Run) -> bool:
    return one.known == other.known and one.start <= other.start and other.end <= one.end


def _line_starts(data: bytes) -> list[int]:
    return [0, *(end.end() for end in re.finditer(b"\n", data))]


def _cut(body: bytes, start: int, end: int) -> tuple[int, int]:
    """Move the ends to blanks: none stands within an escape."""
    first = body.rfind(b" ", 0, start) if start else 0
    last = body.find(b" ", end) if end < len(body) else -1
    return max(first, 0), last if last >= 0 else len(body)
