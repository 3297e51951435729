"""What of known contents left: in which requests, when, to whom, which bytes of which; pure but for numpy.

Rules of this file:
- Only what left is looked at: URLs, headers and bodies of requests, and messages of the client's on a WebSocket. Of
  what went to other hosts than providers, the log keeps the first MiB of each body.
- A run is reported where its bytes stand in a request, in one of the `forms`; nothing is guessed (`runs`).
- What a request has of an earlier one is not searched again. What was found there counts for it, too, if the bytes in
  which it was found stand in it whole.
- A run that several contents have is said of one: the one of which most is there in one piece, of equals the first.
"""

import bisect
import heapq
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from wrapper.audit.events import Request, Response, Sent
from wrapper.review import wire
from wrapper.review.containing import Containing
from wrapper.review.forms import forms
from wrapper.review.runs import SHORTEST, Known, Run, merged

_MARGIN: Final = 2048  # bytes searched again on either side of what is new: a run may begin in what is not
_BLOCK: Final = 16 << 10  # bytes searched in one go: of what was found in it none is searched again if all of it stays
_GAPS: Final = (b" ", b",", b";")  # part of no escape, and of no base64, hexadecimal or percent-encoding
_MOST_BODIES: Final = 16  # as many as the log itself builds on (`audit/deltas`)
_MOST_BYTES: Final = 64 << 20
_ORGANISATION: Final = ("anthropic-organization-id", "openai-organization")  # headers of answers
# JSON in a text, and as Claude Code wrote it before
_CLAUDE: Final = re.compile(r'"account_uuid"\s*:\s*"([^"]+)"|_account_([0-9A-Za-z-]+?)_session_')


class Span(NamedTuple):
    """Bytes `offset` to `offset + length` of a content, on lines `first` to `last` (from 1).

    `hidden` are those within, from and to, that did not leave: placeholders stood for them.
    """

    offset: int
    length: int
    first: int
    last: int
    hidden: tuple[tuple[int, int], ...] = ()

    @property
    def masked(self) -> int:
        """How many bytes did not leave."""
        return sum(end - start for start, end in self.hidden)

    def run(self, content: int) -> Run:
        """Give it as a run of that content."""
        return Run(content, self.offset, self.offset + self.length, self.hidden)


class Part(NamedTuple):
    """What of one content was in a request, and in which forms it was written there."""

    content: int
    spans: tuple[Span, ...]
    forms: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """How many bytes of the content left."""
        return sum(span.length - span.masked for span in self.spans)


