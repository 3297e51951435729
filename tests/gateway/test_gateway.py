import asyncio
import json
import socket
import time
from typing import Literal

import pytest

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import (
    MASKING_KEY,
    PLACE,
    REAL_KEY,
    FixedCredential,
    MemorySink,
    Nobody,
    Received,
    chunked,
    engine,
    events,
    in_effect,
    in_loop,
    plain,
    wired,
    zipped,
)
from wrapper.audit.events import Judged, Redacted, Refused, Request, Response
from wrapper.errors import PolicyError, StateError
from wrapper.gateway.checkpoint import Terms
from wrapper.gateway.records import Log
from wrapper.gateway.server import Gateway, GatewayConfig, Route

SECRET = b"correct horse battery staple"
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}
STOP = {"type": "content_block_stop", "index": 0}


@in_loop
async def test_a_request_arrives_with_the_real_key_and_without_the_secret() -> None:
    async with wired(plain(b'{"ok":true}')) as world:
        placeholder = world.knows(SECRET)
        own = world.vault.issue("API-KEY", REAL_KEY.encode(), Origin.OUTSIDE)
        reply = await world.ask_json({"a": SECRET.decode()}, headers=[f"x-api-key: {own}", "anthropic-version: 1"])
        assert (reply.status, reply.body) == (200, b'{"ok":true}')
        [received] = world.provider.requests
        assert received.document == {"a": placeholder}
        assert received.headers["x-api-key"] == REAL_KEY
        assert received.headers["anthropic-version"] == "1"
        assert received.headers["accept-encoding"] == "identity"
        assert received.headers["host"] == f"127.0.0.1:{world.provider.port}"


@in_loop
async def test_path_and_query_are_appended_to_the_base_path() -> None:
    async with wired(prefix="/proxy/tenant/") as world:
        await world.ask("/v1/messages?beta=true", b"{}")
        assert world.provider.requests[0].target == "/proxy/tenant/v1/messages?beta=true"


@in_loop
async def test_head_and_other_endpoints_are_passed_on() -> None:
    async with wired(plain(b'{"input_tokens":3}')) as world:
        head = await world.ask("/", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert (await world.ask("/v1/messages/count_tokens", b"{}")).document == {"input_tokens": 3}
        assert (await world.ask("/v1/models?limit=5", method="GET")).status == 200
        assert (await world.ask("/v1/files/x", method="DELETE")).status == 200
        assert [one.method for one in world.provider.requests] == ["HEAD", "POST", "GET", "DELETE"]
        assert "content-length" not in world.provider.requests[2].headers


@in_loop
async def test_the_record_of_a_request_is_durable_before_its_first_byte_leaves() -> None:
    async with wired() as world:
        seen: list[int] = []

        async def before(_event: object) -> None:
            await asyncio.sleep(0.05)
            seen.append(len(world.provider.bytes))

        world.sink.before = before
        world.knows(SECRET)
        await world.ask_json({"a": SECRET.decode()})
        assert seen == [0]
        [request] = world.sink.of(Request)
        [redacted] = world.sink.of(Redacted)
        assert (request.number, request.method, request.url) == (
            1, "POST", f"http://127.0.0.1:{world.provider.port}/v1/messages",
        )  # fmt: skip
        assert request.body == world.provider.requests[0].body
        assert "x-api-key" not in request.headers
        assert (redacted.place, redacted.where, redacted.kind) == ("request", "#1@7", "PASSWORD")
        assert world.sink.events.index(redacted) < world.sink.events.index(request)


@in_loop
async def test_nothing_is_sent_when_the_log_fails_and_never_again_after() -> None:
    async with wired() as world:
        world.sink.fails = True
        reply = await world.ask_json({})
        assert reply.status == 503
        assert reply.document["error"]["type"] == "api_error"
        assert "nothing was sent" in reply.document["error"]["message"]
        world.sink.fails = False
        assert (await world.ask_json({})).status == 503
        assert world.provider.bytes == b""


@in_loop
async def test_the_answer_is_recorded_redacted() -> None:
    async with wired(plain(b'{"text":"it is ' + SECRET + b'"}', headers=["Set-Cookie: a=b", "X-Id: 7"])) as world:
        placeholder = world.knows(SECRET)
        await world.ask_json({})
        await asyncio.sleep(0.01)
        [response] = world.sink.of(Response)
        assert (response.number, response.status, response.complete) == (1, 200, True)
        assert response.body == b'{"text":"it is ' + placeholder.encode() + b'"}'
        assert response.headers["x-id"] == "7"
        assert "set-cookie" not in response.headers
        [redacted] = world.sink.of(Redacted)
        assert (redacted.place, redacted.where, redacted.placeholder) == ("response", "#1", placeholder)


@in_loop
async def test_each_event_is_passed_on_while_the_stream_is_open() -> None:
    go_on = asyncio.Event()

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events(TEXT)[0])
        await writer.drain()
        await go_on.wait()
        writer.write(events(STOP)[0])
        await writer.drain()
        raise ConnectionError

    async with wired(answer) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        first = await reader.readuntil(events(TEXT)[0])
        assert first.endswith(events(TEXT)[0])
        go_on.set()
        assert events(STOP)[0] in await reader.readuntil(b"0\r\n\r\n")
        writer.close()


