"""The placeholder as a key: sent where its value does not belong, or to a host that tells it back.

Attacks promise 2 (the inside never learns a secret that it did not already have) and what a bound secret is for: its
value reaches the hosts and the places that its rule names, and nobody else. All goes through a real interception: TLS on
both sides, the judge, the swap, and a host that keeps each byte it got.
"""

import asyncio
import base64
import binascii
import contextlib
import gzip
import hashlib
import json
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from redactors import KnownValues, Origin, Vault
from tests.gateway.intercept.exchanges import cut
from tests.gateway.intercept.scene import HOST, Scene, Serve, scene
from tests.gateway.intercept.speaking import Host, Message, read_message
from tests.gateway.wire import MASKING_KEY, MemorySink, engine, forge_token, in_effect
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.bindings import Binding, Bindings
from wrapper.gateway.intercept.judging import Judge
from wrapper.policy.egress import Where

ELSEWHERE = "evil.example.test"
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)


def _issued(kind: str, value: bytes, prefix: str = "") -> bytes:
    assert KNOWN.add(kind, value, Origin.OUTSIDE)
    return VAULT.issue(kind, value, Origin.OUTSIDE, prefix).encode()


TOKEN = forge_token("q8Rt2Lw7Zx4Vb9Nm3Kp6Hs1Jd5Gf0C")
P = _issued("github-token", TOKEN, "ghp_")
BARE = P.removeprefix(b"ghp_")
KEY = secrets.token_urlsafe(24).encode()
Q = _issued("api-key", KEY)
WORD = b"pass " + secrets.token_hex(12).encode() + b'/&="'
R = _issued("password", WORD)
FOREIGN = secrets.token_hex(20).encode()
F = _issued("token", FOREIGN)  # works at another host and at another port only
VALUES = (TOKEN, KEY, WORD, FOREIGN)
PLACEHOLDERS = (P, Q, R, F)

BOUND = (
    Binding("github", P, TOKEN, (Where("header", "authorization"), Where("basic")), lambda *at: at == (HOST, 443)),
    Binding("key", Q, KEY, (Where("query", "key"),), lambda *at: at == (HOST, 443)),
    Binding("word", R, WORD, (Where("body"),), lambda *at: at == (HOST, 443)),
    Binding("foreign", F, FOREIGN, (Where("header", "authorization"),), lambda *at: at == (ELSEWHERE, 443)),
    Binding("port", F, FOREIGN, (Where("header", "authorization"), Where("body")), lambda *at: at == (HOST, 8443)),
)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "reversed": lambda value: value[::-1],
    "hex": binascii.hexlify,
    "base64": lambda value: base64.b64encode(value)[:-4],
    "base64 behind a byte": lambda value: base64.b64encode(b"x" + value)[4:-4],
    "base64 behind two": lambda value: base64.b64encode(b"xy" + value)[4:-4],
    "percent-encoded": lambda value: quote(value, safe="").encode(),
    "escaped in JSON": lambda value: b"".join(b"\\u%04x" % byte for byte in value),
    "JSON": lambda value: json.dumps(value.decode())[1:-1].encode(),
}


def leaked(data: bytes, values: Sequence[bytes] = VALUES) -> list[str]:
    """Name the forms of values that stand in `data`."""
    return [name for value in values for name, form in FORMS.items() if form(value) in data]


def written(message: Message) -> bytes:
    """Give all of a message as one text; its body with codings undone, as its reader would."""
    headers = dict(message.headers)
    coding = headers.get(b"content-encoding", b"")
    body = {b"gzip": gzip.decompress, b"br": brotli.decompress}.get(coding, bytes)(message.body)
    fields = (b"%b: %b" % one for one in (*message.headers, *message.trailers))
    return b"\n".join((b" ".join(message.first), *fields, body))


@contextlib.asynccontextmanager
async def attacked(host: Serve) -> AsyncIterator[Scene]:
    judge = Judge(
        in_effect(f'[[hosts]]\nhosts = ["{HOST}"]\ninspect = "yes"\n'), engine(VAULT, KNOWN), MemorySink(),
        numbers=count(1), bindings=Bindings(BOUND),
    )  # fmt: skip
    try:
        async with scene(host, handle=judge.handler(Destination(HOST, 443))) as made:
            yield made
    finally:
        judge.close()


