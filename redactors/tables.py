r"""Values of tables, which stand below the name of their column: CSV (RFC 4180), tab-separated, aligned between bars.

Rules of this file:
1. A table begins with a line of names, two or more, with the same sign between all of them; one says that what stands
   below is secret. It goes on while lines have as many cells; a single line that has not is passed over.
2. A line of a table that could begin one adds the columns that it names; it is not read again by itself. So each line
   is read once, whatever the data, but for the few that are passed over.
3. Text may be escaped (`redactors.escaping`); a table ends with the string that it stands in.
4. What stands outside the strings of a JSON document is no table: behind the strings of a line RFC 8259 has a comma, a
   colon or a closing bracket, in that line or first in the next. With the first, a name would be empty; the second is
   asked for. So who searches a document in pieces that hold whole strings finds what a search of all of it finds.
5. A value is given as it stands, escapes and doubled quotation marks included, without quotation marks around it.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from redactors import columns, labels
from redactors.escaping import DEPTHS, LONGEST_LINE, Depth, depth_at
from redactors.reading import Read

Span = tuple[int, int]
_Form = re.Pattern[bytes]
_Pick = Callable[[Sequence[bytes]], list[int]]  # of the names of columns, the places of those that are wanted

_MOST_COLUMNS = 128
_NEAR = 64  # bytes
_MOST_MISSED = 1  # lines in a row that have another number of cells: a remark, a comma that nobody quoted
_TAB, _BAR = b"\t", b"|"
_SIGNS = (b",", b";", _TAB, _BAR)
_NAME = rb"[A-Za-z#_*$][A-Za-z0-9 _./:#()?*$+-]{0,47}+"
_BLANKS = b" \t"
_MARK = 0x22
_MARK_OF_ORDER = b"\xef\xbb\xbf"  # with which spreadsheets begin a file
_RULE = re.compile(rb"[-+|=: \t]{3,}")  # between the names and the rows of an aligned table
# What a tool puts before each line that it shows: `cat -n`, an agent's reader, `grep -n`.
_NUMBER = rb" {0,8}[0-9]{1,7}(?:\xe2\x86\x92|\\{1,7}u2192|:|%b)"
_JSON_SIGN = re.compile(rb"[ \t\r\n]*[]},:]")
_TYPED = re.compile(rb"\S{6,512}")  # a blank stands in what describes a password
_KEPT = re.compile(rb"[^\r\n]{4,512}")
_COPIED = re.compile(rb"(?P<names>[^()\n\\]{1,2000})\) (?:FROM|from) (?:STDIN|stdin)")
_SITES = frozenset((b"url", b"uri", b"website", b"site", b"web"))
_USERS = frozenset((b"username", b"user", b"login", b"email", b"account"))


class _Cells:
    """How cells are written at one depth with one sign between them."""

    def __init__(self, depth: Depth, sign: bytes) -> None:
        self.depth, self.sign = depth, sign
        between = depth.tab if sign == _TAB else re.escape(sign)
        self.number = re.compile(_NUMBER % depth.tab)
        self.stop = re.compile(rb"(?P<goes_on>%b)|%b|\Z" % (depth.line_end, depth.border))
        end = rb"(?P<between>%b)|(?P<goes_on>%b)|(?=%b)|\Z" % (between, depth.line_end, depth.border)
        letter = rb'[^"\\\r\n%b]++' % sign
        escape = rb'(?!%b|%b)\\++[^"\\]' % (between, depth.line_end)
        bare = rb"(?P<bare>(?:%b|%b|%b)*)" % (letter, depth.quote, escape)
        inner = rb'[^"]++' if depth is DEPTHS[0] else rb'[^"\\\r\n]++|\\++[^"\\]'
        quoted = rb"%b(?P<quoted>(?:%b|%b%b)*)%b" % (depth.quote, inner, depth.quote, depth.quote, depth.quote)
        self.cell = re.compile(rb"(?:%b|%b)(?:%b)" % (quoted, bare, end))
        name = (
            rb"[ ]*(?:%b)?[ ]*" % _NAME
            if sign == _BAR
            else rb"(?:%b|%b%b%b)" % (_NAME, depth.quote, _NAME, depth.quote)
        )
        self.names = re.compile(rb"(?:%b)?%b(?:%b%b)+%b" % (_NUMBER % depth.tab, name, between, name, depth.line_end))


@cache
def _cells(depth: Depth, sign: bytes) -> _Cells:
    return _Cells(depth, sign)


class _Row(NamedTuple):
    """The cells of a line, without quotation marks around them, and where it ends; `goes_on`: with a line end."""

    cells: Sequence[Span]
    end: int
    goes_on: bool


class _Table(NamedTuple):
    """The names of the columns, how cells are written, whether lines are numbered, and where the rows begin."""

    names: Sequence[bytes]
    cells: _Cells
    is_numbered: bool
    start: int


def passwords(data: bytes, end: int) -> Read:
    """Give the values of columns of passwords; `end`: of one of its names, with what stands beside it."""
    return _values(data, end, _of_passwords, _TYPED)


def secrets(data: bytes, end: int) -> Read:
    """Give the values of columns of keys and tokens; `end` as above."""
    return _values(data, end, _of_secrets, _TYPED)


def accounts(data: bytes, end: int) -> Read:
    """Give what is secret in a list of accounts, which says where, who, and with which password; `end` as above.

    Password managers and browsers write such lists.
    """
    return _values(data, end, _of_accounts, _KEPT)


def copied(data: bytes, end: int) -> Read:
    """Give the secret values of the rows behind `COPY … (…) FROM stdin;` (PostgreSQL); `end`: within its names."""
    begin = _COPIED.match(data, data.rfind(b"(", 0, end) + 1)
    depth = depth_at(data, begin.end()) if begin is not None else None
    if begin is None or depth is None:
        return Read([], end)
    cells = _cells(depth, _TAB)
    stop = cells.stop.search(data, begin.end(), begin.end() + LONGEST_LINE)  # nearer than that something told the depth
    if stop is None or not stop["goes_on"]:
        return Read([], end)
    names = [name.strip(b' \t"\\') for name in begin["names"].split(b",")]
    return _below(data, _Table(names, cells, is_numbered=False, start=stop.end()), _of_all, _TYPED)


def _values(data: bytes, end: int, pick: _Pick, form: _Form) -> Read:
    table = _table(data, end - 1)
    return Read([], end) if table is None else _below(data, table, pick, form)


def _of_passwords(names: Sequence[bytes]) -> list[int]:
    return [place for place, name in enumerate(names) if columns.kind(name) == columns.PASSWORD]


def _of_secrets(names: Sequence[bytes]) -> list[int]:
    return [place for place, name in enumerate(names) if columns.kind(name) == columns.SECRET]


def _of_all(names: Sequence[bytes]) -> list[int]:
    return [place for place, name in enumerate(names) if columns.kind(name)]


def _of_accounts(names: Sequence[bytes]) -> list[int]:
    words = {word for name in names for word in labels.words(name)}
    is_list = not _SITES.isdisjoint(words) and not _USERS.isdisjoint(words) and _of_passwords(names)
    return _of_all(names) if is_list else []


def _table(data: bytes, at: int) -> _Table | None:
    """Read the line of names around `at`, or that ends there; None if it is none."""
    depth = depth_at(data, at)
    if depth is None:
        return None
    start = _line(data, at, depth)
    if start < 0:
        return None
    start += len(_MARK_OF_ORDER) * data.startswith(_MARK_OF_ORDER, start)
    tables = (_named(data, start, _cells(depth, sign)) for sign in _SIGNS)
    return next((table for table in tables if table is not None), None)


def _line(data: bytes, at: int, depth: Depth) -> int:
    """Give where the line around `at` begins; -1 if that is farther away than names stand."""
    if depth is DEPTHS[0]:
        first = max(0, at - LONGEST_LINE)
        line_end = data.rfind(b"\n", first, at)
        return line_end + 1 if line_end >= 0 else -1 if first else 0
    for reach in (_NEAR, LONGEST_LINE):  # mostly it is near, and each border on the way is a search
        first = max(0, at - reach)
        start = -1 if first else 0
        while border := depth.before.search(data, first, at):
            start = first = border.end()
        if start >= 0:
            break
    return start


def _named(data: bytes, start: int, cells: _Cells) -> _Table | None:
    """Read a line as one of names with a certain sign between them; None if it is none."""
    if not cells.names.match(data, start):  # of a few kinds of characters only: no lexer is needed to tell
        return None
    number = cells.number.match(data, start)
    row = _row(data, number.end() if number else start, cells, _MOST_COLUMNS)
    if row is None:
        return None
    is_quoted = cells.depth is DEPTHS[0] and any(data[last] == _MARK for _, last in row.cells)
    if is_quoted and _JSON_SIGN.match(data, row.end):
        return None
    return _Table([data[first:last] for first, last in row.cells], cells, number is not None, row.end)


def _row(data: bytes, at: int, cells: _Cells, most: int) -> _Row | None:
    """Read the cells of the line at `at`; None if they are more than `most`."""
    found: list[Span] = []
    while len(found) < most and (cell := cells.cell.match(data, at)):
        at = cell.end()
        start, end = cell.span("quoted" if cell["bare"] is None else "bare")
        if cells.sign == _BAR:
            text = data[start:end]
            start, end = end - len(text.lstrip(_BLANKS)), start + len(text.rstrip(_BLANKS))
        found.append((start, max(start, end)))
        if cell["between"] is None:
            return _Row(found, at, cell["goes_on"] is not None)
    return None


def _below(data: bytes, table: _Table, pick: _Pick, form: _Form) -> Read:
    """Give the values that have this form in the columns that `pick` picks, line by line."""
    values: list[Span] = []
    wanted = set(pick(table.names))
    names, cells, _, behind = table
    at, goes_on, missed = behind, bool(wanted), 0
    while goes_on and at < len(data) and missed <= _MOST_MISSED:
        number = cells.number.match(data, at) if table.is_numbered else None
        row = _row(data, number.end() if number else at, cells, len(names))
        if row is None or len(row.cells) < len(names):
            stop = cells.stop.search(data, at)
            if stop is None or not stop["goes_on"]:
                break
            missed += stop.start() > at and not _RULE.fullmatch(data, at, stop.start())
            at = stop.end()
            continue
        if cells.names.match(data, at):
            wanted.update(pick([data[first:last] for first, last in row.cells]))
        values += (row.cells[place] for place in sorted(wanted) if form.fullmatch(data, *row.cells[place]))
        at = behind = row.end
        goes_on, missed = row.goes_on, 0
    return Read(values, behind)
