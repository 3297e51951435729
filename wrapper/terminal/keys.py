"""What a terminal sends, cut into keys: for a dialogue of our own, in raw mode. Pure.

What a terminal says by itself (where the cursor is, which colours it has) is told from what somebody typed: it answers
the program whose screen this was, which may wait for it. Sequences: ECMA-48; xterm's ctlseqs.txt.
"""

import codecs
import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

_LONGEST = 4096  # bytes of one sequence; a terminal's queue holds no more
_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"(?P<mouse>\[M[\x00-\xff]{3})"
    rb"|\[\[[A-E]"  # F1 to F5 of the Linux console
    rb"|(?P<control>\[(?![M\[])[0-?]*[ -/]*[@-~])"
    rb"|O[ -~]"
    rb"|(?P<string>[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\))"
    rb")"
)
_BEGUN = re.compile(rb"\x1b(?:\[M[\x00-\xff]{0,2}|\[[0-?]*[ -/]*|\[\[|O|[\]P_^X][^\x07\x1b]*\x1b?)?\Z")
# Cursor's place, device attributes and status, modes, keyboard flags, the window, xterm's key settings.
_REPLY = re.compile(
    rb"\[(?:\??[0-9]+;[0-9;]+R|[?>=][0-9;]*c|\??[0-9;]*n|\??[0-9;]+\$y|\?[0-9]+u|[0-9]+;[0-9;]+t|>4;[0-9]+m)"
)
_PASTE, _PASTED = b"[200~", b"[201~"


class Key(enum.Enum):
    """What was pressed, or happened."""

    TEXT = "text"
    PASTED = "pasted"
    ENTER = "enter"
    BACKSPACE = "backspace"
    CLEAR = "clear"
    ESCAPE = "escape"
    INTERRUPT = "interrupt"
    STOP = "stop"
    REPLY = "reply"


class Pressed(NamedTuple):
    """One key; `text` for TEXT and PASTED, `data` the bytes of a REPLY."""

    key: Key
    text: str = ""
    data: bytes = b""


_CONTROLS = {
    "\r": Key.ENTER,
    "\n": Key.ENTER,
    "\x7f": Key.BACKSPACE,
    "\x08": Key.BACKSPACE,
    "\x15": Key.CLEAR,
    "\x03": Key.INTERRUPT,
    "\x1a": Key.STOP,
}


class Keys:
    """Takes bytes in any pieces. Keys that mean nothing to a dialogue (arrows, the mouse) are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._pasting = False
        self._letters = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def waiting(self) -> bool:
        """True while an escape may be the key, or the beginning of a sequence."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Pressed]:
        """Give what was pressed."""
        data, self._rest = self._rest + data, b""
        at = 0
        while (escape := data.find(b"\x1b", at)) >= 0:
            yield from self._plain(data[at:escape])
            if match := _SEQUENCE.match(data, escape):
                at = match.end()
                yield from self._sequence(match)
            elif _BEGUN.match(data, escape) and len(data) - escape <= _LONGEST:
                self._rest = data[escape:]
                return
            else:
                at = escape + 1
                yield Pressed(Key.ESCAPE)
        yield from self._plain(data[at:])

    def flush(self) -> Iterator[Pressed]:
        """Give up on a sequence that does not go on: somebody pressed Escape."""
        if self._rest:
            self._rest = b""
            yield Pressed(Key.ESCAPE)

    def _sequence(self, match: re.Match[bytes]) -> Iterator[Pressed]:
        whole, control = match[0], match["control"]
        if control == _PASTE:
            self._pasting = True
        elif control == _PASTED and self._pasting:
            self._pasting = False
        elif control == _PASTED or match["string"] or (control and _REPLY.fullmatch(control)):
            yield Pressed(Key.REPLY, data=whole)  # the end of a paste that had begun before: its reader waits for it

    def _plain(self, data: bytes) -> Iterator[Pressed]:
        for letter in self._letters.decode(data):
            if self._pasting:
                yield Pressed(Key.PASTED, letter)
            elif letter in _CONTROLS:
                yield Pressed(_CONTROLS[letter])
            elif letter.isprintable():
                yield Pressed(Key.TEXT, letter)
