r"""Values of a list behind the name of all: `passwords: [a, b, c]`, `api_keys:` with a line for each, `TOKENS=a,b,c`.

Rules of this file:
1. A value ends at most FARTHEST bytes behind the sign behind the name: the name is near enough, like the key of any
   other rule, for who searches a document in pieces (`redactors.pieces`), and a text full of names is read only so
   often.
2. Quotation marks and line ends may be escaped, once or more. A text in quotes ends with the mark that it began with.
3. A value that cannot be a secret does not end the list; what is no value does.
"""

import re

from redactors import columns, labels
from redactors.escaping import BLANK
from redactors.ondemand import OnDemand
from redactors.reading import Read

FARTHEST = 650
"""Bytes from the sign behind the name to the end of the last value."""
_VALUE = (
    rb"(?:(?P<mark>\\{0,7}[\"'`])(?P<quoted>(?:(?!(?P=mark))[^\r\n]){0,512})(?P=mark)"
    rb"|(?P<bare>[^\s\"'`\\,;:=\[\](){}]{1,512}+={0,2}))"
)
_IN_BRACKETS = OnDemand(BLANK + _VALUE + BLANK + rb"(?:(?P<more>,)|(?=[\])]))")
_LINE_END = rb"(?:\r?\n|(?:\\{1,7}r)?\\{1,7}n)"
_ON_LINE = OnDemand(
    _VALUE + rb"[ \t]*(?:#[^\r\n\\]{0,200})?(?:(?P<more>" + _LINE_END + rb"[ \t]*-[ \t]+)|(?=[\r\n\\\"'`]|\Z))"
)
_BETWEEN_COMMAS = OnDemand(_VALUE + rb"(?P<more>[,;])?")
_FORMS = {0x5B: _IN_BRACKETS, 0x28: _IN_BRACKETS}  # by the bracket
_COMMAS = frozenset(b",;")
_FORM = re.compile(rb"[^\s<>]{6,512}")
_SIGNS = (b":", b"=")
_LONGEST_BEGIN = 160  # of what stands between the sign and where the name's rule ends: the first value, a line end


def items(data: bytes, end: int) -> Read:
    """Give the values of a list; `end`: behind its bracket, its first dash, or the comma behind its first value."""
    sign = max(data.rfind(one, max(0, end - _LONGEST_BEGIN), end) for one in _SIGNS) + 1
    values: list[tuple[int, int]] = []
    if not columns.kind(labels.key(data[max(0, sign - labels.LONGEST) : sign])):
        return Read(values, end)
    at, form = (sign, _BETWEEN_COMMAS) if data[end - 1] in _COMMAS else (end, _FORMS.get(data[end - 1], _ON_LINE))
    while value := form.match(data, at):
        span = value.span("bare" if value["quoted"] is None else "quoted")
        if span[1] > sign + FARTHEST:
            break
        if _FORM.fullmatch(data, *span):
            values.append(span)
        if not value["more"]:
            break
        at = value.end()
    return Read(values, end)
