"""wrapper.terminal.pty: how the child is started, without a terminal (those with one are in test_relay)."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.screens import python
from wrapper.errors import ClientNotFoundError, SessionError
from wrapper.terminal import leader
from wrapper.terminal.pty import Child, Stdio, spawn

PIPES = Stdio(stdin=False, stdout=False, stderr=False)
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


def nothing() -> None:
    """No steps before exec."""


def start(
    command: list[str], *, cwd: str = "/", before_exec: Callable[[], None] = nothing, pass_fds: tuple[int, ...] = ()
) -> Child:
    return spawn(command, ENV, cwd=cwd, before_exec=before_exec, pass_fds=pass_fds, interactive=PIPES)


def output_of(child: Child) -> bytes:
    """Wait for the child's end, close everything, and give what it printed."""
    child.reap()
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    os.close(child.stdin)
    os.set_blocking(child.stdout, True)
    shown = b""
    while data := os.read(child.stdout, 65536):
        shown += data
    for fd in (child.stdout, child.stderr, child.changes):
        os.close(fd)
    return shown


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_the_child_has_exactly_the_environment_given() -> None:
    assert output_of(start(["env"])) == b"PATH=/usr/local/bin:/usr/bin:/bin\n"


def test_the_child_starts_in_the_folder_given(tmp_path: Path) -> None:
    assert output_of(start(["pwd"], cwd=str(tmp_path))).decode().strip() == str(tmp_path)


def test_only_the_descriptors_passed_reach_the_child() -> None:
    passed, kept = os.pipe()
    os.set_inheritable(kept, True)
    code = "import os; print(*(fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')))"
    shown = output_of(start(python(code), pass_fds=(passed,)))
    os.close(passed)
    os.close(kept)
    assert {int(fd) for fd in shown.split()} == {0, 1, 2, passed}


def test_the_child_is_not_in_the_session_of_the_user() -> None:
    code = "import os; print(os.getsid(0) == os.getpid())\ntry: open('/dev/tty')\nexcept OSError as e: print(e.errno)"
    assert output_of(start(python(code))) == b"True\n6\n"


def test_signals_that_python_ignores_are_not_ignored_by_the_child() -> None:
    shown = output_of(start(["grep", "-E", "SigIgn|SigBlk", "/proc/self/status"]))
    assert [int(line.split()[1], 16) for line in shown.splitlines()] == [0, 0]


def test_the_ends_of_the_child_are_told_as_a_shell_does() -> None:
    for script, code in (("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)):
        child = start(["sh", "-c", script])
        child.reap()
        assert child.next_change() == leader.Ended(code)
        output_of(child)


def test_what_fails_before_exec_is_told_with_its_text() -> None:
    def fail() -> None:
        raise PermissionError("setns was refused")

    before = open_descriptors()
    with pytest.raises(SessionError, match="setns was refused"):
        start(["true"], before_exec=fail)
    assert open_descriptors() == before


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="No such file"):
        start(["true"], cwd=str(tmp_path / "missing"))


def test_a_missing_program_is_not_found() -> None:
    before = open_descriptors()
    with pytest.raises(ClientNotFoundError, match="no-such-program"):
        start(["no-such-program"])
    assert open_descriptors() == before


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF not really")
    broken.chmod(0o755)
    before = open_descriptors()
    with pytest.raises(SessionError, match="could not be started"):
        start([str(broken)])
    assert open_descriptors() == before


def test_a_child_that_no_relay_took_over_can_be_killed() -> None:
    child = start(["sleep", "100"])
    child.kill()
    assert child.next_change() == leader.Ended(128 + signal.SIGKILL)
    output_of(child)
