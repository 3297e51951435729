"""Streams and WebSockets in whatever pieces: they say the same, and no secret leaves or comes in.

Each property runs against one gateway that lives through all of its examples, so each example is also the proof that
the ones before it did no harm.
"""

import asyncio
import resource
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import Origin
from tests.gateway.contract.apis import APIS
from tests.gateway.contract.line import running
from tests.gateway.contract.raw import BODY, VALUE, assert_serves, cut
from tests.gateway.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer
from tests.gateway.wire import Received
from wrapper.audit.events import Refused, Request

NAMED = {api.name: api for api in APIS}
INSIDE = f'say "{secrets.token_hex(8)}" \\ to ü'
STREAMED = ("messages, streamed", "responses, streamed", "chat, streamed")
CUTS = st.lists(st.integers(1, 60), max_size=40).map(tuple)


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_says_the_same_wherever_it_is_cut_and_however_its_lines_end(name: str) -> None:
    with running(NAMED[name]) as (one, run):
        inside = one.world.vault.issue("PASSWORD", INSIDE.encode(), Origin.INSIDE)
        outside = one.world.knows(VALUE.encode())
        places = one.api.answers.places
        said = one.api.answers.say(dict.fromkeys(places, f"a {inside} b {outside} c {VALUE} d"))
        wanted = {place: f"a {inside if place == 'signed' else INSIDE} b {outside} c {outside} d" for place in places}

        async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for piece in cut(stream, sizes):
                writer.write(piece)
                await asyncio.sleep(0)
            await writer.drain()
            raise ConnectionError

        stream = b""
        sizes: tuple[int, ...] = ()

        @settings(max_examples=25)
        @given(some=CUTS, end=st.sampled_from((b"\n", b"\r\n", b"\r")), note=st.sampled_from((b"", b": note\n\n")))
        def check(some: tuple[int, ...], end: bytes, note: bytes) -> None:
            nonlocal stream, sizes
            stream, sizes = note.join(said).replace(b"\n", end) + b": the end", some

            async def scenario() -> None:
                one.provider.answer = answer
                heard = await one.ask()
                unified = heard.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                assert one.api.answers.read(unified) == wanted
                assert VALUE.encode() not in heard.body

            run(scenario())

        check()


@pytest.mark.parametrize("name", ["WebSocket", "WebSocket, ChatGPT login"])  # compressed and not
def test_messages_say_the_same_in_whatever_fragments_they_come(name: str) -> None:
    with running(NAMED[name]) as (one, run):
        inside = one.world.vault.issue("PASSWORD", INSIDE.encode(), Origin.INSIDE)
        outside = one.world.knows(VALUE.encode())
        places = one.api.answers.places
        one.says(dict.fromkeys(places, f"a {inside} b {outside} c {VALUE} d"))
        wanted = {place: f"a {inside if place == 'signed' else INSIDE} b {outside} c {outside} d" for place in places}
        body = one.api.body.prompt(f" {VALUE} ")

        @settings(max_examples=25)
        @given(ours=CUTS.map(lambda sizes: sizes[:20]), theirs=CUTS.map(lambda sizes: sizes[:20]))
        def check(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
            one.provider.cuts = theirs

            async def scenario() -> None:
                heard = await one.ask(body, cuts=ours)
                assert one.api.answers.read(heard.body) == wanted
                assert one.sent[-1] == body.replace(VALUE.encode(), outside.encode())

            run(scenario())

        check()
        assert VALUE.encode() not in one.provider.bytes


FRAME = st.tuples(
    st.sampled_from((TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE, 3, 11, TEXT | 0x40, TEXT | 0x20)),
    st.one_of(st.binary(max_size=200), st.just(BODY), st.just(b"\x03\xe8")),
    st.booleans(),
    st.sampled_from((None, None, None, 0, 1, 2**40)),
)


def test_frames_of_any_kind_in_any_order_let_nothing_out_that_is_not_recorded() -> None:
    """Promises 1 and 4."""
    with running(NAMED["WebSocket"], body_limit=100_000) as (one, run):
        one.world.knows(VALUE.encode())

        @settings(max_examples=60)
        @given(st.lists(FRAME, max_size=6))
        def check(frames: list[tuple[int, bytes, bool, int | None]]) -> None:
            async def scenario() -> None:
                reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
                peer: Peer = await one._opened(reader, writer, one.api.target, ())
                for opcode, payload, final, length in frames:
                    peer.frame(opcode, payload, final=final, length=length)
                await asyncio.sleep(0.01)
                writer.close()
                await assert_serves(one)
                recorded = [event.body for event in one.world.sink.of(Request) if event.method == "WEBSOCKET"]
                assert one.sent == recorded

            run(scenario())

        check()
        assert VALUE.encode() not in one.provider.bytes
        assert VALUE.encode() not in one.world.recorded()


def test_a_message_that_is_a_bomb_ends_its_connection_and_is_recorded() -> None:
    with running(NAMED["WebSocket"], body_limit=2**20) as (one, run):

        async def scenario() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
            peer: Peer = await one._opened(reader, writer, one.api.target, ())
            peer.say(bytes(200 * 2**20))
            code, _ = await asyncio.wait_for(peer.closed(), 5)
            writer.close()
            assert code == 1009
            assert one.sent == []
            assert [event.method for event in one.world.sink.of(Refused)] == ["WEBSOCKET"]
            await assert_serves(one)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run(scenario())
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 * 2**10  # kB; most is the test's own
