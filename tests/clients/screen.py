"""A terminal for the real clients: a pseudo-terminal with a shell in it that answers what terminals are asked."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect

_PROMPT = "OUTER> "
_ANSWERS = (
    (rb"\x1b\[6n", b"\x1b[1;1R"),  # where the cursor is (DSR)
    (rb"\x1b\[0?c", b"\x1b[?62;22c"),  # what kind of terminal this is (DA1)
    (rb"\x1b\]1[01];\?(?:\x07|\x1b\\)", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),  # colours
)
_FORWARD = re.compile(r"\x1b\[(\d*)C")
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0e-\x1f]")


class Screen:
    """Start an interactive bash in `folder`; `raw` is everything that the terminal was sent."""

    def __init__(self, environ: Mapping[str, str], folder: Path, size: tuple[int, int] = (40, 120)) -> None:
        self.raw = b""
        self._answered = 0
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "-i"],
            env=dict(environ) | {"PS1": _PROMPT, "BASH_SILENCE_DEPRECATION_WARNING": "1"},
            cwd=str(folder),
            dimensions=size,
            timeout=30,
        )
        self.wait(_PROMPT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._shell.close(force=True)

    @property
    def text(self) -> str:
        """Everything that was written, without colours and movements; a movement to the right counts as spaces."""
        text = self.raw.decode("utf-8", "replace")
        return _CONTROL.sub("", _FORWARD.sub(lambda found: " " * int(found[1] or 1), text))

    def type(self, keys: str) -> None:
        """Press keys; a pause before Enter, since clients take a fast burst for a paste."""
        line, enter, _ = keys.partition("\r")
        self._shell.send(line)
        if enter:
            self.rest(0.4)
            self._shell.send(enter)

    def rest(self, seconds: float) -> None:
        """Go on reading for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._read(0.05)

    def wait(self, pattern: str, seconds: float = 40) -> None:
        """Read until `pattern` stands in what came since the last wait. Fails with the end of the text."""
        until = time.monotonic() + seconds
        start = getattr(self, "_seen", 0)
        while not (found := re.search(pattern, self.text[start:])):
            assert time.monotonic() < until, f"`{pattern}` never came; the screen ends with:\n{self.text[-1500:]}"
            self._read(0.1)
        self._seen = start + found.end()

    def until(self, holds: Callable[[], object], seconds: float = 40) -> None:
        """Read until something holds: clients repaint only what changes, so a sentence may never come in one piece."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"it never came to that; the screen ends with:\n{self.text[-1500:]}"
            self._read(0.1)

    def run(self, command: str, seconds: float = 60) -> int:
        """Run a command to its end; return its exit code."""
        self.type(f"{command}; echo code=$?=\r")
        self.wait(r"code=\d+=", seconds)
        return int(re.findall(r"code=(\d+)=", self.text)[-1])

    def _read(self, seconds: float) -> None:
        try:
            self.raw += self._shell.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF as error:
            raise AssertionError(f"the shell ended:\n{self.text[-1500:]}") from error
        self._answer()

    def _answer(self) -> None:
        for question, answer in _ANSWERS:
            for _ in re.finditer(question, self.raw[self._answered :]):
                self._shell.send(answer)
        self._answered = len(self.raw)
