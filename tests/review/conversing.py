"""Conversations for tests: requests and answers as records, in the shapes of the providers."""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.demo import messages, responses
from wrapper.demo.sse import event

_numbers = itertools.count(1)


def record(event: events.AnyEvent) -> Record:
    """Number an event; one number is never given twice."""
    return Record(next(_numbers), event)


def request(number: int, body: object, **changes: Any) -> Record:
    """Make the record of a request with this JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields: dict[str, Any] = {"at": 2.0, "method": "POST", "url": "u", "headers": {}, "number": number, "body": data}
    return record(events.Request(**fields | changes))


def response(number: int, body: bytes, *, status: int = 200, complete: bool = True) -> Record:
    return record(events.Response(at=3.0, number=number, status=status, headers={}, body=body, complete=complete))


def asks(number: int, *said: object, tools: bool = True, **more: object) -> Record:
    """Make a request to Anthropic; of `said`, a text is the user's, everything else stands as it is."""
    conversation = [{"role": "user", "content": one} if isinstance(one, str) else one for one in said]
    offered = {"tools": [{"name": "Bash"}]} if tools else {}
    return request(number, {"model": "m-1", "messages": conversation, **offered, **more})


def says(text: str = "", *calls: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """Make what the model says in a conversation: a text, then calls of (id, tool, input)."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": one, "name": tool, "input": given} for one, tool, given in calls]
    return {"role": "assistant", "content": blocks}


def gives(one: str, text: object, *, is_error: bool = False) -> dict[str, Any]:
    """Make a tool's result as the client sends it."""
    result = {"type": "tool_result", "tool_use_id": one, "content": text, "is_error": is_error}
    return {"role": "user", "content": [result]}


def answer(said: dict[str, Any], usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make a whole message of Anthropic's."""
    used = {"input_tokens": 10, "output_tokens": 5} if usage is None else usage
    return {"type": "message", "model": "m-1", "stop_reason": None, "stop_sequence": None, "usage": used, **said}


def streamed(whole: dict[str, Any]) -> bytes:
    """Give a message as server-sent events."""
    return b"".join(messages.stream(whole))


def answers(number: int, text: str = "", *calls: tuple[str, str, dict[str, Any]]) -> Record:
    """Make the record of an answer, as events."""
    return response(number, streamed(answer(says(text, *calls))))


def item_text(role: str, *texts: str) -> dict[str, Any]:
    """Make a message of OpenAI's."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts]}


def openai(items: Sequence[dict[str, Any]], *, number: int = 1, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make a whole response of OpenAI's."""
    named = [{"id": f"i-{number}-{place}"} | item for place, item in enumerate(items)]
    whole = responses.response(named, number, "g-1")
    return whole if usage is None else whole | {"usage": usage}


def in_events(whole: dict[str, Any]) -> bytes:
    return b"".join(event(one) for one in responses.events(whole))


def in_lines(whole: dict[str, Any]) -> bytes:
    """Give a response as the log has it from a WebSocket."""
    return b"\n".join(json.dumps(one).encode() for one in responses.events(whole))


def joined(texts: Iterable[str]) -> str:
    return "|".join(texts)
