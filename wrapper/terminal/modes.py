"""What a terminal remembers: termios for the line, and the modes that control sequences switch. Pure.

Sequences: ECMA-48; xterm's ctlseqs.txt (private modes, modifyOtherKeys, DECSTBM, DECSCUSR); kitty's keyboard protocol.
"""

import re
import termios
from typing import Any

Attributes = list[Any]
"""What `termios.tcgetattr` gives: iflag, oflag, cflag, lflag, ispeed, ospeed, cc."""

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6
QUOTE = b"\x16"  # the inner line's VLNEXT: the next byte is data
END = b"\x04"  # the inner line's VEOF


def raw(attributes: Attributes) -> Attributes:
    """Give the same line with nothing changed on its way (cfmakeraw, termios(3))."""
    cooked = _copy(attributes)
    cooked[_IFLAG] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    cooked[_OFLAG] &= ~termios.OPOST
    cooked[_LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cooked[_CFLAG] = cooked[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    cooked[_CC][termios.VMIN], cooked[_CC][termios.VTIME] = 1, 0
    return cooked


def looks_raw(attributes: Attributes) -> bool:
    """Tell a line as `raw` leaves it from one in a shell's own line editing, which keeps OPOST."""
    return not attributes[_OFLAG] & termios.OPOST and not attributes[_LFLAG] & (termios.ISIG | termios.ECHO)


def hides_typing(attributes: Attributes) -> bool:
    """Whether a line is read without echo, as passwords are (getpass(3))."""
    return bool(attributes[3] & termios.ICANON) and not attributes[3] & termios.ECHO


def reads_keys(attributes: Attributes) -> bool:
    """Tell whether the program on this line wants single keys: it has left canonical mode."""
    return not attributes[_LFLAG] & termios.ICANON


def inner(attributes: Attributes, *, echo: bool) -> Attributes:
    """Give the inner line's settings at the start: the user's own.

    Without `echo` the user's terminal stays cooked and echoes, edits and makes signals itself; the inner line then
    takes whole lines as they come: only END ends it and QUOTE quotes.
    """
    line = _copy(attributes)
    if echo:
        return line
    line[_IFLAG] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON)
    line[_LFLAG] = line[_LFLAG] & ~(termios.ECHO | termios.ECHONL | termios.ISIG) | termios.ICANON | termios.IEXTEN
    for number in (termios.VERASE, termios.VKILL, termios.VWERASE, termios.VREPRINT, termios.VEOL, termios.VEOL2):
        line[_CC][number] = b"\x00"  # _POSIX_VDISABLE on Linux
    line[_CC][termios.VEOF], line[_CC][termios.VLNEXT] = END, QUOTE
    return line


def quote_line(data: bytes) -> bytes:
    """Prepare `data`, one read of a cooked terminal (b"" at its end of file), for an inner line without echo."""
    quoted = re.sub(rb"[\x04\x16]", lambda found: QUOTE + found[0], data)
    return quoted if data.endswith(b"\n") else quoted + END


def signal_of(attributes: Attributes, byte: int) -> str | None:
    """Name the signal that the line would send to its group for this byte: `SIGINT`, `SIGQUIT`, or None."""
    if not attributes[_LFLAG] & termios.ISIG or byte == 0:
        return None
    names = {attributes[_CC][termios.VINTR]: "SIGINT", attributes[_CC][termios.VQUIT]: "SIGQUIT"}
    return names.get(bytes((byte,)))


def echo_of(attributes: Attributes, byte: int) -> bytes:
    """Give what the line shows for a control byte: `^C`, or nothing where echo is off."""
    both = termios.ECHO | termios.ECHOCTL
    return b"^" + bytes((byte ^ 0x40,)) if attributes[_LFLAG] & both == both else b""


def keeps_queue(attributes: Attributes) -> bool:
    """Tell whether a signal leaves alone what was typed before it (NOFLSH)."""
    return bool(attributes[_LFLAG] & termios.NOFLSH)


def _copy(attributes: Attributes) -> Attributes:
    return [*attributes[:_CC], list(attributes[_CC])]


_ON_BY_DEFAULT = frozenset({7, 25})  # autowrap, cursor shown
_SCREENS = frozenset({47, 1047, 1049})
_TRACKED = (
    frozenset({1, 5, 6, 9, 66, 69, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2031, 2048})
    | _ON_BY_DEFAULT
    | _SCREENS
)
_SEQUENCE = re.compile(
    rb"\x1b(?:\[\?(?P<modes>[0-9;]+)(?P<way>[hl])"
    rb"|\[(?P<kitty>[<>=])(?P<flags>[0-9;]*)u"
    rb"|\[>4(?P<keys>;[0-9]*)?m"
    rb"|\[(?P<region>[0-9;]*)r"
    rb"|\[(?P<cursor>[0-9]*) q"
    rb"|(?P<keypad>[=>])"
    rb"|(?P<reset>c|\[!p))"
)
_WHOLE = re.compile(  # ECMA-48, 5.3 to 5.6; and control strings that xterm lets BEL end
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;?<>=! ]{0,40})?\Z")


