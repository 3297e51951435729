"""Lets through what paints of a terminal's output, and nothing else; pure.

What is recorded was written by an agent. Played on a reviewer's terminal it must not set the clipboard or title, ask
the terminal for what would then stand typed in the reviewer's shell, report the mouse, change how keys are sent, empty
the scrollback, print, resize, or stay for later. So this is a list of what passes, and each sequence that passes is
written anew from its numbers: texts, the movements of the cursor, erasing, inserting and deleting, scrolling, colours,
and the modes of `_MODES`. All of these are undone by leaving the alternate screen and a soft reset (DECSTR).
"""

from typing import Final

from wrapper.review.controls import Control, Controls

_PLAIN: Final = frozenset("\b\t\n\r")
_DOWN: Final = frozenset("\v\f")  # what terminals take for a line feed
_ESCAPES: Final = frozenset({"\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bM"})  # DECSC, DECRC, IND, NEL, RI
_MOVES: Final = frozenset("@ABCDEFGHIKLMPSXZ`abdefmr")  # all but those with conditions: see `_sequence`
_ALL_LINES: Final = 3  # of ED: the scrollback, which is the reviewer's
_INSERT: Final = 4  # IRM
# reverse video, origin, autowrap, cursor shown, the alternate screen in its three ways, saved cursor
_MODES: Final = frozenset({5, 6, 7, 25, 47, 1047, 1048, 1049})
_SOFT: Final = b"\x1b7\x1b[r\x1b8\x1b[4l\x1b[0m\x1b[?6l\x1b[?7h\x1b[?25h"
_RESET: Final = b"\x1b[?1049l" + _SOFT + b"\x1b[?5l\x1b[H\x1b[2J"  # RIS itself empties the scrollback


class Painting:
    """The stream: feed it pieces of output."""

    def __init__(self) -> None:
        self._controls = Controls()

    def feed(self, data: bytes) -> bytes:
        """Return what paints of the next piece, as whole sequences and whole letters of UTF-8."""
        return b"".join(
            token.encode() if isinstance(token, str) else _passed(token) for token in self._controls.feed(data)
        )


def _passed(control: Control) -> bytes:
    name = control.name
    if name in _PLAIN:
        return name.encode()
    if name in _DOWN:
        return b"\n"
    if name in _ESCAPES:
        return name.encode()
    if name == "\x1bc":
        return _RESET
    if name == "[!p":
        return _SOFT
    return _sequence(name[1:], control.params) if name.startswith("[") else b""


def _sequence(name: str, params: tuple[int, ...]) -> bytes:
    match name:
        case "J":
            params = tuple(number for number in params if number != _ALL_LINES)
            passes = bool(params)
        case "T":  # with more numbers it is about the mouse
            passes = len(params) == 1
        case "s" | "u":  # SCOSC, SCORC; with numbers they are margins and keys
            passes = params == (0,)
        case "h" | "l":
            params = tuple(number for number in params if number == _INSERT)
            passes = bool(params)
        case "?h" | "?l":
            params = tuple(number for number in params if number in _MODES)
            passes = bool(params)
        case _:
            passes = name in _MOVES
    if not passes:
        return b""
    prefix, final = name[:-1], name[-1]
    return f"\x1b[{prefix}{';'.join(str(number) if number else '' for number in params)}{final}".encode()
