"""Attacks on promises 1 and 4 by way of hosts that may be reached: a secret posted where anybody can read it.

A published incident had an agent in CI read its environment and post a trimmed key as a comment. The judge is a host
that keeps every byte of every request that reached it, finished or not: no form of a planted value may be among them,
nor in the log.
"""

import asyncio
import base64
import gzip
import json
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from redactors import Origin
from tests.gateway.intercept.desk import FORGE_KEY, HOST, JSON, SECRET, TOKEN, Desk, Pieces, chunked, run
from tests.gateway.wire import tarball
from tests.guard.duty import OWN_CODE
from tests.guard.duty import Desk as GuardDesk
from tests.policy.writing import policy
from wrapper.audit.events import Event, Refused, Sent
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Request, RequestHead
from wrapper.gateway.intercept.frames import BINARY, PING, TEXT, Message, Messages, framed
from wrapper.gateway.refusal import RefusedError
from wrapper.guard.wire import Wire

PLANTED = ("Tr0ub4dor&3/" + secrets.token_urlsafe(18)).encode()
COMMENTS = "/repos/org/repo/issues/7/comments"
CLOSED = """
[files]
deny = ["training/**"]
[[context]]
kind = "CODE-NAME"
terms = ["blue heron"]
[[hosts]]
hosts = ["forge.test"]
inspect = "yes"
"""
LISTED = """
[[hosts]]
hosts = ["forge.test"]
allow = ["GET /repos/**", "POST /repos/*/*/issues/*/comments"]
"""
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda value: value,
    "trimmed by seven": lambda value: value[:-7],
    "without its first seven": lambda value: value[7:],
    "reversed": lambda value: value[::-1],
    "hex": lambda value: value.hex().encode(),
    "base64": base64.b64encode,
    "base64, second offset": lambda value: base64.b64encode(b"x" + value),
    "base64, third offset": lambda value: base64.b64encode(b"xy" + value + b"z"),
    "base64url": base64.urlsafe_b64encode,
    "percent": lambda value: b"".join(b"%%%02X" % byte for byte in value),
    "JSON unicode": lambda value: b"".join(b"\\u%04x" % byte for byte in value),
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda body: bytes(brotli.compress(gzip.compress(body))),
}
FORM = (b"content-type", b"application/x-www-form-urlencoded")
PARTS = (b"content-type", b"multipart/form-data; boundary=b")


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.close()


def leaked(desk: Desk, *values: bytes) -> list[str]:
    """Name the forms of values that reached the host or stand in the log."""
    reached = b"".join(repr(head).encode() + body for head, body in desk.forge.got) + desk.log.encode()
    return [name for value in values for name, form in FORMS.items() if form(value) in reached]


def comment(text: bytes) -> bytes:
    return b'{"body":"I found this: %b and more"}' % text


def multipart(content: bytes, name: bytes = b"notes.txt") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\n%b\r\n--b--\r\n' % (name, content)


def test_a_clean_comment_reaches_the_forge_and_a_leak_would_be_seen(desk: Desk) -> None:
    run(desk.ask("POST", COMMENTS, body=comment(b"nothing")))
    assert leaked(desk, SECRET, FORGE_KEY) == []
    desk.forge.got.append((RequestHead("POST", HOST.host, "/", ()), comment(SECRET)))
    assert leaked(desk, SECRET) != []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [PLANTED, FORGE_KEY], ids=["a password", "a token"])
def test_no_form_of_a_secret_gets_into_a_comment(desk: Desk, form: str, value: bytes) -> None:
    desk.known.add("PASSWORD", PLANTED, Origin.OUTSIDE)
    run(desk.refused("POST", COMMENTS, body=comment(FORMS[form](value))))
    assert desk.forge.got == []
    assert leaked(desk, value) == []
    assert len(desk.sink.of(Refused)) == 1


@pytest.mark.parametrize(
    "target",
    [
        f"/repos/{FORGE_KEY.decode()}",
        f"/search?q={FORGE_KEY.decode()}",
        f"/search?q={quote(SECRET, safe='')}&x=1",
        f"/search?q={quote(quote(SECRET, safe=''), safe='')}",
        f"/search?q=a&{FORGE_KEY.decode()}=1",
        f"/x/{''.join(f'%{byte:02x}' for byte in FORGE_KEY)}",
        f"/x?d={base64.urlsafe_b64encode(SECRET).decode()}",
    ],
)
def test_no_secret_leaves_in_a_path_or_a_parameter(desk: Desk, target: str) -> None:
    run(desk.refused("GET", target))
    assert leaked(desk, SECRET, FORGE_KEY) == []


