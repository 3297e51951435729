"""An answer passes as it would without a gateway: when, how whole, with which headers; and ends when either side does."""

import asyncio
import json

import pytest

from redactors import Origin
from tests.gateway.wire import Received, chunked, events, in_loop, plain, wired
from wrapper.audit.events import Response

DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello "}}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\n{}"
FOR_RETRIES = {
    "retry-after": "7",
    "retry-after-ms": "7000",
    "x-should-retry": "true",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-tokens-reset": "2030-01-01T00:00:00Z",
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-reset-tokens": "6m0s",
    "request-id": "req_1",
    "x-request-id": "req_1",
    "openai-processing-ms": "12",
    "x-codex-primary-used-percent": "99.5",
}


def one_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Unavailable", "529 Overloaded", "408 Timeout"])
@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_what_tells_a_client_when_to_retry_passes(status: str, kind: str) -> None:
    @in_loop
    async def scenario() -> None:
        lines = [f"{name}: {value}" for name, value in FOR_RETRIES.items()]
        async with wired(plain(b'{"error":{}}', status=status, headers=lines), kind=kind) as world:  # type: ignore[arg-type]
            reply = await world.ask_json({})
            assert (reply.status, reply.body) == (int(status[:3]), b'{"error":{}}')
            assert {name: reply.headers.get(name) for name in FOR_RETRIES} == FOR_RETRIES
            assert len(world.provider.requests) == 1, "retrying is the client's"

    scenario()


@in_loop
async def test_the_head_of_a_stream_passes_before_the_model_has_said_a_word() -> None:
    first_word = asyncio.Event()

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await writer.drain()
        await first_word.wait()
        writer.write(one_chunk(events(DELTA)[0]) + b"0\r\n\r\n")

    async with wired(answer) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(REQUEST)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert b"X-A: b" in head
        first_word.set()
        assert await asyncio.wait_for(reader.readuntil(b"hello "), 5)
        writer.close()


@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + one_chunk(events(DELTA)[0])])
def test_a_client_that_leaves_a_provider_that_says_nothing_ends_the_call(begun: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        asked = asyncio.Event()

        async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(begun)
            asked.set()

        async with wired(answer) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(REQUEST)
            await asyncio.wait_for(asked.wait(), 5)
            if begun:
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert not world.provider.left.is_set()
            writer.transport.abort()
            await asyncio.wait_for(world.provider.left.wait(), 5)
            await asyncio.sleep(0.05)
            assert [one.complete for one in world.sink.of(Response)] == ([False] if begun else [])

    scenario()


@in_loop
async def test_a_provider_that_pauses_is_waited_for() -> None:
    parts = events(DELTA, DELTA, {"type": "content_block_stop", "index": 0})
    async with wired(chunked(*parts, gap=0.3)) as world:
        reply = await world.ask_json({})
        assert reply.body == b"".join(parts)


@in_loop
async def test_what_is_held_back_arrives_though_the_provider_breaks_off() -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + one_chunk(events(dict(DELTA, delta={"type": "text_delta", "text": "see MASKED-PA"}))[0]))
        await writer.drain()
        await asyncio.sleep(0.05)
        raise ConnectionError

    async with wired(answer) as world:
        out = await world.raw(REQUEST)
        assert b'"see "' in out
        assert b'"MASKED-PA"' in out
        assert not out.endswith(b"0\r\n\r\n")


@in_loop
async def test_an_answer_in_lines_of_json_is_restored_in_each() -> None:
    async with wired() as world:
        inside = world.vault.issue("PASSWORD", b'say "hi"', Origin.INSIDE)
        outside = world.knows(b"Tr0ub4dor&3-of-the-outside")
        document = {"custom_id": "1", "result": {"message": {"content": [{"type": "text", "text": inside + outside}]}}}
        lines = [json.dumps(document), '{"custom_id": "2"}', json.dumps(dict(document, custom_id="3"))]
        world.provider.answer = plain(("\n".join(lines) + "\n").encode(), content_type="application/x-jsonl")
        reply = await world.ask("/v1/messages/batches/b/results", method="GET")
        got = reply.body.decode().split("\n")
        assert got[1] == '{"custom_id": "2"}'
        assert got[3] == ""
        for line in (got[0], got[2]):
            assert json.loads(line)["result"]["message"]["content"][0]["text"] == f'say "hi"{outside}'


@in_loop
async def test_an_event_stream_that_says_it_is_something_else_is_still_one() -> None:
    async with wired() as world:
        inside = world.vault.issue("PASSWORD", b"of the inside", Origin.INSIDE)
        parts = [dict(DELTA, delta={"type": "text_delta", "text": part}) for part in (inside[:9], inside[9:], ".")]
        world.provider.answer = chunked(*events(*parts), content_type="text/plain")
        reply = await world.ask_json({})
        texts = [json.loads(line[6:])["delta"]["text"] for line in reply.body.decode().split("\n") if '"delta"' in line]
        assert "".join(texts) == "of the inside."


@in_loop
async def test_a_value_that_becomes_known_while_the_gateway_runs_is_masked_in_the_next_answer() -> None:
    late = b"late-of-the-outside-0123456789"
    async with wired() as world:
        parts = [
            dict(DELTA, delta={"type": "text_delta", "text": part}) for part in ("late-of-the-", "outside-0123456789.")
        ]
        world.provider.answer = chunked(*events(*parts))
        assert b"outside-0123" in (await world.ask_json({})).body
        placeholder = world.knows(late)
        reply = await world.ask_json({})
        assert b"outside-0123" not in reply.body
        assert placeholder.encode() in reply.body
