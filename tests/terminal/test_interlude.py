"""Questions on a real pseudo-terminal: what the user sees, and what the child gets."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.terminal.asking import ENTERED, LEFT, MODES, TYPING, Guard, asked, echo, tui
from tests.terminal.screens import Screen, driver, screen, wait_until
from tests.terminal.test_relay import log_of


def test_a_question_is_answered_and_nothing_of_it_reaches_the_child_or_the_log(tmp_path: Path, guard: Guard) -> None:
    log = tmp_path / "log"
    with tui(tmp_path, guard, "--log", str(log), "--typed") as shown:
        shown.type(b"a")
        shown.wait_for(echo(b"a"))
        asked(shown, guard, what="May secret/plan.txt leave?")
        for key in (b"y", b"e", b"s", b"\r"):
            shown.type(key)
        assert guard.answer() == [1, "yes", "", "user"]
        shown.wait_for(LEFT)
        shown.type(b"b")
        shown.wait_for(echo(b"b"))
        assert b"79" not in shown.seen
        shown.type(b"q")
        assert shown.end() == 0
    entries = log_of(log)
    assert "".join(str(one["typed"]) for one in entries if "typed" in one) == "abq"
    assert "plan.txt" not in "".join(str(one.get("data")) for one in entries)


def test_output_waits_and_is_shown_whole_and_in_order_afterwards(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard, code="import os\nos.write(1, b'UP\\n')\nfor n in range(60000): print(n)") as shown:
        asked(shown, guard)
        time.sleep(0.3)
        first = shown.read()
        shown.type(b"y\r")
        assert guard.answer()[1] == "yes"
        shown.wait_for(LEFT)
        assert b"\n" not in first, "output was shown within the question"
        assert shown.end(30) == 0
        cut, *numbers = [int(number) for number in shown.seen.split() if number.isdigit()]
        assert str(numbers[0] - 1).endswith(str(cut)), "what was looked at before may end within a number"
        assert numbers == list(range(numbers[0], 60000))


def test_no_byte_is_lost_around_questions(tmp_path: Path, guard: Guard) -> None:
    """The child's bytes, without what the questions drew, are what it wrote, colours cut nowhere."""
    code = """
import os, time
os.write(1, b"UP")
for n in range(3000):
    os.write(1, b"\\x1b[38;5;%dm%d\\x1b[0m \\xe2\\x82\\xac\\n" % (n % 256, n))
    if n % 30 == 0: time.sleep(0.005)
"""
    with tui(tmp_path, guard, code=code) as shown:
        whole = b""
        for number in range(3):
            guard.ask(number)
            whole += before(shown, b"\x1b\\\x1b[?1049h\x0f")
            shown.wait_for(rb"answer \(.*\x1b\[\?25h")
            time.sleep(TYPING)
            shown.type(b"y\r")
            assert guard.answer()[0] == number
            shown.wait_for(LEFT)
            time.sleep(0.05)
        assert shown.end(20) == 0
        whole += shown.seen
    assert whole == b"".join(b"\x1b[38;5;%dm%d\x1b[0m \xe2\x82\xac\r\n" % (n % 256, n) for n in range(3000))


def before(shown: Screen, mark: bytes) -> bytes:
    """Read up to `mark`; what came before it."""
    wait_until(lambda: mark in shown.read())
    text, _, shown.seen = shown.seen.partition(mark)
    return text


HALVES = """
import os, tty
tty.setraw(0); os.write(1, b"UP\\x1b[3")
os.read(0, 1); os.write(1, b"1mRED")
os.read(0, 1)
"""


def test_a_question_waits_for_the_end_of_a_sequence_that_is_half_shown(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard, code=HALVES) as shown:
        guard.ask(1)
        assert before(shown, b"\x1b[3") == b""
        time.sleep(0.2)
        assert shown.read() == b""
        shown.type(b"k")
        assert before(shown, b"\x1b\\\x1b[?1049h") == b"1mRED"


def test_a_sequence_without_end_keeps_no_question_waiting(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard, code=HALVES) as shown:
        guard.ask(1)
        start = time.monotonic()
        shown.wait_for(ENTERED)
        assert 0.4 < time.monotonic() - start < 3


def test_the_modes_of_the_child_are_put_away_and_brought_back(tmp_path: Path, guard: Guard) -> None:
    code = f"import os\nos.write(1, {MODES!r} + b'UP')\nos.read(0, 1)"
    with tui(tmp_path, guard, code=code) as shown:
        guard.ask(1)
        shown.wait_for(rb"\x1b\[\?1000l.*\x1b\[\?2004l.*\x1b\[<1u.*" + ENTERED)
        time.sleep(TYPING)
        shown.type(b"\x1b")
        assert guard.answer() == [1, "no", "", "user"]
        shown.wait_for(LEFT + rb".*\x1b\[>1u.*\x1b\[\?2004h.*\x1b\[\?1000h")


def test_a_curses_program_draws_all_of_its_screen_again(tmp_path: Path, guard: Guard) -> None:
    code = """
import curses
def main(window):
    while True:
        rows, columns = window.getmaxyx()
        window.erase()
        for row in range(rows): window.insstr(row, 0, f"row {row} of {rows} by {columns} UP")
        window.refresh()
        if window.getch() == ord("q"): return
curses.wrapper(main)
"""
    command = ["/usr/bin/python3", "-c", code]
    with screen(tmp_path, "--ask", guard.path, "--", *command, size=(10, 40)) as shown:
        shown.wait_for(rb"row 9 of 10 by 40 UP")
        asked(shown, guard)
        shown.type(b"y\r")
        assert guard.answer()[1] == "yes"
        shown.wait_for(LEFT + rb".*\x1b\[\?1049h")
        shown.wait_for(b".*".join(rb"row %d of 10 by 40 UP" % row for row in range(10)))
        shown.type(b"q")
        assert shown.end() == 0


