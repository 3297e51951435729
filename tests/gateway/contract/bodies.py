"""Request bodies in the shapes of the real clients, and every place in them that holds text."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from redactors.rules.catalogue import expand

SEALED = expand("{base64:300}") + "=="
"""What a provider has signed or encrypted: it comes back unchanged or is refused."""
PROMPT = "Please rename the function and run the tests."
_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
_SIGNED_KEYS = frozenset({"thinking", "signature", "encrypted_content"})


class Spot(NamedTuple):
    """One place of a body; `write` puts more text there. What stands in a `signed` one is the provider's own."""

    name: str
    signed: bool
    write: Callable[[str], bytes]


class Body(NamedTuple):
    """A body, and its places; `prompt` puts more text to what the user says, `model` asks another model."""

    plain: bytes
    spots: Sequence[Spot]
    prompt: Callable[[str], bytes]


NONE = Body(b"", (), lambda _: b"")


def written(document: Any) -> bytes:
    """Write JSON as the clients do."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def of_json(document: Any, write: Callable[[Any], bytes] = written) -> Body:
    """Make a body of a document; its places are all strings, all names, and those of JSON within strings."""
    spots = [Spot(name, signed, _writing(place, write)) for name, signed, place in _places(document, "", signed=False)]
    prompts = [spot for spot in spots if PROMPT in _at(document, spot.name)]
    return Body(write(document), spots, prompts[-1].write)


def of_lines(*documents: Any) -> Body:
    """Make a body with one document a line, the first of which has the prompt."""
    return of_json(list(documents), lambda lines: b"".join(written(line) + b"\n" for line in lines))


def of_pieces(*pieces: str) -> Body:
    """Make a body that is no JSON, with places between its pieces."""
    whole = "".join(pieces)

    def at(number: int) -> Callable[[str], bytes]:
        return lambda text: ("".join(pieces[:number]) + text + "".join(pieces[number:])).encode()

    return Body(whole.encode(), [Spot(f"piece {number}", False, at(number)) for number in range(1, len(pieces))], at(1))


def _writing(place: Callable[[str], Any], write: Callable[[Any], bytes]) -> Callable[[str], bytes]:
    return lambda text: write(place(f" {text} "))


def _at(document: Any, name: str) -> str:
    """Give the string whose place has this name; a place within JSON has none."""
    for part in name.split("/")[1:]:
        if isinstance(document, Sequence) and not isinstance(document, str):
            document = document[int(part)]
        elif isinstance(document, Mapping) and part in document:
            document = document[part]
        else:
            return ""
    return document if isinstance(document, str) else ""


Put = Callable[[str], Any]
"""Puts text to a place and returns the changed copy of the value that the place is in."""


def _places(value: Any, name: str, *, signed: bool) -> Iterator[tuple[str, bool, Put]]:
    """Give each place of a value: its name, whether it is signed, and how text is put there."""
    match value:
        case str():
            inner = _parsed(value)
            if isinstance(inner, dict):
                places = _places(inner, f"{name}/(json)", signed=signed)
                yield from _within(places, json.dumps)
            else:
                yield name, signed, lambda text: value + text
        case list():
            for at, item in enumerate(value):
                yield from _within(_places(item, f"{name}/{at}", signed=signed), _replacing(value, at))
        case dict():
            for key, item in value.items():
                yield f"{name}/(name {key})", False, _renaming(value, key)
                sealed = key in _SIGNED_KEYS or (key == "data" and value.get("type") == "redacted_thinking")
                yield from _within(_places(item, f"{name}/{key}", signed=sealed), _replacing(value, key))


def _within(places: Iterator[tuple[str, bool, Put]], outer: Callable[[Any], Any]) -> Iterator[tuple[str, bool, Put]]:
    """Widen what places are put into by what is around it."""

    def widened(put: Put) -> Put:
        return lambda text: outer(put(text))

    return ((name, signed, widened(put)) for name, signed, put in places)


def _replacing(value: Any, at: Any) -> Callable[[Any], Any]:
    """Give what copies an object or a list with another thing at one place."""
    if isinstance(value, dict):
        return lambda item: value | {at: item}
    return lambda item: [*value[:at], item, *value[at + 1 :]]


def _renaming(value: dict[str, Any], old: str) -> Put:
    return lambda text: {old + text if key == old else key: item for key, item in value.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def claude_messages(*, stream: bool) -> dict[str, Any]:
    """Make what Claude Code asks in the middle of a tool loop."""
    cached = {"type": "ephemeral"}
    return {
        "model": "claude-opus-4-6",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>\nToday is sunny ü ☀.\n</system-reminder>\n"},
                    {"type": "text", "text": PROMPT},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _IMAGE}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "The user wants a rename.", "signature": SEALED},
                    {"type": "redacted_thinking", "data": SEALED},
                    {"type": "text", "text": "I look first."},
                    {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {"command": "ls -l", "timeout": 9}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_01",
                        "content": [{"type": "text", "text": "a.py\nb.py\n"}],
                        "is_error": False,
                        "cache_control": cached,
                    }
                ],
            },
        ],
        "system": [{"type": "text", "text": "You are a coding agent.\n", "cache_control": cached}],
        "tools": [
            {
                "name": "Bash",
                "description": 'Runs a "command".',
                "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
            }
        ],
        "metadata": {"user_id": json.dumps({"device_id": "d1", "session_id": "s1"})},
        "max_tokens": 32000,
        "temperature": 1.0,
        "stream": stream,
    }


def claude_count() -> dict[str, Any]:
    """Make what counts the tokens of the same conversation."""
    wanted = ("model", "messages", "system", "tools")
    return {name: value for name, value in claude_messages(stream=False).items() if name in wanted}


def claude_batch() -> dict[str, Any]:
    """Make a batch of two messages."""
    return {
        "requests": [{"custom_id": f"job-{at}", "params": claude_messages(stream=False)} for at in (1, 2)],
    }


def codex_response(*, stream: bool) -> dict[str, Any]:
    """Make what Codex asks in the middle of a tool loop, with functions and in code mode."""
    call = {"cmd": ["bash", "-lc", "ls -l"], "workdir": "src"}
    said = [{"type": "input_text", "text": PROMPT}]
    return {
        "model": "gpt-5",
        "instructions": "You are a coding agent.\n",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be ü brief ☀."}]},
            {"type": "message", "role": "user", "content": said},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": SEALED},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "shell", "arguments": json.dumps(call)},
            {"type": "function_call_output", "call_id": "c1", "output": json.dumps({"output": "a.py\n", "code": 0})},
            {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "exec", "input": "text(await f('a'))"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "b.py"}]},
        ],
        "tools": [{"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "c-1",
        "client_metadata": {"installation": "i-1"},
        "store": False,
        "stream": stream,
    }


def codex_message() -> dict[str, Any]:
    """Make what Codex says over a WebSocket."""
    return {"type": "response.create"} | codex_response(stream=True)


def chat(*, stream: bool) -> dict[str, Any]:
    """Make what is asked of a server that is compatible with Chat Completions."""
    call = {"id": "c1", "type": "function", "function": {"name": "shell", "arguments": json.dumps({"cmd": "ls -l"})}}
    return {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "You are a coding agent.\n"},
            {"role": "user", "content": [{"type": "text", "text": PROMPT}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "a.py\nb.py\n"},
        ],
        "tools": [{"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}],
        "stream": stream,
    }


BOUNDARY = "----------------------------8d1f"


def form() -> Body:
    """Make an upload of two files as `multipart/form-data` (RFC 7578)."""
    line = f"--{BOUNDARY}\r\n"
    return of_pieces(
        f'{line}Content-Disposition: form-data; name="purpose"\r\n\r\n',
        f'batch\r\n{line}Content-Disposition: form-data; name="file"; filename="',
        'notes.txt"\r\nContent-Type: text/plain\r\n\r\nsome ',
        f'notes ü ☀\nmore\r\n{line}Content-Disposition: form-data; name="file"; filename="b.bin"\r\n',
        "Content-Type: application/octet-stream\r\n\r\n\x00\x01 ",
        f" \x7f\x00\r\n--{BOUNDARY}--\r\n",
    )
