"""Whatever bytes come, from the inside or from a host: a refusal, or a whole and valid request, and nothing else."""

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.intercept.scene import HOST
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Request, RequestHead, Send
from wrapper.gateway.intercept.exchanging import Exchanging, Limits
from wrapper.gateway.intercept.heads import request_head
from wrapper.gateway.intercept.http1 import request_bytes
from wrapper.gateway.intercept.http1_inside import Http1Inside
from wrapper.gateway.intercept.http1_outside import Http1Outside
from wrapper.gateway.intercept.http2_inside import Http2Inside
from wrapper.gateway.intercept.http2_outside import Http2Outside
from wrapper.gateway.intercept.link import Receiver
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.refusal import RefusedError

_DESTINATION = Destination(HOST, 443)
_LINE = re.compile(rb"[A-Z][A-Z-]* (?:/[!-\"$-~]*|\*) HTTP/1\.1")
_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_GOOD1 = (
    f"POST /a?b=c HTTP/1.1\r\nHost: {HOST}\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
    f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
).encode()
_ANSWER1 = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"


class _Link:
    """A link that leads nowhere."""

    is_over = False
    protocol = ""

    def __init__(self) -> None:
        self.sent = b""
        self.receiver: Receiver | None = None

    def attach(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def write(self, data: bytes) -> None:
        self.sent += data

    def flush(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def drain(self) -> None: ...

    def close(self, *, linger: bool = False) -> None:
        self.is_over = True

    def abort(self, error: OSError) -> None:
        if not self.is_over:
            self.is_over = True
            assert self.receiver is not None
            self.receiver.ended(error)


def _mutated(good: bytes) -> st.SearchStrategy[bytes]:
    pieces = st.sampled_from([b"\r\n", b"\n", b"\0", b" ", b":", b"\t", b"\r", b";", b",", b"0", b"-", b"chunked", b"\xff",
                              b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"HTTP/1.1"])  # fmt: skip

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = good
        for where, size, new in edits:
            at = where % (len(data) + 1)
            data = data[:at] + new + data[at + size :]
        return data

    return st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), pieces | st.binary(max_size=3)), max_size=4).map(
        change
    )


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [piece for piece in (*pieces, data[at:]) if piece]


