"""What the proxy grants a host, what it hands over, and who it will not talk to."""

import asyncio
import gc
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest

from tests.gateway.hellos import hello, real, record, sni
from tests.gateway.tunnels import Site, site
from tests.gateway.wire import in_loop
from wrapper.audit.events import Connection, Warned
from wrapper.gateway.destination import Destination
from wrapper.gateway.greetings import ACCESS_DENIED
from wrapper.gateway.tunnel import Streams
from wrapper.policy.egress import Egress, Terms

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
ASK = b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n"
Connect = Callable[[], Awaitable[Streams]]


def terms(**more: float | str) -> Callable[[str, int], Terms]:
    return lambda host, port: msgspec.structs.replace(Egress().terms(host, port), **more)


class Spoken:
    """Stands for what intercepts: says `>` and what came, in upper case, and connects when told to."""

    def __init__(self, *, host: str = "allowed.example") -> None:
        self.host = host
        self.served: list[Destination] = []
        self.ended = 0

    def wants(self, host: str, port: int) -> bool:
        return (host, port) == (self.host, 443)

    async def serve(self, streams: Streams, destination: Destination, connect: Connect) -> None:
        self.served.append(destination)
        try:
            while data := await streams[0].read(1000):
                if data == b"connect":
                    outer = await connect()
                    outer[1].write(b"hello")
                    outer[1].write_eof()
                    data = await outer[0].read(-1)
                    outer[1].close()
                streams[1].write(b">" + data.upper())
                await streams[1].drain()
        finally:
            self.ended += 1


async def opened(place: Site) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(ASK)
    assert await reader.readuntil(b"\r\n\r\n") == OK
    return reader, writer


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110 (what happens is a list that grows)
        await asyncio.sleep(0.005)


@in_loop
async def test_an_intercepted_host_is_handed_over_and_only_what_is_asked_for_is_connected() -> None:
    spoken = Spoken()
    async with site(intercepting=spoken) as place:
        reader, writer = await opened(place)
        writer.write(b"ping")
        assert await reader.readexactly(5) == b">PING"
        assert (spoken.served, place.reached, place.asked) == (
            [Destination("allowed.example", 443)], [], ["allowed.example"],
        )  # fmt: skip
        writer.write(b"connect")
        assert await reader.readexactly(10) == b">GOT HELLO"
        assert place.asked == ["allowed.example"] * 2
        writer.close()
        await until(lambda: len(place.sink.of(Connection)) == 2)
        last = place.sink.of(Connection)[-1]
        assert (last.allowed, last.sent, last.received) == (True, len("pingconnect"), len(OK + b">PING>GOT HELLO"))


@in_loop
async def test_an_intercepted_host_that_resolves_to_this_network_is_refused_before_and_at_each_connection() -> None:
    """DNS rebinding: the name is public when the tunnel is asked for, and loopback when it is connected."""
    spoken, names = Spoken(), {"allowed.example": ["10.0.0.7"]}
    async with site(intercepting=spoken, names=names, allow_private=False) as place:
        out = await place.say(ASK)
        assert out.startswith(b"HTTP/1.1 403 ")
        assert b"10.0.0.7, which is no public address" in out
        assert b"under `[network] internal`" in out
        names["allowed.example"] = ["1.1.1.1"]
        reader, writer = await opened(place)
        names["allowed.example"] = ["127.0.0.1"]
        writer.write(b"connect")
        assert await reader.read(-1) == b""
        writer.close()
        assert spoken.ended == 1
        assert place.reached == []
        assert [one.allowed for one in place.sink.of(Connection)] == [True, False, True, False, True]


@in_loop
async def test_plain_http_to_an_intercepted_host_is_refused() -> None:
    async with site(intercepting=Spoken()) as place:
        out = await place.connect("allowed.example:80")
        assert out.startswith(b"HTTP/1.1 403 ")
        assert b"plain text would go round that" in out
        assert b"safe-agent allow" not in out  # that would not help
        assert place.asked == []
    async with site(intercepting=Spoken(host="else.example")) as place:
        assert (await place.connect("allowed.example:80", b"x")).startswith(OK)


