"""Values that are known outside become placeholders in what a host answers, as it passes.

Rules of this file:
1. Masked is what the inside must not know: known values of the outside, as they are and encoded, in headers, bodies,
   trailers and frames. The beginning of an answer, which is all of it mostly, gets a second look piece by piece: for
   parts of encoded values, and behind escapes.
2. Nobody waits for a whole answer. The last bytes of what has come are held back, since they may begin a value, and
   given out after a short pause. They are always as many: if only what does begin a value were held back, the inside
   could have its guesses echoed by any host, and would see a value grow letter by letter.
3. Only what can be read is passed. A content coding is undone on the way; one that is not known is refused, and so is
   a range of coded bytes. Requests ask for what can be read: `asking_readable`.
4. The length of a masked body is not known ahead, so none is announced. An answer without a body keeps what it says.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from redactors.echoes import Echo, Echoes
from redactors.engine import Engine
from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.gateway.intercept.codings import Undoing, codings_of, known_coding
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Headers, RequestHead
from wrapper.gateway.intercept.framing import Frames
from wrapper.gateway.intercept.wholes import Reading
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.unfold import Unfolding

Told = Callable[[str, str, int], None]
"""Hears kind, placeholder and how many times, as it happens."""

_PAUSE: Final = 0.02  # seconds, as for a terminal: below what people and programs notice
_HELD: Final = 256  # bytes: who knows so many of a value has it; a value's form is seldom longer
_TWICE: Final = 2**18  # bytes of an answer that are looked at twice: all of an API's answers, and 2 ms of a download
_SWITCHING: Final = 101
_PARTIAL: Final = 206
_OF_BYTES: Final = frozenset({b"content-length", b"content-encoding"})
_WEBSOCKET: Final = "websocket"


class Masker:
    """Masks the answers of a session; made once, since what streams need of the known values takes milliseconds."""

    def __init__(self, known: KnownValues, vault: Vault) -> None:
        self._vault = vault
        self._echoes = Echoes(known, vault)
        self.engine = Engine((), _Nothing(), vault, known)
        """Finds known values and nothing else."""
        self._finder = Unfolding(self.engine)

    @property
    def is_ready(self) -> bool:
        """Whether an answer can begin without delay: no values are new."""
        return self._echoes.is_ready

    def prepare(self) -> None:
        """Work out what is needed of values that are new; tens of milliseconds for a thousand."""
        self._echoes.prepare()

    def answer(self, answer: Answer, asked: RequestHead, told: Told) -> Answer:
        """Mask the answer to `asked`. RefusedError (502) where it could not be searched.

        Its body raises ConnectionError where it is broken, besides what the host's own body raises.
        """
        head, body = self._head(answer.head, told), answer.body
        if head.status == _SWITCHING:
            return Answer(head, None if body is None else self._switched(body, asked.upgrade, told))
        codings = codings_of([value for name, value in answer.head.headers if name == b"content-encoding"])
        if body is None or body.length == 0:
            return Answer(_readable(head) if codings else head, body)
        if codings and head.status == _PARTIAL:
            what = "the answer is a part of coded bytes, so no secret can be found in it"
            raise RefusedError(502, what, lasting=True)
        undone = Undoing(codings) if codings else None
        return Answer(_readable(head), _Masked(body, self._text(told), lambda them: self._headers(them, told), undone))

    def whole(self, data: bytes, told: Told) -> bytes:
        """Mask a short text of its own."""
        return _replaced(data, self._outsides(data), told)

    def _text(self, told: Told) -> "_Text":
        text = self._echoes.text()
        text.on_mask = lambda found, placeholder: told(found.kind, placeholder, 1)
        return _Steady(text, self._outsides, told)

    def _switched(self, body: Body, upgrade: str, told: Told) -> Body:
        text = self._text(told)
        if upgrade.lower() != _WEBSOCKET:
            return _Masked(body, text, _as_they_are)
        return _Masked(body, Frames(text, lambda payload: self.whole(payload, told)), _as_they_are)

    # Headers.

    def _head(self, head: AnswerHead, told: Told) -> AnswerHead:
        headers = self._headers(head.headers, told)
        return head if headers is head.headers else replace(head, headers=headers)

    def _headers(self, headers: Headers, told: Told) -> Headers:
        text = b"\n".join(part for header in headers for part in header)
        if not any(self._outsides(text)):
            return headers
        given = ((name, _replaced(value, self._outsides(value), told)) for name, value in headers)
        return tuple((name, value) for name, value in given if not any(self._outsides(name)))

    def _outsides(self, data: bytes) -> Iterator["_Mask"]:
        """Find values that the inside must not learn."""
        for found in self._finder.find(data):
            placeholder = self._placeholder(found)
            if placeholder is not None:
                yield _Mask(found.start, found.end, found.kind, placeholder)

    def _placeholder(self, found: Finding) -> str | None:
        placeholder = self._vault.issue(found.kind, found.value, Origin.INSIDE)
        text = placeholder.encode()
        return placeholder if self._vault.restore(text, to=Origin.INSIDE) == text else None


@dataclass(frozen=True, slots=True)
class _Mask:
    """A span, and what goes into its place."""

    start: int
    end: int
    kind: str
    placeholder: str


def asking_readable(head: RequestHead) -> RequestHead:
    """Let a request ask only for what can be searched: content codings that can be undone, and plain frames."""
    has_range = any(name == b"range" for name, _ in head.headers)
    asked = tuple(
        (name, _readable_codings(value, none=has_range) if name == b"accept-encoding" else value)
        for name, value in head.headers
        if name != b"sec-websocket-extensions"
    )
    return head if asked == head.headers else head.with_headers(asked)


def _readable_codings(value: bytes, *, none: bool) -> bytes:
    """Keep the codings that can be undone, with their weights; `*` would ask for any other."""
    entries = [entry.strip() for entry in value.decode("latin-1").split(",")]
    kept = [] if none else [entry for entry in entries if known_coding(entry.partition(";")[0].strip().lower())]
    return ", ".join(kept or ["identity"]).encode("latin-1")


def _readable(head: AnswerHead) -> AnswerHead:
    return replace(head, headers=tuple(header for header in head.headers if header[0] not in _OF_BYTES))


def _replaced(data: bytes, masks: Iterable[_Mask], told: Told) -> bytes:
    out: list[bytes] = []
    done = 0
    for mask in masks:
        out += data[done : mask.start], mask.placeholder.encode()
        done = mask.end
        told(mask.kind, mask.placeholder, 1)
    return b"".join((*out, data[done:])) if out else data


def _as_they_are(headers: Headers) -> Headers:
    return headers


class _Nothing:
    """The scanner of no rules: known values are found without."""

    def scan(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Find no candidates."""
        del data
        return ()