def _handled(
    kind: type[Http1Inside] | type[Http2Inside], pieces: list[bytes]
) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Give the heads and whole bodies that a handler saw, as they would be sent on, and what went wrong unforeseen."""
    seen: list[tuple[bytes, bytes]] = []
    faults: list[str] = []

    async def handle(request: Request, send: Send) -> Answer:
        head = request_bytes(request.head, request.body)
        body = b"".join([piece async for piece in request.body]) if request.body and not request.head.upgrade else b""
        seen.append((head, body))
        return Answer(AnswerHead(200, ()), Whole(b"fine"))

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(str(context)))
        link = _Link()
        way = Exchanging(_DESTINATION, handle, _NoWay, lambda _: None, Limits())
        end = kind(link, way)  # type: ignore[arg-type]  # as good as one
        task = asyncio.get_running_loop().create_task(end.run())
        await asyncio.sleep(0)
        for piece in pieces:
            if not link.is_over:
                end.received(piece)
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        end.ended(None)
        await task

    asyncio.run(run())
    return seen, faults


class _NoWay:
    async def __call__(self, request: Request) -> Answer:
        raise AssertionError(request)

    def close(self) -> None: ...


def _check(seen: list[tuple[bytes, bytes]]) -> None:
    for head, _ in seen:
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert _LINE.fullmatch(lines[0]), lines[0]
        assert all(_FIELD.fullmatch(line) for line in lines[1:]), lines
        assert [line for line in lines if line.startswith(b"host: ")] == [b"host: " + HOST.encode()]
        assert sum(line.startswith((b"content-length: ", b"transfer-encoding: ")) for line in lines) <= 1


_SIZES = st.lists(st.integers(1, 60), max_size=6)


@settings(max_examples=80)
@given(data=_mutated(_GOOD1), sizes=_SIZES)
def test_what_is_made_of_mutated_requests_is_refused_or_valid(data: bytes, sizes: list[int]) -> None:
    seen, faults = _handled(Http1Inside, _cut(data, sizes))
    assert not faults
    _check(seen)


@settings(max_examples=60)
@given(data=st.binary(max_size=300), sizes=_SIZES)
def test_random_bytes_are_no_requests(data: bytes, sizes: list[int]) -> None:
    for kind in (Http1Inside, Http2Inside):
        seen, faults = _handled(kind, _cut(data, sizes))
        assert not faults
        assert seen == []


@given(sizes=_SIZES)
def test_a_good_request_is_the_same_however_it_is_cut(sizes: list[int]) -> None:
    seen, faults = _handled(Http1Inside, _cut(_GOOD1, sizes))
    assert not faults
    assert [body for _, body in seen] == [b"abc", b""]
    assert (
        seen[0][0] == f"POST /a?b=c HTTP/1.1\r\nhost: {HOST}\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    _check(seen)


def _good2() -> bytes:
    from h2.config import H2Configuration
    from h2.connection import H2Connection

    talk = H2Connection(H2Configuration(header_encoding=None))
    talk.initiate_connection()
    head = [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", HOST.encode()),
        (b":path", b"/a"),
        (b"x-a", b"b"),
    ]
    talk.send_headers(1, head)
    talk.send_data(1, b"abc", end_stream=True)
    talk.send_headers(3, head, end_stream=True)
    return talk.data_to_send()


_GOOD2 = _good2()


@settings(max_examples=80)
@given(data=_mutated(_GOOD2), sizes=_SIZES)
def test_what_is_made_of_mutated_frames_is_refused_or_valid(data: bytes, sizes: list[int]) -> None:
    seen, faults = _handled(Http2Inside, _cut(data, sizes))
    assert not faults
    _check(seen)


def test_the_frames_that_are_mutated_are_good_ones() -> None:
    seen, _ = _handled(Http2Inside, [_GOOD2])
    assert [body for _, body in seen] == [b"abc", b""]


@settings(max_examples=80)
@given(data=_mutated(_ANSWER1) | st.binary(max_size=200), sizes=_SIZES)
def test_what_a_host_sends_is_an_answer_or_an_error(data: bytes, sizes: list[int]) -> None:
    faults: list[str] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(str(context)))
        request = Request(RequestHead("GET", HOST, "/", ()))
        link1, link2 = _Link(), _Link()
        for end, link in ((Http1Outside(link1, lambda _: None), link1), (Http2Outside(link2), link2)):  # type: ignore[arg-type]
            task = asyncio.get_running_loop().create_task(_read(end, request))
            await asyncio.sleep(0)
            for piece in _cut(data, sizes):
                if not link.is_over:
                    end.received(piece)
            if not link.is_over:
                end.ended(None)
            await task

    async def _read(end: Http1Outside | Http2Outside, request: Request) -> None:
        try:
            answer = await end.exchange(request)
            assert 100 <= answer.head.status <= 999
            if answer.body is not None:
                async for _ in answer.body:
                    pass
        except (OSError, RefusedError):
            pass

    asyncio.run(run())
    assert not faults


@given(
    st.text(max_size=8), st.text(max_size=20), st.sampled_from([HOST, HOST.upper(), f"{HOST}:443"]) | st.text(max_size=20),
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=3),
)  # fmt: skip
def test_a_head_that_passes_writes_one_request(
    method: str, target: str, authority: str, fields: list[tuple[bytes, bytes]]
) -> None:
    try:
        head = request_head(_DESTINATION, method, f"/{target}", authority, fields, "")
    except RefusedError:
        return
    written = request_bytes(head, None)
    assert written.count(b"\r\n") == 2 + len(fields) + (method in {"POST", "PUT", "PATCH"}) + 1 - sum(
        name == b"content-length" for name, _ in fields
    )
    assert written.count(b"\n") == written.count(b"\r")
