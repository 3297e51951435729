"""Attacks on promise 1: a tunnel to an allowed host that leads to another one, or takes more than it was granted.

The name that a client gives in its first TLS message is checked before a byte of it leaves; what it asks for behind
that, inside TLS, is the allowed host's own affair unless policy has the host inspected.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import msgspec
import pytest

from tests.gateway.hellos import extension, fragmented, hello, real, record, sni
from tests.gateway.tunnels import site
from tests.gateway.wire import in_loop
from wrapper.audit.events import Connection
from wrapper.gateway.greetings import ACCESS_DENIED
from wrapper.policy.egress import Egress, Terms

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
OTHER = b"evil.example"
OURS = b"allowed.example"


def fronts() -> Iterator[tuple[str, bytes]]:
    """Ways to ask an allowed host's address for another host."""
    yield "another name", real("evil.example")
    yield "in fragments", fragmented(hello([sni(OTHER)]), 40)
    yield "behind other extensions", record(hello([extension(0x0A0A, b""), extension(43, b"\x02\x03\x04"), sni(OTHER)]))
    yield "both names in a list", record(hello([sni(OURS, OTHER)]))
    yield "both names in two extensions", record(hello([sni(OURS), sni(OTHER)]))
    yield "the other in a second hello", record(hello([sni(OURS)])) + record(hello([sni(OTHER)]))
    yield "behind a change of ciphers", record(hello([sni(OURS)])) + record(b"\1", 20) + record(hello([sni(OTHER)]))
    yield "behind early data", record(hello([sni(OURS)])) + record(bytes(900), 23) + record(hello([sni(OTHER)]))
    yield "behind an alert", record(hello([sni(OURS)])) + record(b"\1\x5a", 21) + record(hello([sni(OTHER)]))
    yield "with the allowed one before a NUL", record(hello([sni(OURS + b"\0." + OTHER)]))
    yield "a subdomain", record(hello([sni(b"sub." + OURS)]))
    yield "two final dots", record(hello([sni(OURS + b"..")]))
    yield "none at all", real(None)
    yield "behind garbage", b"\r\n" + record(hello([sni(OTHER)]))
    yield "an old hello", b"\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10" + bytes(37)
    yield "another CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"
    yield "plain HTTP", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    yield "ssh", b"SSH-2.0-OpenSSH_9.9\r\n"


@pytest.mark.parametrize("way", dict(fronts()))
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_tls_for_another_host_does_not_pass_however_it_is_written(way: str, piece: int) -> None:
    said = dict(fronts())[way]

    @in_loop
    async def scenario() -> None:
        heard: list[bytes] = []

        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(-1))
            writer.close()

        async with site(listens, only_tls=True) as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            for at in range(0, len(said), piece):
                writer.write(said[at : at + piece])
                await asyncio.sleep(0)
            out = b""
            with contextlib.suppress(ConnectionResetError):  # it was cut while we spoke
                out = await asyncio.wait_for(reader.read(-1), 5)
            assert out in {b"", ACCESS_DENIED}
            writer.close()
            while not heard:  # noqa: ASYNC110 (a list that grows)
                await asyncio.sleep(0.001)
            assert OTHER not in heard[0]
            refused = [one.rule for one in place.sink.of(Connection) if not one.allowed]
            assert len(refused) == 1

    scenario()


@in_loop
async def test_the_control_of_these_attacks_passes() -> None:
    async with site(only_tls=True) as place:
        for said in (real("allowed.example"), fragmented(hello([sni(OURS)]), 40)):
            assert await place.connect("allowed.example:443", said) == OK + b"got " + said


@in_loop
async def test_idle_connections_to_one_host_leave_room_for_others_and_give_their_places_back() -> None:
    def terms(host: str, port: int) -> Terms:
        return msgspec.structs.replace(Egress().terms(host, port), connections=4, idle_seconds=0.2)

    names = {"allowed.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    async with site(allowed=tuple(names), names=names, terms=terms) as place:
        held = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            held.append((reader, writer))
        assert b"4 connections to `allowed.example` are open" in await place.connect("allowed.example:443")
        assert await place.connect("other.example:443", b"x") == OK + b"got x"
        for reader, writer in held:
            assert await reader.read(-1) == b""
            writer.close()
        assert await place.connect("allowed.example:443", b"x") == OK + b"got x"
