import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event, warned
from wrapper.audit import events
from wrapper.cli import audit
from wrapper.errors import SafeAgentError
from wrapper.review.painter import LEAVE
from wrapper.review.screen import Screen

pytestmark = pytest.mark.timeout(60)
_COMMAND = str(Path(sys.executable).parent / "safe-agent")


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("play", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _output(at: float, data: bytes) -> events.Output:
    return events.Output(at=at, stream="tty", data=data)


_STORY: list[events.Event] = [
    start_event(),
    events.Resize(at=1_000.0, rows=6, columns=30),
    _output(1_000.0, b"\x1b[31mfirst\x1b[0m picture"),
    _output(1_000.2, b"\r\nsecond line"),
    warned("between"),
    _output(1_060.0, b"\x1b[2J\x1b[Hthe end\x1b]0;title\x07"),
    ended(),
]


def _frame(user: Home, text: bytes) -> int:
    """The number of the frame that brought this text to the screen."""
    from wrapper.audit import reader

    records = reader.read_records(user.directory(), user.keys.load_identity())
    return next(record.sequence for record in records if text in getattr(record.event, "data", b""))


class _Terminal:
    """A terminal of 80 by 24 in which `safe-agent audit play` runs; `screen` is what stands on it."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (24, 80), command: str = _COMMAND) -> None:
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH")
        environ = {name: os.environ[name] for name in names} | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        words = ["audit", "play", *arguments] if command == _COMMAND else list(arguments)
        self.child = pexpect.spawn(command, words, env=environ, dimensions=size, timeout=20)
        self.before = termios.tcgetattr(self.child.child_fd)
        self.raw = b""
        self.screen = Screen(size[1], size[0])

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, f"it never came to that; shown is:\n{self.text}"
            self.read()

    def read(self, seconds: float = 0.1) -> None:
        try:
            data = self.child.read_nonblocking(65_536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.raw += data
        self.screen.feed(data)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.lines())

    def sees(self, text: str) -> None:
        self.until(lambda: text in self.text)

    def ends(self) -> int:
        """Read to the end; return the exit code, negative for a signal."""
        self.until(lambda: not self.child.isalive())
        self.read()
        self.child.close()
        return int(-self.child.signalstatus if self.child.signalstatus else self.child.exitstatus)

    def is_given_back(self) -> bool:
        """Whether the line is as it was; asked before the end is read."""
        return bool(termios.tcgetattr(self.child.child_fd) == self.before)


def test_without_a_terminal_the_screen_of_each_pause_is_printed(user: Home) -> None:
    user.write(written=_STORY)
    result = _run()
    assert result.exit_code == 0
    assert re.sub(r"frame \d+", "frame N", result.stdout).splitlines() == [
        "--- 0:00, frame N, 30 columns, 6 rows",
        "first picture",
        "second line",
        "--- 0:02, frame N, 30 columns, 6 rows",
        "the end",
    ]


def test_goto_prints_the_screen_of_that_moment(user: Home) -> None:
    user.write(written=_STORY)
    number = _frame(user, b"first")
    assert _run("--goto", str(number)).stdout.splitlines() == [
        f"--- 0:00, frame {number}, 30 columns, 6 rows",
        "first picture",
    ]
    assert _run("--goto", "ond li").stdout.splitlines()[1:] == ["first picture", "second line"]


def test_a_text_that_never_stood_there_is_one_clear_error(user: Home) -> None:
    user.write(written=_STORY)
    error = _run("--goto", "never").exception
    assert isinstance(error, SafeAgentError)
    assert (error.what, error.exit_code) == ("`never` never stood on the screen", 125)


def test_a_session_that_showed_nothing_is_one_clear_error(user: Home) -> None:
    user.write(written=[start_event(), ended()])
    assert isinstance(_run().exception, SafeAgentError)


def test_an_open_log_is_played_and_said_to_be_open(user: Home) -> None:
    user.write(written=_STORY, seal=False)
    result = _run()
    assert "the end" in result.stdout
    assert "not sealed" in result.stderr
    assert result.exit_code == 10


def test_a_tampered_log_is_played_as_far_as_it_is_good(user: Home) -> None:
    directory = user.write(written=_STORY)
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:-4], frames[-4][:-1] + bytes([frames[-4][-1] ^ 1]), *frames[-3:]])
    result = _run()
    assert "first picture" in result.stdout
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 12


def test_it_plays_on_a_terminal_and_gives_it_back(user: Home) -> None:
    user.write(written=_STORY)
    terminal = _Terminal("--idle", "0.3")
    terminal.sees("second line")
    terminal.sees("the end")
    terminal.sees(" end  0:00")
    assert b"\x1b[0;31mfirst" in terminal.raw
    terminal.child.send("q")
    terminal.until(lambda: terminal.raw.endswith(LEAVE) or not terminal.child.isalive())
    assert terminal.ends() == 0
    assert terminal.raw.rstrip().endswith(LEAVE)
    assert "the end" not in terminal.text  # what was there before is there again


def test_space_pauses_and_a_dot_steps_and_arrows_seek(user: Home) -> None:
    user.write(written=_STORY)
    terminal = _Terminal("--idle", "9999")
    terminal.sees("second line")
    terminal.child.send(" ")
    terminal.sees(" paused  0:00")
    terminal.child.send(".")
    terminal.sees("the end")
    terminal.child.send("\x1b[D")
    terminal.sees("0:55")
    terminal.sees("second line")
    terminal.child.send("\x1b[C")
    terminal.sees("the end")
    terminal.child.send("++-")
    terminal.sees("  2x  ")
    terminal.child.send("\x03")
    assert terminal.ends() == 0


def test_goto_stands_still_at_that_moment(user: Home) -> None:
    user.write(written=_STORY)
    terminal = _Terminal("--goto", "first")
    terminal.sees("first picture")
    terminal.sees(" paused ")
    assert "second" not in terminal.text
    terminal.child.send("q")
    assert terminal.ends() == 0


def test_a_terminal_that_is_too_small_says_so_and_follows_its_size(user: Home) -> None:
    user.write(written=_STORY)
    terminal = _Terminal("--goto", "second", size=(4, 75))
    terminal.sees("cut: it was 30 by 6")
    terminal.child.setwinsize(24, 100)
    terminal.screen.resize(100, 24)
    terminal.until(lambda: "q quit" in terminal.screen.lines()[23])
    assert "cut" not in terminal.screen.lines()[23]
    terminal.child.send("q")
    assert terminal.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_terminal_is_given_back(user: Home, number: signal.Signals) -> None:
    user.write(written=_STORY)
    terminal = _Terminal("--goto", "first")
    terminal.sees(" paused ")
    assert not terminal.is_given_back()
    terminal.child.kill(number)
    terminal.until(terminal.is_given_back)
    assert terminal.ends() == 128 + number
    assert LEAVE in terminal.raw


def test_even_when_it_is_killed_the_terminal_is_given_back(user: Home) -> None:
    user.write(written=_STORY)
    shell = _Terminal("--norc", "--noprofile", command="/bin/bash")
    shell.child.send(f"{_COMMAND} audit play --goto first; echo code=$?\r")
    shell.sees(" paused ")
    pid = int(
        (Path("/proc") / str(shell.child.pid) / "task" / str(shell.child.pid) / "children").read_text().split()[0]
    )
    os.kill(pid, signal.SIGKILL)
    shell.until(lambda: b"code=137" in shell.raw)  # gone from the screen, if the terminal is given back only after it
    shell.child.send("stty -a | grep -c -- ' icanon'; echo typed\r")
    shell.until(lambda: re.search(r"^1$", shell.text, re.MULTILINE))
    shell.child.send("exit\r")
    shell.ends()


def test_it_can_be_stopped_and_brought_back(user: Home) -> None:
    user.write(written=_STORY)
    shell = _Terminal("--norc", "--noprofile", command="/bin/bash")
    shell.child.send(f"{_COMMAND} audit play --goto first; echo code=$?\r")
    shell.sees(" paused ")
    shell.child.send("\x1a")
    shell.sees("Stopped")
    shell.child.send("echo usable\r")
    shell.until(lambda: shell.text.count("usable") == 2)
    shell.child.send("fg\r")
    shell.sees("first picture")
    shell.child.send("q")
    shell.until(lambda: LEAVE in shell.raw[-200:])
    shell.child.send("echo again=$?\r")
    shell.sees("again=0")
    shell.child.send("exit\r")
    shell.ends()


def test_where_pyte_is_missing_it_is_one_clear_error_that_names_the_extra(user: Home) -> None:
    user.write(written=_STORY)
    code = "import sys; sys.modules['pyte'] = None; from wrapper.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", "play"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 125
    assert "Traceback" not in done.stderr
    assert "its extra `review`" in done.stderr


def test_its_help_has_an_example_and_the_exit_codes() -> None:
    text = _run("--help").output
    assert "Example" in text
    assert "Exit codes: 0" in text