@pytest.mark.parametrize(
    "header",
    [
        (b"x-note", SECRET),
        (b"user-agent", b"agent/" + FORGE_KEY),
        (b"cookie", b"session=" + FORGE_KEY),
        (b"authorization", b"Bearer " + FORGE_KEY),
        (b"authorization", b"Basic " + base64.b64encode(b"user:" + FORGE_KEY)),
        (b"x-note", base64.b64encode(SECRET)),
        (b"x-note", TOKEN),
    ],
)
def test_no_secret_leaves_in_a_header(desk: Desk, header: tuple[bytes, bytes]) -> None:
    run(desk.refused("GET", "/user", headers=[header]))
    assert leaked(desk, SECRET, FORGE_KEY) == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((FORM,), b"a=1&note=" + quote(SECRET).encode()),
        ((FORM,), b"a=1&note=" + FORGE_KEY),
        ((PARTS,), multipart(b"line\nkey: " + FORGE_KEY + b"\n")),
        ((PARTS,), multipart(b"x", name=FORGE_KEY)),
        ((PARTS,), multipart(tarball(b"const key = '" + FORGE_KEY + b"'"), name=b"p.tgz")),
        ((PARTS,), multipart(b"\x89PNG\r\n\x1a\n" + b"\0" * 90 + b"\n" + SECRET + b"\n" + b"\0" * 90)),
        (((b"content-type", b"application/octet-stream"),), tarball(b"note: " + SECRET)),
        (((b"content-type", b"application/octet-stream"),), b"\0\xff" * 3000 + b" " + SECRET + b" " + b"\0\xff" * 3000),
        (
            (JSON,),
            json.dumps({"_attachments": {"p.tgz": {"data": base64.b64encode(tarball(TOKEN)).decode()}}}).encode(),
        ),
        ((JSON,), json.dumps({"signature": TOKEN.decode()}).encode()),
        ((JSON,), json.dumps({"a": json.dumps({"b": SECRET.decode()})}).encode()),
        ((), b"-----BEGIN " + b"RSA PRIVATE KEY-----\n" + b"MIIEowIBAAKCAQEA7bq+0123456789abcdefABCD\n" * 12),
    ],
)
def test_no_secret_leaves_in_a_form_a_file_or_a_package(
    desk: Desk, headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    run(desk.refused("POST", "/upload", headers=headers, body=body))
    assert desk.forge.got == []
    assert leaked(desk, SECRET, FORGE_KEY, TOKEN) == []


@pytest.mark.parametrize("coding", CODINGS)
def test_no_secret_leaves_in_a_packed_body(desk: Desk, coding: str) -> None:
    packed = CODINGS[coding](comment(SECRET))
    run(desk.refused("POST", COMMENTS, headers=(JSON, (b"content-encoding", coding.encode())), body=packed))
    for lie in ((JSON,), (JSON, (b"content-encoding", b"identity"))):  # packed, and it does not say so
        with_lie = run(desk.refused("POST", COMMENTS, headers=lie, body=gzip.compress(comment(SECRET))))
        assert with_lie.status in (403, 415)
    assert desk.forge.got == []


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("announced", [True, False])
def test_a_secret_that_comes_in_small_pieces_is_stopped(desk: Desk, size: int, announced: bool) -> None:  # noqa: FBT001
    body = comment(SECRET)
    coming = Pieces(chunked(body, [size] * len(body)), len(body) if announced else None)
    run(desk.refused("POST", COMMENTS, body=coming))
    assert desk.forge.got == []


def test_a_secret_after_fifty_megabytes_does_not_leave(desk: Desk) -> None:
    filler = b"one more line of a dump\n" * (50 * 2**20 // 24)
    body = filler + SECRET + b"\n" + FORGE_KEY + b"\n" + filler[:100_000]
    run(desk.refused("PUT", "/upload", headers=(), body=Pieces(chunked(body, [1 << 20] * 60), len(body))))
    (_, got) = desk.forge.got[0]
    assert len(filler) - 400_000 < len(got) <= len(filler)
    assert leaked(desk, SECRET, FORGE_KEY) == []


def test_trickling_a_secret_into_a_stream_gets_less_of_it_out_than_would_be_worth_anything(desk: Desk) -> None:
    class Trickle:
        length = None
        trailers = ()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for byte in b"note " + FORGE_KEY + b" end":
                yield bytes([byte])
                await asyncio.sleep(0.025)

    grpc = (b"content-type", b"application/grpc")
    run(desk.refused("POST", "/svc/Call", headers=(grpc,), body=Trickle()))
    (_, got) = desk.forge.got[0]
    assert len(got.removeprefix(b"note ")) < 16


def test_secrets_in_trailers_do_not_leave(desk: Desk) -> None:
    coming = Pieces([b"x"], None, trailers=((b"x-note", SECRET),))
    seen: list[object] = []

    async def send(request: Request) -> Answer:
        assert request.body is not None
        async for _ in request.body:
            pass
        seen.append(request.body.trailers)
        return Answer(AnswerHead(200, ()))

    async def ask() -> None:
        await desk.judge.handler(HOST)(Request(RequestHead("POST", HOST.host, "/", ()), coming), send)

    run(ask())
    assert seen == [()]


# A WebSocket.


class Socket:
    """What the inside says on a WebSocket; the host reads it all."""

    def __init__(self, desk: Desk, *frames: bytes) -> None:
        self.desk = desk
        self.frames = frames
        self.got = bytearray()
        self.ahead: list[int] = []

    async def talk(self) -> None:
        async def send(request: Request) -> Answer:
            assert request.body is not None
            async for piece in request.body:
                self.got += piece
                self.ahead.append(len(self.desk.sink.of(Sent)))
            return Answer(AnswerHead(101, ()), None)

        head = RequestHead(
            "GET", HOST.host, "/live", ((b"sec-websocket-extensions", b"permessage-deflate"),), "websocket"
        )
        await self.desk.judge.handler(HOST)(Request(head, Pieces(self.frames)), send)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_no_secret_leaves_in_a_message_on_a_websocket(desk: Desk, opcode: int) -> None:
    mask = secrets.token_bytes(4)
    frames = [framed(Message(opcode, text), mask) for text in (b"hello", comment(SECRET), b"never sent")]
    socket = Socket(desk, *chunked(b"".join(frames), [3] * 500))
    with pytest.raises(RefusedError):
        run(socket.talk())
    assert len(socket.got) == len(frames[0])
    messages = [one for one in desk.sink.of(Sent) if one.method == "WEBSOCKET"]
    assert [one.body for one in messages] == [b"hello"]
    assert leaked(desk, SECRET) == []


def test_a_secret_in_two_fragments_of_a_message_or_in_a_ping_does_not_leave(desk: Desk) -> None:
    whole = framed(Message(TEXT, SECRET), b"\0\0\0\0")
    cut = (
        bytes([TEXT, 0x80 | 9])
        + b"\0\0\0\0"
        + SECRET[:9]
        + bytes([0x80, 0x80 | len(SECRET) - 9])
        + b"\0\0\0\0"
        + SECRET[9:]
    )
    for frame in (
        whole,
        cut,
        framed(Message(9, SECRET), b"\1\2\3\4"),
        framed(Message(8, b"\x03\xe8" + SECRET), b"\1\2\3\4"),
    ):
        socket = Socket(desk, frame)
        with pytest.raises(RefusedError):
            run(socket.talk())
        assert socket.got == b""


def test_a_ping_in_which_something_was_replaced_is_still_one() -> None:
    desk = Desk('[[hosts]]\nhosts = ["forge.test"]\ninspect = "yes"\nfound = "redact"\n')
    socket = Socket(desk, framed(Message(PING, b" ".join([TOKEN, SECRET, FORGE_KEY])), b"\1\2\3\4"))
    run(socket.talk())
    (ping,) = Messages(1000).feed(bytes(socket.got))
    assert ping.opcode == PING
    assert b"MASKED-" in ping.payload
    assert leaked(desk, SECRET, FORGE_KEY, TOKEN) == []
    desk.close()


def test_a_frame_that_says_it_is_packed_is_refused(desk: Desk) -> None:
    packed = bytearray(framed(Message(TEXT, zlib.compress(SECRET)), b"\1\2\3\4"))
    packed[0] |= 0x40
    with pytest.raises(RefusedError):
        run(Socket(desk, bytes(packed)).talk())


# What is nobody's key, and must not leave all the same.


def test_a_closed_files_text_and_a_code_name_do_not_get_into_a_comment(tmp_path: Path) -> None:
    guard = GuardDesk.make(tmp_path)
    effective = policy(user=CLOSED)
    (guard.duties.workspace / "training").mkdir()
    (guard.duties.workspace / "training/score.py").write_text(OWN_CODE)
    warned: list[str] = []
    desk = Desk(
        merged=effective,
        wire=lambda engine: Wire(replace(guard.duties, engine=engine, policy=effective), warned.append).engine(),
    )
    pasted = json.dumps({"body": "how does this look?\n```\n" + OWN_CODE + "```"}).encode()
    error = run(desk.refused("POST", COMMENTS, body=pasted))
    assert "text of `training/score.py`" in error.message
    run(desk.refused("POST", COMMENTS, body=comment(b"about Blue Heron")))
    assert desk.forge.got == []
    assert "worst = max(worst" not in desk.log
    run(desk.ask("POST", COMMENTS, body=comment(b"def main():\\n    return 0")))
    assert len(desk.forge.got) == 1
    desk.close()
    guard.close()


# What a host may be asked.


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/user/keys"),
        ("GET", "/repos/../user/keys"),
        ("GET", "/repos/%2e%2e/user/keys"),
        ("GET", "/repos/..%2fuser%2fkeys"),
        ("GET", "/repos/.%2e/user"),
        ("GET", "/repos//..//user"),
        ("GET", "/repos/a;/../../user"),
        ("GET", "/repos/a%5c..%5cuser"),
        ("GET", "/repos/a%00/../user"),
        ("POST", "/repos/a/b/issues/1%2f..%2f..%2fkeys/x/comments"),
        ("POST", "/repos/a/b/issues/1/comments/../../../keys"),
        ("PATCH", "/repos/a/b"),
    ],
)
def test_a_path_outside_of_the_list_is_not_reached_by_writing_it_otherwise(method: str, target: str) -> None:
    desk = Desk(LISTED)
    assert run(desk.refused(method, target)).status == 403
    assert desk.forge.got == []
    run(desk.ask("GET", "/repos/a/b"))
    assert len(desk.forge.got) == 1
    desk.close()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (((b"x-http-method-override", b"DELETE"), JSON), b"{}"),
        (((b"x-original-url", b"/user/keys"), JSON), b"{}"),
        ((FORM,), b"_method=DELETE"),
        ((FORM,), b"x=1&%5Fmethod=delete"),
        ((PARTS,), b'--b\r\nContent-Disposition: form-data; name="_method"\r\n\r\nDELETE\r\n--b--'),
    ],
)
def test_a_method_that_is_not_listed_is_not_reached_by_asking_the_server_for_it(
    headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    desk = Desk(LISTED)
    run(desk.refused("POST", COMMENTS, headers=headers, body=body))
    assert desk.forge.got == []
    desk.close()


# The record.


@pytest.mark.parametrize("long", [False, True])
def test_nothing_leaves_that_the_log_does_not_have(long: bool) -> None:  # noqa: FBT001
    desk = Desk()

    async def crash(event: Event) -> None:
        desk.sink.fails = isinstance(event, Sent) and event.offset + event.size > 3_000_000 * long

    desk.sink.before = crash
    body = b"a plain line of a dump\n" * (400_000 if long else 2)
    asked = (
        [run(desk.refused("PUT", "/u", headers=(), body=Pieces(chunked(body, [100_000] * 99), len(body))))]
        if long
        else []
    )
    if not long:
        run(desk.ask("PUT", "/u", headers=(), body=body))
    recorded = sum(one.size for one in desk.sink.of(Sent))
    assert sum(len(got) for _, got in desk.forge.got) <= recorded
    desk.sink.before = None
    asked.append(run(desk.refused(body=b"x")))
    assert {error.status for error in asked} == {503}
    assert sum(len(got) for _, got in desk.forge.got) <= recorded
    desk.close()
