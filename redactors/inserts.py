r"""Values of SQL's `INSERT INTO … (columns) VALUES (row), (row)`, which stand apart from the names of their columns.

Rules of this file:
1. Only texts between quotation marks are values; within a call too, as in `crypt('…', gen_salt('bf'))`.
2. A quotation mark is doubled or escaped within a text (ISO 9075; MySQL's manual, "String Literals"). The statement may
   stand in a string: its double quotation marks and line ends may be escaped, once or more.
3. What does not go on as rows do ends the reading. Brackets are within brackets only so deep, and no text between
   single quotation marks holds what another statement's rows begin with: so text full of statements that are never
   closed is not read again for each.
"""

import re
from collections.abc import Iterator

from redactors import columns
from redactors.escaping import BLANK
from redactors.ondemand import OnDemand
from redactors.reading import Read

_VALUES = rb"(?i:values?)" + BLANK + rb"\("
_NAMES = OnDemand(rb"(?P<names>[^()']{1,4096}+)\)" + BLANK + _VALUES)
_TOKEN = OnDemand(
    rb"(?x)"
    + BLANK
    + rb"""(?: (?P<sign>[(),])
    | '(?P<single> (?: [^'\\Vv]++ | (?!"""
    + _VALUES
    + rb""")[Vv] | '' | \\++[^'\\] | \\++'(?!\s{0,8}[,)]) | \\++(?='\s{0,8}[,)]) )* )'
    | (?P<mark>\\{0,7}")(?P<double>[^"\\\r\n]*+)(?P=mark)
    | [^'"(),;]++ )"""
)
_NEXT_ROW = OnDemand(BLANK + b"," + BLANK + rb"\(")
_FORM = re.compile(rb"\S{6,512}")
_DEEPEST = 6


def rows(data: bytes, end: int) -> Read:
    """Give the texts in columns that are secret; `end`: behind the bracket before the names of the columns."""
    names = _NAMES.match(data, end)
    if names is None:
        return Read([], end)
    wanted = {place for place, name in enumerate(names["names"].split(b",")) if columns.kind(name.strip(b' \t`[]"\\'))}
    return Read(list(_values(data, names.end(), wanted)) if wanted else [], end)


def _values(data: bytes, at: int, wanted: set[int]) -> Iterator[tuple[int, int]]:
    """Give the texts in the columns at `wanted`, row by row; the first row opens before `at`."""
    while True:
        column, depth = 0, 1
        while 0 < depth <= _DEEPEST and (token := _TOKEN.match(data, at)):
            at = token.end()
            if token["sign"]:
                depth += (token["sign"] == b"(") - (token["sign"] == b")")
                column += token["sign"] == b"," and depth == 1
            elif column in wanted:
                span = token.span("double" if token["single"] is None else "single")
                if span[0] >= 0 and _FORM.fullmatch(data, *span):
                    yield span
        following = _NEXT_ROW.match(data, at) if depth == 0 else None
        if following is None:
            return
        at = following.end()