def test_a_program_on_the_main_screen_hears_of_no_size(tmp_path: Path, guard: Guard) -> None:
    code = """
import os, signal, tty
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"RESIZED"))
tty.setraw(0); os.write(1, b"UP")
while os.read(0, 1) != b"q": os.write(1, b"KEY")
"""
    with tui(tmp_path, guard, code=code) as shown:
        asked(shown, guard)
        shown.type(b"y\r")
        assert guard.answer()[1] == "yes"
        time.sleep(0.4)
        shown.type(b"k")
        shown.wait_for(rb"KEY")
        shown.type(b"q")
        assert shown.end() == 0
        assert b"RESIZED" not in shown.seen


def test_keys_of_the_first_moment_and_those_typed_ahead_answer_nothing(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        os.kill(shown.process.pid, signal.SIGSTOP)
        guard.ask(1)
        shown.type(b"y\r")  # meant for the child, which is what stood on the screen
        os.kill(shown.process.pid, signal.SIGCONT)
        shown.wait_for(rb"answer \(")
        shown.type(b"y\r")
        time.sleep(0.1)
        shown.type(b"\x03")
        assert not guard.has_heard
        time.sleep(TYPING)
        shown.type(b"n\r")
        assert guard.answer() == [1, "no", "", "user"]
        shown.wait_for(LEFT)
        shown.wait_for(echo(b"y\r"))
        assert b"<79" not in shown.seen


def test_what_the_terminal_says_by_itself_still_reaches_the_child(tmp_path: Path, guard: Guard) -> None:
    """A child that has asked where the cursor is waits for that, and may end without it."""
    with tui(tmp_path, guard) as shown:
        guard.ask(1)
        shown.wait_for(rb"answer \(")
        shown.type(b"\x1b[12;40R")
        time.sleep(TYPING)
        shown.type(b"x\x1b[A\r\x15y\r")
        assert guard.answer()[1] == "yes"
        shown.wait_for(LEFT)
        shown.wait_for(echo(b"\x1b[12;40R"))
        shown.type(b"q")
        assert shown.end() == 0
        assert b"<" not in shown.seen


def test_a_key_that_looks_like_such_a_word_does_not_reach_the_child(tmp_path: Path, guard: Guard) -> None:
    """F3 with Shift is what a cursor in the first line says; nothing is waited for any more by then."""
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        time.sleep(2)
        shown.type(b"\x1b[1;2Ry\r")
        assert guard.answer()[1] == "yes"
        shown.wait_for(LEFT)
        shown.type(b"q")
        assert shown.end() == 0
        assert b"<" not in shown.seen


def test_several_questions_come_one_after_the_other(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        for number, what in enumerate(("First", "Second", "Third")):
            guard.ask(number, what)
        for number, pattern in enumerate((b"First", b"Second", b"Third")):
            shown.wait_for(pattern + rb".*answer \(")
            time.sleep(TYPING)
            shown.type(b"y\r" if number % 2 else b"n\r")
            assert guard.answer()[:2] == [number, "yes" if number % 2 else "no"]
            shown.wait_for(LEFT)
        shown.type(b"q")
        assert shown.end() == 0


def test_a_question_that_is_withdrawn_goes_away(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        guard.ask(2, "Second")
        guard.withdraw(2)
        guard.withdraw(1)
        assert guard.answer() == [1, "no", "", "nobody"]
        shown.wait_for(LEFT)
        shown.type(b"k")
        shown.wait_for(echo(b"k"))
        assert b"Second" not in shown.seen


def test_a_window_of_another_size_is_drawn_anew(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard, size=(24, 80)) as shown:
        asked(shown, guard, what="word " * 12)
        shown.resize(10, 30)
        shown.wait_for(rb"\xe2\x94\x82 word word word word word\x1b\[K\r\n\xe2\x94\x82 word")
        shown.type(b"y\r")
        assert guard.answer()[1] == "yes"


def test_an_escape_alone_is_the_safe_answer(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        shown.type(b"yes\x1b")
        assert guard.answer() == [1, "no", "", "user"]


@pytest.mark.parametrize("on_tty", ["12", "02", "2", ""])
def test_nobody_is_asked_where_keyboard_and_screen_are_not_both_the_users(
    tmp_path: Path, guard: Guard, on_tty: str
) -> None:
    with screen(tmp_path, "--ask", guard.path, "--", "sleep", "2", on_tty=on_tty) as shown:
        guard.ask(1)
        assert guard.answer() == [1, "no", "", "nobody"]
        assert b"Go on?" not in shown.read()


def test_a_guard_that_goes_away_between_questions_is_no_harm(tmp_path: Path, guard: Guard) -> None:
    with tui(tmp_path, guard) as shown:
        asked(shown, guard)
        shown.type(b"y\r")
        guard.answer()
        guard.close()
        shown.wait_for(LEFT)
        shown.type(b"k")
        shown.wait_for(echo(b"k"))
        shown.type(b"q")
        assert shown.end() == 0


def test_the_relay_loads_nothing_for_questions_before_there_is_one() -> None:
    code = (
        "import sys, wrapper.running, wrapper.terminal.relay, wrapper.terminal.transcript;"
        "print([name for name in ('interlude', 'dialogue', 'keys', 'harmless') if f'wrapper.terminal.{name}' in sys.modules])"
    )
    done = subprocess.run([driver()[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
