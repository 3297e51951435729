"""What is sent at one end arrives at the other, by each HTTP on each side."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.intercept.scene import Scene, scene
from tests.gateway.intercept.speaking import Fields, Host, Message, Talk, read_message, write_message

_OWN = {b"host", b"content-length", b"transfer-encoding", b"connection", b"te"}
_NAME = st.from_regex(rb"x-[a-z0-9_!#-]{1,12}", fullmatch=True)
_VALUE = st.binary(max_size=30).map(lambda raw: bytes(one if one >= 32 and one != 127 else 33 for one in raw).strip())
_FIELDS = st.lists(st.tuples(_NAME, _VALUE), max_size=4).map(tuple)
_PIECE = st.one_of(
    st.binary(min_size=1, max_size=50),
    st.builds(
        lambda size, seed: (bytes(range(256)) * (size // 256 + 1))[seed:size],
        st.integers(1, 90_000),
        st.integers(0, 99),
    ),
)
_PIECES = st.lists(_PIECE, max_size=4)


@st.composite
def _messages(draw: st.DrawFn, first: st.SearchStrategy[tuple[bytes, ...]]) -> Message:
    pieces = draw(_PIECES)
    trailers: Fields = draw(_FIELDS) if draw(st.booleans()) and pieces else ()
    return Message(draw(first), draw(_FIELDS), pieces, trailers, length=not trailers and draw(st.booleans()))


_TARGET = st.from_regex(rb"/[!$-~\"]{0,40}", fullmatch=True)
_REQUESTS = _messages(st.tuples(st.sampled_from((b"POST", b"PUT", b"PATCH", b"DELETE")), _TARGET))
_ANSWERS = _messages(st.sampled_from((200, 201, 400, 404, 500)).map(lambda status: (b"%d" % status,)))


class Ends:
    """A scene in which the inside and the host speak what they are told, over many examples."""

    def __init__(self, runner: asyncio.Runner, inside: str, outside: str) -> None:
        self.host = Host()
        self._runner, self._inside, self._outside = runner, inside, outside
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())

    async def _open(self) -> None:
        made: Scene = await self._stack.enter_async_context(
            scene(self.host.serve, protocols=(self._outside,), offers=(self._outside,))
        )
        self._streams = await made.open(self._inside)
        self._stack.callback(self._streams[1].close)
        self._talk = Talk(*self._streams) if self._inside == "h2" else None

    def exchange(self, asked: Message, answer: Message) -> tuple[Message, Message]:
        """Give what the host got, and what the inside got."""
        self.host.answers.append(answer)
        got = self._runner.run(self._exchanged(asked))
        return self.host.got.pop(), got

    async def _exchanged(self, asked: Message) -> Message:
        async with asyncio.timeout(20):
            if self._talk is not None:
                return await self._talk.ask(asked)
            await write_message(self._streams[1], asked)
            return await read_message(self._streams[0], bodiless=asked.first[0] == b"HEAD")


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module", params=["http/1.1", "h2"])
def inside(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["http/1.1", "h2"])
def outside(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def ends(runner: asyncio.Runner, inside: str, outside: str) -> Iterator[Ends]:
    with Ends(runner, inside, outside) as made:
        yield made


def _kept(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [field for field in fields if field[0] not in _OWN]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(asked=_REQUESTS, answer=_ANSWERS)
def test_the_same_bytes_fields_and_trailers_arrive_both_ways(ends: Ends, asked: Message, answer: Message) -> None:
    got, back = ends.exchange(asked, answer)
    assert got.first == asked.first
    assert back.first == answer.first
    for sent, came in ((asked, got), (answer, back)):
        assert came.body == sent.body
        assert _kept(came.headers) == list(sent.headers)
        assert came.trailers == sent.trailers


@pytest.mark.parametrize("status", [b"200", b"204", b"304"])
def test_an_answer_to_head_and_one_without_a_body_leave_the_connection_usable(ends: Ends, status: bytes) -> None:
    head = Message((b"HEAD", b"/"), length=True)
    _, back = ends.exchange(head, Message((status,), ((b"content-length", b"7"),), length=True))
    assert (back.first, back.body) == ((status,), b"")
    assert ((b"content-length", b"7") in back.headers) == (status != b"204")  # RFC 9110 section 8.6
    _, back = ends.exchange(Message((b"GET", b"/next"), length=True), Message((b"200",), (), [b"next"]))
    assert back.body == b"next"