def cut_short(data: bytes) -> bool:
    """Tell whether a stream that ends like this was cut within a control sequence or a letter (UTF-8)."""
    if b"\x1b" in _WHOLE.sub(b"", data):
        return True
    for length, byte in enumerate(data[:-5:-1], 1):
        if byte & 0xC0 != 0x80:  # the first byte of the last letter
            return length < 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    return False


class Modes:
    """Which modes the bytes shown so far have left on, and the sequences that undo and redo them."""

    def __init__(self) -> None:
        self._rest = b""
        self._last = self._since = b""  # the last piece that held an escape, and the last one after it
        self._clear()

    def _clear(self) -> None:
        self._changed: dict[int, None] = {}  # private modes away from their default, in the order of their setting
        self._kitty: dict[bool, list[bytes]] = {False: [], True: []}  # pushed flags, by "on the alternate screen"
        self._keys = self._region = self._cursor = self._keypad = b""

    def feed(self, data: bytes) -> bool:
        """Follow `data`, any piece of the stream; True if it held a sequence that switches a mode."""
        if not self._rest and b"\x1b" not in data:
            self._since = data
            return False
        data = self._rest + data
        self._last, self._since = data, b""
        found = False
        for match in _SEQUENCE.finditer(data):
            found = True
            self._follow(match)
        tail = _UNFINISHED.search(data, max(0, len(data) - 48))
        self._rest = tail[0] if tail else b""
        return found

    def _follow(self, match: re.Match[bytes]) -> None:
        if match["modes"] is not None:
            for mode in match["modes"].split(b";"):
                self._switch(int(mode or b"0"), on=match["way"] == b"h")
        elif match["kitty"] is not None:
            self._follow_kitty(match["kitty"], match["flags"])
        elif match["region"] is not None:
            self._region = b"" if match["region"] in {b"", b"0", b";", b"1"} else match[0]
        elif match["cursor"] is not None:
            self._cursor = b"" if match["cursor"] in {b"", b"0"} else match[0]
        elif match["keypad"] is not None:
            self._keypad = match[0] if match["keypad"] == b"=" else b""
        elif match["reset"] is not None:
            self._clear()
        else:
            self._keys = b"" if match["keys"] in {None, b";", b";0"} else match[0]

    def _switch(self, mode: int, *, on: bool) -> None:
        if mode not in _TRACKED:
            return
        if on == (mode in _ON_BY_DEFAULT):
            self._changed.pop(mode, None)
            if not self.alternate:
                self._kitty[True].clear()  # each screen has a stack of its own; that one is out of reach now
        else:
            self._changed[mode] = None

    def _follow_kitty(self, kind: bytes, flags: bytes) -> None:
        stack = self._kitty[self.alternate]
        if kind == b">":
            stack.append(flags)
        elif kind == b"<":
            del stack[max(0, len(stack) - int(flags.split(b";")[0] or b"1")) :]
        elif stack:
            stack[-1] = flags.split(b";")[0]

    @property
    def between(self) -> bool:
        """Whether something else may be shown now, and what was shown goes on after it: nothing is cut in its middle.

        A guess where a control string is longer than a piece.
        """
        return not cut_short(self._last + self._since)

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown, which keeps nothing when it is left."""
        return not _SCREENS.isdisjoint(self._changed)

    def undo(self) -> bytes:
        """Give what brings a terminal in these modes back to its defaults; b"" where nothing is left on."""
        parts = [b"\x1b[<%du" % len(self._kitty[True])] if self._kitty[True] else []
        parts += [self._set(mode, on=mode in _ON_BY_DEFAULT) for mode in reversed(self._changed)]
        parts += [b"\x1b[<%du" % len(self._kitty[False])] if self._kitty[False] else []
        parts += [b"\x1b[>4m"] if self._keys else []
        parts += [b"\x1b7\x1b[r\x1b8"] if self._region else []  # DECSTBM moves the cursor: save and restore it
        parts += [b"\x1b[0 q"] if self._cursor else []
        parts += [b"\x1b>"] if self._keypad else []
        return b"".join(parts)

    def redo(self) -> bytes:
        """Give what brings a terminal at its defaults back into these modes."""
        parts = [b"\x1b[>%su" % flags for flags in self._kitty[False]]
        parts += [self._set(mode, on=mode not in _ON_BY_DEFAULT) for mode in self._changed]
        parts += [b"\x1b[>%su" % flags for flags in self._kitty[True]]
        region = b"\x1b7" + self._region + b"\x1b8" if self._region else b""
        return b"".join(parts) + self._keys + region + self._cursor + self._keypad

    @staticmethod
    def _set(mode: int, *, on: bool) -> bytes:
        return b"\x1b[?%d%c" % (mode, b"h" if on else b"l")
