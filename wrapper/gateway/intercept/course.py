"""The way of one request through the steps that `judging` lists."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from wrapper.errors import AuditError
from wrapper.gateway.answer import Offload
from wrapper.gateway.bodies import check_plain, decoded
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.answering import Counted
from wrapper.gateway.intercept.bindings import Binding
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Headers, Request, RequestHead, Send
from wrapper.gateway.intercept.finding import (
    Looked,
    LookedHead,
    Weighing,
    look_at_head,
)
from wrapper.gateway.intercept.masking import Masker, asking_readable
from wrapper.gateway.intercept.passing import Passage
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.pipeline import MOST_CAPTURED, Capture, Inspection
from wrapper.gateway.intercept.recording import Entry
from wrapper.gateway.intercept.routes import check_form, check_route, deciding
from wrapper.gateway.intercept.searching import LONG, looked_at
from wrapper.gateway.intercept.swapping import Swaps, swapped_body, swapped_head, swapped_stream
from wrapper.gateway.intercept.talking import messages
from wrapper.gateway.intercept.weighed import weigh
from wrapper.gateway.intercept.wholes import WITHIN, Gathered, Passing, gathered, whole
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Terms

T = TypeVar("T")

_AFTER_ALL: Final = 2.5  # seconds that an exchange about a login goes on for a client that has gone away
_DECODED: Final = 64 * 2**20  # bytes of a body whose codings are undone, as of the gateway
_WEBSOCKET: Final = "websocket"
_STREAMS: Final = (b"application/grpc", b"application/x-git-")  # bodies that are streams by their nature
_CODING: Final = b"content-encoding"
_TYPE: Final = b"content-type"
_BODY: Final = "body"


@dataclass(frozen=True, slots=True)
class Means:
    """What the steps are done with, at one host. `offload` runs a search of so many bytes where it stalls nobody."""

    weighing: Weighing
    masker: Masker
    bindings: tuple[Binding, ...]
    inspections: tuple[Inspection, ...]
    captures: tuple[Capture, ...]
    offload: Offload


class _Ready(NamedTuple):
    """A request that may leave: judged and swapped, its beginning on record."""

    head: RequestHead
    body: Body | None


class Course:
    """One request's; `run` is called once. Raises RefusedError, AuditError, and what `send` raises."""

    def __init__(self, means: Means, destination: Destination, terms: Terms, entry: Entry, send: Send) -> None:
        self._means = means
        self._destination = destination
        self._terms = terms
        self._entry = entry
        self._send = send
        self._is_packed = False
        self._stopped: RefusedError | AuditError | None = None  # why what was being sent was broken off

    async def run(self, request: Request) -> Answer:
        """Give the answer."""
        head, body = request.head, request.body
        if sum(name == _TYPE for name, _ in head.headers) > 1:
            raise RefusedError(400, "a request with two content types, which servers read differently")
        inspections = [one for one in self._means.inspections if one.covers(head, self._destination)]
        if not inspections:
            self._check_route(lambda: check_route(self._terms, head, self._destination))
        if head.upgrade and inspections:
            raise RefusedError(403, "a protocol that is inspected knows no change to another one")
        if head.upgrade:
            return await self._upgraded(head, body)
        head, body = await self._plain(head, body)
        for inspection in inspections:
            body = await inspection.inspected(head, body)
            self._is_packed |= inspection.is_packed(head)
        for capture in self._means.captures:
            if capture.wants(head, self._destination):
                return await self._captured(capture, head, body)
        return await self._exchanged(head, body)

    def _check_route(self, check: Callable[[], None]) -> None:
        try:
            check()
        except RefusedError:
            self._entry.judged("route", deciding(self._terms), "denied")
            raise

    async def _plain(self, head: RequestHead, body: Body | None) -> tuple[RequestHead, Body | None]:
        """Undo the content codings of a body, which has to be whole for that."""
        coding = b",".join(value for name, value in head.headers if name == _CODING).decode("latin-1")
        if body is None or coding.strip().lower() in ("", "identity"):
            return head, body
        got = await gathered(body)
        if got.rest is not None:
            got.rest.drop()
            what = f"the packed body has more than {WITHIN} bytes, or does not end"
            raise RefusedError(413, what, hint="send it without a Content-Encoding")
        plain = await self._means.offload(LONG, decoded, got.data, coding, _DECODED)
        return head.with_headers(_without(head.headers, _CODING)), Whole(plain)

    # Judging.

    def _judge_head(self, head: RequestHead) -> LookedHead:
        looked = look_at_head(head, self._means.weighing)
        self._weigh(looked.notes)
        return looked

    async def _judge_body(self, head: RequestHead, data: bytes, weighing: Weighing) -> Looked:
        """Judge a whole body, and what is packed in it."""
        media = head.get(_TYPE) or b""
        self._check_body(head, data, is_first=True)
        looked, packed = await looked_at(data, media, weighing, self._means.offload)
        self._weigh((*looked.notes, *packed))
        return looked

    def _check_body(self, head: RequestHead, data: bytes, *, is_first: bool) -> None:
        """Refuse a body, or a stretch of one, that cannot be searched, or that asks for another method."""
        media = head.get(_TYPE)
        if media and is_first:
            check_plain(data, media.decode("latin-1"))
        self._check_route(lambda: check_form(self._terms, head, self._destination, data))

    def _weigh(self, notes: Sequence[Masked]) -> None:
        weigh(notes, self._entry, self._destination)

    # One exchange.

    async def _exchanged(self, head: RequestHead, body: Body | None) -> Answer:
        media = (head.get(_TYPE) or b"").lower()
        got = await gathered(body, at_once=media.startswith(_STREAMS))
        try:
            looked = self._judge_head(head)
            ready = await (self._whole(looked, body, got.data) if got.rest is None else self._streamed(looked, got))
        except BaseException:
            if got.rest is not None:
                got.rest.drop()
            raise
        return self._masked(head, await self._sent(ready))

    async def _whole(self, looked: LookedHead, body: Body | None, data: bytes) -> _Ready:
        plain = await self._judge_body(looked.head, data, self._means.weighing)
        head, swapped = self._swapped(looked, plain.leaving)
        await self._entry.leaves(plain.logged)
        return _Ready(head, None if body is None else Whole(swapped))

    def _swapped(self, looked: LookedHead, body: bytes) -> tuple[RequestHead, bytes]:
        """Put values into head and body; what the log needs for that is noted."""
        bindings = self._means.bindings
        head, swaps = swapped_head(looked.head, bindings)
        if body and bindings:
            body, more = swapped_body(body, head.get(_TYPE), bindings)
            swaps += more
        self._told(swaps)
        self._entry.looked_at(looked.target, looked.headers, swaps.used)
        return head, body

    async def _streamed(self, looked: LookedHead, got: Gathered) -> _Ready:
        """Send a body while it comes. Of a stream it is known too late what was put in: all that may be is recorded."""
        assert got.rest is not None  # noqa: S101  (who calls has looked)
        bindings, length = self._means.bindings, got.rest.body.length
        head, swaps = swapped_head(looked.head, bindings)
        self._told(swaps)
        in_body = (one.name for one in bindings if any(where.place == _BODY for where in one.where))
        self._entry.looked_at(looked.target, looked.headers, (*swaps.used, *in_body))
        weighing = self._means.weighing._replace(replaces=self._terms.found == "redact")
        if self._is_packed:
            weighing = weighing._replace(engine=self._means.masker.engine, unpacks=False)

        def check(data: bytes, is_first: bool) -> None:  # noqa: FBT001  (of Passage)
            self._check_body(looked.head, data, is_first=is_first)

        passage = Passage(got, weighing, self._entry, self._weigh, self._means.offload, check)
        await passage.begin()
        passing = Passing(passage.pieces(self._broken), None if weighing.replaces else length)
        return _Ready(head, swapped_stream(passing, head.get(_TYPE), bindings, self._told))

    async def _sent(self, ready: _Ready) -> Answer:
        try:
            return await self._send(Request(asking_readable(ready.head), ready.body))
        except Exception as error:
            if self._stopped is not None and error is not self._stopped:
                raise self._stopped from error
            raise

    def _broken(self, error: RefusedError | AuditError) -> None:
        """Take note that what was being sent is broken off."""
        self._stopped = error
        self._entry.refused(error.what)

    def _told(self, swaps: Swaps) -> None:
        """Tell the user of a placeholder that did not work: without this, all that is seen is a 401."""
        for placeholder in swaps.stayed:
            self._entry.warn_once(
                f"`{placeholder}` works at {self._destination.host}, but stood in a place of a request "
                "that `where` of its `[[secrets]]` does not name, and stayed what it is"
            )

    # A login.

    async def _captured(self, capture: Capture, head: RequestHead, body: Body | None) -> Answer:
        data = await whole(body, MOST_CAPTURED, "the request")
        looked = self._judge_head(head)
        plain = await self._judge_body(head, data, self._means.weighing._replace(excuses=True))
        async with capture.turn(head, self._destination):
            going, swapped = self._swapped(looked, plain.leaving)
            asked = capture.asked(going, swapped)
            await self._entry.leaves(plain.logged)

            async def answered() -> tuple[Answer, bytes, bytes]:
                answer = await self._sent(_Ready(going, Whole(asked) if asked or body is not None else None))
                said = await _said(answer)
                return answer, said, capture.answered(head, answer.head.status, said)

            answer, said, given = await _to_its_end(answered())
        kept = (capture.name,) if given != said else ()
        headers = _without(answer.head.headers, _CODING, b"content-length")
        return self._masked(head, Answer(AnswerHead(answer.head.status, headers), Whole(given)), captured=kept)

    # The answer.

    def _masked(self, head: RequestHead, answer: Answer, *, captured: Sequence[str] = ()) -> Answer:
        found: dict[tuple[str, str], int] = {}

        def told(kind: str, placeholder: str, count: int) -> None:
            found[kind, placeholder] = found.get((kind, placeholder), 0) + count

        def done(size: int, *, complete: bool) -> None:
            self._entry.masked(found)
            kinds = [kind for kind, _ in found]
            complete = complete and self._stopped is None
            self._entry.answered(answer.head.status, size, complete=complete, masked=kinds, captured=captured)

        given = self._means.masker.answer(answer, head, told)
        if given.body is None:
            done(0, complete=True)
            return given
        return Answer(given.head, Counted(given.body, done))

    # A WebSocket.

    async def _upgraded(self, head: RequestHead, body: Body | None) -> Answer:
        if head.upgrade.lower() != _WEBSOCKET:
            raise RefusedError(501, "this connection can become a WebSocket, and nothing else")
        looked = self._judge_head(head)
        going, _ = self._swapped(looked, b"")
        await self._entry.leaves(b"")
        talk = None
        if body is not None:
            weighing, offload = self._means.weighing, self._means.offload
            talk = Passing(messages(body, self._entry, self._destination, weighing, offload, self._broken), None)
        return self._masked(head, await self._sent(_Ready(going, talk)))


async def _to_its_end(exchange: Coroutine[Any, Any, T]) -> T:
    """Let an exchange come to its end, though the inside goes away: the host's answer may end the login that was.

    Not for long, and however often this is cancelled: at the end of a session all waits for it.
    """
    task, gone = asyncio.ensure_future(exchange), asyncio.CancelledError()
    now, until = asyncio.get_running_loop().time, math.inf
    while not task.done() and now() < until:
        try:
            await asyncio.wait([task], timeout=None if until == math.inf else until - now())
        except asyncio.CancelledError as error:
            gone, until = error, min(until, now() + _AFTER_ALL)
    if until == math.inf:
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    raise gone


async def _said(answer: Answer) -> bytes:
    """Read a whole answer, its codings undone."""
    data = await whole(answer.body, MOST_CAPTURED, "the host's answer")
    coding = (answer.head.get(_CODING) or b"").decode("latin-1")
    try:
        return decoded(data, coding, MOST_CAPTURED) if data else b""
    except RefusedError as error:
        raise RefusedError(502, f"the host's answer cannot be read: {error.what}") from error


def _without(headers: Headers, *names: bytes) -> Headers:
    return tuple(header for header in headers if header[0] not in names)
