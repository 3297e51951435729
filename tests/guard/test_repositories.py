"""Every repository of the workspace is looked at, also one that is made during the session."""

import subprocess
from pathlib import Path

import pytest

from wrapper.guard.repositories import Repositories

_SHOWN, _REAL = b"MASKED-KEY-00000000", b"real-value"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


def commit(folder: Path) -> None:
    (folder / "file").write_bytes(_SHOWN)
    git(folder, "add", "file")
    git(folder, "commit", "-qm", "one")


def repositories(workspace: Path, *folders: Path) -> Repositories:
    return Repositories(workspace, folders, lambda data: data.replace(_SHOWN, _REAL), refuse=False)


@pytest.mark.parametrize("is_new", [False, True])
def test_a_commit_is_made_real_when_the_session_has_ended(tmp_path: Path, *, is_new: bool) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    if not is_new:
        git(folder, "init", "-q")
    made = repositories(tmp_path, *([] if is_new else [folder]))
    if is_new:
        git(folder, "init", "-q")
        made.appeared("sub/.git")
    commit(folder)
    assert [outcome.done for _, outcome in made.check()] == ["waiting"]
    assert {(where, outcome.done) for where, outcome in made.check(ended=True)} == {(folder, "rewritten")}
    assert git(folder, "show", "HEAD:file").encode() == _REAL


def test_what_is_no_repository_is_told_at_the_end_alone(tmp_path: Path) -> None:
    made = repositories(tmp_path, tmp_path / "gone")
    assert list(made.check()) == []
    ((folder, outcome),) = made.check(ended=True)
    assert folder == tmp_path / "gone"
    assert outcome.done == "failed"


def test_a_folder_that_became_a_repository_later_is_no_failure(tmp_path: Path) -> None:
    made = repositories(tmp_path)
    (tmp_path / ".git").mkdir()
    made.appeared(".git")
    list(made.check())
    git(tmp_path, "init", "-q")
    assert list(made.check(ended=True)) == []
