"""Plays what a session showed: its output as steps in time, kept so that one can go back; pure."""

import math
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from wrapper.audit.events import Output, Resize
from wrapper.audit.reader import Record
from wrapper.review.screen import Screen
from wrapper.review.search import Glance

SEEK: Final = 5.0  # seconds that an arrow goes
SLOWEST: Final = 1 / 16
FASTEST: Final = 64.0
_AT_ONCE: Final = 1 << 17  # bytes drawn before the terminal is painted and keys are read again
_APART: Final = 1 << 19  # bytes between two screens that are kept for going back
_MOST_KEPT: Final = 48  # of them; each is up to some hundred KiB
_PER_BLOCK: Final = 256  # steps that are packed together


class Step(NamedTuple):
    """Something the terminal was given, `time` seconds after the beginning: `data`, or a new size.

    `columns` is 0 where there is none. `sequence` is that of the record.
    """

    time: float
    sequence: int
    data: bytes
    columns: int = 0
    rows: int = 0


_PAINTED: Final = re.compile(rb"(?<=\x1b\[\?2026l)")  # the end of a synchronized update


_packed: Final = msgspec.msgpack.Decoder(list[Step])


def steps(records: Iterable[Record], idle: float = math.inf) -> Iterator[Step]:
    """Yield what the terminal was given; pauses are no longer than `idle` seconds, a clock set back is none."""
    time, last = 0.0, None
    for sequence, event in records:
        if not isinstance(event, Output | Resize):
            continue
        before = time
        at = event.at if math.isfinite(event.at) else last
        if last is not None and at is not None and at > last:
            time += min(at - last, idle)
        last = at
        if isinstance(event, Resize):
            yield Step(time, sequence, b"", max(event.columns, 0), max(event.rows, 0))
        else:
            # without a terminal nothing has put the return before the line feed
            data = event.data if event.stream == "tty" else event.data.replace(b"\n", b"\r\n")
            yield from (Step(at, sequence, part) for at, part in _spread(before, time, data))


def _spread(start: float, end: float, data: bytes) -> Iterator[tuple[float, bytes]]:
    """Cut output into what was painted at once, and spread it over the time in which it came.

    A program that ends no line and never rests (Codex) is recorded in long pieces, with the time of their end.
    """
    parts = [part for part in _PAINTED.split(data) if part]
    for number, part in enumerate(parts, 1):
        yield start + (end - start) * number / len(parts), part


class Tape:
    """Steps as they are read, and again those that were: packed, so that a long session stays small in memory."""

    def __init__(self, source: Iterator[Step]) -> None:
        self._source = source
        self._blocks: list[bytes] = []
        self._open: list[Step] = []
        self._cached: tuple[int, list[Step]] = (-1, [])

    def step(self, number: int) -> Step | None:
        """Return a step, counted from 0; None behind the last one. Raises as the reading of the log does."""
        while number >= len(self._blocks) * _PER_BLOCK + len(self._open):
            following = next(self._source, None)
            if following is None:
                return None
            self._open.append(following)
            if len(self._open) == _PER_BLOCK:
                self._blocks.append(zlib.compress(msgspec.msgpack.encode(self._open), 1))
                self._open = []
        block, place = divmod(number, _PER_BLOCK)
        if block == len(self._blocks):
            return self._open[place]
        if self._cached[0] != block:
            self._cached = block, _packed.decode(zlib.decompress(self._blocks[block]))
        return self._cached[1][place]


class Player:
    """A session on a screen of ours, at a moment: `clock` seconds after its beginning, before step `number`."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._kept: dict[int, tuple[float, Screen]] = {}  # screens by the number of the step that comes next
        self._since = 0  # bytes since the last of them
        self._drawn = 0.0  # the time of the last step that was done
        self.screen = Screen()
        self.number = 0
        self.clock = 0.0
        self.sequence = 0
        self.speed = 1.0
        self.paused = False

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self._tape.step(self.number) is None

    def wait(self) -> float | None:
        """Return the seconds until the next step; None where nothing comes by itself."""
        following = None if self.paused else self._tape.step(self.number)
        return None if following is None else max(following.time - self.clock, 0.0) / self.speed

    def advance(self, seconds: float) -> None:
        """Let time pass. What cannot be drawn at once comes later: time then waits for it."""
        if self.paused:
            return
        self.clock += seconds * self.speed
        self._draw_until(self.clock, _AT_ONCE)

    def single(self) -> None:
        """Do the next step, and stand still there."""
        self.paused = True
        following = self._tape.step(self.number)
        if following is not None:
            self._do(following)
            self.clock = following.time

    def seek(self, seconds: float) -> None:
        """Go so far on, or back."""
        target = max(self.clock + seconds, 0.0)
        if seconds < 0:
            self._rewind(target)
        self._draw_until(target, None)
        self.clock = min(target, self._drawn) if self.ended else target

    def go_to(self, sequence: int) -> None:
        """Go to the moment when record `sequence` had been written, and stand still there."""
        self._rewind(0.0)
        while (following := self._tape.step(self.number)) is not None and following.sequence <= sequence:
            self._do(following)
            self.clock = following.time
        self.paused = True

    def find(self, wanted: re.Pattern[str]) -> bool:
        """Go to the first moment when what is `wanted` stood on the screen; False, at the end, where it never did."""
        glance = Glance(wanted)
        self._rewind(0.0)
        self.paused = True
        while (following := self._tape.step(self.number)) is not None:
            self._do(following)
            self.clock = following.time
            found = (
                glance.resize(following.columns, following.rows)
                if _is_resize(following)
                else glance.feed(following.data)
            )
            if found:
                return True
        return False

    def faster(self, factor: float) -> None:
        """Change the speed."""
        self.speed = min(FASTEST, max(SLOWEST, self.speed * factor))  # in this order, what is no number is slow

    def _draw_until(self, time: float, most: int | None) -> None:
        done = 0
        while (following := self._tape.step(self.number)) is not None and following.time <= time:
            if most is not None and done > most:
                self.clock = following.time
                return
            done += len(following.data)
            self._do(following)

    def _do(self, following: Step) -> None:
        if self._since > _APART:
            self._keep()
        if _is_resize(following):
            self.screen.resize(following.columns, following.rows)
        else:
            self.screen.feed(following.data)
        self._since += len(following.data)
        self._drawn = following.time
        self.number += 1
        self.sequence = following.sequence

    def _keep(self) -> None:
        self._since = 0
        if self.number in self._kept:
            return
        if len(self._kept) >= _MOST_KEPT:
            for number in sorted(self._kept)[::2]:
                del self._kept[number]
        following = self._tape.step(self.number)
        if following is not None:
            self._kept[self.number] = following.time, self.screen.copy()

    def _rewind(self, time: float) -> None:
        """Go back to the last screen that was kept before `time`."""
        number = max((number for number, (at, _) in self._kept.items() if at <= time), default=0)
        self.screen = self._kept[number][1].copy() if number else Screen()
        self.number, self.sequence, self._since = number, 0, 0
        self.clock = self._kept[number][0] if number else 0.0


def _is_resize(step: Step) -> bool:
    return step.columns > 0 or step.rows > 0 or not step.data


def pauses(player: Player, seconds: float) -> Iterator[Player]:
    """Go to the end, and yield where nothing came for at least so long, and there."""
    while (wait := player.wait()) is not None:
        if wait >= seconds and player.number:
            yield player
        player.advance(wait)
    yield player
