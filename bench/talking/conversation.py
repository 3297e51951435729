"""A conversation as clients send it: whole, each turn a little longer, what was said before byte for byte the same.

Claude Code writes system and tools behind the messages and moves its cache markers to the newest ones; Codex writes
instructions first. The texts are the Python sources of this machine's standard library, as an agent reads them.
"""

import json
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Shape = Callable[[Sequence[str]], dict[str, Any]]
"""Makes a body of what was said."""

_ANSWER = "I looked at this part. Next I read how it is used, and then I change it. "


def texts(count: int, size: int) -> list[str]:
    """Give `count` different texts of `size` characters."""
    sources = "".join(
        path.read_text("utf-8", "replace") for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))[:900]
    )
    if len(sources) < count * size:
        raise SystemExit(f"the standard library has only {len(sources)} characters")
    return [sources[at * size : (at + 1) * size] for at in range(count)]


def claude(said: Sequence[str]) -> dict[str, Any]:
    """Make a body of Claude Code's shape."""
    messages: list[dict[str, Any]] = []
    for at, text in enumerate(said):
        use = {"type": "tool_use", "id": f"toolu_{at:024}", "name": "Read", "input": {"file_path": f"/work/{at}.py"}}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": _ANSWER * 3}, use]})
        result: dict[str, Any] = {"tool_use_id": f"toolu_{at:024}", "type": "tool_result", "content": text}
        if at >= len(said) - 2:
            result["cache_control"] = {"type": "ephemeral"}
        messages.append({"role": "user", "content": [result]})
    system = [
        {"type": "text", "text": "You are an agent."},
        {"type": "text", "text": _ANSWER * 250, "cache_control": {"type": "ephemeral"}},
    ]
    return {
        "model": "m",
        "messages": messages,
        "system": system,
        "tools": [_tool(at) for at in range(30)],
        "max_tokens": 32000,
        "stream": True,
    }


def codex(said: Sequence[str]) -> dict[str, Any]:
    """Make a body of Codex's shape."""
    items: list[dict[str, Any]] = []
    for at, text in enumerate(said):
        command = json.dumps({"cmd": f"cat /work/{at}.py"})
        call = f"call_{at:024}"
        items += [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": _ANSWER * 3}]},
            {"type": "function_call", "name": "exec_command", "arguments": command, "call_id": call},
            {"type": "function_call_output", "call_id": call, "output": text},
        ]
    return {
        "model": "m",
        "instructions": _ANSWER * 250,
        "input": items,
        "tools": [_tool(at) for at in range(20)],
        "stream": True,
    }


def turns(shape: Shape, said: Sequence[str]) -> Iterator[bytes]:
    """Give the body of each turn, written as JavaScript and Rust write JSON."""
    return (body(shape, said[: turn + 1]) for turn in range(len(said)))


def body(shape: Shape, said: Sequence[str]) -> bytes:
    """Give the body of one turn."""
    return json.dumps(shape(said), separators=(",", ":"), ensure_ascii=False).encode()


def _tool(number: int) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": _ANSWER * 4}}}
    return {"name": f"Tool{number}", "description": _ANSWER * 20, "input_schema": schema}
