"""Reads what a model answered: Anthropic Messages and OpenAI Responses, whole, as events, or over a WebSocket; pure.

Rules of this file:
1. Shapes decide, not addresses, clients or versions. What has no shape that is known gives nothing.
2. Nothing in a body makes it raise.
3. What a stream that broke off had begun is given as far as it came.

Sources: the providers' API references, "Streaming messages" and "Streaming events" of Responses.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

_any: Final = msgspec.json.Decoder()
_HEAD: Final = 200  # characters of a result in which clients say how a command ended
_FAILED: Final = re.compile(r"(?:exited with|[Ee]xit) code:? [1-9]")
_TEXTS: Final = frozenset({"text", "output_text", "input_text", "refusal"})


class Tokens(NamedTuple):
    """What an answer used; the numbers do not overlap."""

    model: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    cache_write_1h: int = 0


class Called(NamedTuple):
    """A tool that is to be used."""

    id: str
    tool: str
    input: Mapping[str, Any] | str


class Returned(NamedTuple):
    """What came of a tool."""

    id: str
    text: str
    is_error: bool = False


@dataclass
class Answered:
    """An answer: texts, calls and results in order; the id by which a later request may go on from it."""

    parts: list[str | Called | Returned] = field(default_factory=list)
    tokens: Tokens | None = None
    id: str = ""


def decoded(data: bytes | str) -> Any:
    """Return the JSON in `data`, None where there is none."""
    try:
        return _any.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def answered(body: bytes) -> Answered:
    """Return what the body of a response says."""
    whole = _Reading()
    for document in _documents(body):
        whole.take(document)
    return whole.end()


def text_of(content: object) -> str:
    """Join the texts in a content: a string, or a list of blocks; of an image only that there is one."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [text for block in content if (text := _block_text(block))]
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts[:-1]) + "".join(texts[-1:])


def item(value: Mapping[str, Any]) -> Iterator[str | Called | Returned]:
    """Yield what an item of OpenAI's, in an answer or in a later request, says of the model or of a tool."""
    kind = _str(value.get("type"))
    if kind == "message" or (not kind and "content" in value):
        text = text_of(value.get("content"))
        if text:
            yield text
    elif kind.endswith("_call_output"):
        yield _output(value)
    elif kind.endswith("_call"):
        yield Called(_str(value.get("call_id") or value.get("id")), _str(value.get("name")) or kind, _arguments(value))
        if isinstance(value.get("output"), str):  # of tools that the provider itself runs
            yield Returned(_str(value.get("id")), value["output"], is_error=bool(value.get("error")))


def block(value: Mapping[str, Any]) -> Iterator[str | Called | Returned]:
    """Yield what a block of Anthropic's says."""
    kind = _str(value.get("type"))
    if kind == "text":
        if text := _str(value.get("text")):
            yield text
    elif kind.endswith("tool_use"):
        yield Called(_str(value.get("id")), _str(value.get("name")), _input(value.get("input")))
    elif kind.endswith("tool_result"):
        text = text_of(value.get("content")) or _compact(value.get("content"))
        yield Returned(_str(value.get("tool_use_id")), text, is_error=value.get("is_error") is True)


def _documents(body: bytes) -> Iterator[object]:
    """Yield the JSON documents of a body: it is one, or events, or lines of a WebSocket."""
    start = body[:64].lstrip()
    if start.startswith((b"{", b"[")):
        whole = decoded(body)
        if whole is not None:
            yield whole
            return
        yield from (decoded(line) for line in body.split(b"\n") if line.startswith(b"{"))
        return
    lines: list[bytes] = []
    for line in body.splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:].lstrip())
        elif not line and lines:
            yield decoded(b"\n".join(lines))
            lines = []
    if lines:
        yield decoded(b"\n".join(lines))


