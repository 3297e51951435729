"""A guard that asks through the driver, and a child that shows what reaches it."""

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.terminal.screens import Screen, python, screen
from tests.terminal.test_relay import RAW_TUI

ENTERED, LEFT = rb"\x1b\[\?1049h\x0f", rb"\x1b\[\?1049l"
TYPING = 0.4  # seconds after which keys are answers
MODES = b"\x1b[?2004h\x1b[?1000h\x1b[>1u"


class Guard:
    """Stands for the guard: asks, withdraws, hears answers."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(self.path)
        self._listening.listen(1)
        self._line: socket.socket | None = None

    def _say(self, *words: Any) -> None:
        if self._line is None:
            self._listening.settimeout(10)
            self._line, _ = self._listening.accept()
        self._line.send(json.dumps(words).encode())

    def ask(self, number: int, what: str = "Go on?", **more: Any) -> None:
        self._say(number, {"what": what, **more})

    def withdraw(self, number: int) -> None:
        self._say(number, None)

    def answer(self, seconds: float = 5) -> list[Any]:
        """The next answer: number, choice, reason, by."""
        assert self._line is not None
        self._line.settimeout(seconds)
        answer: list[Any] = json.loads(self._line.recv(65536))
        return answer

    @property
    def has_heard(self) -> bool:
        return self._line is not None and bool(select.select([self._line], [], [], 0.1)[0])

    def close(self) -> None:
        self._listening.close()
        if self._line is not None:
            self._line.close()


@contextmanager
def tui(home: Path, guard: Guard, *options: str, code: str = RAW_TUI, **more: Any) -> Iterator[Screen]:
    with screen(home, "--ask", guard.path, *options, "--", *python(code), **more) as shown:
        shown.wait_for(rb"UP")
        yield shown


def echo(keys: bytes) -> bytes:
    """What RAW_TUI writes when it is given these."""
    return b"<" + keys.hex().encode() + b">"


def asked(shown: Screen, guard: Guard, number: int = 1, **more: Any) -> None:
    """Ask, and wait until the question may be answered."""
    guard.ask(number, **more)
    shown.wait_for(ENTERED)
    shown.wait_for(rb"answer \(.*\x1b\[\?25h")
    time.sleep(TYPING)
