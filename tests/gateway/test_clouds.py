"""How the gateway serves what Claude Code asks of Bedrock and Vertex: paths, models, frames, denials."""

import asyncio
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.test_incoming import (
    CREDENTIAL,
    CUTS,
    INSIDE,
    MASKED_CREDENTIAL,
    MASKED_INSIDE,
    MASKED_OUTSIDE,
    OUTSIDE,
    STOP,
    TEXTS,
    inward,
    pieces,
    text_delta,
    texts_of,
    thought,
)
from tests.gateway.wire import REAL_KEY, Provider, chunked, events, in_loop, plain, wired
from wrapper.gateway import anthropic
from wrapper.gateway.denial import denial
from wrapper.gateway.eventstream import MEDIA_TYPE, Frame, FrameParser, chunk
from wrapper.gateway.incoming import InwardFrames, InwardStream
from wrapper.gateway.requests import Asked, asked
from wrapper.gateway.sse import EventParser

FAILED = b"\x0f:exception-type\x07\x00\x0bvalidation!\x0d:message-type\x07\x00\x09exception"
BEDROCK = "/model/us.anthropic.claude-opus-5-5/invoke-with-response-stream"
VERTEX = "/projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-5-5:streamRawPredict"
ASKS = ("POST /model/**/invoke-with-response-stream", "GET /inference-profiles")


def framed(documents: list[dict[str, Any]]) -> bytes:
    return b"".join(bytes(chunk(json.dumps(one).encode())) for one in documents)


def unframed(data: bytes) -> list[bytes]:
    found = [frame.event for frame in FrameParser(2**20).feed(data)]
    return [event for event in found if event is not None]


def as_events(data: bytes) -> bytes:
    """Write what frames hold as server-sent events."""
    return b"".join(b"data: " + event + b"\n\n" for event in unframed(data))


def documents_of(data: bytes) -> list[Any]:
    return [json.loads(one.data) for one in EventParser().feed(data)]


def fed(raw: bytes, places: list[int]) -> tuple[bytes, bytes]:
    stream = InwardFrames(inward(), anthropic.DIALECT, 2**20)
    borders = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    out = b"".join(stream.feed(raw[start:end]) for start, end in pairwise(borders))
    out += stream.end()
    assert not stream.truncated
    return out, bytes(stream.seen)


@given(st.lists(TEXTS, max_size=4), CUTS)
def test_frames_are_masked_and_restored_as_events_are_however_they_are_cut(texts: list[str], places: list[int]) -> None:
    text = " ".join(texts)
    documents = [*map(text_delta, pieces(text, places)), *map(thought, texts), STOP]
    out, seen = fed(framed(documents), places)
    plainly = InwardStream(inward(), anthropic.DIALECT, 2**20)
    same = plainly.feed(b"".join(events(*documents))) + plainly.end()
    for member in ("text", "thinking"):
        assert texts_of(as_events(out), member) == texts_of(same, member)
    assert documents_of(seen) == documents_of(bytes(plainly.seen))
    assert OUTSIDE not in json.dumps(texts_of(as_events(out), "text"))


def test_an_exception_is_masked_and_comes_behind_what_was_held_back() -> None:
    failure = Frame(FAILED, json.dumps({"message": f"{OUTSIDE} {CREDENTIAL} {MASKED_INSIDE}"}).encode())
    out, seen = fed(framed([text_delta("key MASKED-")]) + bytes(failure), [])
    *frames, last = FrameParser(2**20).feed(out)
    assert texts_of(as_events(b"".join(map(bytes, frames))), "text") == "key MASKED-"
    assert last.headers == FAILED
    assert json.loads(last.payload)["message"].split(" ")[:2] == [MASKED_OUTSIDE, MASKED_CREDENTIAL]
    assert OUTSIDE.encode() not in seen + out
    assert CREDENTIAL.encode() not in seen + out


@pytest.mark.parametrize(
    "more",
    [
        framed([text_delta(OUTSIDE[8:])]),  # promise 2: a value cut by an exception between its halves
        bytes(Frame(FAILED, b"{}")),
    ],
)
def test_nothing_comes_behind_an_exception(more: bytes) -> None:
    stream = InwardFrames(inward(), anthropic.DIALECT, 2**20)
    stream.feed(framed([text_delta(OUTSIDE[:8])]) + bytes(Frame(FAILED, b"{}")))
    with pytest.raises(ValueError, match="behind an exception"):
        stream.feed(more)


def test_half_a_frame_at_the_end_reaches_nobody_and_the_log_says_it_is_not_whole() -> None:
    stream = InwardFrames(inward(), anthropic.DIALECT, 2**20)
    whole = framed([text_delta("one")])
    out = stream.feed(whole + framed([text_delta("two")])[:-1]) + stream.end()
    assert texts_of(as_events(out), "text") == "one"
    assert stream.truncated
    assert b"two" not in stream.seen


def test_an_event_over_several_lines_stays_one_event() -> None:
    out, seen = fed(bytes(chunk(json.dumps(text_delta("a\nb"), indent=1).encode())), [])
    assert texts_of(as_events(out), "text") == "a\nb"
    assert texts_of(seen, "text") == "a\nb"