@in_loop
async def test_a_stream_without_placeholders_passes_byte_for_byte() -> None:
    raw = [
        b'event: x\r\ndata: {"type" : "ping"}\r\n\r',
        b"\n: note\n\n",
        *events(TEXT, STOP),
        b"data: tail without end",
    ]
    async with wired(chunked(*raw)) as world:
        reply = await world.ask_json({})
        assert reply.body == b"".join(raw)
        assert reply.headers["content-type"] == "text/event-stream"


@in_loop
async def test_placeholders_of_the_inside_are_restored_in_streams_and_documents() -> None:
    async with wired() as world:
        inside = world.vault.issue("PASSWORD", b'say "hi"', Origin.INSIDE)
        outside = world.knows(SECRET)
        parts = [dict(TEXT, delta={"type": "text_delta", "text": part}) for part in (inside[:12], inside[12:], outside)]
        world.provider.answer = chunked(*events(*parts, STOP))
        reply = await world.ask_json({})
        texts = [json.loads(line[6:])["delta"]["text"] for line in reply.body.decode().split("\n") if '"delta"' in line]
        assert "".join(texts) == f'say "hi"{outside}'
        world.provider.answer = plain(json.dumps({"content": [{"type": "text", "text": inside + outside}]}).encode())
        assert (await world.ask_json({})).document["content"][0]["text"] == f'say "hi"{outside}'
        await asyncio.sleep(0.01)
        assert inside.encode() in world.sink.of(Response)[1].body


@in_loop
async def test_a_client_that_leaves_ends_the_call_to_the_provider_and_the_answer_is_recorded() -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events(TEXT)[0])
        while True:
            writer.write(b": still here\n\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with wired(answer) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}")
        await reader.readuntil(b"hello")
        writer.close()
        await asyncio.wait_for(world.provider.left.wait(), 5)
        await asyncio.sleep(0.05)
        [response] = world.sink.of(Response)
        assert not response.complete
        assert b"hello" in response.body


@in_loop
async def test_a_stream_that_the_provider_breaks_off_is_broken_off_inside() -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        event = events(TEXT)[0]
        writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        raise ConnectionError

    async with wired(answer) as world:
        out = await world.raw(b"POST /v1/messages HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}")
        assert b"hello" in out
        assert not out.endswith(b"0\r\n\r\n")
        await asyncio.sleep(0.01)
        assert [one.complete for one in world.sink.of(Response)] == [False]


@in_loop
async def test_errors_of_the_provider_are_passed_on() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    async with wired(plain(body, status="529 Overloaded", headers=["retry-after: 3"])) as world:
        reply = await world.ask_json({})
        assert (reply.status, reply.body, reply.headers["retry-after"]) == (529, body, "3")


@pytest.mark.parametrize(("kind", "member"), [("anthropic", "type"), ("openai", "code")])
def test_an_unreachable_provider_is_told_in_its_own_error_shape(kind: str, member: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired(kind=kind) as world:  # type: ignore[arg-type]
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))  # bound but not listening: refused
            world.gateway._bases[""] = f"http://127.0.0.1:{sock.getsockname()[1]}"
            reply = await world.ask_json({})
            sock.close()
            assert reply.status == 502
            error = reply.document["error"]
            assert error["message"].startswith("safe-agent: cannot connect to http://127.0.0.1:")
            assert "hint: check your network" in error["message"]
            assert error[member] in {"api_error", "upstream_unreachable"}
            assert reply.headers["content-type"].startswith("application/json")

    scenario()


@in_loop
async def test_a_provider_that_hangs_up_is_a_502() -> None:
    async def answer(_request: Received, _writer: asyncio.StreamWriter) -> None:
        raise ConnectionError

    async with wired(answer) as world:
        reply = await world.ask_json({})
        assert reply.status == 502
        assert "closed the connection before it answered" in reply.document["error"]["message"]


@in_loop
async def test_a_body_beyond_the_limit_is_a_413_in_plain_and_compressed() -> None:
    async with wired(body_limit=1000) as world:
        for body, coding in ((bytes(1001), "identity"), (zipped(bytes(100_000)), "gzip")):
            reply = await world.ask("/", body, headers=[f"Content-Encoding: {coding}"])
            assert (reply.status, reply.document["error"]["type"]) == (413, "request_too_large")
        assert len(world.sink.of(Refused)) == 2
        assert world.provider.bytes == b""


@in_loop
async def test_another_upgrade_than_to_websocket_is_a_426() -> None:
    async with wired(kind="openai") as world:
        reply = await world.ask("/v1/responses", method="GET", headers=["Upgrade: h2c", "Connection: Upgrade"])
        assert reply.status == 426
        assert [one.reason for one in world.sink.of(Refused)] == ["this upgrade of the connection is not forwarded"]


