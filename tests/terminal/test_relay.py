"""wrapper.terminal.relay on a terminal: size, echo, signals, ends, what it refuses."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from statistics import median

from tests.terminal.screens import Screen, in_pieces, is_alive, python, screen, shown_in_time, wait_until

RAW_TUI = """
import os, sys, termios, tty
tty.setraw(0)
os.write(1, b"\\x1b[?1049h\\x1b[?25l\\x1b[?2004hUP")
while (key := os.read(0, 1000)):
    if key == b"q": break
    os.write(1, b"<" + key.hex().encode() + b">")
"""


def log_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_child_sees_the_size_of_the_terminal_and_its_changes(tmp_path: Path) -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGWINCH, lambda *_: print(tuple(os.get_terminal_size()), flush=True))
print(tuple(os.get_terminal_size()), flush=True)
while True: time.sleep(1)
"""
    log = tmp_path / "log"
    with screen(tmp_path, "--sandbox", "--log", str(log), "--", *python(code), size=(30, 101)) as shown:
        shown.wait_for(rb"\(101, 30\)")
        for columns in (90, 120, 64):
            shown.resize(20, columns)
            shown.wait_for(rb"\(%d, 20\)" % columns)
    sizes = [(line["rows"], line["columns"]) for line in log_of(log) if "rows" in line]
    assert sizes == [(30, 101), (20, 90), (20, 120), (20, 64)]


def test_a_cooked_child_echoes_once(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "cat") as shown:
        wait_until(lambda: shown.is_raw)
        shown.type(b"hello\r")
        shown.wait_for(rb"\Ahello\r\nhello\r\n")
        shown.type(b"\x04")
        assert shown.end() == 0


