"""Text of strangers, made so that it takes exactly the cells that we give it. Pure.

Paths and excerpts come from the inside. What moves the cursor, turns the direction of writing, takes no cell or stands
on the one before is written as its escape, as Python has it.
"""

import unicodedata

# Letters and signs that are drawn as nothing, though they are no marks: Hangul fillers, the empty braille pattern.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_JOINED = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7ff"))  # Hangul vowels and finals: drawn into the cell before
_ELLIPSIS = "…"


def harmless(text: str) -> str:
    """Write `text` with one visible sign for each of its characters; four spaces for a tab."""
    text = text.replace("\t", "    ")
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _stands_alone(one) else ascii(one)[1:-1] for one in unicodedata.normalize("NFC", text))


def _stands_alone(one: str) -> bool:
    if not one.isprintable() or one in _BLANK or any(low <= one <= high for low, high in _JOINED):
        return False
    return not unicodedata.category(one).startswith("M")


def cells(text: str) -> int:
    """Count the cells that harmless text takes (UAX 11)."""
    return len(text) if text.isascii() else sum(_cells(one) for one in text)


def _cells(one: str) -> int:
    return 2 if unicodedata.east_asian_width(one) in {"W", "F"} else 1


def cut(text: str, width: int) -> str:
    """Give as much of harmless `text` as fits into `width` cells; an ellipsis says that there was more."""
    if cells(text) <= width:
        return text
    return _first(text, width - 1) + _ELLIPSIS if width > 0 else ""


def tail(text: str, width: int) -> str:
    """Give as much of the end of harmless `text` as fits into `width` cells."""
    return _first(text[::-1], width)[::-1]


def wrap(text: str, width: int, most: int) -> list[str]:
    """Break harmless `text` into `most` lines at most, at spaces where there are any; the last one is cut."""
    lines: list[str] = []
    while cells(text) > width > 0 and len(lines) < most - 1:
        line = _first(text, width)
        at = len(line) if text[len(line) : len(line) + 1] == " " else line.rfind(" ")
        line = line[:at] if at > 0 else line or text[:1]
        lines.append(line)
        text = text[len(line) :].lstrip(" ")
    return [*lines, cut(text, width)] if most > 0 else []


def _first(text: str, width: int) -> str:
    taken = 0
    for number, one in enumerate(text):
        taken += _cells(one)
        if taken > width:
            return text[:number]
    return text
