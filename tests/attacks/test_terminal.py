"""The terminal as a way out: promises 1, 2 and 4 attacked by what runs in the inner terminal.

What is inside must not reach the user's own terminal (type into it, read from it, show a secret on it), must not get at
the user's descriptors, must not outlive the session, and must not show what was not recorded.
"""

import os
import re
import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.terminal.screens import driver, environment, in_pieces, is_alive, python, screen, shown_in_time, wait_until

SECRET = "open-sesame-0123456789"  # what the tests' redactor masks


def test_promise_1_typing_into_the_users_terminal_reaches_only_the_inner_one(tmp_path: Path) -> None:
    """TIOCSTI on every terminal in reach must not leave a command for the user's shell."""
    code = """
import fcntl, os, termios
for name in (0, 1, 2, "/dev/tty"):
    fd = os.open(name, os.O_RDWR) if isinstance(name, str) else name
    for byte in b"planted":
        try: fcntl.ioctl(fd, termios.TIOCSTI, bytes((byte,)))
        except OSError: pass
print("DONE", flush=True)
"""
    with screen(tmp_path, "--sandbox", "--", *python(code)) as shown:
        assert shown.end() == 0
        os.set_blocking(shown.slave, False)
        with pytest.raises(BlockingIOError):
            os.read(shown.slave, 100)


def test_promise_1_typing_into_the_users_terminal_fails_where_output_is_piped(tmp_path: Path) -> None:
    """With no terminal among 0 to 2 the user's controlling terminal must not be /dev/tty inside."""
    code = "import os\ntry: os.open('/dev/tty', os.O_RDWR)\nexcept OSError as e: os.write(1, b'%d' % e.errno)"
    with screen(tmp_path, "--sandbox", "--", *python(code), on_tty="") as shown:
        assert shown.process.stdin is not None
        assert shown.process.stdout is not None
        assert shown.end() == 0
        assert shown.process.stdout.read() == b"6"  # ENXIO


def test_promise_2_a_file_given_as_input_cannot_be_opened_again_for_writing(tmp_path: Path) -> None:
    """`safe-claude < notes`: /proc/self/fd/0 must not lead to the file."""
    notes = tmp_path / "notes"
    notes.write_text("the user's notes\n")
    code = """
import os
print(os.readlink("/proc/self/fd/0").split(":")[0])
try:
    fd = os.open("/proc/self/fd/0", os.O_WRONLY | os.O_NONBLOCK); os.write(fd, b"overwritten")
except OSError: pass
"""
    with notes.open("r+b") as given, screen(tmp_path, "--", *python(code), on_tty="", stdin=given) as shown:
        assert shown.process.stdout is not None
        assert shown.end() == 0
        assert shown.process.stdout.read() == b"pipe\n"
    assert notes.read_text() == "the user's notes\n"


def test_promise_2_descriptors_of_the_wrapper_are_not_inherited(tmp_path: Path) -> None:
    """A descriptor that the user's shell left open and inheritable must not be there inside."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    code = "import os; print(*(os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')))"
    with secret.open() as opened:
        done = subprocess.run(
            driver("--sandbox", "--", *python(code)),
            pass_fds=(opened.fileno(),),
            env=environment(tmp_path),
            input=b"",
            capture_output=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert str(secret).encode() not in done.stdout


@pytest.mark.parametrize("pause", [0, 0.002, 0.01])
def test_promise_1_a_secret_printed_in_pieces_is_not_shown(tmp_path: Path, pause: float) -> None:
    """One write per byte, with pauses shorter than the time for which a beginning is held back."""
    pieces = in_pieces([bytes((byte,)) for byte in SECRET.encode()], pause)
    assert shown_in_time(tmp_path, "--mask", SECRET, "--", *pieces) == b"MASKED"


def test_promise_1_a_secret_is_not_cut_by_a_terminal_that_does_not_read(tmp_path: Path) -> None:
    """Fill the user's terminal so that the relay stops reading in the middle of a secret: time must not flush it."""
    secret = secrets.token_hex(24)
    code = f"import os\nfor _ in range(5000): os.write(1, b'{secret} ' * 7)"
    with screen(tmp_path, "--known", secret, "--", *python(code)) as shown:
        for _ in range(8):
            time.sleep(0.1)
            shown.read(0)
        assert shown.end(60) == 0
        assert secret.encode() not in shown.seen
        assert re.findall(rb"MASKED-TEST-[0-9A-Z]{8} ", shown.seen)


