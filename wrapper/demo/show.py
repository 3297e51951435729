"""Shows the demonstration: a table that is read without colour, what had to hold, and the same as JSON; pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from wrapper.demo.judgement import Check, Row

WIDTH: Final = 100  # characters; narrower screens get one line per cell

_TITLES: Final = ("THE AGENT ASKS FOR", "WHAT IS REALLY THERE", "WHAT THE AGENT SAW", "WHAT LEFT THIS MACHINE")
_COLUMNS: Final = (18, 22, 28, 26)  # the third holds `MASKED-GITHUB-TOKEN-` and its tag
_GAP: Final = "  "
_SAME: Final = "the same"
_PLACEHOLDER: Final = re.compile(r"(MASKED-[A-Z0-9]+(?:-[A-Z0-9]+)*?-[0-9A-HJKMNP-TV-Z]{8})")
_LONG: Final = re.compile(r"(?=[a-z+/_-]*[A-Z0-9])[A-Za-z0-9+/_-]{17,}")  # a key or an encoding, no words
_HEAD, _TAIL = 8, 4  # characters of such a run that are shown


def shorten(text: str) -> str:
    """Cut what is long and unreadable to its ends; placeholders stay whole."""
    parts = _PLACEHOLDER.split(text)
    parts[::2] = (_LONG.sub(lambda run: f"{run[0][:_HEAD]}...{run[0][-_TAIL:]}", part) for part in parts[::2])
    return "".join(parts)


def table(rows: Iterable[Row], width: int = WIDTH) -> Iterator[str]:
    """Give the lines of the table, none longer than `width` (or `WIDTH`)."""
    if width < WIDTH:
        yield from _list(rows, max(width, 40))
        return
    yield from _line(_TITLES)
    yield _GAP.join("-" * column for column in _COLUMNS)
    for row in rows:
        yield from _line(_cells(row))
        yield ""


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.asked, shorten(row.real), shorten(row.saw), _SAME if row.left == row.saw else shorten(row.left)


def _line(cells: Sequence[str]) -> Iterator[str]:
    asked, *others = zip(cells, _COLUMNS, strict=True)
    columns = [wrap(*asked, breaks=""), *(wrap(*cell) for cell in others)]
    for number in range(max(map(len, columns))):
        parts = (column[number] if number < len(column) else "" for column in columns)
        yield _GAP.join(f"{part:<{width}}" for part, width in zip(parts, _COLUMNS, strict=True)).rstrip()


def _list(rows: Iterable[Row], width: int) -> Iterator[str]:
    names = ("asks for", "is there", "saw", "left")
    for row in rows:
        for name, cell in zip(names, _cells(row), strict=True):
            for number, line in enumerate(wrap(cell.replace("\n", " "), width - 10)):
                yield f"{name if number == 0 else '':<8}  {line}"
        yield ""


def wrap(text: str, width: int, breaks: str = "=") -> list[str]:
    """Break `text` into lines at its own breaks, at spaces and after `breaks`; where that is not enough, anywhere."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in re.findall(
            rf"[^\s{breaks}]+[{breaks}]*\s*|\s+|[{breaks}]+" if breaks else r"\S+\s*|\s+", paragraph
        ):
            if line and len(line) + len(word.rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            *full, line = _filled(line, word, width)
            lines += full
        lines.append(line.rstrip())
    return lines


def _filled(line: str, word: str, width: int) -> Iterator[str]:
    """Yield `line` with `word` behind it, as full lines and a rest; only a word longer than a line is cut."""
    for piece in _pieces(word, width):
        if line and len(line) + len(piece.rstrip()) > width:
            yield line
            line = ""
        line += piece
    yield line


def _pieces(word: str, width: int) -> Iterator[str]:
    if len(word.rstrip()) <= width:
        yield word
        return
    for part in _PLACEHOLDER.split(word):
        smaller = [part] if len(part) <= width else re.findall(r"[^:@]*(?:://[^:@]*)?[:@]?", part)
        yield from (one[at : at + width] for one in smaller for at in range(0, len(one), width))


def results(checks: Iterable[Check], width: int = WIDTH) -> Iterator[str]:
    """Give a line (or more) for each thing that had to hold."""
    for check in checks:
        for number, line in enumerate(wrap(check.text, max(width, 40) - 6)):
            mark = ("ok" if check.ok else "FAIL") if number == 0 else ""
            yield f"{mark:<4}  {line}"


def document(rows: Iterable[Row], checks: Sequence[Check], facts: dict[str, Any]) -> dict[str, Any]:
    """Give all of it for `--json`, with `facts` beside it; the schema is version 1."""
    return {
        "version": 1,
        "ok": all(check.ok for check in checks),
        **facts,
        "rows": [
            {"asked": row.asked, "real": shorten(row.real), "saw": shorten(row.saw), "left": shorten(row.left)}
            for row in rows
        ],
        "checks": [{"name": check.name, "ok": check.ok, "text": check.text} for check in checks],
    }
