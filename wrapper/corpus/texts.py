"""The texts of a decoded row of JSONL or Parquet; pure.

A column is a name with dots: each part leads into a table, and lists are passed through (`messages.content`). `*` is
every text in the row but its own name; names of fields are no texts. Texts stand in the order of the row.
"""

from collections.abc import Sequence
from typing import Final

from wrapper.corpus.policy import ANY_TEXT

JOINT: Final = b"\n"
Path = tuple[str, ...]


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

    def leads(self, path: Path) -> bool:
        """Say whether wanted texts may stand deeper than `path`."""
        return self.every or path in self._leading

    def takes(self, path: Path) -> bool:
        """Say whether a text at `path` is wanted."""
        return path in self.paths or (self.every and path != self._name)

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

    def _walk(self, value: object, path: Path, found: list[bytes]) -> None:
        if isinstance(value, str):
            if self.takes(path):
                found.append(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, bytes):  # Parquet's; what nobody named may be a picture
            if path in self.paths:
                found.append(value)
        elif isinstance(value, list):
            for inner in value:
                self._walk(inner, path, found)
        elif isinstance(value, dict) and self.leads(path):
            for key, inner in value.items():
                self._walk(inner, (*path, key), found)
        elif value is not None and self.refuses(path):
            raise ShapeError(f"`{'.'.join(path)}` is no text")

    @property
    def lack(self) -> str:
        """What is wrong with a row that has none of the columns."""
        return "has no text in " + " or ".join(f"`{column}`" for column in self.columns)


def name_of(value: object, column: str) -> str:
    """Give a row's own name: a text or a number at `column`; empty where there is none."""
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).encode(errors="replace").decode()
