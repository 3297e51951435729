"""The text of `audit.pub`: one reader a line, with a name in a comment; the stock `age -R` reads it too. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

_NAME: Final = "# name: "


class Reader(NamedTuple):
    """One who can read the logs: a recipient, and what the user calls it ("" where it has no name)."""

    recipient: str
    name: str = ""


def read(text: str) -> tuple[Reader, ...]:
    """Return the readers in `text`; a `# name: …` line names the next recipient. Nothing is checked."""
    readers, name = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith(_NAME):
            name = line.removeprefix(_NAME).strip()
        elif line and not line.startswith("#"):
            readers.append(Reader(line, name))
            name = ""
    return tuple(readers)


def appended(text: str, readers: Iterable[Reader]) -> str:
    """Return `text` with `readers` at its end; what stands in it stays."""
    start = text if not text or text.endswith("\n") else f"{text}\n"
    return start + "".join(_lines(reader) for reader in readers)


def replaced(text: str, by: Mapping[str, str]) -> str:
    """Return `text` with each recipient in `by` replaced by its value; one that would stand there twice is left out."""
    lines, placed = [], set[str]()
    for line in text.splitlines():
        new = by.get(line.strip(), line)
        if new in by.values() and new in placed:
            continue
        placed.add(new)
        lines.append(f"{new}\n")
    return "".join(lines)


def _lines(reader: Reader) -> str:
    return (f"{_NAME}{reader.name}\n" if reader.name else "") + f"{reader.recipient}\n"