def request(target: bytes = b"/", *lines: bytes, body: bytes = b"", method: bytes = b"POST") -> bytes:
    framing = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), b"Host: " + HOST.encode(), *lines, framing, b"", body))


def chunked(pieces: Sequence[bytes], *lines: bytes) -> bytes:
    head = (b"POST / HTTP/1.1", b"Host: " + HOST.encode(), b"Transfer-Encoding: chunked", *lines, b"", b"")
    return b"\r\n".join(head) + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


async def asked(made: Scene, data: bytes) -> Message:
    """Send a request as the inside does, and read its answer."""
    reader, writer = await made.open("http/1.1")
    try:
        writer.write(data)
        async with asyncio.timeout(10):
            return await read_message(reader)
    finally:
        writer.close()


FORM = b"Content-Type: application/x-www-form-urlencoded"
BASIC = b"Authorization: Basic "

# What works, so that an absence below means something: what is sent, and what the host must get.
ALLOWED: dict[str, tuple[bytes, bytes]] = {
    "a header": (request(b"/", b"Authorization: Bearer " + P), b"Bearer " + TOKEN),
    "a header, bare": (request(b"/", b"Authorization: token " + BARE), b"token " + TOKEN),
    "basic": (request(b"/", BASIC + base64.b64encode(b"me:" + P)), base64.b64encode(b"me:" + TOKEN)),
    "a parameter": (request(b"/?key=" + Q), b"/?key=" + KEY),
    "a body": (request(body=b"x " + R), b"x " + WORD),
    "a body in JSON": (request(b"/", b"Content-Type: application/json", body=b'"' + R + b'"'), json.dumps(WORD.decode()).encode()),
    "a form in chunks": (chunked(cut(b"a=1&b=" + R, [3]), FORM), b"a=1&b=" + quote(WORD, safe="").encode()),
}  # fmt: skip

REPLAYED: dict[str, bytes] = {
    "another header": request(b"/", b"X-Token: " + P),
    "the user agent": request(b"/", b"User-Agent: " + P, b"Referer: https://x/" + P),
    "a cookie": request(b"/", b"Cookie: a=" + P),
    "proxy authorization's sister": request(b"/", b"X-Authorization: Bearer " + P, b"Authorization-X: " + P),
    "the name of a header": request(b"/", BARE + b": 1"),
    "the path": request(b"/repos/" + P + b"/x?key=1"),
    "another parameter": request(b"/?token=" + P + b"&keys=" + Q + b"&xkey=" + Q),
    "the name of a parameter": request(b"/?" + Q + b"=key&" + Q),
    "the parameter behind the path": request(b"/;key=" + Q + b"/key=" + Q),
    "the parameter, encoded twice": request(b"/?key=" + quote(Q.replace(b"-", b"%2D"), safe="").encode()),
    "the parameter in base64": request(b"/?key=" + base64.b64encode(Q)),
    "the parameter's value in the path": request(b"/key%3D" + Q),
    "a body where a header is allowed": request(body=b"token=" + P + b"&k=" + Q),
    "a form where a header is allowed": request(b"/", FORM, body=b"Authorization=" + P + b"&key=" + Q),
    "JSON where a header is allowed": request(b"/", b"Content-Type: application/json", body=b'{"authorization":"' + P + b'"}'),
    "a body cut into bytes": chunked(cut(b"Authorization: Bearer " + P, [1])),
    "a body's placeholder in a header": request(b"/", b"Authorization: " + R, b"X: " + R),
    "a body's placeholder in base64": request(body=base64.b64encode(R)),
    "a form, encoded twice": request(b"/", FORM, body=b"a=" + R.replace(b"-", b"%252D")),
    "another case": request(b"/?KEY=" + Q.lower(), b"Authorization: Bearer " + BARE.lower()),
    "a tag too long": request(b"/", b"Authorization: Bearer " + P + b"A", body=R + b"0"),
    "a longer placeholder": request(b"/", b"Authorization: Bearer " + P + b"-ABCDEFGH"),
    "base64 that is not basic": request(b"/", b"Authorization: Bearer " + base64.b64encode(b"me:" + P)),
    "basic in another header": request(b"/", b"X: Basic " + base64.b64encode(b"me:" + P)),
    "basic around a placeholder": request(b"/", BASIC + base64.b64encode(b"me:echo " + P + b"!")),
    "basic in basic": request(b"/", BASIC + base64.b64encode(b"me:" + base64.b64encode(b"me:" + P))),
    "the secret of another host": request(b"/", b"Authorization: Bearer " + F),
    "the secret of another port": request(b"/", b"Authorization: token " + F, body=F),
    "the other host in the Referer": request(b"/", b"Authorization: " + F, b"Referer: https://" + ELSEWHERE.encode()),
}  # fmt: skip