class Account(NamedTuple):
    """Under whose account a request went, as far as its record tells; empty: it does not.

    `login` is the kind of login and the placeholder of its key, or the names of secrets that were put in; `user` and
    `organisation` are the provider's own ids.
    """

    login: str = ""
    user: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A part that left: first in record `sequence` (request `number`) at `at`, in `times` requests until `until`.

    `same_as`: these bytes were found as those of that content, of another file; -1: as what they are.
    """

    session: str
    sequence: int
    at: float
    number: int
    url: str
    upstream: str
    model: str
    account: Account
    part: Part
    times: int
    until: int
    same_as: int = -1


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

    def __init__(self, session: str, contents: Sequence[bytes], known: Known) -> None:
        self._session = session
        self._contents = contents
        self._lines: dict[int, list[int]] = {}
        self._known = known
        self._earlier: OrderedDict[int, _Searched] = OrderedDict()
        self._leavings: dict[tuple[str, str, str, Account, Part], Leaving] = {}
        self._containing = Containing(self._text)
        self._organisations: dict[int, str] = {}
        self.requests = 0

    def feed(self, sequence: int, event: Request | Sent) -> None:
        """Look through one request, whole (`parts`)."""
        self.requests += 1
        used = event.used if isinstance(event, Sent) else ()
        if isinstance(event, Sent):
            event = wire.as_request(event)
        found = self._in_body(event)
        around = "\n".join((event.url, *(f"{name}: {value}" for name, value in event.headers.items())))
        found += self._search(around.encode(errors="surrogateescape"), 0, None)
        if not found:
            return
        asked = _asked(event.body)
        account = Account(f"with {', '.join(used)}" if used else event.account, _user(event.headers, asked))
        for part in self._parts(found):
            key = (event.url, event.upstream, event.model or asked.model, account, part)
            before = self._leavings.get(key)
            self._leavings[key] = (
                replace(before, times=before.times + 1, until=event.number)
                if before is not None
                else Leaving(self._session, sequence, event.at, event.number, *key, times=1, until=event.number)
            )

    def answered(self, event: Response) -> None:
        """Learn from an answer whose request it was."""
        name = next((event.headers[name] for name in _ORGANISATION if event.headers.get(name)), "")
        if name:
            self._organisations[event.number] = name

    def leavings(self) -> tuple[Leaving, ...]:
        """Return what left, in the order in which it first did."""
        return tuple(
            replace(one, account=one.account._replace(organisation=self._organisations.get(one.number, "")))
            for one in self._leavings.values()
        )

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
        for first, last in _blocks(event.body, start, end):
            found += self._search(event.body, first, last)
        found = list(dict.fromkeys(found))
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
        """Yield what left of the content of which most did, then what is in no part before, of the next one."""
        runs = merged(one.run for one in found)
        self._containing.learn(runs)
        left: dict[int, dict[Run, None]] = {}
        for run in runs:
            left.setdefault(run.known, {})[run] = None
        written: dict[int, set[str]] = {}
        for one in found:
            written.setdefault(one.run.known, set()).add(one.form)
        worths = [(-_worth(of_content), content) for content, of_content in left.items()]
        heapq.heapify(worths)
        while worths:
            worth, best = heapq.heappop(worths)
            now = -_worth(left[best])
            if now != worth:  # something of it is in a part before: so another may be worth more now
                heapq.heappush(worths, (now, best))
                continue
            chosen = left.pop(best)
            if not chosen:
                continue
            yield Part(best, tuple(map(self._span, chosen)), tuple(sorted(written[best] - {""})))
            for run in chosen:
                for inner in self._containing.within(run):
                    left.get(inner.known, {}).pop(inner, None)

    def _text(self, run: Run) -> bytes:
        return self._contents[run.known][run.start : run.end].replace(
            b"\r\n", b"\n"
        )  # a content stands beside its text

    def _span(self, run: Run) -> Span:
        if run.known not in self._lines:
            self._lines[run.known] = line_starts(self._contents[run.known])
        return span(run, self._lines[run.known])


def span(run: Run, starts: Sequence[int]) -> Span:
    """Give a run with its lines; `starts` is where the lines of its content begin."""
    first, last = bisect.bisect_right(starts, run.start), bisect.bisect_right(starts, run.end - 1)
    return Span(run.start, run.end - run.start, first, last, run.hidden)


class _Metadata(msgspec.Struct):
    user_id: str = ""


class _Asked(msgspec.Struct):
    model: str = ""
    metadata: _Metadata | None = None


def _asked(body: bytes) -> _Asked:
    try:
        return msgspec.json.decode(body, type=_Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Asked()


def _user(headers: Mapping[str, str], asked: _Asked) -> str:
    """Give the account's id as clients send it: Codex in a header, Claude Code in `metadata.user_id`."""
    given = headers.get("chatgpt-account-id", "")
    named = _CLAUDE.search(asked.metadata.user_id) if asked.metadata is not None else None
    return given or (named[1] or named[2] if named else "")


def covered(parts: Iterable[Part]) -> int:
    """Count the bytes of one content that left in any of `parts`, which are all of it."""
    runs = merged([span.run(0) for part in parts for span in part.spans])
    return sum(run.end - run.start - run.masked for run in runs)


def _worth(runs: Iterable[Run]) -> int:
    """Weigh what of a content may have left: what is there in one piece is likelier than a little more in many."""
    return sum(run.end - run.start - run.masked - SHORTEST for run in runs)


def _holds(one: Run, other: Run) -> bool:
    return one.known == other.known and one.start <= other.start and other.end <= one.end


def line_starts(data: bytes) -> list[int]:
    """Return where each line begins."""
    return [0, *(end.end() for end in re.finditer(b"\n", data))]


def _blocks(body: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where to search, so that all from `start` to `end` is; long data without a gap only once."""
    at = start
    while True:
        first, last = max(0, at - _MARGIN), min(len(body), min(at + _BLOCK, end) + _MARGIN)
        first, last = _cut(body, first, last)
        yield first, last
        at = max(at + _BLOCK, last - _MARGIN)
        if at >= end:
            return


def _cut(body: bytes, start: int, end: int) -> tuple[int, int]:
    """Move the ends to where no escape, and nothing encoded, goes on."""
    first = max(body.rfind(gap, 0, start) for gap in _GAPS) if start else 0
    last = min((at for at in (body.find(gap, end) for gap in _GAPS) if at >= 0), default=-1) if end < len(body) else -1
    return max(first, 0), last if last >= 0 else len(body)
