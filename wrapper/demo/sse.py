"""Server-sent events as both providers write them: a named event with one line of JSON.

Source: WHATWG HTML, 9.2 "Server-sent events". Models send their words in pieces of a few characters, so placeholders
and secrets arrive cut; `pieces` cuts short enough that each placeholder is cut at least once.
"""

import json
from collections.abc import Iterator
from typing import Any

PIECE = 11  # characters; the shortest placeholder has 17


def event(data: dict[str, Any]) -> bytes:
    """Return one event, named by the `type` of its data."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """Cut `text` into pieces of `size` characters."""
    return (text[at : at + size] for at in range(0, len(text), size))
