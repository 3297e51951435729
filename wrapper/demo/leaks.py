"""Looks for secrets in bytes, also in forms from which a reader could get them back; pure."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_CUT: Final = 7  # characters; a published incident posted a key without its first characters
_SHORTEST: Final = 8  # bytes; shorter forms are found by chance


def found(planted: Mapping[str, str], texts: Iterable[bytes]) -> tuple[str, ...]:
    """Name the secrets of which any form stands in any of the texts."""
    data = b"\0".join(texts)
    return tuple(name for name, value in planted.items() if any(form in data for form in forms(value.encode())))


def forms(value: bytes) -> Iterator[bytes]:
    """Yield `value` whole, cut at either end, reversed, in hex, and in base64 at each of the three offsets."""
    candidates = [value, value[_CUT:], value[:-_CUT], value[::-1], value.hex().encode(), value.hex().upper().encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value)
        # Whole groups of three bytes only: what stands beside the value changes the first and the last characters.
        core = encoded[4 if offset else 0 : (offset + len(value)) // 3 * 4]
        candidates += core, core.translate(bytes.maketrans(b"+/", b"-_"))
    yield from (form for form in candidates if len(form) >= _SHORTEST)
