"""Plays a session on the user's terminal, which is given back whatever happens."""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.painter import ENTER, LEAVE, Painter
from wrapper.review.render import printable
from wrapper.review.replay import SEEK, Player, Tape, pauses, steps
from wrapper.review.search import pattern
from wrapper.terminal.outer import Outer
from wrapper.terminal.signals import Signals

_FRAME: Final = 1 / 60  # seconds between two paintings: a screen shows no more
_KEY: Final = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\x00-\xff]")
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_QUITTING: Final = frozenset({b"q", b"Q", b"\x03"})
_STOPPING: Final = b"\x1a"
_KEYS: Final[dict[bytes, Callable[[Player], None]]] = {
    b" ": lambda player: setattr(player, "paused", not player.paused),
    b".": lambda player: player.single(),
    b"+": lambda player: player.faster(2),
    b"=": lambda player: player.faster(2),  # + without shift
    b"-": lambda player: player.faster(1 / 2),
    b"\x1b[C": lambda player: player.seek(SEEK),
    b"\x1bOC": lambda player: player.seek(SEEK),
    b"\x1b[D": lambda player: player.seek(-SEEK),
    b"\x1bOD": lambda player: player.seek(-SEEK),
}


def play(records: Iterable[Record], *, idle: float, speed: float = 1.0, goto: str = "") -> int:
    """Play a session from `records`; `goto` is a record's number, or a text that stood on the screen.

    Returns 0, or 128 and the number of the signal that ended it. Where stdin or stdout is no terminal, the screens are
    printed as text. Raises AuditError where there is nothing to play, or `goto` is nowhere, and as the reading does.
    """
    player = Player(Tape(steps(records, idle)))
    player.faster(speed)
    if player.ended:
        raise AuditError("nothing was shown on a terminal in this session")
    if goto:
        _go(player, goto)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        for line in printed(player, idle, only=bool(goto)):
            sys.stdout.write(f"{line}\n")
        return 0
    return _Stage(player).perform()


def _go(player: Player, goto: str) -> None:
    if goto.isascii() and goto.isdigit():
        player.go_to(int(goto[:18]))
    elif not player.find(pattern(goto)):
        raise AuditError(f"`{goto}` never stood on the screen", hint="`safe-agent audit search` looks everywhere")


def printed(player: Player, idle: float, *, only: bool) -> Iterator[str]:
    """Yield the lines of the screen as it is now (`only`), or as it was in each pause of `idle` seconds and last."""
    before: list[str] = []
    for at in [player] if only else pauses(player, idle):
        lines = at.screen.lines()
        if lines != before or only:
            yield f"--- {_clock(at.clock)}, frame {at.sequence}, {at.screen.columns} columns, {at.screen.rows} rows"
            last = max((number for number, line in enumerate(lines) if line), default=-1)
            yield from map(printable, lines[: last + 1])
        before = lines


class _Stage:
    """The terminal while a session is played on it."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._outer = Outer(0)
        self._painter = Painter(0, 0)

    def perform(self) -> int:
        try:
            with Signals() as signals:
                self._begin()
                try:
                    return self._run(signals)
                finally:
                    self._end()
        finally:
            self._outer.close()

    def _begin(self) -> None:
        self._outer.enter()
        self._outer.undo_with(LEAVE)
        self._fit(ENTER)

    def _end(self) -> None:
        _write(LEAVE)
        self._outer.leave()

    def _fit(self, before: bytes) -> None:
        size = self._outer.size
        self._painter = Painter(size.columns, size.rows)
        _write(before)

    def _run(self, signals: Signals) -> int:
        player, last = self._player, time.monotonic()
        while True:
            _write(self._painter.paint(player.screen, _status(player, self._painter)))
            wait = player.wait()
            select.select([self._outer.fd, signals.fd], [], [], None if wait is None else max(wait, _FRAME))
            now = time.monotonic()
            if not player.ended:
                player.advance(now - last)
            last = now
            for number in signals.received():
                if number in _ENDING:
                    return 128 + number
                if number == signal.SIGTSTP:
                    self._stop(signals)
                    last = time.monotonic()
                else:  # another size, or somebody else had the terminal
                    self._fit(b"\x1b[0m\x1b[2J")
            if not self._keys(signals):
                return 0

    def _keys(self, signals: Signals) -> bool:
        """Do what the keys say that were pressed; False to quit."""
        try:
            pressed = os.read(self._outer.fd, 1024)
        except BlockingIOError:
            return True
        except OSError:  # the terminal hung up
            return False
        for key in _KEY.findall(pressed):
            if key in _QUITTING:
                return False
            if key == _STOPPING:
                self._stop(signals)
            elif key in _KEYS:
                _KEYS[key](self._player)
        return bool(pressed)

    def _stop(self, signals: Signals) -> None:
        self._end()
        signals.stop_here()
        self._begin()


def _status(player: Player, painter: Painter) -> str:
    state = "end" if player.ended else "paused" if player.paused else "playing"
    speed = f"{player.speed:g}x"
    cut = "" if painter.fits(player.screen) else f"  cut: it was {player.screen.columns} by {player.screen.rows}"
    keys = "space pause  . step  left/right 5 s  +/- speed  q quit"
    return f" {state}  {_clock(player.clock)}  {speed}  frame {player.sequence}{cut}   {keys}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view) :]
        except BlockingIOError:  # somebody before us made the terminal non-blocking
            select.select([], [1], [])
