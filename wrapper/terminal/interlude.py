"""A question on the user's screen while the child's is put away.

Rules of this file:
1. It begins between two control sequences of the child's output, or half a second later. From then on to its end that
   output is not read: nothing is lost or reordered, the child waits at its full terminal.
2. What was typed before the question could be seen goes to the child. From then on the child gets nothing of it, and
   the log neither; what comes within the first moments is dropped, so that nobody answers a question unread.
3. What the terminal says by itself in answer to the child's last output still reaches the child, which waits for it.
4. `close` may be called at any time and brings the child's screen back.
"""

import select
import time
from collections.abc import Callable, Iterable

from wrapper.ports import Answer, Question
from wrapper.terminal import dialogue
from wrapper.terminal.console import Console
from wrapper.terminal.flow import Flow
from wrapper.terminal.keys import Key, Keys, Pressed

_BEGIN_WITHIN = 0.5  # seconds that output in the middle of a sequence can hold a question up
_UNREAD = 0.3  # seconds; what comes earlier was typed for what stood there before
_REPLIES = 2.0  # seconds for which what looks like a terminal's own word is one: later it is a key (F3 with Shift)
_ESCAPE = 0.1  # seconds after which an escape alone was the key
_REDRAW = 0.1  # seconds for which the child believes in another size
_NEVER = float("inf")


class Interlude:
    """Asks one question. To be given a `turn` whenever the relay turns, at `due` at the latest."""

    def __init__(
        self, number: int, question: Question, answered: Callable[[Answer], object], console: Console, screen: Flow
    ) -> None:
        self.number = number
        self.over = False
        self._answered = answered
        self._question = question
        self._console = console
        self._screen = screen
        self._dialogue = dialogue.Dialogue(question)
        self._keys = Keys()
        self._begin_by = time.monotonic() + _BEGIN_WITHIN
        self._seen_at = self._escape_at = self._redraw_at = _NEVER
        self._closed = False

    @property
    def takes_keys(self) -> bool:
        """Whether what is typed belongs to the question."""
        return self._screen.paused

    @property
    def due(self) -> float:
        """Monotonic seconds at which a turn is needed though nothing has happened."""
        return min(_NEVER if self.takes_keys or self._closed else self._begin_by, self._escape_at, self._redraw_at)

    def turn(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._closed:
            if now >= self._redraw_at:
                self._console.make_redraw(first=False)
                self.over = True
            return
        if not self.takes_keys and (self._console.between or now >= self._begin_by):
            self._begin()
        if self.takes_keys and self._seen_at == _NEVER and not self._screen.outlet.waiting:
            self._seen_at = now
        if now >= self._escape_at:
            self._press(self._keys.flush())

    def type(self, *, gone: bool) -> bool:
        """Read keys; True if one asks to stop the session (Ctrl-Z). `gone`: poll saw the terminal hang up."""
        data = self._console.read(gone=gone)
        return self._press(self._keys.feed(data)) if data else False

    def draw(self) -> None:
        """Draw the question, where it is shown, for the window's size now."""
        if self.takes_keys:
            size = self._console.outer.size
            self._screen.outlet.write(self._dialogue.frame(size.rows, size.columns))

    def close(self, answer: Answer | None = None) -> None:
        """Put the child's screen back and give the answer: nobody's, if none is given."""
        if self._closed:
            return
        self._closed = True
        self._escape_at = _NEVER
        self.over = not (self.takes_keys and self._console.alternate)
        if self.takes_keys:
            self._end()
        self._answered(answer or dialogue.nobody(self._question))

    def _begin(self) -> None:
        console = self._console
        if select.select([console.outer.fd], [], [], 0)[0]:
            console.type(self._screen, gone=False)
        self._screen.paused = True
        console.outer.undo_with(dialogue.LEAVE)
        self._screen.outlet.write(console.undo + dialogue.ENTER)
        self.draw()

    def _end(self) -> None:
        console = self._console
        self._screen.paused = False
        self._screen.outlet.write(dialogue.LEAVE + console.redo)
        console.outer.undo_with(console.undo)
        if console.alternate:  # what stood there is gone
            console.make_redraw(first=True)
            self._redraw_at = time.monotonic() + _REDRAW

    def _press(self, keys: Iterable[Pressed]) -> bool:
        now = time.monotonic()
        stops = False
        for pressed in keys:
            if pressed.key is Key.REPLY:
                if now < self._seen_at + _REPLIES:
                    self._console.keys.write(pressed.data)
            elif now >= self._seen_at + _UNREAD:
                stops = stops or pressed.key is Key.STOP
                self._dialogue.press(pressed)
        self._escape_at = now + _ESCAPE if self._keys.waiting else _NEVER
        if self._dialogue.answer is not None:
            self.close(self._dialogue.answer)
        else:
            self.draw()
        return stops


class Questions:
    """Asks one question after the other: at most one stands on the screen."""

    def __init__(self, console: Console, screen: Flow) -> None:
        self._console = console
        self._screen = screen
        self._asked: list[tuple[int, Question, Callable[[Answer], object]]] = []
        self._shown: Interlude | None = None

    @property
    def takes_keys(self) -> bool:
        """Whether what is typed belongs to a question."""
        return self._shown is not None and self._shown.takes_keys

    @property
    def due(self) -> float:
        """Monotonic seconds at which a turn is needed though nothing has happened."""
        return self._shown.due if self._shown is not None else _NEVER

    def ask(self, number: int, question: Question, answered: Callable[[Answer], object]) -> None:
        """Ask when those before it have been answered."""
        self._asked.append((number, question, answered))

    def withdraw(self, number: int) -> None:
        """Take a question back; nobody has answered it."""
        if self._shown is not None and self._shown.number == number:
            self._shown.close()
        self._asked = [asked for asked in self._asked if asked[0] != number]

    def dismiss(self) -> None:
        """End all: something else happens on the screen."""
        if self._shown is not None:
            self._shown.close()
        asked, self._asked = self._asked, []
        for _, question, answered in asked:
            answered(dialogue.nobody(question))

    def turn(self) -> None:
        """Do what is due."""
        if self._shown is None and self._asked:
            self._shown = Interlude(*self._asked.pop(0), self._console, self._screen)
        if self._shown is not None:
            self._shown.turn()
            if self._shown.over:
                self._shown = None

    def type(self, *, gone: bool) -> bool:
        """Read keys for the question that is shown; True if one asks to stop the session."""
        return self._shown is not None and self._shown.type(gone=gone)

    def draw(self) -> None:
        """Draw what is asked for the window's size now."""
        if self._shown is not None:
            self._shown.draw()
