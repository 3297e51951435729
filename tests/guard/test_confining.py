"""Work that writes below one folder only; as the second wall round git in a repository of strangers (promise 3)."""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.repository import git
from wrapper.guard import confining
from wrapper.guard.confining import confined
from wrapper.plan.plumbing import ask_within

_HAS_LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) > 0
needs_landlock = pytest.mark.skipif(not _HAS_LANDLOCK, reason="this kernel has no Landlock")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "inside").mkdir()
    descriptor = os.open(tmp_path / "inside", os.O_PATH)
    yield descriptor
    os.close(descriptor)


def _sh(script: str, place: Path) -> str:
    return subprocess.run(["sh", "-c", script], cwd=place, capture_output=True, text=True, check=False).stdout


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_work_and_its_programs_write_below_the_folder_and_read_everywhere(tmp_path: Path, folder: int) -> None:
    (tmp_path / "outside").write_text("theirs")
    script = "cat outside; echo a > inside/a; mkdir inside/b; mv inside/a inside/c; echo x > /dev/null && echo done"
    assert confined(folder, partial(_sh, script, tmp_path)) == "theirsdone\n"
    assert _names(tmp_path / "inside") == ["b", "c"]


@needs_landlock
@pytest.mark.parametrize(
    "script",
    [
        "echo x >> outside", "rm outside", "mv outside other", "ln -s a made", "mkdir made", "mkfifo made", ": > made",
        "mv inside/own made", "ln inside/own made", "mv -f inside/own outside", "truncate -s 0 outside",
        "ln -s ../outside inside/link; echo x > inside/link", "mv outside inside/taken",
    ],
)  # fmt: skip
def test_work_changes_nothing_outside_of_the_folder(tmp_path: Path, folder: int, script: str) -> None:
    (tmp_path / "outside").write_text("theirs")
    (tmp_path / "inside/own").write_text("ours")
    confined(folder, partial(_sh, f"({script}) 2>&1", tmp_path))
    assert _names(tmp_path) == ["inside", "outside"]
    assert (tmp_path / "outside").read_text() == "theirs"


def test_only_the_work_is_confined_and_its_errors_are_the_callers(tmp_path: Path, folder: int) -> None:
    with pytest.raises(ZeroDivisionError):
        confined(folder, lambda: 1 // 0)
    (tmp_path / "outside").write_text("ours")
    assert confined(folder, lambda: 7) == 7


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_without_landlock_the_work_is_done_all_the_same(
    folder: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def missing(*arguments: object) -> int:
        raise OSError(number, "landlock")

    monkeypatch.setattr(confining, "_call", missing)
    assert confined(folder, lambda: 7) == 7


@needs_landlock
def test_git_that_is_led_elsewhere_moves_no_refs_there(tmp_path: Path) -> None:
    """The look at `commondir` comes before git: the inside can write it in between."""
    for name in ("theirs", "own"):
        git(tmp_path, "init", "-q", "-b", "main", name)
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    git(tmp_path / "theirs", "branch", "precious")
    before = git(tmp_path / "theirs", "for-each-ref")
    (tmp_path / "own/.git/commondir").write_text(f"{tmp_path}/theirs/.git\n")
    folder = os.open(tmp_path / "own/.git", os.O_PATH)
    delete = b"delete refs/heads/precious\0\0"
    with pytest.raises(subprocess.CalledProcessError):
        confined(folder, partial(ask_within, folder, ("update-ref", "--stdin", "-z"), given=delete))
    os.close(folder)
    assert git(tmp_path / "theirs", "for-each-ref") == before
