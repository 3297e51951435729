r"""Undoes escapes where they hide a secret: `\u0041` and `%41` for `A`. Pure.

A provider's JSON parser reads `\u0067hp_…` as the token it stands for, and a search over bytes does not see it. No
encoder writes printable ASCII that way but for `<`, `>`, `&` and `'` (which known values are searched with). URL
encoders do not agree on what they escape. So the surroundings of such escapes are searched a second time with the
escapes undone, and are sent undone if only that shows a secret (which is then replaced like any other). All other
bytes stay.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from redactors.finding import Finding

_UNICODE = re.compile(rb"\\+u00([2-7][0-9a-fA-F])")
_PERCENT = re.compile(rb"%([2-7][0-9a-fA-F])")
_NEEDLESS_UNICODE = re.compile(
    rb"\\u00(?:2[013-589a-fA-F]|3[0-9abdfABDF]|[46][0-9a-fA-F]|5[0-9abd-fABD-F]|7[0-9a-eA-E])"
)
_STRUCTURE = b'"\\\x7f'  # stay escaped: undone they would end the string
_PARTLY = "-trimmed"  # the engine saw only an end of a known value: the rest may be what the escapes hide
# Bytes around an escape that are searched with it: the longest tokens of one line (JWT) are about this long.
_REACH = 2048


class Finder(Protocol):
    """What is needed of the engine."""

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets."""


def unfold(text: bytes, engine: Finder) -> bytes:
    """Undo escapes where they hide a secret; a JSON document stays valid."""
    pieces: list[bytes] = []
    done = 0
    for start, end in _surroundings(text):
        folded = text[start:end]
        plain = _PERCENT.sub(_character, _UNICODE.sub(_character, folded))
        if _shows_more(plain, folded, engine):
            pieces += (text[done:start], plain)
            done = end
    return b"".join([*pieces, text[done:]]) if pieces else text


def _shows_more(plain: bytes, folded: bytes, engine: Finder) -> bool:
    found = engine.find(plain)
    if not found:
        return False
    seen = {finding.value for finding in engine.find(folded) if not finding.rule.endswith(_PARTLY)}
    return any(finding.value not in seen for finding in found)


def _surroundings(text: bytes) -> Iterator[tuple[int, int]]:
    """Give the spans around escapes, rising, not overlapping."""
    start = end = -1
    for place in _escapes(text):
        if end < 0:
            start = place - _REACH
        elif place - _REACH > end:
            yield _begun_before_backslashes(text, start), end
            start = place - _REACH
        end = place + _REACH
    if end >= 0:
        yield _begun_before_backslashes(text, start), end


def _escapes(text: bytes) -> list[int]:
    found: list[int] = []
    if b"\\u00" in text:
        found += (escape.start() for escape in _NEEDLESS_UNICODE.finditer(text))
    if b"%" in text:
        found += (escape.start() for escape in _PERCENT.finditer(text))
    return sorted(found)


def _begun_before_backslashes(text: bytes, start: int) -> int:
    """Never cut a run of backslashes: its left half would escape what its right half became."""
    start = max(0, start)
    while start and text[start - 1] == 0x5C:
        start -= 1
    return start


def _character(escape: re.Match[bytes]) -> bytes:
    character = bytes.fromhex(escape[1].decode())
    return escape[0] if character in _STRUCTURE else character
