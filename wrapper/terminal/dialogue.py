"""One question on a screen of our own: what is drawn, and what the keys make of it. Pure.

The frame's words stand at the left edge; all that may come from the inside stands behind a bar and is cut to the
window, so no path and no excerpt can pass for a word of safe-agent's.
"""

from wrapper.ports import Answer, Question
from wrapper.terminal.harmless import cells, cut, harmless, tail, wrap
from wrapper.terminal.keys import Key, Pressed

_TITLE = " safe-agent asks"
_BAR = "│ "
_MOST_OF_QUESTION = 6  # lines of the question itself, so that something of what it is about is always seen
_LONGEST = 500  # characters of a line that somebody types

ENTER = (
    b"\x1b\\\x1b[?1049h"  # the end of a control string that was cut; colours and letters are saved with the cursor
    b"\x0f\x1b(B\x1b[0m\x1b[2J"
    b"\x1b[>0u"  # plain keys: each screen has a stack of its own for kitty's protocol, and a child may have filled it
    b"\x1b[?7l\x1b[?2004h\x07"  # without wrapping a cell too many shifts no line
)
LEAVE = b"\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[<u\x1b[?1049l"


def nobody(question: Question) -> Answer:
    """Give what is answered where nobody does."""
    return Answer(question.answers[0], by="nobody")


class Dialogue:
    """Asks one question; `answer` is set once it has been answered."""

    def __init__(self, question: Question) -> None:
        self.answer: Answer | None = None
        self._question = question
        self._what = harmless(question.what)
        self._lines = [harmless(line) for line in question.lines]
        self._typed = ""
        self._choice = ""  # one that wants a reason
        self._note = self._help()

    def press(self, pressed: Pressed) -> None:
        """Follow one key; none means anything after the answer."""
        if self.answer is not None:
            return
        match pressed.key:
            case Key.ESCAPE | Key.INTERRUPT:
                self.answer = Answer(self._question.answers[0])
            case Key.ENTER:
                self._submit(self._typed.strip())
            case Key.BACKSPACE:
                self._typed = self._typed[:-1]
            case Key.CLEAR:
                self._typed = ""
            case Key.TEXT:
                self._add(pressed.text)
            case Key.PASTED if self._choice:  # a choice is typed: what lands here may have been meant for the agent
                self._add(pressed.text if pressed.text.isprintable() else " ")
            case _:
                pass

    def _add(self, text: str) -> None:
        self._typed = (self._typed + text)[:_LONGEST]

    def _submit(self, line: str) -> None:
        if self._choice:
            self._give_reason(line)
            return
        self._typed = ""
        chosen = _matching(line, self._question.answers)
        if len(chosen) != 1:
            self._note = f"type {self._choices(' or ')}"
        elif self._question.wants_reason and chosen[0] != self._question.answers[0]:
            self._choice = chosen[0]
            self._note = f"say why: it is recorded. Escape: {self._question.answers[0]}"
        else:
            self.answer = Answer(chosen[0])

    def _give_reason(self, line: str) -> None:
        if line:
            self.answer = Answer(self._choice, reason=line)

    def _help(self) -> str:
        safe = self._question.answers[0]
        return f"Escape or Ctrl-C: {safe}; without an answer: {safe}"

    def _choices(self, between: str) -> str:
        return between.join(self._question.answers)

    def frame(self, rows: int, columns: int) -> bytes:
        """Draw the whole window anew, the cursor at the end of what was typed."""
        title = b"\x1b[7m%b\x1b[0m" % _encoded(cut(_TITLE, columns).ljust(columns))
        prompt = self._prompt(columns)
        note = cut(self._note, columns)
        body = [_encoded(line) for line in self._body(max(0, rows - 3), columns)]
        page = [title, *body, _encoded(note), _encoded(prompt)][-rows:]
        drawn = b"\r\n".join(line + (b"" if line is title else b"\x1b[K") for line in page)
        return b"\x1b[?25l\x1b[H%b\x1b[J\x1b[%d;%dH\x1b[?25h" % (drawn, len(page), min(cells(prompt) + 1, columns))

    def _prompt(self, columns: int) -> str:
        prompt = "reason: " if self._choice else f"answer ({self._choices(', ')}): "
        prompt = cut(prompt, columns // 2) if cells(prompt) > columns - 8 else prompt
        return prompt + tail(harmless(self._typed), max(0, columns - 1 - cells(prompt)))

    def _body(self, room: int, columns: int) -> list[str]:
        width = max(0, columns - cells(_BAR))
        question = wrap(self._what, width, min(room, _MOST_OF_QUESTION))
        lines = ["", *(cut(line, width) for line in self._lines)] if self._lines else []
        left = room - len(question)
        if len(lines) > left:
            lines = [*lines[: left - 1], cut(f"… {len(lines) - left + 1} more lines", width)] if left > 0 else []
        body = [cut(_BAR + line, columns) for line in [*question, *lines]]
        return [*body, ""] if len(body) < room else body


def _matching(typed: str, answers: tuple[str, ...]) -> list[str]:
    """Give the answers that a word, or its first letters, may mean."""
    typed = typed.casefold()
    if not typed:
        return []
    exact = [answer for answer in answers if answer.casefold() == typed]
    return exact or [answer for answer in answers if answer.casefold().startswith(typed)]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
