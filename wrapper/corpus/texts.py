"""The texts of a decoded row of JSONL or Parquet; pure.

A column is a name with dots: each part leads into a table, and lists are passed through (`messages.content`). `*` is
every text in the row but its own name, so that a text is known whole beside a name; what is too long for a name or has
lines is none. Nor is the name of a field that no name looks like: then it is a text. Texts stand in the order of the
row.
"""

import re
from collections.abc import Sequence
from typing import Final

from wrapper.corpus.policy import ANY_TEXT

JOINT: Final = b"\n"
Path = tuple[str, ...]
_LONGEST_NAME: Final = 256
_FIELD: Final = re.compile(r"[\w.:/@$+*%#? -]{0,100}")  # no line, no bracket, no `=`: a name, and no code
_KNOWN: Final = 1 << 12  # names of fields that are remembered


class ShapeError(ValueError):
    """A row that is not what it should be; the message says why, in a few words."""


class Wanted:
    """Which texts of a row are wanted, by the path that leads to them; lists are no part of a path."""

    def __init__(self, columns: Sequence[str], name: str = "") -> None:
        self.columns = tuple(columns)
        self.every = ANY_TEXT in columns
        self.paths = frozenset(tuple(column.split(".")) for column in columns if column != ANY_TEXT)
        self._name = tuple(name.split("."))
        self._leading = frozenset(path[:end] for path in self.paths for end in range(len(path)))
        self._fields: set[str] = set()

    def leads(self, path: Path) -> bool:
        """Say whether wanted texts may stand deeper than `path`."""
        return self.every or path in self._leading

    def takes(self, path: Path) -> bool:
        """Say whether a text at `path` is wanted."""
        return self.every or path in self.paths

    def reads(self, field: str) -> bool:
        """Say whether the name of a field is a text, too."""
        if not self.every or field in self._fields:
            return False
        if not _FIELD.fullmatch(field):
            return True
        if len(self._fields) < _KNOWN:
            self._fields.add(field)
        return False

    def refuses(self, path: Path) -> bool:
        """Say whether something else than a text, a list or nothing at `path` is a mistake."""
        return path in self.paths and not self.every

    def of(self, value: object) -> bytes:
        """Give the wanted texts of a decoded row, joined. Raises ShapeError where there are none, or one is no text."""
        found: list[bytes] = []
        self._walk(value, (), found)
        if not found and not self.every:
            raise ShapeError(self.lack)
        return JOINT.join(found)

    def names(self, path: Path) -> bool:
        """Say whether what stands at `path` is the row's own name, if it looks like one, and no text."""
        return self.every and path == self._name and path not in self.paths

    def within(self, path: Path) -> Path:
        """Give the path of what stands in a list at `path`: the same, but a list of names is no name."""
        return (*path, "") if self.names(path) else path

    def _walk(self, value: object, path: Path, found: list[bytes]) -> None:
        if isinstance(value, str):
            if self.takes(path) and not (self.names(path) and is_name(value)):
                found.append(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, bytes):  # Parquet's
            found += [value] if self.takes(path) else []
        elif isinstance(value, list):
            for inner in value:
                self._walk(inner, self.within(path), found)
        elif isinstance(value, dict) and self.leads(path):
            self._walk_fields(value, path, found)
        elif value is not None and self.refuses(path):
            raise ShapeError(f"`{'.'.join(path)}` is no text")

    def _walk_fields(self, table: dict[str, object], path: Path, found: list[bytes]) -> None:
        for key, inner in table.items():
            if self.reads(key):
                found.append(key.encode("utf-8", "surrogatepass"))
            self._walk(inner, (*path, key), found)

    @property
    def lack(self) -> str:
        """What is wrong with a row that has none of the columns."""
        return "has no text in " + " or ".join(f"`{column}`" for column in self.columns)


def name_of(value: object, column: str) -> str:
    """Give a row's own name: a short line or a number at `column`; empty where there is none."""
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    name = str(value).encode(errors="replace").decode()
    return name if is_name(name) else ""


def is_name(text: str) -> bool:
    """Say whether a text can be the name of a row: one line, and not too long."""
    return len(text) <= _LONGEST_NAME and len(text.splitlines()) <= 1
