"""What the agent saw, from its own transcript, and what left, from the bytes the provider received; pure.

A tool's result stands in both in the API's own shape, under the id that the scripted model gave to its call: the ids
hold the number of the turn (`toolu_0003_0`, `call_0003_0`).
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from wrapper.demo.script import strings

_ID: Final = re.compile(r"(?:toolu|call)_(\d{4})_0")
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")


def of_transcript(lines: Iterable[bytes]) -> dict[int, str]:
    """Read the results out of a transcript, one JSON object a line: turn to text."""
    return _last(json.loads(line) for line in lines if line.strip())


def of_requests(bodies: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Read the results out of the bodies of requests, in order of their arrival: turn to text."""
    return _last(bodies)


def _last(values: Iterable[object]) -> dict[int, str]:
    return {turn: text for value in values for turn, text in _results(value)}


def _results(value: object) -> Iterator[tuple[int, str]]:
    if isinstance(value, dict):
        found = _ID.fullmatch(str(value.get("tool_use_id") or value.get("call_id") or ""))
        if found and value.get("type") == "tool_result":
            yield int(found[1]), "\n".join(strings(value.get("content")))
        elif found and value.get("type") in _OUTPUTS:
            yield int(found[1]), "\n".join(strings(value.get("output")))
        else:
            for item in value.values():
                yield from _results(item)
    elif isinstance(value, list):
        for item in value:
            yield from _results(item)