class _Text(Protocol):
    """Masks bytes as they come."""

    @property
    def held(self) -> bool: ...

    def feed(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class _Steady:
    """Masks a text as it comes, and holds back the same number of bytes whatever they are.

    `find` gives what else is masked: the beginning of a text is looked at twice, each time with what is held back, so
    that no value is found by its first part only. `told` hears of these masks.
    """

    def __init__(self, text: Echo, find: Callable[[bytes], Iterable[_Mask]], told: Told) -> None:
        self._text = text
        self._find = find
        self._told = told
        self._left = _TWICE
        self._held = b""

    @property
    def held(self) -> bool:
        return bool(self._held) or self._text.held

    def feed(self, data: bytes) -> bytes:
        self._held += self._text.feed(data)
        return self._given(min(len(self._held), max(0, len(self._held) + self._text.pending - _HELD)))

    def flush(self) -> bytes:
        self._held += self._text.flush()
        return self._given(len(self._held))

    def _given(self, end: int) -> bytes:
        """Give what is held up to `end`, or to the beginning of a value that goes on behind it."""
        masks: list[_Mask] = []
        if self._left > 0 and end:
            found = list(self._find(self._held))
            end = min((one.start for one in found if one.start < end < one.end), default=end)
            masks = [one for one in found if one.end <= end]
        given, self._held = self._held[:end], self._held[end:]
        self._left -= end
        return _replaced(given, masks, self._told)


@dataclass(slots=True)
class _Masked:
    """A body that is masked as it passes, with its codings undone."""

    _body: Body
    _text: _Text
    _headers: Callable[[Headers], Headers]
    _undoing: Undoing | None = None
    _trailers: Headers = field(default=(), init=False)

    @property
    def length(self) -> int | None:
        """Not known before its end."""
        return None

    @property
    def trailers(self) -> Headers:
        """What came behind the last byte."""
        return self._trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces."""
        reading = Reading(self._body)
        come = 0
        try:
            while True:
                waits = self._text.held and come != self._body.length  # all has come: the end is no pause
                try:
                    piece = await reading.piece(_PAUSE if waits else None)
                except TimeoutError:
                    if out := self._text.flush():
                        yield out
                    continue
                if not piece:
                    break
                come += len(piece)
                for part in (piece,) if self._undoing is None else self._undoing.feed(piece):
                    if out := self._text.feed(part):
                        yield out
            if out := self._rest():
                yield out
            self._trailers = self._headers(self._body.trailers)
        finally:
            reading.drop()

    def _rest(self) -> bytes:
        if self._undoing is not None:
            self._undoing.end()
        return self._text.flush()
