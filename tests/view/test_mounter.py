"""A folder that is to be served by FUSE is so for the sandbox alone, by whoever has its device, and by nobody else."""

import errno
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, Scribe
from tests.view.test_binds import inside
from wrapper.errors import ProtectionError
from wrapper.processes import Forked, fork
from wrapper.view.binds import BindsView
from wrapper.view.daemon import Daemon
from wrapper.view.owners import Owners


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    for name in ("objects/ab", "sub"):
        (folder / name).mkdir(parents=True)
    (folder / ".env").write_bytes(b"KEY=" + SECRET)
    (folder / "objects/ab/raw").write_bytes(SECRET)
    return folder


@pytest.fixture
def view(workspace: Path, tmp_path: Path) -> Iterator[BindsView]:
    (tmp_path / "staging").mkdir(mode=0o700)
    made = BindsView([workspace], tmp_path / "staging", served=[workspace])
    made.ready()
    assert made.refusal == "", "FUSE is needed here: run as somebody who may open /dev/fuse"
    yield made
    made.close()


@pytest.fixture
def daemon(view: BindsView, workspace: Path) -> Iterator[Forked]:
    (device,) = view.devices
    root = os.open(workspace, os.O_PATH | os.O_DIRECTORY)

    def serve() -> int:
        owners = Owners(os.getuid(), os.getgid(), knows_all=os.getuid() == 0)
        Daemon(device, root, PlainJudge(), owners, witness=Scribe()).serve()
        return 0

    made = fork("test-view", serve, keep=[device, root])
    os.close(root)
    view.hand_over_devices()
    yield made
    os.kill(made.pid, 9)
    made.wait()


def said(view: BindsView, workspace: Path, script: str) -> str:
    out, _ = inside(view, workspace, script).communicate(timeout=20)
    return out


def test_the_inside_sees_what_the_daemon_shows_and_the_host_its_own(
    view: BindsView, daemon: Forked, workspace: Path
) -> None:
    assert daemon.pid
    assert said(view, workspace, "cat .env; echo; echo more >> .env").encode() == b"KEY=" + PLACEHOLDER + b"\n"
    assert (workspace / ".env").read_bytes() == b"KEY=" + SECRET + b"more\n"
    assert str(workspace) not in Path("/proc/self/mountinfo").read_text()


def test_a_folder_that_is_shown_natively_is_as_it_is(view: BindsView, daemon: Forked, workspace: Path) -> None:
    assert daemon.pid
    view.show_natively(workspace, "objects")
    assert said(view, workspace, "cat objects/ab/raw; cat objects/../.env").encode() == SECRET + b"KEY=" + PLACEHOLDER


@pytest.mark.parametrize("path", ["link", "sub/../objects", "missing"])
def test_only_a_folder_below_is_shown_natively(view: BindsView, daemon: Forked, workspace: Path, path: str) -> None:
    """Promise 2: a link in its place would show another folder of the user's."""
    assert daemon.pid
    (workspace / "link").symlink_to("/etc")
    with pytest.raises(OSError, match=re.escape(path)) as raised:
        view.show_natively(workspace, path)
    assert raised.value.errno in {errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.ENOENT}


def test_folders_are_warmed_without_being_waited_for(view: BindsView, daemon: Forked, workspace: Path) -> None:
    assert daemon.pid
    view.warm(workspace, ["", "sub", "missing", "objects/ab", "."])
    assert said(view, workspace, "ls").split() == ["objects", "sub"]


def test_without_the_daemon_there_are_errors_and_never_the_real_files(
    view: BindsView, daemon: Forked, workspace: Path
) -> None:
    """Promise 2."""
    running = inside(view, workspace, "cat .env >&2; until ! cat .env 2>/dev/null; do :; done; cat .env; ls; cat sub/x")
    while PLACEHOLDER not in (seen := os.read(running.stdout.fileno(), 65536) if running.stdout else b""):
        assert seen
    os.kill(daemon.pid, 9)
    out, _ = running.communicate(timeout=20)
    assert SECRET.decode() not in out
    assert "not connected" in out or "abort" in out


def test_where_the_device_cannot_be_had_the_reason_is_given_and_the_folder_is_bound(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "plain").write_text("real")
    script = (
        "import sys; from pathlib import Path; from wrapper import linux; linux.unshare(linux.CLONE_NEWNS);"
        "linux.mount(None, '/', linux.MS_REC | linux.MS_PRIVATE); linux.mount('/dev/null', '/dev/fuse', linux.MS_BIND);"
        "from wrapper.view.binds import BindsView; work = Path(sys.argv[1]);"
        "view = BindsView([work], Path(sys.argv[2]), served=[work]); view.ready();"
        "print(view.refusal, list(view.devices)); view.close()"
    )
    command = ["unshare", "-rm"] if os.getuid() else []
    done = subprocess.run(
        [*command, sys.executable, "-c", script, str(folder), str(tmp_path / "staging")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "Invalid argument []" in done.stdout


@pytest.mark.parametrize("asked", [False, True])
def test_a_mounter_that_is_killed_while_it_starts_is_a_plain_refusal(
    workspace: Path, tmp_path: Path, *, asked: bool
) -> None:
    (tmp_path / "staging").mkdir(mode=0o700)
    made = BindsView([workspace], tmp_path / "staging", served=[workspace])
    if asked and os.getuid() == 0:
        select.select([made.connection], [], [])  # as root it asks for ids before it mounts
    signal.pidfd_send_signal(made.pidfd, signal.SIGKILL)
    select.select([made.pidfd], [], [])
    with pytest.raises(ProtectionError, match="the mounter died"):
        made.ready()
    made.close()


def test_what_is_only_to_be_read_early_does_not_matter_when_the_mounter_is_gone(
    view: BindsView, workspace: Path
) -> None:
    signal.pidfd_send_signal(view.pidfd, signal.SIGKILL)
    select.select([view.pidfd], [], [])
    view.warm(workspace, ["."])
    with pytest.raises(OSError):  # noqa: PT011 (whatever the socket says)
        view.protect(str(workspace))
