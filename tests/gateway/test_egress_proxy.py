import asyncio
from collections.abc import Sequence

import pytest

from tests.gateway.tunnels import site
from tests.gateway.wire import MemorySink, in_loop, listening
from wrapper.audit.events import Connection, Event
from wrapper.gateway.egress import EgressProxy, Timeouts

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


@in_loop
async def test_bytes_pass_both_ways_and_are_counted() -> None:
    async with site() as place:
        assert await place.connect("allowed.example:443", b"ping") == OK + b"got ping"
        await asyncio.sleep(0.01)
        first, last = place.sink.of(Connection)
        assert (first.host, first.port, first.allowed, first.rule) == (
            "allowed.example",
            443,
            True,
            "allowed by test.toml:1",
        )
        assert (first.sent, first.received, last.sent, last.received) == (0, 0, 4, 8)


@in_loop
async def test_the_decision_is_durable_before_the_name_is_looked_up() -> None:
    async with site() as place:
        seen: list[tuple[int, int]] = []

        async def before(_event: Event) -> None:
            await asyncio.sleep(0.02)
            seen.append((len(place.asked), len(place.reached)))

        place.sink.before = before
        assert (await place.connect("allowed.example:443", b"x")).startswith(OK)
        assert seen == [(0, 0)]


@in_loop
async def test_nothing_goes_out_when_the_log_fails() -> None:
    async with site() as place:
        place.sink.fails = True
        out = await place.connect("allowed.example:443", b"x")
        assert out.startswith(b"HTTP/1.1 503 ")
        assert (place.asked, place.reached) == ([], [])


@in_loop
async def test_a_refusal_names_the_host_the_rule_and_how_to_allow_it() -> None:
    async with site() as place:
        out = await place.connect("Other.Example.:443")
        assert out.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert b"safe-agent: `other.example:443` is not allowed (nothing allows it)" in out
        assert b"`[network] allow` in your policy" in out
        assert place.asked == []
        assert place.connections() == [("other.example", 443, False)]


@in_loop
async def test_this_machines_own_name_is_never_asked_about_and_the_way_to_a_service_is_told() -> None:
    class Nobody:
        async def heard(self, host: str, port: int) -> None:
            raise AssertionError(f"the user was asked about {host}:{port}")

    async with site(unnamed=Nobody()) as place:
        for name in ("localhost:3000", "LOCALHOST.:443", "app.localhost:443"):
            out = await place.connect(name)
            assert out.startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert b"[network] loopback" in out
            assert b"safe-agent allow" not in out
        assert (place.asked, place.reached) == ([], [])


@in_loop
async def test_a_plain_request_is_told_what_the_proxy_does() -> None:
    async with site() as place:
        out = await place.say(b"GET http://allowed.example/x HTTP/1.1\r\nHost: allowed.example\r\n\r\n")
        assert out.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
        assert b"CONNECT to allowed hosts only" in out
        assert b"[network] allow" in out


@in_loop
async def test_a_name_without_address_and_a_host_that_does_not_answer_are_told_apart() -> None:
    async def hangs(_address: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.sleep(60)
        raise AssertionError

    async def refuses(_address: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise ConnectionRefusedError

    async with site(allowed=("allowed.example", "gone.example"), timeouts=Timeouts(connect=0.05)) as place:
        assert b" 502 " in (await place.connect("gone.example:443"))[:20]
        place.proxy._way.dial = hangs
        assert b" 504 " in (await place.connect("allowed.example:443"))[:20]
        place.proxy._way.dial = refuses
        assert b"cannot be reached" in await place.connect("allowed.example:443")


@in_loop
async def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    names = {"allowed.example": ["127.0.0.9", "127.0.0.1"]}
    async with site(names=names) as place:
        dial, tried = place.proxy._way.dial, []

        async def second_only(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            tried.append(address)
            if address == "127.0.0.9":
                raise OSError
            return await dial(address, port)

        place.proxy._way.dial = second_only
        assert await place.connect("allowed.example:443", b"x") == OK + b"got x"
        assert tried == ["127.0.0.9", "127.0.0.1"]


@in_loop
async def test_a_server_that_closes_its_half_still_hears_the_client() -> None:
    heard: list[bytes] = []

    async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"banner")
        writer.write_eof()
        heard.append(await reader.read(-1))
        writer.close()

    async with site(speaks_first) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"CONNECT allowed.example:80 HTTP/1.1\r\n\r\n")
        assert await reader.read(-1) == OK + b"banner"
        writer.write(b"late")
        writer.write_eof()
        await asyncio.sleep(0.05)
        writer.close()
        assert heard == [b"late"]


@in_loop
async def test_a_half_closed_tunnel_that_is_silent_ends() -> None:
    async def never_ends(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        await asyncio.sleep(60)

    async with site(never_ends, timeouts=Timeouts(half_closed=0.05)) as place:
        assert await place.connect("allowed.example:443", b"x") == OK


@in_loop
async def test_megabytes_pass_unchanged_in_both_directions() -> None:
    data = bytes(range(256)) * 20_000
    async with site() as place:
        assert await place.connect("allowed.example:443", data) == OK + b"got " + data
        await asyncio.sleep(0.01)
        assert place.sink.of(Connection)[-1].sent == len(data)


@in_loop
async def test_closing_cuts_open_tunnels_and_records_them() -> None:
    async def talks(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await asyncio.sleep(60)

    async with site(talks) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"hello")
        await place.proxy.close()
        assert place.sink.of(Connection)[-1].received == 5
        writer.close()


@pytest.mark.parametrize("count", [60])
def test_many_tunnels_work_at_once(count: int) -> None:
    @in_loop
    async def scenario() -> None:
        async with site() as place:
            outs = await asyncio.gather(*(place.connect("allowed.example:443", b"%d" % n) for n in range(count)))
            assert outs == [OK + b"got %d" % n for n in range(count)]

    scenario()


@in_loop
async def test_names_are_resolved_by_the_system_where_no_resolver_is_given() -> None:
    def decide(host: str, port: int) -> object:
        raise AssertionError((host, port))

    sock = listening()
    proxy = EgressProxy(decide, MemorySink())  # type: ignore[arg-type]
    await proxy.start(sock)
    found: Sequence[str] = await proxy._way.resolve("localhost", 443)
    assert set(found) <= {"127.0.0.1", "::1"}
    await proxy.close()
