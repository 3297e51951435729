"""A denied request's answer: what safe-agent has to say, as the provider would send an answer of the model; pure.

The client shows it to its user as the model's words and ends its turn, where an error would be tried again, hidden or
taken for a fault. Where no words are asked for (counting, batches, a summary that would stand in the conversation's
place) it is the provider's error with status 400, which no client tries again. (403 would be the better name, but
Claude Code then tells its user to log in.)

Sources: the providers' API references, "Streaming messages", "Streaming events" of Responses, and Chat Completions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from wrapper.gateway.dialect import Dialect
from wrapper.gateway.eventstream import MEDIA_TYPE, chunk
from wrapper.gateway.requests import Asked, in_frames
from wrapper.gateway.sse import ServerSentEvent
from wrapper.policy.model import Rule

_DENIED: Final = 400
_EVENTS: Final = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_JSON: Final = {"Content-Type": "application/json"}
# What both providers' own libraries ask before they try again.
_FINAL: Final = {"x-should-retry": "false"}

_Document = dict[str, Any]


class DeniedError(Exception):
    """Policy, or the user, does not let this request out.

    `text` is for the agent's user; `about` and `rule` are as in `Judged`.
    """

    def __init__(self, text: str, *, about: str, rule: str) -> None:
        super().__init__(text)
        self.text = text
        self.about = about
        self.rule = rule


class Denial(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def wording(what: str, why: str, rule: Rule | None, hint: str) -> str:
    """Say who speaks, what was denied, by which rule, and what to do.

    The text goes into the conversation and so to the provider later on: a rule's place is told, never its patterns.
    """
    place = f" It says so in the {rule.layer.value} policy, {rule.file}:{rule.line}." if rule else ""
    reason = f" Reason: {why.rstrip('.')}." if why else ""
    return f"safe-agent: this request was not sent: {what}.{reason}{place}\n\nWhat you can do: {hint}."


def denial(dialect: Dialect, target: str, asked: Asked | None, text: str) -> Denial:
    """Answer a denied request to `target`, in events where `asked` wants them."""
    speaks = _SPEAKERS.get(_interface(dialect, target))
    if asked is None or asked.summary or speaks is None:
        return Denial(_DENIED, _JSON | _FINAL, dialect.error(_DENIED, text))
    whole, stream = speaks
    if in_frames(target):
        frames = (chunk(ServerSentEvent(event).data) for event in stream(asked, text))
        return Denial(200, {"Content-Type": MEDIA_TYPE}, b"".join(map(bytes, frames)))
    if asked.stream:
        return Denial(200, _EVENTS.copy(), b"".join(stream(asked, text)))
    return Denial(200, _JSON.copy(), _written(whole(asked, text)))


def denial_messages(dialect: Dialect, asked: Asked | None, text: str) -> tuple[bytes, ...]:
    """Answer a denied WebSocket message of the Responses interface, one event a message."""
    if asked is None or asked.summary:
        error = json.loads(dialect.error(_DENIED, text))["error"]
        return (_written({"type": "error", "status": _DENIED, "error": error}),)
    # Without an id the client sends the conversation whole the next time: the provider knows of no such answer.
    return tuple(map(_written, _response_events(_response(asked, text) | {"id": ""})))


def _interface(dialect: Dialect, target: str) -> str:
    """Name what is asked for by the path's end."""
    parts = unquote(target.partition("?")[0]).strip("/").lower().split("/")
    if parts[-2:] == ["chat", "completions"]:
        return "chat"
    if dialect.name == "anthropic" and parts[-1].rpartition(":")[2] in _OF_CLOUDS:
        return "messages"
    if (dialect.name, parts[-1]) in {("anthropic", "messages"), ("openai", "responses"), ("openai", "completions")}:
        return parts[-1]
    return ""


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _event(document: Mapping[str, Any]) -> bytes:
    return f"event: {document['type']}\n".encode() + b"data: " + _written(document) + b"\n\n"


def _identity(prefix: str, asked: Asked, text: str) -> str:
    """Make an id: clients merge what has the same one, so it hangs on all that was asked before."""
    parts = json.dumps((asked.model, len(asked.earlier), asked.prompt, text))
    return f"{prefix}_safeagent{hashlib.sha256(parts.encode()).hexdigest()[:24]}"


# Anthropic Messages.


def _message(asked: Asked, text: str) -> _Document:
    usage = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    return {
        "id": _identity("msg", asked, text),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def _message_stream(asked: Asked, text: str) -> Iterator[bytes]:
    whole = _message(asked, text)
    yield _event({"type": "message_start", "message": whole | {"content": [], "stop_reason": None}})
    yield _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    yield _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
    yield _event({"type": "content_block_stop", "index": 0})
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": stop, "usage": whole["usage"]})
    yield _event({"type": "message_stop"})


# OpenAI Responses.


def _response(asked: Asked, text: str) -> _Document:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {
        "type": "message",
        "id": _identity("msg", asked, text),
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    usage = {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    head = {"id": _identity("resp", asked, text), "object": "response", "created_at": 0, "status": "completed"}
    return head | {"model": asked.model, "output": [item], "usage": usage, "error": None}


def _response_stream(asked: Asked, text: str) -> Iterator[bytes]:
    yield from map(_event, _response_events(_response(asked, text)))


def _response_events(whole: _Document) -> Iterator[_Document]:
    """Give the events of a response with one message of one part."""
    item = whole["output"][0]
    part = item["content"][0]
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    opened = item | {"status": "in_progress", "content": []}
    events = (
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": opened},
        {"type": "response.content_part.added", "part": part | {"text": ""}} | at,
        {"type": "response.output_text.delta", "delta": part["text"]} | at,
        {"type": "response.output_text.done", "text": part["text"]} | at,
        {"type": "response.content_part.done", "part": part} | at,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    )
    for number, event in enumerate(events):
        yield event | {"sequence_number": number}


# OpenAI Chat Completions, and Completions as older self-hosted servers have them.


def _completion(asked: Asked, text: str) -> _Document:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _completion_head("chat.completion", asked, text) | {"choices": [choice], "usage": _USAGE}


def _completion_stream(asked: Asked, text: str) -> Iterator[bytes]:
    head = _completion_head("chat.completion.chunk", asked, text)
    for delta, reason in (({"role": "assistant", "content": text}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield _chunk(head | {"choices": [choice]})
    yield _DONE


def _old_completion(asked: Asked, text: str) -> _Document:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return _completion_head("text_completion", asked, text) | {"choices": [choice], "usage": _USAGE}


def _old_completion_stream(asked: Asked, text: str) -> Iterator[bytes]:
    yield _chunk(_old_completion(asked, text))
    yield _DONE


def _completion_head(kind: str, asked: Asked, text: str) -> _Document:
    return {"id": _identity("chatcmpl", asked, text), "object": kind, "created": 0, "model": asked.model}


def _chunk(document: Mapping[str, Any]) -> bytes:
    return b"data: " + _written(document) + b"\n\n"


# How Bedrock and Vertex are asked for messages.
_OF_CLOUDS: Final = frozenset({"invoke", "invoke-with-response-stream", "rawpredict", "streamrawpredict"})
_DONE: Final = b"data: [DONE]\n\n"
_USAGE: Final = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_SPEAKERS: Final = {
    "messages": (_message, _message_stream),
    "responses": (_response, _response_stream),
    "chat": (_completion, _completion_stream),
    "completions": (_old_completion, _old_completion_stream),
}
