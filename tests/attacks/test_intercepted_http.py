"""Requests that mean one thing to us and another to the host, or go to another host: promises 1 and 4.

What was judged and recorded must be all that the host gets: a second request hidden in the first would leave unjudged
(promise 1: the provider never sees a secret) and unrecorded (promise 4: nothing leaves without a durable record).
"""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Iterable

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.gateway.intercept.scene import HOST, Scene, scene
from tests.gateway.intercept.speaking import BrokenError, Host, Message, Talk
from wrapper.gateway.intercept.exchange import Answer, Request, Send
from wrapper.gateway.intercept.exchanging import Limits

_GOOD = f"GET /good HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
_SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


@contextlib.asynccontextmanager
async def _attacked(*protocols: str, limits: Limits | None = None) -> AsyncIterator[tuple[Scene, Host]]:
    """Give a scene, which is shown to pass good requests on at its end."""
    host = Host()
    async with scene(host.serve, protocols=protocols or ("http/1.1",), limits=limits) as made:
        yield made, host
        host.got.clear()
        assert (await made.say(_GOOD)).startswith(b"HTTP/1.1 200 ")
        assert [one.first for one in host.got] == [(b"GET", b"/good")]


def _post(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(("POST /judged HTTP/1.1", f"Host: {HOST}", *lines, "", "")).encode("latin-1") + body


_REFUSED: dict[str, tuple[bytes, int]] = {
    "another host": (b"GET / HTTP/1.1\r\nHost: other.example.test\r\n\r\n", 421),
    "another port": (f"GET / HTTP/1.1\r\nHost: {HOST}:444\r\n\r\n".encode(), 421),
    "user before the host": (f"GET / HTTP/1.1\r\nHost: {HOST}@other.example.test\r\n\r\n".encode(), 421),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: other.example.test\r\n\r\n".encode(), 421),
    "the host twice": (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n".encode(), 421),
    "a host with NUL": (f"GET / HTTP/1.1\r\nHost: {HOST}\0.other.test\r\n\r\n".encode(), 400),
    "absolute form to another": (f"GET https://other.example.test/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 421),
    "absolute form in plain": (f"GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "connect": (f"CONNECT other.example.test:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 405),
    "connect to the host": (f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 405),
    "trace": (f"TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 405),
    "length and chunks": (_post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "chunks and length": (_post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "two lengths": (_post("Content-Length: 0", "Content-Length: 40", body=_SMUGGLED), 400),
    "one length twice": (_post("Content-Length: 0", "Content-Length: 0", body=_SMUGGLED), 400),
    "a list of lengths": (_post("Content-Length: 0, 0", body=_SMUGGLED), 400),
    "a signed length": (_post("Content-Length: +5", body=b"abcde"), 400),
    "a hexadecimal length": (_post("Content-Length: 0x5", body=b"abcde"), 400),
    "an endless length": (_post("Content-Length: 99999999999999999999", body=b"a"), 400),
    "xchunked": (_post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "chunked, then identity": (_post("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "gzip, then chunked": (_post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "chunked twice": (_post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "a vertical tab": (_post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "a space before the colon": (_post("Transfer-Encoding : chunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "a folded line": (_post("X: a", " Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED), 400),
    "a bare line feed": (f"GET / HTTP/1.1\r\nHost: {HOST}\nX: y\r\n\r\n".encode(), 400),
    "a bare carriage return": (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX: y\rZ: 1\r\n\r\n".encode(), 400),
    "NUL in a value": (_post("X: a\0b", "Content-Length: 0"), 400),
    "a control in a value": (_post("X: a\x01b", "Content-Length: 0"), 400),
    "a space in a name": (_post("X Y: a", "Content-Length: 0"), 400),
    "a line that is no header": (_post("nothing", "Content-Length: 0"), 400),
    "a method with odd characters": (f"GE\tT / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "a method in small letters": (f"get / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "a space in the target": (f"GET /a b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "a fragment": (f"GET /a#b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "high bytes in the target": (b"GET /\xe4 HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", 400),
    "no path": (f"GET x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "another version": (f"GET / HTTP/2.0\r\nHost: {HOST}\r\n\r\n".encode(), 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "a header of a megabyte": (_post("X: " + "a" * 2**20, "Content-Length: 0"), 431),
    "a thousand headers": (_post(*(f"X-{one}: 1" for one in range(1000)), "Content-Length: 0"), 431),
    "a target of a megabyte": (b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", 431),
    "chunks in HTTP/1.0": (
        f"POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
        400,
    ),
}


def test_a_request_that_could_be_read_in_two_ways_or_goes_elsewhere_leaves_nothing() -> None:
    """Attacks promises 1 and 4: smuggling, host confusion, tunnels in the tunnel; each on a connection of its own."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            for name, (request, status) in _REFUSED.items():
                made.refused.clear()
                answer = await made.say(request)
                assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (name, answer)
                assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)
                assert b"safe-agent: " in answer, name
                assert [one.status for one in made.refused] == [status], name
                assert host.got == [], name
                assert made.dialled == 0, name

    asyncio.run(attack())


_BROKEN_BODIES = {
    "a chunk longer than it says": b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk's size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk's size in 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk's size that overflows": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a chunk's size with a sign": b"-3\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends in a bare line feed": b"3\nabc\r\n0\r\n\r\n",
    "an extension without an end": b"3;" + b"a" * 2**20,
    "a trailer without an end": b"3\r\nabc\r\n0\r\nX: " + b"a" * 2**20,
    "a trailer with NUL": b"3\r\nabc\r\n0\r\nX: a\0\r\n\r\n",
}


def test_a_body_with_broken_chunks_never_arrives_whole() -> None:
    """Attacks promise 4: what was not received as a request must not be one to the host."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            for name, body in _BROKEN_BODIES.items():
                answer = await made.say(_post("Transfer-Encoding: chunked", body=body + _SMUGGLED))
                assert answer[:13] in {b"HTTP/1.1 400 ", b"HTTP/1.1 431 "}, (name, answer)
                assert host.got == [], name
            whole = _post("Transfer-Encoding: chunked", body=b"3;ext=1\r\nabc\r\n0\r\nX: 1\r\n\r\n" + _GOOD)
            await made.say(whole)
            assert [(one.first[1], one.body, one.trailers) for one in host.got] == [
                (b"/judged", b"abc", ((b"x", b"1"),)),
                (b"/good", b"", ()),
            ]

    asyncio.run(attack())


def test_a_request_behind_another_is_a_request_to_the_handler_too() -> None:
    """Attacks promises 1 and 4: what is pipelined is judged one by one, in order."""
    seen: list[str] = []

    async def judge(request: Request, send: Send) -> Answer:
        seen.append(request.head.target)
        return await send(request)

    async def attack() -> None:
        host = Host()
        async with scene(host.serve, handle=judge) as made:
            answer = await made.say(_post("Content-Length: 3", body=b"abc" + _SMUGGLED + _GOOD))
            assert answer.count(b"HTTP/1.1 200 ") == 3
            assert seen == ["/judged", "/smuggled", "/good"] == [one.first[1].decode() for one in host.got]

    asyncio.run(attack())


def test_a_header_that_connection_names_cannot_hide_and_none_of_the_connection_is_passed_on() -> None:
    """Attacks promise 1: hop-by-hop tricks that let the host see another request than the judge."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            lines = ("Connection: X-Hidden, close", "X-Hidden: 1", "Keep-Alive: 1", "Proxy-Connection: x", "Upgrade: h2c",
                     "HTTP2-Settings: AAA", "TE: gzip", "X-Seen: 1", "Content-Length: 0")  # fmt: skip
            await made.say(_post(*lines))
            assert sorted(name for name, _ in host.got[0].headers) == [b"content-length", b"host", b"x-seen"]

    asyncio.run(attack())


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH_9.0\r\n", b"\0" * 64, b""])
def test_what_is_no_tls_reaches_nobody(first: bytes) -> None:
    """Attacks promise 4: bytes past the proxy that nobody could record."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(first)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await reader.read(-1)
            writer.close()
            assert len(made.refused) == 1
            assert host.got == []
            assert made.dialled == 0

    asyncio.run(attack())


def test_another_name_in_tls_than_in_connect_is_refused() -> None:
    """Attacks promise 4 by domain fronting: the record says one host, TLS another."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await made.open(sni="other.example.test")
            assert [one.status for one in made.refused] == [421]
            assert host.got == []
            assert made.dialled == 0
            reader, writer = await made.open(sni=None)  # a client may name none: CONNECT has said it
            writer.write(_GOOD)
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(attack())


# HTTP/2

_PSEUDO = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/judged"))


def _but(*changed: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Give a good head with other values, and with more fields."""
    new = dict(changed)
    more = [one for one in changed if one[0] not in dict(_PSEUDO)]
    return [*((name, new.get(name, value)) for name, value in _PSEUDO), *more]


_REFUSED2: dict[str, list[tuple[bytes, bytes]]] = {
    "another authority": _but((b":authority", b"other.example.test")),
    "another host": _but((b"host", b"other.example.test")),
    "two hosts": _but((b"host", HOST.encode()), (b"host", b"other.example.test")),
    "two authorities": [*_PSEUDO, (b":authority", b"other.example.test")],
    "connect": [(b":method", b"CONNECT"), (b":authority", b"other.example.test:443")],
    "extended connect": [*_but((b":method", b"CONNECT")), (b":protocol", b"websocket")],
    "connect with a path": _but((b":method", b"CONNECT")),
    "another scheme": _but((b":scheme", b"http")),
    "a second request in the path": _but((b":path", b"/ HTTP/1.1\r\nHost: x\r\n\r\nGET /smuggled")),
    "a space in the path": _but((b":path", b"/a b")),
    "a fragment in the path": _but((b":path", b"/a#b")),
    "an absolute path": _but((b":path", b"https://other.example.test/")),
    "an empty path": _but((b":path", b"")),
    "high bytes in the path": _but((b":path", b"/\xe4")),
    "a second request in the method": _but((b":method", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET")),
    "a method with a space": _but((b":method", b"GET /x")),
    "a method in small letters": _but((b":method", b"get")),
    "a line's end in a value": _but((b"x", b"a\r\nhost: other.example.test")),
    "a carriage return in a value": _but((b"x", b"a\rb")),
    "a line feed in a value": _but((b"x", b"a\nb")),
    "NUL in a value": _but((b"x", b"a\0b")),
    "a control in a value": _but((b"x", b"a\x01b")),
    "a line's end in a name": _but((b"x\r\ny", b"a")),
    "a colon in a name": _but((b"x:y", b"a")),
    "a space in a name": _but((b"x y", b"a")),
    "NUL in a name": _but((b"x\0", b"a")),
    "capitals in a name": _but((b"X-Capital", b"a")),
    "quotes in a name": _but((b'x"y', b"a")),
    "no name": _but((b"", b"a")),
    "transfer-encoding": _but((b"transfer-encoding", b"chunked")),
    "connection": _but((b"connection", b"x")),
    "upgrade": _but((b"upgrade", b"websocket")),
    "te": _but((b"te", b"gzip")),
    "two lengths": _but((b"content-length", b"0"), (b"content-length", b"5")),
    "a length that is none": _but((b"content-length", b"x")),
    "another pseudo-header": [*_PSEUDO, (b":more", b"x")],
    "a pseudo-header behind a field": [*_PSEUDO[:3], (b"x", b"y"), _PSEUDO[3]],
    "a head of a megabyte": [*_PSEUDO, *((b"x-%d" % one, b"a" * 10_000) for one in range(100))],
}


def _over(talk: Talk) -> int | None:
    return 1 if 1 in talk.whole or 1 in talk.resets else None


async def _refused2(made: Scene, fields: list[tuple[bytes, bytes]]) -> bytes:
    """Send a head as it is; give the status, or empty where the stream or the connection was ended."""
    talk = Talk(*await made.open("h2"))
    try:
        talk.h2.send_headers(1, fields, end_stream=True)
        talk.flush()
        with contextlib.suppress(EOFError, BrokenError):
            async with asyncio.timeout(10):
                await talk.wait(functools.partial(_over, talk))
        return talk.messages[1].first[0] if 1 in talk.messages else b""
    finally:
        talk.writer.close()


@pytest.mark.parametrize("outside", ["http/1.1", "h2"])
def test_a_head_of_http2_that_is_none_or_goes_elsewhere_leaves_nothing(outside: str) -> None:
    """Attacks promises 1 and 4: splitting when HTTP/2 is written as HTTP/1.1, host confusion, tunnels in the tunnel."""

    async def attack() -> None:
        async with _attacked(outside, "http/1.1") as (made, host):
            for name, fields in _REFUSED2.items():
                made.refused.clear()
                status = await _refused2(made, fields)
                assert status in {b"", b"400", b"405", b"421", b"431"}, name
                assert len(made.refused) == 1, name
                assert host.got == [], name
                assert made.dialled == 0, name
            assert await _refused2(made, list(_PSEUDO)) == b"200"
            assert [one.first for one in host.got] == [(b"GET", b"/judged")]

    asyncio.run(attack())


def test_a_body_of_http2_that_is_not_as_long_as_it_says_never_arrives_whole() -> None:
    """Attacks promise 4: bytes behind the announced length would be the host's next request."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            for announced in (b"2", b"5", b"3"):  # the last one is true
                assert host.got == []
                talk = Talk(*await made.open("h2"))
                talk.h2.send_headers(1, [*_but((b":method", b"POST")), (b"content-length", announced)])
                talk.h2.send_data(1, b"abc", end_stream=True)
                talk.flush()
                with contextlib.suppress(EOFError, BrokenError):
                    await talk.wait(functools.partial(_over, talk))
                talk.writer.close()
            assert [one.body for one in host.got] == [b"abc"]

    asyncio.run(attack())


def _flood(frames: Iterable[Frame]) -> bytes:
    return b"".join(frame.serialize() for frame in frames)


def _requests(numbers: Iterable[int], talk: Talk) -> bytes:
    return b"".join(
        HeadersFrame(number, talk.h2.encoder.encode(list(_PSEUDO)), flags=["END_HEADERS", "END_STREAM"]).serialize()
        + RstStreamFrame(number, error_code=8).serialize()
        for number in numbers
    )


@pytest.mark.parametrize("flood", ["resets", "pings", "settings", "continuations", "bomb", "empty data"])
def test_a_flood_of_frames_ends_its_connection_and_no_other(flood: str) -> None:
    """Attacks promise 5: who can starve the guard can end what protects (rapid reset, CVE-2023-44487, and its kin)."""

    async def attack() -> None:
        async with _attacked() as (made, _):
            talk = Talk(*await made.open("h2"))
            await talk.read()
            match flood:
                case "resets":
                    data = _requests(range(1, 4000, 2), talk)
                case "pings":
                    data = _flood(PingFrame(0, b"12345678") for _ in range(2000))
                case "settings":
                    data = _flood(SettingsFrame(0, {4: 65535}) for _ in range(2000))
                case "continuations":
                    more = [ContinuationFrame(1, b"\0\1x\1y" * 100) for _ in range(2000)]
                    data = _flood([HeadersFrame(1, talk.h2.encoder.encode(list(_PSEUDO))), *more])
                case "bomb":  # a field of 4 KB into the table, then named again and again by one byte each
                    big = talk.h2.encoder.encode([*_PSEUDO, (b"x-bomb", b"a" * 3000)])
                    data = _flood([HeadersFrame(1, big + b"\xbe" * 10_000, flags=["END_HEADERS", "END_STREAM"])])
                case _:
                    from hyperframe.frame import DataFrame

                    head = HeadersFrame(1, talk.h2.encoder.encode(_but((b":method", b"POST"))), flags=["END_HEADERS"])
                    data = _flood([head, *(DataFrame(1, b"") for _ in range(2000))])
            talk.writer.write(data)
            with contextlib.suppress(EOFError, BrokenError, OSError):
                async with asyncio.timeout(20):
                    while True:
                        await talk.read()
            assert talk.gone is not None
            assert talk.gone.error_code in {ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.PROTOCOL_ERROR}
            assert len(made.refused) == 1
            talk.writer.close()

    asyncio.run(attack())


# The host as the attacker

_ANSWERS = {
    "twice in one write": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    "a body to HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
}


@pytest.mark.parametrize("name", list(_ANSWERS))
def test_a_host_that_answers_twice_answers_no_other_request(name: str) -> None:
    """Attacks promise 1: an answer to a request that was never made would stand for the next one's."""
    method = b"HEAD" if "HEAD" in name else b"GET"

    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                second = b"/second" in head
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright" if second else _ANSWERS[name])
                await writer.drain()

    async def attack() -> None:
        async with scene(answer_twice) as made:
            first = method + b" /first HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n"
            second = f"GET /second HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
            answers = await made.say(first + second)
            assert answers.endswith(b"right")
            assert b"poison" not in answers
            assert made.dialled == 2

    asyncio.run(attack())


_BAD_ANSWERS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.0\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 6\r\n\r\nokmore",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a head of a megabyte": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**20 + b"\r\n\r\n",
    "interim answers without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
    "nothing": b"",
}


def test_a_host_that_breaks_the_protocol_gives_no_answer() -> None:
    """Attacks promise 1: what cannot be read cannot be masked."""

    async def attack() -> None:
        for name, answer in _BAD_ANSWERS.items():

            async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = answer) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()

            async with scene(host) as made:
                got = await made.say(_GOOD)
                assert got.startswith(b"HTTP/1.1 502 "), (name, got)
                assert b"safe-agent: " in got
                assert b"Content-Length: 2" not in got, name
                assert b"raw" not in got, name

    asyncio.run(attack())


def test_a_host_with_another_hosts_certificate_gets_nothing() -> None:
    """Attacks promise 1: the value would go to whoever answers in the host's place."""

    async def attack() -> None:
        host = Host()
        async with scene(host.serve, certified="other.example.test") as made:
            reader, writer = await made.open("http/1.1")
            writer.write(_GOOD)
            got = await reader.read(-1)
            writer.close()
            assert got.startswith(b"HTTP/1.1 502 ")
            assert b"certificate" in got
            assert host.got == []
        async with _attacked():
            pass

    asyncio.run(attack())


def test_a_body_that_trickles_for_ever_holds_nothing_but_itself() -> None:
    """Attacks promise 5: as many as a connection may have at once, and the others go on."""

    async def attack() -> None:
        async with _attacked() as (made, host):
            talk = Talk(*await made.open("h2"))
            await talk.read()
            for at in range(50):
                talk.h2.send_headers(1 + 2 * at, _but((b":method", b"POST")))
                talk.h2.send_data(1 + 2 * at, b"drop")
                talk.flush()
            assert (await made.say(_GOOD)).startswith(b"HTTP/1.1 200 ")
            answer = await talk.ask(Message((b"GET", b"/while"), length=True))
            assert answer.body == b"fine"
            talk.writer.close()
            assert {one.first[1] for one in host.got} == {b"/good", b"/while"}

    asyncio.run(attack())


def test_a_head_that_never_ends_and_silence_are_given_up() -> None:
    """Attacks promise 5: connections that wait for ever would use up what there is."""

    async def attack() -> None:
        async with _attacked(limits=Limits(head=0.2, idle=0.5)) as (made, host):
            assert (await made.say(_GOOD[:-2])).startswith(b"HTTP/1.1 408 ")
            reader, writer = await made.open("http/1.1")
            async with asyncio.timeout(10):
                assert await reader.read(-1) == b""
            writer.close()
            assert host.got == []

    asyncio.run(attack())
