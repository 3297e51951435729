"""Ctrl-Z, `fg` and their like, under a bash that controls jobs."""

import os
import re
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.terminal.screens import PROMPT, bash, driver, is_alive, python, wait_until

TUI = """
import os, signal, termios, tty
STOP = lambda: {stop}
def enter():
    tty.setraw(0)
    os.write(1, b"\\x1b[?1049h\\x1b[?25lDRAWN\\r\\n")
cooked = termios.tcgetattr(0)
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"RESIZED"))
enter()
while (key := os.read(0, 1000)) != b"q":
    if key == b"\\x1a":
        if {tidy}:
            os.write(1, b"\\x1b[?25h\\x1b[?1049l"); termios.tcsetattr(0, termios.TCSADRAIN, cooked)
        STOP()
        if {tidy}: enter()
    else:
        os.write(1, b"<" + key.hex().encode() + b">")
termios.tcsetattr(0, termios.TCSADRAIN, cooked)
os.write(1, b"\\x1b[?25h\\x1b[?1049lBYE\\r\\n")
"""
# How real TUIs stop: Codex kill(0, SIGTSTP); others SIGSTOP, to the group or to themselves alone.
STOPS = ("os.kill(0, signal.SIGTSTP)", "os.kill(0, signal.SIGSTOP)", "os.kill(os.getpid(), signal.SIGSTOP)")


def line(*arguments: str) -> str:
    return shlex.join(driver(*arguments))


def script(tmp_path: Path, code: str) -> list[str]:
    path = tmp_path / "tui.py"
    path.write_text(code)
    return ["/usr/bin/python3", "-I", "-S", str(path)]


def terminal_is_usable(shell: Any) -> None:
    shell.sendline("stty -a; echo IS=$((6*7))")
    shell.expect_exact("IS=42")
    assert re.search(rb"(?<!-)icanon", shell.before)
    assert re.search(rb"(?<!-)echo\b", shell.before)
    assert re.search(rb"(?<!-)opost", shell.before)
    assert re.search(rb"(?<!-)isig", shell.before)
    shell.expect_exact(PROMPT)


def test_ctrl_z_in_a_cooked_child_stops_the_job_and_fg_brings_it_back(tmp_path: Path) -> None:
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", "sh", "-c", "echo UP; exec cat"))
        shell.expect("\nUP")
        shell.send("one\r")
        shell.expect("one\r\none\r\n")
        shell.send("\x1a")
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)
        shell.sendline("jobs; fg")
        shell.expect("Stopped")
        shell.expect("driver.py")
        time.sleep(0.3)
        shell.send("two\r")
        shell.expect("two\r\ntwo\r\n")
        shell.send("\x04")
        shell.expect_exact(PROMPT)


@pytest.mark.parametrize("tidy", [True, False])
@pytest.mark.parametrize("stop", STOPS)
def test_a_tui_that_stops_itself_stops_the_job_and_is_redrawn_after(tmp_path: Path, stop: str, tidy: bool) -> None:  # noqa: FBT001
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", *script(tmp_path, TUI.format(stop=stop, tidy=tidy))))
        shell.expect("DRAWN")
        shell.send("\x1a")
        shell.expect_exact("\x1b[?1049l")
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)
        shell.setwinsize(33, 150)
        shell.sendline("fg")
        shell.expect("driver.py")
        shell.expect_exact("\x1b[?1049h")
        if tidy:  # it draws by itself, before or after it hears of the size
            shell.expect("DRAWN")
            shell.send("x")
            shell.expect("<78>")
            assert shell.before is not None
        else:
            shell.expect("RESIZED")
        shell.send("\x1b[A")
        shell.expect("<1b5b41>")
        shell.send("q")
        shell.expect("BYE")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)


@pytest.mark.parametrize("tidy", [True, False])
@pytest.mark.parametrize("stop", STOPS)
def test_only_a_tui_whose_screen_was_put_away_is_told_to_draw(tmp_path: Path, stop: str, tidy: bool) -> None:  # noqa: FBT001
    """One that left the screen itself draws when it goes on; told twice, it draws twice, the second over the first."""
    heard = 'signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"CONTINUED"))\nenter()\nwhile'
    code = TUI.format(stop=stop, tidy=tidy).replace("enter()\nwhile", heard)
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", *script(tmp_path, code)))
        shell.expect("DRAWN")
        shell.send("\x1a")
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        shell.sendline("fg")
        shell.expect("driver.py")
        shell.expect("DRAWN" if tidy else "RESIZED")
        before = shell.before
        time.sleep(0.3)
        shell.send("q")
        shell.expect("BYE")
        said = before + shell.before
        assert said.count(b"CONTINUED") == 1
        assert b"RESIZED" not in said
        shell.expect_exact(PROMPT)


