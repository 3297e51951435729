"""Mixed descriptors: pipes where the user has pipes, the terminal where there is one."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.terminal.screens import driver, environment, is_alive, python, screen, wait_until

CLEANING = "trap 'echo CLEAN; exit 3' TERM; echo UP; while :; do sleep 0.02; done"
TELL = "import os; os.write(2, b' '.join(b'tty' if os.isatty(fd) else b'no' for fd in range(3)))"


def piped(home: Path, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = driver(*arguments)
    return subprocess.run(command, input=data, capture_output=True, env=environment(home), timeout=30, check=False)


def test_pipes_carry_both_streams_apart_and_the_code(tmp_path: Path) -> None:
    done = piped(tmp_path, "--sandbox", "--", "sh", "-c", "cat; echo error >&2; exit 5", data=b"in\n")
    assert (done.stdout, done.stderr, done.returncode) == (b"in\n", b"error\n", 5)


def test_each_stream_is_masked_on_its_own(tmp_path: Path) -> None:
    script = "printf 'open '; printf 'open ' >&2; printf sesame; printf sesame >&2; printf open"
    done = piped(tmp_path, "--mask", "open sesame", "--sandbox", "--", "sh", "-c", script)
    assert (done.stdout, done.stderr) == (b"MASKEDopen", b"MASKED")


def test_what_goes_in_is_not_masked(tmp_path: Path) -> None:
    done = piped(tmp_path, "--mask", "open sesame", "--", "sha256sum", data=b"open sesame")
    assert done.stdout.split()[0].decode() == hashlib.sha256(b"open sesame").hexdigest()


def test_ten_megabytes_pass_both_ways_unharmed(tmp_path: Path) -> None:
    data = os.urandom(1_000_000) * 10
    done = piped(tmp_path, "--sandbox", "--", "cat", data=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_a_reader_that_goes_ends_the_child_as_it_would_bare(tmp_path: Path) -> None:
    script = f"{' '.join(driver('--sandbox', '--', 'yes'))}; echo $? >&2"
    command = f"{{ {script}; }} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=environment(tmp_path), timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == (b"y\n", b"141\n")


def test_a_child_that_ignores_its_input_does_not_hang(tmp_path: Path) -> None:
    assert piped(tmp_path, "--sandbox", "--", "true", data=bytes(1_000_000)).returncode == 0


def test_closed_descriptors_are_no_trap(tmp_path: Path) -> None:
    command = f"{' '.join(driver('--', 'sh', '-c', 'cat; echo out'))} <&- 2>&-"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=environment(tmp_path), timeout=20, check=False
    )
    assert (done.stdout, done.returncode) == (b"out\n", 0)


@pytest.mark.parametrize("on_tty", ["0", "1", "2", "01", "02", "12", "012"])
def test_the_child_has_terminals_where_the_user_has_them(tmp_path: Path, on_tty: str) -> None:
    with screen(tmp_path, "--sandbox", "--", *python(TELL), on_tty=on_tty) as shown:
        if shown.process.stdin is not None:
            shown.process.stdin.close()
            shown.process.stdin = None
        code = shown.end()
        told = shown.process.stderr.read() if shown.process.stderr is not None else shown.seen
        assert code == 0
        assert told.split() == [b"tty" if str(fd) in on_tty else b"no" for fd in range(3)]


def test_output_into_a_pipe_leaves_the_terminal_cooked(tmp_path: Path) -> None:
    with screen(tmp_path, "--sandbox", "--", "cat", on_tty="02") as shown:
        shown.type(b"first\x7f\x7fx\nsec")
        assert shown.process.stdout is not None
        assert shown.process.stdout.readline() == b"firx\n"
        assert not shown.is_raw
        shown.type(b"\x04")
        assert os.read(shown.process.stdout.fileno(), 10) == b"sec"
        shown.type(b"\x04")
        assert shown.end() == 0
        assert shown.seen.count(b"fir") == 1, "the outer terminal echoes, the inner one does not"


def test_ctrl_c_with_output_into_a_pipe_reaches_the_agent(tmp_path: Path) -> None:
    code = "import time\ntry: print('UP'); time.sleep(20)\nexcept KeyboardInterrupt: print('CLEAN')"
    with screen(tmp_path, "--sandbox", "--", *python(code), on_tty="02") as shown:
        assert shown.process.stdout is not None
        assert shown.process.stdout.readline() == b"UP\n"
        shown.type(b"\x03")
        assert shown.process.stdout.readline() == b"CLEAN\n"
        assert shown.end() == 0


def test_a_tui_with_input_from_a_pipe_reads_keys_from_its_terminal(tmp_path: Path) -> None:
    code = """
import os, sys, tty
data = sys.stdin.read()
terminal = os.open("/dev/tty", os.O_RDWR)
tty.setraw(terminal)
os.write(1, b"read " + data.encode())
os.write(1, b"key " + os.read(terminal, 10))
"""
    with screen(tmp_path, "--sandbox", "--", *python(code), on_tty="12") as shown:
        assert not shown.is_raw
        assert shown.process.stdin is not None
        shown.process.stdin.write(b"from a pipe")
        shown.process.stdin.close()
        shown.process.stdin = None
        shown.wait_for(rb"read from a pipe")
        wait_until(lambda: shown.is_raw)
        shown.type(b"k")
        shown.wait_for(rb"key k")
        assert shown.end() == 0
        assert not shown.is_raw


def test_errors_go_to_their_file_while_the_terminal_is_raw(tmp_path: Path) -> None:
    with (tmp_path / "err.log").open("wb") as errors:
        script = "echo shown; echo kept >&2; read x"
        with screen(tmp_path, "--sandbox", "--", "sh", "-c", script, on_tty="01", stderr=errors) as shown:
            shown.wait_for(rb"shown")
            assert shown.is_raw
            shown.type(b"\r")
            assert shown.end() == 0
    assert (tmp_path / "err.log").read_bytes() == b"kept\n"


def test_sigterm_without_a_terminal_ends_the_child(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = driver("--pid", str(pids), "--sandbox", "--", "sh", "-c", CLEANING)
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(tmp_path), **options) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"UP\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"CLEAN\n"
        assert process.wait(5) == 3
    assert not is_alive(int(pids.read_text().split()[1]))


@pytest.mark.parametrize("on_tty", ["", "012"])
def test_the_wrapper_killed_takes_the_child_along(tmp_path: Path, on_tty: str) -> None:
    pids = tmp_path / "pids"
    with screen(tmp_path, "--pid", str(pids), "--", "sleep", "100", on_tty=on_tty) as shown:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        time.sleep(0.2)
        child = int(pids.read_text().split()[1])
        assert is_alive(child)
        shown.process.kill()
        wait_until(lambda: not is_alive(child))
