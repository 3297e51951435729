"""wrapper.terminal.guardian: the terminal after the wrapper's sudden death."""

import os
import signal
import termios
import time
from pathlib import Path

import pytest

from tests.terminal.screens import bash, is_alive, python, screen, wait_until
from tests.terminal.test_relay import RAW_TUI
from tests.terminal.test_stopping import line, terminal_is_usable
from wrapper.terminal import guardian, modes


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_the_terminal_is_usable_after_a_sudden_death(tmp_path: Path, number: signal.Signals) -> None:
    with screen(tmp_path, "--sandbox", "--", *python(RAW_TUI)) as shown:
        before = shown.settings
        shown.wait_for(rb"UP")
        assert shown.is_raw
        shown.process.send_signal(number)
        shown.process.wait()
        shown.wait_for(rb"\x1b\[\?2004l.*\x1b\[\?25h.*\x1b\[\?1049l")
        wait_until(lambda: not shown.is_raw)
        after = shown.settings
        assert after[:4] == before[:4]
        assert after[6] == before[6]


def test_bash_goes_on_after_kill_9_of_the_whole_job(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with bash(tmp_path) as shell:
        tui = tmp_path / "tui.py"
        tui.write_text(RAW_TUI)
        shell.sendline(line("--pid", str(pids), "--sandbox", "--", "/usr/bin/python3", str(tui)))
        shell.expect("UP")
        wrapper = int(pids.read_text().split()[0])
        os.killpg(os.getpgid(wrapper), signal.SIGKILL)
        shell.expect_exact("\x1b[?1049l")
        terminal_is_usable(shell)


def test_a_program_that_took_the_terminal_first_keeps_its_settings() -> None:
    master, slave = os.openpty()
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept = guardian.start(slave)
        termios.tcsetattr(slave, termios.TCSANOW, modes.raw(termios.tcgetattr(slave)))
        os.write(tell, b"%d" % kept.pid)
        signal.pause()
        os._exit(0)
    guard = int(os.read(ready, 20))
    shells = termios.tcgetattr(slave)
    shells[1] |= termios.OPOST  # as line editing has it: no echo, single keys, output processed
    shells[3] |= termios.ISIG
    termios.tcsetattr(slave, termios.TCSANOW, shells)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: not is_alive(guard))
    assert termios.tcgetattr(slave) == shells
    for fd in (master, slave, ready, tell):
        os.close(fd)


def test_a_released_guardian_touches_nothing() -> None:
    master, slave = os.openpty()
    kept = guardian.start(slave)
    raw = modes.raw(termios.tcgetattr(slave))
    termios.tcsetattr(slave, termios.TCSANOW, raw)
    kept.release()
    assert not is_alive(kept.pid)
    assert modes.looks_raw(termios.tcgetattr(slave))
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 100)
    os.close(master)
    os.close(slave)


def test_signals_do_not_end_the_guardian() -> None:
    master, slave = os.openpty()
    kept = guardian.start(slave)
    for name in ("HUP", "INT", "QUIT", "TERM", "PIPE", "TSTP", "TTIN", "TTOU", "USR1", "USR2", "WINCH", "CONT"):
        os.kill(kept.pid, signal.Signals[f"SIG{name}"])
    time.sleep(0.05)
    kept.arm()  # answers only if it is alive
    assert is_alive(kept.pid)
    kept.release()
    os.close(master)
    os.close(slave)


def test_the_guardian_holds_nothing_but_the_terminal_and_its_socket() -> None:
    master, slave = os.openpty()
    reader, writer = os.pipe()
    kept = guardian.start(slave)
    held = [str(link.readlink()) for link in Path(f"/proc/{kept.pid}/fd").iterdir()]
    assert sorted(name.split(":")[0] for name in held) == sorted([os.ttyname(slave), "socket"])
    assert os.getsid(kept.pid) == kept.pid
    os.close(writer)
    assert os.read(reader, 1) == b"", "somebody else keeps the pipe open"
    kept.release()
    for fd in (master, slave, reader):
        os.close(fd)


def test_the_session_goes_on_without_its_guardian() -> None:
    master, slave = os.openpty()
    kept = guardian.start(slave)
    os.kill(kept.pid, signal.SIGKILL)
    kept.undo(b"\x1b[?25h")
    kept.disarm()
    kept.arm()
    kept.release()
    os.close(master)
    os.close(slave)