@pytest.mark.parametrize(
    ("target", "model"),
    [
        (BEDROCK, "us.anthropic.claude-opus-5-5"),
        ("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/invoke", "arn:aws:bedrock:eu-west-1:1:inference-profile/x"),
        (VERTEX, "claude-opus-5-5"),
        (VERTEX.replace("claude-opus-5-5:", "claude-opus-5-5%4020251101:"), "claude-opus-5-5@20251101"),
    ],
)  # fmt: skip
def test_the_model_that_a_cloud_is_asked_stands_in_the_path(target: str, model: str) -> None:
    body = {"anthropic_version": "x", "messages": [{"role": "user", "content": "hello"}], "tools": [{"name": "t"}]}
    found = asked("anthropic", target, json.dumps(body).encode())
    assert found is not None
    assert (found.model, found.others, found.prompt) == (model, (), "hello")
    assert found.stream is target.endswith("response-stream")
    unreadable = asked("anthropic", target, b"\xff{")
    assert unreadable is not None


def test_counting_at_vertex_asks_the_model_in_its_body_and_no_other() -> None:
    body = json.dumps({"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "hello"}]}).encode()
    target = VERTEX.replace("claude-opus-5-5:streamRawPredict", "count-tokens:rawPredict")
    found = asked("anthropic", target, body)
    assert found is not None
    assert (found.model, found.others, found.repeats) == ("claude-opus-5-5", (), True)


def test_a_denial_comes_as_the_cloud_answers() -> None:
    in_frames = denial(anthropic.DIALECT, BEDROCK, Asked("m", "x", stream=True), "not sent")
    assert in_frames.headers["Content-Type"] == MEDIA_TYPE
    assert texts_of(as_events(in_frames.body), "text") == "not sent"
    assert [json.loads(one)["type"] for one in unframed(in_frames.body)][-1] == "message_stop"
    in_events = denial(anthropic.DIALECT, VERTEX, Asked("m", "x", stream=True), "not sent")
    assert texts_of(in_events.body, "text") == "not sent"
    whole = denial(anthropic.DIALECT, "/model/m/invoke", Asked("m", "x", stream=False), "not sent")
    assert json.loads(whole.body)["content"][0]["text"] == "not sent"


def ask(text: str) -> dict[str, Any]:
    return {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": text}]}


@in_loop
async def test_bedrock_in_frames_through_the_gateway() -> None:
    async with wired(asks=ASKS) as world:
        hidden = world.knows(b"Tr0ub4dor&3-of-here")
        world.provider.answer = chunked(
            *(bytes(chunk(one)) for one in (json.dumps(text_delta("Tr0ub4dor&3-")).encode(), json.dumps(text_delta("of-here")).encode(), json.dumps(STOP).encode())),
            content_type=MEDIA_TYPE,
        )  # fmt: skip
        reply = await world.ask_json(ask("say Tr0ub4dor&3-of-here"), target=BEDROCK)
        assert (reply.status, reply.headers["content-type"]) == (200, MEDIA_TYPE)
        assert texts_of(as_events(reply.body), "text") == hidden
        (request,) = world.provider.requests
        assert request.headers["x-api-key"] == REAL_KEY
        assert request.document["messages"][0]["content"] == f"say {hidden}"
        assert b"Tr0ub4dor" not in world.recorded()


@in_loop
async def test_a_stream_that_is_none_is_broken_off() -> None:
    async with wired(chunked(b"\x00" * 40, content_type=MEDIA_TYPE)) as world:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError, IndexError)):
            reply = await world.ask_json(ask("x"), target=BEDROCK)
            assert not reply.body
            raise ConnectionError
        assert len(world.provider.requests) == 1


@in_loop
@pytest.mark.parametrize(
    "target", ["/guardrails", "/model/m/count-tokens", "/model/m/converse", "/v1/messages", "/inference-profiles"]
)
async def test_what_the_client_does_not_ask_of_its_cloud_is_refused(target: str) -> None:
    """Promise 2: a cloud's key opens more than models."""
    async with wired(asks=ASKS) as world:
        reply = await world.ask_json(ask("x"), target=target)
        assert reply.status == (501 if target.endswith("count-tokens") else 403)
        assert "safe-agent" in reply.document["error"]["message"]
        assert not world.provider.requests


@in_loop
async def test_what_another_host_of_the_cloud_serves_goes_there_with_the_same_key() -> None:
    other = Provider(plain(b'{"inferenceProfileSummaries": []}'))
    server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
    beside: Mapping[str, str] = {"/inference-profiles": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    async with server, wired(asks=ASKS, beside=beside) as world:
        reply = await world.ask("/inference-profiles?type=SYSTEM_DEFINED", method="GET")
        assert (reply.status, reply.document) == (200, {"inferenceProfileSummaries": []})
        assert [one.headers["x-api-key"] for one in other.requests] == [REAL_KEY]
        await world.ask_json(ask("x"), target=BEDROCK)
        assert [one.target for one in world.provider.requests] == [BEDROCK]
        assert len(other.requests) == 1


def test_what_stands_inside_stays_what_it_is() -> None:
    out, _ = fed(framed([text_delta(f"a {MASKED_INSIDE} b"), STOP]), [])
    assert texts_of(as_events(out), "text") == f"a {INSIDE} b"