@in_loop
async def test_an_intercepted_connection_is_cut_at_the_byte_of_its_budget() -> None:
    spoken = Spoken()
    async with site(intercepting=spoken, terms=terms(send_bytes=10)) as place:
        reader, writer = await opened(place)
        writer.write(b"12345")
        assert await reader.readexactly(6) == b">12345"
        writer.write(b"123456")
        assert await reader.read(-1) == b""
        await until(lambda: place.sink.of(Warned))
        assert spoken.ended == 1
        assert place.sink.of(Connection)[-1].sent == 5
        assert "cut: the 10 bytes that `send_bytes` grants" in place.sink.of(Connection)[-1].rule
        writer.close()


@pytest.mark.parametrize(("budget", "out", "sent"), [(6, OK + b">AHEAD.", 6), (5, b"", 0)])
def test_what_was_sent_ahead_of_the_answer_counts_too(budget: int, out: bytes, sent: int) -> None:
    @in_loop
    async def scenario() -> None:
        async with site(intercepting=Spoken(), terms=terms(send_bytes=budget)) as place:
            assert await place.say(ASK + b"ahead.") == out
            await until(lambda: len(place.sink.of(Connection)) == 2)
            assert place.sink.of(Connection)[-1].sent == sent

    scenario()


@pytest.mark.parametrize("spoken", [Spoken(), None])
def test_a_silent_connection_ends_and_gives_its_place_back(spoken: Spoken | None) -> None:
    @in_loop
    async def scenario() -> None:
        async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)

        async with site(silent, terms=terms(idle_seconds=0.1, connections=1), intercepting=spoken) as place:
            reader, writer = await opened(place)
            assert (await place.say(ASK)).startswith(b"HTTP/1.1 503 ")
            assert await reader.read(-1) == b""
            assert "nothing was sent either way for 0.1 seconds" in place.sink.of(Connection)[-1].rule
            (await opened(place))[1].close()
            writer.close()

    scenario()


@in_loop
async def test_a_connection_that_speaks_now_and_then_is_not_silent() -> None:
    async with site(terms=terms(idle_seconds=0.4)) as place:
        reader, writer = await opened(place)
        for _ in range(8):
            writer.write(b"x")
            await asyncio.sleep(0.08)
        writer.write_eof()
        assert await reader.read(-1) == b"got xxxxxxxx"
        writer.close()


@in_loop
async def test_many_small_tunnels_use_up_one_budget_and_the_user_is_told_once() -> None:
    async with site(terms=terms(send_bytes=50)) as place:
        outs = [await place.connect("allowed.example:443", b"12345678") for _ in range(9)]
        assert outs[:6] == [OK + b"got 12345678"] * 6
        assert all(b"got" not in out for out in outs[6:])
        await until(lambda: len(place.sink.of(Warned)) == 1)
        assert sum(one.sent for one in place.sink.of(Connection)) == 48


@in_loop
async def test_what_a_host_sends_back_is_bounded_too() -> None:
    async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(100_000))

    async with site(floods, terms=terms(receive_bytes=70_000)) as place:
        assert len((await place.connect("allowed.example:443", b"x")).removeprefix(OK)) <= 70_000
        await until(lambda: place.sink.of(Warned))
        assert (await place.connect("allowed.example:443")).startswith(b"HTTP/1.1 ")


