"""Covers are made, renewed and gone with the view; seen from a real sandbox."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper import linux
from wrapper.errors import ProtectionError
from wrapper.view.binds import BindsView

_SANDBOX = (
    "bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
    "--cap-drop", "ALL", "--unshare-pid", "--die-with-parent",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / ".env").write_text("KEY=real-value\n")
    (folder / "other").write_text("plain\n")
    return folder


@pytest.fixture
def view(workspace: Path, tmp_path: Path) -> Iterator[BindsView]:
    staging = tmp_path / "staging"
    staging.mkdir(mode=0o700)
    made = BindsView([workspace], staging)
    made.ready()
    yield made
    made.close()


def inside(view: BindsView, workspace: Path, script: str) -> subprocess.Popen[str]:
    def enter() -> None:
        user, mounts = view.namespaces
        linux.setns(user, linux.CLONE_NEWUSER)
        linux.setns(mounts, linux.CLONE_NEWNS)

    return subprocess.Popen(
        [*_SANDBOX, "--bind", str(workspace), str(workspace), "--chdir", str(workspace), "sh", "-c", script],
        env={"PATH": "/usr/bin:/bin"},
        preexec_fn=enter,  # noqa: PLW1509 (setns needs the forked child, and this test has one thread)
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(view: BindsView, workspace: Path, script: str) -> str:
    out, _ = inside(view, workspace, script).communicate(timeout=20)
    return out


def test_a_covered_file_shows_only_the_cover_inside(view: BindsView, workspace: Path) -> None:
    view.cover(str(workspace / ".env"), b"KEY=MASKED-KEY-00000000\n", 0o644)
    assert said(view, workspace, "cat .env") == "KEY=MASKED-KEY-00000000\n"
    assert (workspace / ".env").read_text() == "KEY=real-value\n"


def test_a_denied_file_cannot_be_opened_but_is_listed(view: BindsView, workspace: Path) -> None:
    view.cover(str(workspace / ".env"), None, 0)
    out = said(view, workspace, "ls -a; cat .env 2>&1")
    assert ".env" in out
    assert "Permission denied" in out
    assert "real-value" not in out


def test_nothing_is_mounted_in_the_hosts_namespace(view: BindsView, workspace: Path) -> None:
    view.cover(str(workspace / ".env"), b"x", 0o600)
    assert str(workspace) not in Path("/proc/self/mountinfo").read_text()


def test_a_cover_made_later_appears_in_a_running_sandbox(view: BindsView, workspace: Path) -> None:
    running = inside(view, workspace, "until [ -e go ]; do sleep 0.02; done; cat late.env")
    (workspace / "late.env").write_text("LATE=real-value\n")
    view.cover(str(workspace / "late.env"), b"LATE=MASKED-KEY-00000000\n", 0o644)
    (workspace / "go").touch()
    out, _ = running.communicate(timeout=20)
    assert out == "LATE=MASKED-KEY-00000000\n"


def test_a_cover_taken_away_by_a_rename_on_the_host_comes_back(view: BindsView, workspace: Path) -> None:
    path = workspace / ".env"
    view.cover(str(path), b"KEY=MASKED-KEY-00000000\n", 0o644)
    (workspace / "new").write_text("KEY=another-real-value\n")
    (workspace / "new").rename(path)
    view.cover(str(path), b"KEY=MASKED-KEY-00000001\n", 0o644)
    assert said(view, workspace, "cat .env") == "KEY=MASKED-KEY-00000001\n"


def test_new_content_reaches_a_file_that_is_open_inside(view: BindsView, workspace: Path) -> None:
    path = str(workspace / ".env")
    view.cover(path, b"one\n", 0o644)
    running = inside(view, workspace, "exec 3<.env; touch ready; until [ -e go ]; do sleep 0.02; done; cat <&3")
    while not (workspace / "ready").exists():
        time.sleep(0.01)
    view.cover(path, b"two\n", 0o644)
    (workspace / "go").touch()
    out, _ = running.communicate(timeout=20)
    assert out == "two\n"


def test_a_protected_folder_is_read_only_inside(view: BindsView, workspace: Path) -> None:
    (workspace / "hooks").mkdir()
    view.protect(str(workspace / "hooks"))
    assert "Read-only file system" in said(view, workspace, "touch hooks/post-commit 2>&1")
    assert list((workspace / "hooks").iterdir()) == []


def test_a_cover_is_never_laid_over_what_a_symbolic_link_points_to(view: BindsView, workspace: Path) -> None:
    (workspace / "link").symlink_to("other")
    with pytest.raises(OSError, match="symbolic links"):
        view.cover(str(workspace / "link"), b"x", 0o600)
    assert said(view, workspace, "cat other") == "plain\n"


def test_a_missing_root_is_an_error_that_names_the_protection(tmp_path: Path) -> None:
    made = BindsView([tmp_path / "missing"], tmp_path)
    with pytest.raises(ProtectionError) as caught:
        made.ready()
    made.close()
    assert caught.value.protection == "view"
    assert "missing" in caught.value.what


def test_what_the_host_writes_in_place_is_never_seen_inside(view: BindsView, workspace: Path) -> None:
    """A login is renewed so."""
    path = workspace / ".env"
    view.cover(str(path), b"masked\n", 0o644)
    running = inside(view, workspace, "touch ready; until [ -e go ]; do cat .env; done")
    while not (workspace / "ready").exists():
        time.sleep(0.01)
    for number in range(200):
        path.write_text(f"KEY=real-value-{number}\n")
    (workspace / "go").touch()
    out, _ = running.communicate(timeout=20)
    assert set(out.splitlines()) == {"masked"}


def test_a_cover_is_not_touched_where_the_disk_is_full(
    view: BindsView, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(workspace / ".env")
    view.cover(path, b"first\n", 0o644)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        view.cover(path, b"second and longer\n", 0o644)
    staged = view.staged(path)
    assert staged is not None
    assert staged.read_bytes() == b"first\n"


def test_a_file_that_is_closed_leaves_nothing_of_its_old_cover(view: BindsView, workspace: Path) -> None:
    path = str(workspace / ".env")
    view.cover(path, b"shown\n", 0o644)
    view.cover(path, None, 0)
    staged = view.staged(path)
    assert staged is not None
    assert staged.stat().st_size == 0


def test_a_folder_that_is_held_cannot_be_moved_away_inside(view: BindsView, workspace: Path) -> None:
    (workspace / ".git").mkdir()
    view.hold(str(workspace / ".git"))
    assert "busy" in said(view, workspace, "mv .git aside 2>&1; touch .git/file && echo written")
    assert (workspace / ".git" / "file").exists()


def test_a_covered_folder_is_empty_inside(view: BindsView, workspace: Path) -> None:
    (workspace / "keys").mkdir()
    (workspace / "keys" / "one").write_text("real-value")
    view.cover_folder(str(workspace / "keys"))
    assert said(view, workspace, "ls -A keys; touch keys/x 2>&1").startswith("touch:")


def test_the_mounter_ends_with_the_view(workspace: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    made = BindsView([workspace], staging)
    made.ready()
    pid = made._process.pid
    assert Path(f"/proc/{pid}/comm").read_text() == "safe-mount\n"
    made.close()
    assert not Path(f"/proc/{pid}").exists()


def test_the_keys_of_a_terminal_do_not_end_the_mounter(view: BindsView, workspace: Path) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        os.kill(view._process.pid, number)
    view.cover(str(workspace / ".env"), b"x\n", 0o644)
    assert said(view, workspace, "cat .env") == "x\n"