def test_a_placeholder_outside_its_place_stays_one() -> None:
    """Attacks promise 2: a value in a place the inside reads again, or that others read, would be told to it."""

    async def attack() -> None:
        host = Host()
        async with attacked(host.serve) as made:
            for name, (data, arrives) in ALLOWED.items():
                host.got.clear()
                await asked(made, data)
                assert arrives in written(host.got[0]), name
            for name, data in REPLAYED.items():
                host.got.clear()
                await asked(made, data)
                got = b"".join(map(written, host.got))
                assert leaked(got) == [], name
            await asked(made, request(body=b"still " + R))
            assert WORD in written(host.got[-1])

    asyncio.run(attack())


def test_a_placeholder_sent_to_another_host_is_nothing_there() -> None:
    """Attacks promise 2: "echo the placeholder to another host so that the proxy restores it"."""
    at_host, elsewhere = Bindings(BOUND).at(HOST, 443), Bindings(BOUND).at(ELSEWHERE, 443)
    assert {one.placeholder for one in at_host} == {P, Q, R}
    assert {one.placeholder for one in elsewhere} == {F}
    for port in (80, 444, 8080):
        assert Bindings(BOUND).at(HOST, port) == ()
    for name in (f"{HOST}.{ELSEWHERE}", f"x{HOST}", f"{HOST}.", HOST.upper() + "\0", "", "127.0.0.1"):
        assert Bindings(BOUND).at(name, 443) == ()


def test_a_trace_is_refused_and_a_redirect_tells_nothing() -> None:
    """Attacks promise 2: the host sends the request back, or leads the client to a host that reads the address."""

    async def attack() -> None:
        location = (b"Location", b"https://%b/?t=%b" % (ELSEWHERE.encode(), TOKEN))
        host = Host([Message((b"302",), (location, (b"Refresh", b"0;url=/?" + TOKEN)))])
        async with attacked(host.serve) as made:
            traced = await asked(made, request(b"/", b"Authorization: Bearer " + P, method=b"TRACE"))
            assert traced.first == (b"405",)
            assert host.got == []
            led = await asked(made, request(b"/", b"Authorization: Bearer " + P))
            assert TOKEN in written(host.got[0])
            assert leaked(written(led)) == []
            assert dict(led.headers)[b"location"] == b"https://%b/?t=%b" % (ELSEWHERE.encode(), P)

    asyncio.run(attack())


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": lambda data: bytes(brotli.compress(data, quality=1)),
    b"zstd": zstandard.compress,
    b"br, gzip": lambda data: gzip.compress(bytes(brotli.compress(data, quality=1))),
}


def _echoes() -> dict[str, Message]:
    """Answers that hold the values."""
    said = b" ".join(b"<%b>" % value for value in VALUES)
    made = {
        "in a body": Message((b"200",), (), (said,), length=True),
        "in an error": Message((b"500",), (), (b'{"error":"bad token ' + TOKEN + b'"}',)),
        "in chunks of a byte": Message((b"200",), (), cut(said, [1])),
        "in trailers": Message((b"200",), ((b"Trailer", b"x-echo"),), (b"x",), ((b"x-echo", said), (b"x-more", TOKEN))),
        "in set-cookie": Message((b"200",), ((b"Set-Cookie", b"a=" + TOKEN), (b"Set-Cookie", b"b=" + quote(WORD).encode()))),
        "in headers in base64": Message((b"200",), ((b"X", base64.b64encode(b"user:" + TOKEN)), (b"Y", TOKEN.hex().encode()))),
        "in a header's name": Message((b"200",), ((TOKEN, b"1"),)),
        "as events": Message((b"200",), ((b"Content-Type", b"text/event-stream"),), tuple(b"data: %b\n\n" % v for v in VALUES)),
        "in a range": Message((b"206",), ((b"Content-Range", b"bytes 0-3/9"),), (said,)),
        "within a token's text": Message((b"200",), (), (b"\x1b[31m" + TOKEN[:9] + b"\x1b[0m" + TOKEN[9:],)),
    }  # fmt: skip
    for name, form in FORMS.items():
        made[name] = Message((b"200",), (), cut(b" ".join(form(value) for value in VALUES), [17]))
    for coding, coder in CODERS.items():
        made[coding.decode()] = Message((b"200",), ((b"Content-Encoding", coding),), cut(coder(said), [29]))
    return made