@pytest.mark.parametrize("on_tty", ["012", "0", ""])
def test_promise_1_the_real_redactor_masks_what_colours_and_borders_cut(tmp_path: Path, on_tty: str) -> None:
    """A known value in pieces, coloured and over a line's end, on the terminal and on a pipe."""
    secret = secrets.token_hex(24)
    parts = [secret[:9], "\\x1b[31m", secret[9:20], "\\x1b[0m\\r\\n", secret[20:]]
    code = f"import os, time\nfor part in {parts!r}: os.write(1, part.encode()); time.sleep(0.002)".replace(
        "\\\\", "\\"
    )
    log = tmp_path / "log"
    with screen(tmp_path, "--known", secret, "--log", str(log), "--", *python(code), on_tty=on_tty) as shown:
        assert shown.end() == 0
        seen = shown.process.stdout.read() if shown.process.stdout is not None else shown.seen
    for text in (seen, log.read_bytes()):
        assert re.search(rb"MASKED-TEST-[0-9A-Z]{8}", text), text
        assert not any(secret[at : at + 8].encode() in text for at in range(0, 40, 8))


def test_promise_4_nothing_is_shown_that_was_not_recorded(tmp_path: Path) -> None:
    """When the log breaks, the bytes it refused must not be on the screen."""
    arguments = (
        "--break-after",
        "5",
        "--sandbox",
        "--",
        *python("import os; os.write(1, b'ok'); os.write(1, b'LOUD' * 9)"),
    )
    with screen(tmp_path, *arguments) as shown:
        assert shown.end() == 1
        assert b"LOUD" not in shown.seen


@pytest.mark.parametrize("ending", ["exit", "kill"])
def test_promise_5_a_background_process_does_not_outlive_the_session(tmp_path: Path, ending: str) -> None:
    """setsid, double fork, ignored signals: gone with the session, also when the wrapper is killed."""
    mark = f"4{os.getpid()}{len(ending)}.5"
    code = f"""
import os, signal, time
if os.fork() == 0:
    os.setsid()
    for s in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
    if os.fork() == 0: os.execvp("sleep", ["sleep", "{mark}"])
    os._exit(0)
os.write(1, b"UP"); os.read(0, 1)
"""
    with screen(tmp_path, "--sandbox", "--", *python(code)) as shown:
        shown.wait_for(rb"UP")
        wait_until(lambda: sleepers(mark))
        if ending == "exit":
            shown.type(b"\r")
            assert shown.end() == 0
        else:
            shown.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not sleepers(mark))


def sleepers(mark: str) -> list[int]:
    """The living processes `sleep MARK` of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\0" + mark.encode() + b"\0" and is_alive(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_promise_1_control_sequences_cannot_make_the_guardian_run_anything(tmp_path: Path) -> None:
    """What the guardian sends after a death is made of known sequences only, never of the child's bytes."""
    code = (
        "import os, time; os.write(1, b'\\x1b[?1049;31337;9999999999h\\x1b[>31337u\\x1b]0;$(touch pwned)\\x07"
        "\\x1b[>4;99m\\x1b[1;2r\\x1b[5 q\\x1b]52;c;cHduZWQ=\\x07\\x1bP$q\\x1b\\\\UP'); time.sleep(50)"
    )
    with screen(tmp_path, "--sandbox", "--", *python(code)) as shown:
        shown.wait_for(rb"UP")
        shown.process.kill()
        shown.process.wait()
        shown.wait_for(rb"\x1b\[\?1049l")
        wait_until(lambda: not shown.is_raw)
        shown.read(0.2)
        rest = re.sub(rb"\x1b(?:\[[0-9;?<> ]*[A-Za-z]|[\\>78])|\x0f|[\r\n]", b"", shown.seen)
        assert rest == b""