def test_keys_paste_and_screens_pass_unchanged(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", *python(RAW_TUI)) as shown:
        shown.wait_for(rb"\x1b\[\?1049h\x1b\[\?25l\x1b\[\?2004hUP")
        keys = b"\x1b[200~pasted\x03\x1a\x1c\r\n\x1b[201~\x1b[<0;10;5M\x00\xff"
        shown.type(keys)
        got = b""
        while len(got) < len(keys):
            got += bytes.fromhex(shown.wait_for(rb"<([0-9a-f]+)>")[1].decode())
        assert got == keys
        shown.type(b"q")
        assert shown.end() == 0


def test_the_terminal_is_as_before_after_every_end(tmp_path: Path) -> None:
    with screen(tmp_path, "--", "true") as shown:
        before = shown.settings
        assert shown.end() == 0
        assert shown.settings == before


def test_modes_that_a_killed_child_left_on_are_undone(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with screen(tmp_path, "--pid", str(pids), "--", *python(RAW_TUI)) as shown:
        shown.wait_for(rb"UP")
        os.kill(int(pids.read_text().split()[1]), signal.SIGKILL)
        assert shown.end() == 128 + signal.SIGKILL
        assert re.search(rb"\x1b\[\?2004l.*\x1b\[\?25h.*\x1b\[\?1049l", shown.seen)
        assert not shown.is_raw


def test_exit_codes_are_those_of_the_child(tmp_path: Path) -> None:
    for script, code in (("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -INT $$", 130)):
        with screen(tmp_path, "--sandbox", "--", "sh", "-c", script) as shown:
            assert shown.end() == code


def test_the_last_output_of_a_child_is_shown(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "seq", "200000") as shown:
        assert shown.end() == 0
        assert shown.seen.endswith(b"199999\r\n200000\r\n")


def test_sigterm_reaches_the_agent_which_may_clean_up(tmp_path: Path) -> None:
    cleaning = "trap 'sleep 0.3; echo CLEAN; exit 3' TERM HUP; echo UP; while :; do sleep 0.05; done"
    for number in (signal.SIGTERM, signal.SIGHUP):
        with screen(tmp_path, "--sandbox", "--", "sh", "-c", cleaning) as shown:
            before = shown.settings
            shown.wait_for(rb"UP")
            shown.process.send_signal(number)
            shown.wait_for(rb"CLEAN")
            assert shown.end() == 3
            assert [*shown.settings] == [*before] or not shown.is_raw


def test_a_child_that_does_not_end_on_sigterm_is_killed(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "sh", "-c", "trap '' TERM; echo UP; while :; do sleep 0.1; done") as shown:
        shown.wait_for(rb"UP")
        start = time.monotonic()
        shown.process.send_signal(signal.SIGTERM)
        assert shown.end() == 137
        assert 4 < time.monotonic() - start < 8
        assert not shown.is_raw


def test_ctrl_c_in_a_cooked_child_lets_the_agent_clean_up(tmp_path: Path) -> None:
    code = """
import time
try:
    print("UP", flush=True); time.sleep(20)
except KeyboardInterrupt:
    time.sleep(0.3); print("CLEAN"); raise SystemExit(9)
"""
    with screen(tmp_path, "--sandbox", "--", *python(code)) as shown:
        shown.wait_for(rb"UP")
        shown.type(b"\x03")
        shown.wait_for(rb"\^C.*CLEAN")
        assert shown.end() == 9


def test_ctrl_c_reaches_all_of_the_foreground_and_not_only_the_agent(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "sh", "-c", "(sleep 0.3; echo UP) & sleep 20; echo after") as shown:
        shown.wait_for(rb"UP")
        start = time.monotonic()
        shown.type(b"\x03")
        assert shown.end() == 130
        assert time.monotonic() - start < 5


def test_closing_the_terminal_ends_the_child(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    shown = Screen(tmp_path, ["--pid", str(pids), "--sandbox", "--", *python(RAW_TUI)])
    shown.wait_for(rb"UP")
    child = int(pids.read_text().split()[1])
    os.close(shown.master)
    shown.process.wait(timeout=8)
    assert not is_alive(child)
    shown.master = os.open(os.devnull, os.O_RDONLY)
    shown.close()


def test_a_flood_does_not_keep_a_key_waiting(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "sh", "-c", "echo UP; yes") as shown:
        shown.wait_for(rb"UP")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            shown.read(0)
            shown.seen = b""
        start = time.monotonic()
        shown.type(b"\x03")
        while shown.process.poll() is None and time.monotonic() - start < 5:
            shown.read(0.01)
            shown.seen = b""
        assert shown.process.poll() == 130
        assert time.monotonic() - start < 2


def test_a_terminal_that_does_not_read_loses_nothing(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "seq", "100000") as shown:
        time.sleep(0.7)
        for _ in range(20):
            shown.read(0)
            time.sleep(0.02)
        assert shown.end(20) == 0
        assert shown.seen.split() == [b"%d" % number for number in range(1, 100001)]


def test_held_bytes_are_shown_soon(tmp_path: Path) -> None:
    late = [_shown_after(tmp_path, tmp_path / f"log{number}") for number in range(5)]
    assert min(late) > 0.015
    assert median(late) < 0.1, "flushed 20 ms after the last byte, give or take a busy machine"


def _shown_after(tmp_path: Path, log: Path) -> float:
    code = "import os, time; os.write(1, b'UP open ses'); time.sleep(30)"
    with screen(tmp_path, "--mask", "open sesame", "--log", str(log), "--", *python(code)) as shown:
        shown.wait_for(rb"UP open ses")
    times = [line["at"] for line in log_of(log) if line.get("stream") == "tty"]
    first, last = times[0], times[-1]
    assert isinstance(first, float)
    assert isinstance(last, float)
    return last - first


def test_the_echo_of_a_key_is_not_held_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with screen(
        tmp_path, "--mask", "open sesame", "--log", str(log), "--", *python(RAW_TUI.replace('b"<"', 'b"o"'))
    ) as s:
        s.wait_for(rb"UP")
        for _ in range(20):
            start = time.monotonic()
            s.type(b"o")
            s.wait_for(rb"6f>")
            assert time.monotonic() - start < 1


def test_a_value_is_masked_across_writes_and_recorded_masked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pieces = in_pieces([b"say open", b" ses", b"ame now"], 0.005)
    assert shown_in_time(tmp_path, "--mask", "open sesame", "--log", str(log), "--", *pieces) == b"say MASKED now"
    assert "".join(str(line["data"]) for line in log_of(log) if "data" in line) == "say MASKED now"


def test_a_log_that_breaks_ends_the_session(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    arguments = ("--break-after", "3000", "--pid", str(pids), "--sandbox", "--", "sh", "-c", "seq 2000; sleep 50")
    with screen(tmp_path, *arguments) as shown:
        assert shown.end() == 1
        assert b"no space left in the test's log" in shown.seen
        assert not shown.is_raw
        assert not is_alive(int(pids.read_text().split()[1]))


def test_a_watched_process_that_dies_ends_the_session(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with subprocess.Popen(["sleep", "100"]) as recorder:
        watch = f"recorder={recorder.pid}"
        with screen(tmp_path, "--watch", watch, "--pid", str(pids), "--sandbox", "--", *python(RAW_TUI)) as shown:
            shown.wait_for(rb"UP")
            recorder.kill()
            assert shown.end() == 125
            below = rb"\x1b\[\?1049l.*\r\n\x1b\[J"  # on a line of its own, and nothing left of a picture around it
            assert re.search(below + rb"safe-agent: the recorder ended unexpectedly.*hint: ", shown.seen, re.DOTALL)
            assert b"\x1b[?1049l" in shown.seen
            assert not shown.is_raw
            assert not is_alive(int(pids.read_text().split()[1]))


def test_a_terminal_that_is_not_read_does_not_stop_an_end_by_signal(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "yes") as shown:
        wait_until(lambda: shown.is_raw)
        time.sleep(0.5)
        shown.process.send_signal(signal.SIGTERM)
        shown.process.wait(timeout=12)
        assert not shown.is_raw


def test_the_inner_terminal_begins_with_the_settings_of_the_outer(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "stty", "-a", before=["stty", "intr", "^G", "-echoctl"]) as shown:
        assert shown.end() == 0
        assert b"intr = ^G" in shown.seen
        assert b"-echoctl" in shown.seen