class _Reading:
    """Takes the events of one answer."""

    def __init__(self) -> None:
        self._answer = Answered()
        self._blocks: dict[object, dict[str, Any]] = {}  # Anthropic's by index
        self._items: dict[object, Mapping[str, Any]] = {}  # OpenAI's by their place or id
        self._pieces: dict[object, list[str]] = {}
        self._model = ""
        self._usage: dict[str, Any] = {}

    def take(self, event: object) -> None:
        """Take one event, or a whole answer."""
        if not isinstance(event, dict):
            return
        kind = _str(event.get("type"))
        if kind.startswith("response.") or event.get("object") == "response":
            self._openai(kind, event)
        else:
            self._anthropic(kind, event)

    def end(self) -> Answered:
        """Give the answer."""
        for index, value in self._blocks.items():
            self._answer.parts += block(_filled(value, "".join(self._pieces.get(index, ()))))
        for place, one in self._items.items():
            self._answer.parts += item(_completed(one, "".join(self._pieces.get(place, ()))))
        if self._usage:
            self._answer.tokens = _tokens(self._model, self._usage)
        return self._answer

    def _anthropic(self, kind: str, event: dict[str, Any]) -> None:
        if kind in ("message_start", "message"):
            message = _dict(event.get("message")) if kind == "message_start" else event
            self._model = _str(message.get("model"))
            self._usage |= _dict(message.get("usage"))
            content = message.get("content")
            for place, value in enumerate(content if isinstance(content, list) else ()):
                self._blocks[("whole", place)] = _dict(value)
        elif kind == "content_block_start":
            self._blocks[_key(event.get("index"))] = dict(_dict(event.get("content_block")))
        elif kind == "content_block_delta":
            delta = _dict(event.get("delta"))
            piece = delta.get("text", delta.get("partial_json"))
            if isinstance(piece, str):
                self._pieces.setdefault(_key(event.get("index")), []).append(piece)
        elif kind == "message_delta":
            self._usage |= {name: value for name, value in _dict(event.get("usage")).items() if value is not None}

    def _openai(self, kind: str, event: Mapping[str, Any]) -> None:
        place = _key(event.get("output_index", event.get("item_id")))
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._items[place] = _dict(event.get("item"))
            if kind.endswith("done"):
                self._pieces.pop(place, None)
        elif kind.endswith(".delta") and "reasoning" not in kind and isinstance(event.get("delta"), str):
            self._pieces.setdefault(place, []).append(event["delta"])
        else:
            self._whole(_dict(event.get("response")) or (event if event.get("object") == "response" else {}))

    def _whole(self, response: Mapping[str, Any]) -> None:
        self._answer.id = _str(response.get("id")) or self._answer.id
        self._model = _str(response.get("model")) or self._model
        self._usage |= _dict(response.get("usage"))
        output = response.get("output")
        for place, value in enumerate(output if isinstance(output, list) else ()):
            self._items[place] = _dict(value)
            self._pieces.pop(place, None)


def _filled(value: Mapping[str, Any], piece: str) -> Mapping[str, Any]:
    """Return a block with what came of it in pieces."""
    if not piece:
        return value
    if value.get("type") == "text":
        return {**value, "text": _str(value.get("text")) + piece}
    return {**value, "input": piece}


def _completed(value: Mapping[str, Any], piece: str) -> Mapping[str, Any]:
    """Return an item whose end never came with what came of it."""
    if not piece:
        return value
    if _str(value.get("type")) == "message":
        return {**value, "content": piece}
    return {**value, "input" if "input" in value else "arguments": piece}


def _tokens(model: str, usage: Mapping[str, Any]) -> Tokens:
    if "input_tokens_details" in usage or "total_tokens" in usage:  # OpenAI counts cached ones as input, too
        details = _dict(usage.get("input_tokens_details"))
        read, write = _number(details.get("cached_tokens")), _number(details.get("cache_write_tokens"))
        plain = max(0, _number(usage.get("input_tokens")) - read - write)
        return Tokens(model, plain, read, write, _number(usage.get("output_tokens")))
    return Tokens(
        model,
        _number(usage.get("input_tokens")),
        _number(usage.get("cache_read_input_tokens")),
        _number(usage.get("cache_creation_input_tokens")),
        _number(usage.get("output_tokens")),
        _number(_dict(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")),
    )


def _output(value: Mapping[str, Any]) -> Returned:
    output = value.get("output")
    identity = _str(value.get("call_id") or value.get("id"))
    if isinstance(output, dict):
        text = text_of(output.get("content")) or _compact(output)
        return Returned(identity, text, is_error=output.get("success") is False)
    text = text_of(output)
    known = decoded(text) if text.startswith("{") else None
    if isinstance(known, dict) and isinstance(known.get("output"), str):  # {"output": …, "metadata": {"exit_code": …}}
        return Returned(identity, known["output"], is_error=bool(_dict(known.get("metadata")).get("exit_code")))
    failed = value.get("status") in ("failed", "incomplete") or _FAILED.search(text[:_HEAD]) is not None
    return Returned(identity, text, is_error=failed)


def _arguments(value: Mapping[str, Any]) -> Mapping[str, Any] | str:
    for name in ("arguments", "input", "action"):
        if name in value:
            return _input(value[name])
    return {name: part for name, part in value.items() if name in ("query", "queries", "code", "status")}


def _input(value: object) -> Mapping[str, Any] | str:
    if isinstance(value, str):
        read = decoded(value) if value.lstrip().startswith("{") else None
        return read if isinstance(read, dict) else value
    return value if isinstance(value, dict) else _compact(value)


def _block_text(value: object) -> str:
    if isinstance(value, str):
        return value
    part = _dict(value)
    kind = _str(part.get("type"))
    if kind in _TEXTS:
        return _str(part.get("text") or part.get("refusal"))
    return f"[{kind}]" if kind in ("image", "input_image", "document", "input_file") else ""


def _compact(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def _key(value: object) -> int | str | None:
    return value if isinstance(value, int | str) else None