@in_loop
async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async with wired() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert "expect" not in world.provider.requests[0].headers


@in_loop
async def test_a_compressed_answer_is_read_and_passed_on_plain() -> None:
    body = zipped(b'{"text":"' + SECRET + b'"}')
    async with wired(plain(body, headers=["Content-Encoding: gzip"])) as world:
        placeholder = world.knows(SECRET)
        reply = await world.ask_json({})
        assert reply.document == {"text": placeholder}
        assert "content-encoding" not in reply.headers
        world.provider.answer = plain(b"x", headers=["Content-Encoding: zstd"])
        assert (await world.ask_json({})).status == 502


@in_loop
async def test_a_credential_that_cannot_be_had_is_a_401_that_says_why() -> None:
    class Lost(FixedCredential):
        async def headers(self, inside: object) -> dict[str, str]:
            raise StateError("the login has ended", hint="log in again")

    async with wired(credential=Lost()) as world:
        reply = await world.ask_json({})
        assert reply.status == 401
        assert reply.document["error"]["message"] == "safe-agent: the login has ended (hint: log in again)"
        assert world.provider.bytes == b""


@in_loop
async def test_forty_streams_at_once_are_all_served() -> None:
    async with wired(chunked(*events(TEXT, TEXT, STOP), gap=0.05)) as world:
        replies = await asyncio.gather(*(world.ask_json({"n": number}) for number in range(40)))
        assert {reply.body for reply in replies} == {b"".join(events(TEXT, TEXT, STOP))}
        assert sorted(one.number for one in world.sink.of(Request)) == list(range(1, 41))


@in_loop
async def test_a_large_body_does_not_hold_up_a_stream() -> None:
    """Held up by its own work, it is so each time; a machine that does not give it the processor does it now and then."""
    assert min([await _longest_wait() for _ in range(3)]) < 0.25


async def _longest_wait() -> float:
    """How many seconds of processor time pass at most until the loop goes on, while a large body is read."""
    async with wired(chunked(*events(*[TEXT] * 30), gap=0.01)) as world:
        large = json.dumps(
            {"messages": [{"text": f"line {number} of some code; x = {number}"} for number in range(80_000)]}
        )
        worst = 0.0

        async def watch() -> None:
            nonlocal worst
            while True:
                before = time.process_time()  # what others on this machine do does not count
                await asyncio.sleep(0.005)
                worst = max(worst, time.process_time() - before)

        watcher = asyncio.create_task(watch())
        await asyncio.gather(world.ask("/", large.encode()), world.ask_json({}))
        watcher.cancel()
        return worst


@pytest.mark.parametrize(
    ("upstream", "reason"),
    [
        ("http://api.example", "without encryption"),
        ("ftp://api.example", "no http or https"),
        ("api.example", "no http or https"),
        ("https://user:pass@api.example", "more than scheme"),
        ("https://api.example/?key=1", "more than scheme"),
        ("https://api.example:port", "no URL"),
    ],
)
def test_an_upstream_that_cannot_be_used_is_refused(upstream: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason) as error:
        unstarted("anthropic", Route(upstream, FixedCredential()))
    assert error.value.hint


def test_an_upstream_without_encryption_is_taken_where_policy_names_it_on_purpose() -> None:
    unstarted("openai", Route("http://api.example:8080/v1/", FixedCredential(), plain_http=True))


def unstarted(kind: Literal["anthropic", "openai"], own: Route) -> Gateway:
    vault = Vault(MASKING_KEY)
    terms = Terms(in_effect(), PLACE, Nobody())
    return Gateway(GatewayConfig(kind, own), engine(vault, KnownValues(vault)), vault, Log(MemorySink()), terms)


def test_closing_leaves_no_socket_and_no_task_behind() -> None:
    @in_loop
    async def scenario() -> None:
        before = asyncio.all_tasks()
        async with wired(chunked(*events(*[TEXT] * 100), gap=0.05)) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(b"POST / HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}")
            await reader.readuntil(b"hello")
        writer.close()
        await asyncio.sleep(0.05)
        provider_side = {task for task in asyncio.all_tasks() if "Provider" in repr(task.get_coro())}
        assert asyncio.all_tasks() - provider_side == before
        assert [one.complete for one in world.sink.of(Response)] == [False]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", world.port)

    scenario()


@in_loop
async def test_a_blocked_request_is_not_sent_and_the_log_says_for_what() -> None:
    async with wired(policy='[wire]\nblock = ["PASSWORD"]\n') as world:
        placeholder = world.knows(SECRET)
        reply = await world.ask_json({"model": "m", "messages": [{"role": "user", "content": SECRET.decode()}]})
        assert "PASSWORD" in reply.document["content"][0]["text"]
        assert world.provider.bytes == b""
        [found] = world.sink.of(Redacted)
        assert (found.action, found.placeholder) == ("blocked", placeholder)
        [judged] = world.sink.of(Judged)
        assert (judged.about, judged.action) == ("kind", "blocked")
        assert SECRET not in world.recorded()