def test_a_second_stop_works_like_the_first(tmp_path: Path) -> None:
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", *script(tmp_path, TUI.format(stop=STOPS[0], tidy=True))))
        for _ in range(3):
            shell.expect("DRAWN")
            shell.send("\x1a")
            shell.expect("Stopped")
            shell.expect_exact(PROMPT)
            shell.sendline("fg")
        shell.expect("DRAWN")
        shell.send("q")
        shell.expect("BYE")


def test_ctrl_z_in_a_pipeline_stops_all_of_it(tmp_path: Path) -> None:
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", "sh", "-c", "echo UP; exec cat") + " | tr a-z A-Z")
        shell.expect("\nUP")
        shell.send("\x1a")
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)
        shell.sendline("fg")
        shell.expect("A-Z")
        shell.send("loud\r")
        shell.expect("LOUD")
        shell.send("\x04")
        shell.expect_exact(PROMPT)


def test_the_wrapper_killed_while_stopped_leaves_the_shell_its_terminal(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    tui = script(tmp_path, TUI.format(stop=STOPS[0], tidy=True))
    with bash(tmp_path) as shell:
        shell.sendline(line("--pid", str(pids), "--sandbox", "--", *tui))
        shell.expect("DRAWN")
        shell.send("\x1a")
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        shell.sendline("kill -9 %1; sleep 0.3")
        shell.expect("Killed")
        terminal_is_usable(shell)
        assert not is_alive(int(pids.read_text().split()[1]))


def test_a_wrapper_stopped_from_outside_takes_the_terminal_back(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    tui = script(tmp_path, TUI.format(stop=STOPS[0], tidy=True))
    with bash(tmp_path) as shell:
        shell.sendline(line("--pid", str(pids), "--sandbox", "--", *tui))
        shell.expect("DRAWN")
        wrapper = int(pids.read_text().split()[0])
        os.kill(wrapper, signal.SIGSTOP)
        shell.expect("Stopped")
        shell.expect_exact(PROMPT)
        shell.sendline("fg")
        shell.expect("RESIZED")
        shell.send("\x1b[B")
        shell.expect("<1b5b42>")
        shell.send("q")
        shell.expect("BYE")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)


def test_a_job_in_the_background_waits_for_the_terminal(tmp_path: Path) -> None:
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", *script(tmp_path, TUI.format(stop=STOPS[0], tidy=True))) + " &")
        shell.expect_exact(PROMPT)
        time.sleep(0.5)
        shell.sendline("jobs")
        shell.expect("Stopped")
        shell.sendline("fg")
        shell.expect("DRAWN")
        shell.send("q")
        shell.expect("BYE")
        shell.expect_exact(PROMPT)
        terminal_is_usable(shell)


def test_a_shell_inside_controls_its_own_jobs(tmp_path: Path) -> None:
    with bash(tmp_path) as shell:
        shell.sendline(line("--sandbox", "--", "bash", "--norc", "--noprofile", "-i"))
        shell.expect(r"bash-[0-9.]+[$#] ")
        shell.sendline("cat")
        time.sleep(0.3)
        shell.send("\x1a")
        shell.expect("Stopped.*cat")
        shell.sendline("echo STILL=$((1+1)); fg")
        shell.expect("STILL=2")
        time.sleep(0.3)
        shell.send("deep\r")
        shell.expect("deep\r\ndeep")
        shell.send("\x03")
        shell.expect(r"bash-[0-9.]+[$#] ")
        shell.sendline("exit 4")
        shell.expect_exact(PROMPT)
        shell.sendline("echo code=$?")
        shell.expect("code=4")


def test_without_job_control_outside_a_stop_is_passed_over(tmp_path: Path) -> None:
    """Nobody could continue us: the kernel ignores the stop, and the child must go on."""
    from tests.terminal.screens import screen

    with screen(tmp_path, "--sandbox", "--", *python(TUI.format(stop=STOPS[0], tidy=True))) as shown:
        shown.wait_for(rb"DRAWN")
        shown.type(b"\x1a")
        shown.wait_for(rb"DRAWN")
        wait_until(lambda: shown.is_raw)
        shown.type(b"q")
        shown.wait_for(rb"BYE")
        assert shown.end() == 0
