"""Every way in which a question on a real pseudo-terminal ends without having been answered."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.terminal.asking import TYPING, Guard, asked, tui
from tests.terminal.screens import PROMPT, Screen, bash, python, screen, wait_until
from tests.terminal.test_relay import RAW_TUI
from tests.terminal.test_stopping import TUI, line, script, terminal_is_usable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_session_ends_the_question_first(
    tmp_path: Path, guard: Guard, number: signal.Signals
) -> None:
    with tui(tmp_path, guard) as shown:
        before_it = shown.settings
        asked(shown, guard)
        shown.process.send_signal(number)
        assert guard.answer() == [1, "no", "", "nobody"]
        assert shown.end() == 128 + number
        assert ends_as_it_began(shown)
        assert shown.settings[3] == before_it[3] or not shown.is_raw


def ends_as_it_began(shown: Screen) -> bool:
    """Whether the alternate screen was left, the cursor is seen, pastes are plain and lines wrap."""
    last = {mode: max(shown.seen.rfind(mode + b"h"), shown.seen.rfind(mode + b"l")) for mode in MODES_WE_SET}
    return all(shown.seen[at + len(mode) :][:1] == MODES_WE_SET[mode] for mode, at in last.items() if at >= 0)


MODES_WE_SET = {b"\x1b[?1049": b"l", b"\x1b[?25": b"h", b"\x1b[?2004": b"l", b"\x1b[?7": b"h"}


def test_a_child_that_dies_takes_its_question_along(tmp_path: Path, guard: Guard) -> None:
    pids = tmp_path / "pids"
    with tui(tmp_path, guard, "--pid", str(pids)) as shown:
        asked(shown, guard)
        os.kill(int(pids.read_text().split()[1]), signal.SIGKILL)
        assert guard.answer() == [1, "no", "", "nobody"]
        assert shown.end() == 137
        assert ends_as_it_began(shown)
        assert not shown.is_raw


def test_a_guard_that_dies_ends_question_and_session(tmp_path: Path, guard: Guard) -> None:
    process = subprocess.Popen(["sleep", "100"])
    try:
        with tui(tmp_path, guard, "--watch", f"guard={process.pid}") as shown:
            asked(shown, guard)
            process.kill()
            assert shown.end() == 125
            assert ends_as_it_began(shown)
            assert b"the guard ended unexpectedly" in shown.seen
            assert not shown.is_raw
    finally:
        process.kill()
        process.wait()


def test_a_closed_terminal_ends_question_and_session(tmp_path: Path, guard: Guard) -> None:
    shown = Screen(tmp_path, ["--ask", guard.path, "--", *python(RAW_TUI)])
    shown.wait_for(rb"UP")
    asked(shown, guard)
    os.close(shown.master)
    assert guard.answer() == [1, "no", "", "nobody"]
    shown.process.wait(timeout=8)
    shown.master = os.open(os.devnull, os.O_RDONLY)
    shown.close()


def test_the_guardian_brings_back_a_terminal_that_showed_a_question(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        shown.seen = b""
        shown.process.kill()
        wait_until(lambda: not shown.is_raw)
        wait_until(lambda: b"\x1b[?1049l" in shown.read())
        assert ends_as_it_began(shown)


@pytest.mark.parametrize("how", ["key", "signal"])
def test_a_stop_ends_the_question_and_gives_the_terminal_back(tmp_path: Path, guard: Guard, how: str) -> None:
    pids = tmp_path / "pids"
    with bash(tmp_path) as shell:
        child = script(tmp_path, TUI.format(stop="None", tidy=False))
        shell.sendline(line("--ask", guard.path, "--pid", str(pids), "--sandbox", "--", *child))
        shell.expect("DRAWN")
        guard.ask(1)
        shell.expect_exact("answer (")
        time.sleep(TYPING)
        if how == "key":
            shell.send("\x1a")
        else:
            os.kill(int(pids.read_text().split()[0]), signal.SIGTSTP)
        assert guard.answer() == [1, "no", "", "nobody"]
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)
        shell.sendline("fg")
        shell.expect_exact("\x1b[?1049h")
        shell.expect("RESIZED")
        shell.send("q")
        shell.expect("BYE")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)


def test_a_session_that_was_stopped_from_outside_shows_its_question_again(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        os.kill(shown.process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(shown.process.pid, signal.SIGCONT)
        shown.wait_for(rb"answer \(")
        shown.type(b"y\r")
        assert guard.answer() == [1, "yes", "", "user"]


def test_a_terminal_that_does_not_read_keeps_no_question_from_ending(tmp_path: Path, guard: Guard) -> None:
    with screen(tmp_path, "--ask", guard.path, "--", "yes") as shown:
        wait_until(lambda: shown.is_raw)
        time.sleep(0.5)
        guard.ask(1)
        time.sleep(0.7)
        shown.type(b"y\r")
        assert not guard.has_heard, "it cannot have been read"
        guard.withdraw(1)
        assert guard.answer()[3] == "nobody"
        shown.process.send_signal(signal.SIGTERM)
        shown.process.wait(timeout=12)
