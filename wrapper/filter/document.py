"""A JSON document, or one per line, redacted or restored so that it stays valid: spans inside strings only."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from wrapper.errors import SessionError

MOST_BYTES: Final = 64 << 20
"""Of input: a document is read whole."""


def read_document(source: int) -> bytes:
    """Read all there is. Raises SessionError for more than `MOST_BYTES`."""
    parts: list[bytes] = []
    size = 0
    while data := os.read(source, 1 << 20):
        parts.append(data)
        size += len(data)
        if size > MOST_BYTES:
            raise SessionError(
                f"the document is larger than {MOST_BYTES >> 20} MiB",
                hint="leave out `--json`: a stream has no limit, and tokens are found in it all the same",
            )
    return b"".join(parts)


def edit(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Give `data` with `change` made to it, or to each of its lines. Raises SessionError if neither is JSON."""
    if not data.strip() or _is_json(data):
        return change(data)
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if line.strip() and not _is_json(line):
            raise SessionError(
                f"the input is no JSON: neither as a whole nor its line {number} by itself",
                hint="leave out `--json` for any other text",
            )
    return b"".join(change(line) for line in lines)


def quoted(value: bytes) -> bytes:
    """Write a value as the content of a JSON string."""
    return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode()


def _is_json(data: bytes) -> bool:
    with suppress(msgspec.DecodeError, RecursionError):
        msgspec.json.decode(data, type=msgspec.Raw)
        return True
    try:
        json.loads(data)  # slower; it takes what programs write although it is no JSON: `NaN`, half surrogate pairs
    except (ValueError, RecursionError):
        return False
    return True
