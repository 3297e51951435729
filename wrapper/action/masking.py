"""What to register with `::add-mask::` for one secret, so that it does not stand in the job's log; pure.

The runner looks for exact strings in the output of every step that follows, so a value that is written otherwise
passes. In a published incident seven characters were missing from its start. So besides the value: its lines, since
output comes in lines; its encodings (`redactors.encodings`); and the value without seven characters at one end or both,
which also hides most of one that is trimmed by fewer. This is a second net: what the *agent* prints is redacted by
safe-agent before it gets here.
"""

from collections.abc import Iterator
from typing import Final

from redactors.commonplace import why_unmatched
from redactors.encodings import forms

_TRIM: Final = 7
_CORE: Final = 12  # fewer characters than this say nothing about the value, and would blacken the log


def masks(value: bytes, *, encoded: bool = True) -> tuple[str, ...]:
    """Give the strings to register for `value`, none twice; none for one that is too short or too common.

    Without `encoded` only the value and its lines: where there are thousands, a search for each costs every line.
    """
    found: dict[str, None] = {}
    for part in (value, *value.splitlines()):
        if not why_unmatched(part.strip()):
            found.update(dict.fromkeys(_all(part.strip()) if encoded else (part.strip().decode("utf-8", "replace"),)))
    return tuple(text for text in found if "\n" not in text and "\r" not in text)


def _all(value: bytes) -> Iterator[str]:
    for form in forms(value):
        yield form.text.decode("utf-8", "replace")
    for trimmed in (value[_TRIM:], value[:-_TRIM], value[_TRIM:-_TRIM]):
        text = trimmed.decode("utf-8", "ignore")
        if len(text) >= _CORE:
            yield text
