"""What of a tool's input is text that the model wrote, file by file; pure.

Of edits the old text is what the file had: told apart, it counts for nothing. The same holds in patches and in diffs,
wherever they stand: only the lines that are put in are text, without their signs, as the file will have them.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from wrapper.review.edits import Edit, beside, command, edits, path_of

_PATCH: Final = re.compile(r"\*\*\* Begin Patch.*?(?:\*\*\* End Patch|\Z)", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`(?:[^`\\]|\\.)*`', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_HUNK: Final = re.compile(r"@@ -[0-9]{1,9}(?:,([0-9]{1,9}))? \+[0-9]{1,9}(?:,([0-9]{1,9}))? @@")
_FENCE: Final = re.compile(r"\s*(```+|~~~+)\s*(?:diff|patch)\b")
_HEADER: Final = ("diff --git ", "index ", "--- ", "+++ ", "@@")


class Piece(NamedTuple):
    """Text for one file (`path` empty: for none). `old` is what the model says that the file had there.

    `whole`: it is the file's whole content, as the tool is to write it.
    """

    path: str
    text: str
    old: str = ""
    whole: bool = False


def pieces(given: Mapping[str, Any] | str) -> Iterator[Piece]:
    """Yield what a tool's input puts into files, then what else it says."""
    for edit in edits(given):
        yield _edited(edit)
    rest = "\n".join(filter(None, (_without_patches(text) for text in _beside(given))))
    if rest.strip():
        yield Piece(path_of(given), undiffed(rest))


def undiffed(text: str) -> str:
    """Return a text in which diffs are what they put in: without headers, signs, and what they take out.

    A hunk is as long as its header says (`@@ -1,7 +1,6 @@`); in a fence that is marked `diff`, all of it is one.
    """
    if "@@ -" not in text and "```" not in text and "~~~" not in text:
        return text
    kept: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if opened := _FENCE.match(line):
            body = itertools.takewhile(lambda one, fence=opened[1]: one.strip() != fence, lines)  # type: ignore[misc]
            kept += _put_in(one for one in body if not one.startswith(_HEADER))
        elif hunk := _HUNK.match(line):
            kept += _put_in(_hunk(lines, *(1 if size is None else int(size) for size in hunk.groups())))
        else:
            kept.append(line)
    return "\n".join(kept)


def _hunk(lines: Iterator[str], old: int, new: int) -> Iterator[str]:
    while old > 0 or new > 0:
        line = next(lines, None)
        if line is None:
            return
        old -= not line.startswith(("+", "\\"))
        new -= not line.startswith(("-", "\\"))
        yield line


def _put_in(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith(("-", "\\")):
            yield line[1:] if line.startswith(("+", " ")) else line


def _edited(edit: Edit) -> Piece:
    path = edit.target or edit.path
    if edit.action in ("written", "created"):
        return Piece(path, _lines(edit.lines, ("+",)), whole=True)
    return Piece(path, _lines(edit.lines, ("+", " ")), _lines(edit.lines, ("-", " ")))


def _lines(lines: Sequence[str], signs: tuple[str, ...]) -> str:
    return "\n".join(line[1:] for line in lines if line.startswith(signs))


def _beside(given: Mapping[str, Any] | str) -> Iterator[str]:
    if isinstance(given, str):
        yield from _script(_without_patches(given))
        return
    yield command(given)
    yield from (text for text in (given.get("description"),) if isinstance(text, str) and command(given))
    left = beside(given)
    if left:
        yield from _strings(msgspec.json.decode(left))


def _script(script: str) -> Iterator[str]:
    """Yield a script without its strings of several lines, then those as they are when it runs."""
    found: list[str] = []

    def taken(string: "re.Match[str]") -> str:
        text = _ESCAPE.sub(_unescaped, string[0][1:-1])
        if "\n" not in text:
            return string[0]
        found.append(text)
        return '""'

    yield _STRING.sub(taken, script)
    yield from found


def _unescaped(escape: "re.Match[str]") -> str:
    said = escape[1]
    if len(said) == 5:
        return chr(int(said[1:], 16))
    return _ESCAPED.get(said, said)


def _without_patches(text: str) -> str:
    return _PATCH.sub("", text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
