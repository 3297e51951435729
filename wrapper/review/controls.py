"""Takes a terminal's output apart: texts to draw, and control sequences (ECMA-48; xterm's ctlseqs.txt). Pure.

Rules of this file:
- Whatever comes, in whatever pieces, every byte is passed once; nothing raises, and what is held back is short.
- Texts hold no control character, 8-bit ones included: U+009B is CSI to some terminals, so it is one here.
- Control strings (OSC, DCS, APC, PM, SOS) paint nothing and are left out, up to their end or the next escape.
- Line-drawing letters (DEC Special Graphics) come as what they draw: whoever paints them needs no other character set.
- Invisible letters (Unicode's Cf: direction, joiners, tags) are left out: they take no cell and reorder others.
"""

import codecs
import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST: Final = 9999  # of a parameter, as pyte and xterm have it: more is never meant, and costs time
_UNDERLINE: Final = 58  # the colour of underlines: pyte would take its numbers for renditions
_DIGITS: Final = 5  # more than MOST has; Python refuses to read thousands of them
_MOST_PARAMETERS: Final = 32  # xterm's NPARAM is 30
_LONGEST: Final = 4096  # letters of an unfinished sequence that are kept until more comes

_LINES: Final = " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"  # what `_` to `~` draw
_DRAWN: Final = str.maketrans("".join(map(chr, range(0x5F, 0x7F))), _LINES)
_SETS: Final = {"\x1b(": 0, "\x1b)": 1}  # G0 and G1; SO and SI choose between them
_SHIFTS: Final = {"\x0f": 0, "\x0e": 1}

_TEXT: Final = r"(?P<text>[^\x00-\x1f\x7f]+)"
# controls within a sequence act as if they stood before it (DEC STD 070, as every terminal does)
_CSI: Final = r"\x1b\[(?P<inside>[0-?\x00-\x17\x19\x1c-\x1f\x7f]*)(?P<between>[ -/]*)(?P<final>[@-~])"
_STRING: Final = r"\x1b(?P<string>[\]PX^_])"
_ESCAPE: Final = r"\x1b(?P<escape>[ -/]*[0-OQ-WYZ\\`-~])"
_CONTROL: Final = r"(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
_UNFINISHED: Final = r"(?P<unfinished>\x1b(?:\[[0-?\x00-\x17\x19\x1c-\x1f\x7f]*[ -/]*|[ -/]*)\Z)"
_BROKEN: Final = r"\x1b(?:\[[0-?\x00-\x17\x19\x1c-\x1f\x7f]*[ -/]*|[ -/]*)"
_TOKEN: Final = re.compile(f"{_TEXT}|{_CSI}|{_STRING}|{_ESCAPE}|{_CONTROL}|{_UNFINISHED}|{_BROKEN}")
_PARAMETERS: Final = re.compile(r"(?P<prefix>[<-?]*)(?P<numbers>[0-9:;]*)\Z")
_C0: Final = re.compile(r"[\x00-\x1f\x7f]")
_C1: Final = re.compile(r"[\x80-\x9f]")
_END_OF_OSC: Final = re.compile(r"[\x07\x18\x1a]|(?=\x1b)")
_END_OF_STRING: Final = re.compile(r"[\x18\x1a]|(?=\x1b)")


class Control(NamedTuple):
    r"""One control: `name` is the character, `ESC` and what follows, or `[` with prefix, intermediates and final.

    So a line feed is `"\n"`, DECSC `"\x1b7"`, a cursor movement `"[H"`, setting a private mode `"[?h"`. `params` are
    the numbers of the latter two, at most `MOST`, 0 for one that was left out. What has colons in SGR comes in the
    form with semicolons.
    """

    name: str
    params: tuple[int, ...] = ()


class Controls:
    """The stream: feed it pieces of output."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._sets = [False, False]  # whether G0 and G1 are the line-drawing one
        self._shift = 0
        self._string: re.Pattern[str] | None = None  # what ends the control string that we are in

    def feed(self, data: bytes) -> Iterator[str | Control]:  # noqa: C901 (one case per form; calls cost speed)
        """Yield texts and controls of the next piece, to be taken to the end before the next call."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        if not text.isascii():
            text = _C1.sub(lambda found: f"\x1b{chr(ord(found[0]) - 0x40)}", text)
        at = 0
        while at < len(text):
            if self._string is not None:
                end = self._string.search(text, at)
                if end is None:
                    return
                at, self._string = end.end(), None
            match = _TOKEN.match(text, at)
            if match is None:  # right behind a string that ended with the text
                return
            at = match.end()
            match match.lastgroup:
                case "text":
                    letters = match[0].translate(_DRAWN) if self._sets[self._shift] else match[0]
                    yield letters if letters.isascii() else visible(letters)
                case "final":
                    yield from _sequence(match["inside"], match["between"] + match["final"])
                case "escape" | "control":
                    if not self._shifted(match[0]):
                        yield Control(match[0])
                case "string":
                    self._string = _END_OF_OSC if match["string"] == "]" else _END_OF_STRING
                case "unfinished":
                    self._rest = match[0][:_LONGEST]
                case _:
                    pass  # broken off by what cannot stand in it

    def _shifted(self, name: str) -> bool:
        """Follow which characters are drawn; whether `name` is only about that."""
        if name in _SHIFTS:
            self._shift = _SHIFTS[name]
        elif name[:2] in _SETS:
            self._sets[_SETS[name[:2]]] = name[2:] == "0"
        else:
            if name == "\x1bc":
                self._sets, self._shift = [False, False], 0
            return False
        return True


def visible(text: str) -> str:
    """Leave out what is not drawn into a cell of its own or onto the one before; a no-break space is a space."""
    if text.isprintable():
        return text
    kept = (one for one in text if one.isprintable() or unicodedata.category(one) in {"Zs", "Co"})
    return "".join(kept).replace("\u00a0", " ")


@functools.lru_cache(maxsize=1 << 12)
def _sequence(inside: str, name: str) -> tuple[Control, ...]:
    before = tuple(map(Control, _C0.findall(inside)))
    found = _PARAMETERS.match(_C0.sub("", inside))
    if found is None:  # a prefix in the middle: no terminal acts on it
        return before
    numbers = found["numbers"].split(";", _MOST_PARAMETERS)[:_MOST_PARAMETERS]
    if name == "m" and not found["prefix"]:
        meant = _rendition(numbers)
        return (*before, Control("[m", meant)) if meant else before  # without numbers it would take all back
    return *before, Control(f"[{found['prefix']}{name}", tuple(_number(text.partition(":")[0]) for text in numbers))


def _number(text: str) -> int:
    return min(int(text[-_DIGITS:] or "0"), MOST) if not text[:-_DIGITS].strip("0") else MOST


def _rendition(items: list[str]) -> tuple[int, ...]:
    """Write colours and underlines with colons (ISO 8613-6) as xterm's semicolons; leave out the underline's colour."""
    numbers: list[int] = []
    rest = iter(items)
    for item in rest:
        head, *parts = (_number(part) for part in item.split(":"))
        if head == _UNDERLINE:
            if not parts:
                kind = _number(next(rest, ""))
                for _ in range({5: 1, 2: 3}.get(kind, 0)):
                    next(rest, "")
        elif head in (38, 48) and parts[:1] == [2]:
            numbers += [head, 2, *(parts[2:5] if len(parts) > 4 else parts[1:4])]  # a colour space before r, g, b
        elif head == 4 and parts == [0]:
            numbers.append(24)
        elif head in (38, 48):
            numbers += [head, *parts]
        else:
            numbers.append(head)
    return tuple(numbers)