@in_loop
async def test_an_intercepted_host_gives_no_more_than_granted_over_many_connections_either() -> None:
    class Floods(Spoken):
        async def serve(self, streams: Streams, destination: Destination, connect: Connect) -> None:
            streams[1].write(bytes(300_000))
            await streams[1].drain()
            await streams[0].read(-1)

    async with site(intercepting=Floods(), terms=terms(receive_bytes=100_000)) as place:
        outs = [await place.say(ASK, eof=False) for _ in range(3)]
        assert sum(map(len, outs)) <= 100_000
        assert all("receive_bytes" in one.rule for one in place.sink.of(Connection) if one.received)
    async with site(intercepting=Floods(), terms=terms(receive_bytes=400_000)) as place:
        reader, writer = await opened(place)
        assert await reader.readexactly(300_000) == bytes(300_000)
        writer.close()
        await until(lambda: len(place.sink.of(Connection)) == 2)
        assert place.sink.of(Connection)[-1].received == len(OK) + 300_000


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave as a client does that is killed with answers unread."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@in_loop
async def test_a_client_that_resets_while_the_name_is_looked_up_is_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    looked = asyncio.Event()

    async def slow(_host: str, _port: int) -> Sequence[str]:
        await looked.wait()
        return ["127.0.0.1"]

    async with site(intercepting=Spoken()) as place:
        place.proxy._way.resolve = slow
        _, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(ASK)
        await until(lambda: place.sink.of(Connection))
        reset(writer)
        await asyncio.sleep(0.02)
        looked.set()
        await until(lambda: not place.proxy._tunnels)
    gc.collect()
    assert caplog.messages == []


@in_loop
async def test_what_goes_to_a_flagged_host_is_told_with_its_size() -> None:
    async with site(terms=terms(inspect="flag")) as place:
        await place.connect("allowed.example:443", b"12345")
        await until(lambda: place.sink.of(Warned))
        assert [one.text for one in place.sink.of(Warned)] == [
            "5 bytes went to `allowed.example:443` unseen, and 9 came back"
        ]


@in_loop
async def test_a_tunnel_on_443_must_be_tls_for_its_host() -> None:
    async with site(only_tls=True) as place:
        named = real("allowed.example")
        assert await place.connect("allowed.example:443", named) == OK + b"got " + named
        assert await place.connect("allowed.example:80", b"GET /") == OK + b"got GET /"
        for other in (real("other.example"), real(None), b"SSH-2.0-x\r\n"):
            out = await place.connect("allowed.example:443", other)
            assert out.startswith(OK)
            assert out.removeprefix(OK) in {ACCESS_DENIED, ACCESS_DENIED + b"got "}
        refused = [one.rule for one in place.sink.of(Connection) if not one.allowed]
        assert ["names `other.example`" in refused[0], "names no server" in refused[1], "is not TLS" in refused[2]] == [
            True
        ] * 3
        assert "name the port too" in refused[2]


@in_loop
async def test_tls_for_another_host_is_cut_on_every_port_and_a_secret_in_its_name_is_not_recorded() -> None:
    def redact(data: bytes) -> bytes:
        return data.replace(b"hunter2", b"MASKED")

    async with site(redact=redact) as place:
        for port in (80, 443):
            said = record(hello([sni(b"hunter2.evil.example\x1b[2J\0")]))
            assert b"got " + said not in await place.connect(f"allowed.example:{port}", said)
        refused = [one.rule for one in place.sink.of(Connection) if not one.allowed]
        assert len(refused) == 2
        assert all("`MASKED.evil.example\\x1b[2j\\x00`" in one for one in refused)


GREETINGS = {
    "SOCKS5": (b"\x05\x01\x00", b"\x05\xff"),
    "SOCKS4": (b"\x04\x01\x01\xbb\x01\x01\x01\x01\0", b"\x00\x5b" + bytes(6)),
    "TLS to the proxy": (real("proxy.example"), ACCESS_DENIED),
}


@pytest.mark.parametrize("what", GREETINGS)
def test_another_protocol_is_refused_in_its_own_words(what: str) -> None:
    @in_loop
    async def scenario() -> None:
        said, reply = GREETINGS[what]
        async with site() as place:
            assert await place.say(said, eof=False) == reply
            (refused,) = place.sink.of(Connection)
            assert not refused.allowed
            assert what in refused.rule

    scenario()


@in_loop
async def test_http_2_with_prior_knowledge_is_told_to_use_http_1_1() -> None:
    async with site() as place:
        out = await place.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), eof=False)
        assert out[:9] == b"\0\0\0\x04\0\0\0\0\0"
        assert out[9 + 3] == 7
        assert out[9 + 9 + 4 : 9 + 9 + 8] == b"\0\0\0\x0d"
        assert b"CONNECT" in out
        assert "HTTP/2" in place.sink.of(Connection)[0].rule