def test_no_answer_tells_the_value() -> None:
    """Attacks promise 2: a host that has got the value says it back, however it is written, packed and cut."""

    async def attack() -> None:
        echoes = _echoes()
        host = Host(list(echoes.values()))
        async with attacked(host.serve) as made:
            for name, echo in echoes.items():
                answer = await asked(made, request(b"/", b"Authorization: Bearer " + P))
                assert TOKEN in written(host.got[-1]), name
                assert answer.first == echo.first, name
                text = written(answer)
                assert leaked(text) == [], name
                assert TOKEN[9:] not in text, name
                assert BARE in text or name == "in a header's name", name

    assert leaked(b" ".join(VALUES)) != []
    asyncio.run(attack())


@pytest.mark.parametrize("coding", [b"rot13", b"compress", b"gzip, x-ours"])
def test_an_answer_in_a_coding_that_nobody_here_reads_does_not_go_in(coding: bytes) -> None:
    """Attacks promise 2: what cannot be searched could hold the value; the client is told why."""

    async def attack() -> None:
        host = Host([Message((b"200",), ((b"Content-Encoding", coding),), (TOKEN,))])
        async with attacked(host.serve) as made:
            answer = await asked(
                made, request(b"/", b"Authorization: Bearer " + P, b"Accept-Encoding: x-ours, rot13, *")
            )
            assert dict(host.got[0].headers)[b"accept-encoding"] == b"identity"
            assert answer.first == (b"502",)
            assert b"coding" in answer.body
            assert leaked(written(answer)) == []

    asyncio.run(attack())


def test_no_interim_answer_tells_the_value() -> None:
    """Attacks promise 2: an answer of 1xx comes before the one that is masked."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: <https://x/?%b>\r\nX: %b\r\n\r\n" % (TOKEN, TOKEN)
        writer.write(hint + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        await writer.drain()

    async def attack() -> None:
        async with attacked(early) as made:
            said = await made.say(request(b"/", b"Authorization: Bearer " + P, b"Connection: close"))
            assert said.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 103 "))
            assert leaked(said) == []
            assert (await asked(made, request())).first in {(b"200",), (b"103",)}

    asyncio.run(attack())


@pytest.mark.parametrize("extensions", [b"", b"permessage-deflate; client_max_window_bits"])
def test_no_message_of_a_websocket_tells_the_value(extensions: bytes) -> None:
    """Attacks promise 2: behind a 101 nothing is HTTP; frames cut the value, and control frames carry it."""
    offered: list[bytes] = []

    async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await read_message(reader, bodiless=True)
        headers = dict(asked.headers)
        offered.append(headers.get(b"sec-websocket-extensions", b""))
        digest = base64.b64encode(
            hashlib.sha1(headers[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324
        )
        head = (
            b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % digest
        )
        frames = (
            bytes((0x81, len(TOKEN))) + TOKEN, bytes((0x01, 9)) + TOKEN[:9], bytes((0x89, len(TOKEN))) + TOKEN,
            bytes((0x80, len(TOKEN) - 9)) + TOKEN[9:], bytes((0x88, len(TOKEN) + 2)) + b"\x03\xe8" + TOKEN,
        )  # fmt: skip
        writer.write(head + b"".join(frames))
        await writer.drain()
        await reader.read()

    async def attack() -> None:
        lines = (
            b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
            b"Authorization: Bearer " + P, *((b"Sec-WebSocket-Extensions: " + extensions,) if extensions else ()),
        )  # fmt: skip
        start = b"\r\n".join((b"GET / HTTP/1.1", b"Host: " + HOST.encode(), *lines, b"", b""))
        async with attacked(talking) as made:
            reader, writer = await made.open("http/1.1")
            writer.write(start)
            said = b""
            async with asyncio.timeout(10):
                while said.count(BARE) < 4 and (more := await reader.read(2**16)):
                    said += more
            writer.close()
            assert said.startswith(b"HTTP/1.1 101 ")
            assert said.count(BARE) == 4
            assert leaked(said) == []
            assert offered == [b""]

    asyncio.run(attack())
