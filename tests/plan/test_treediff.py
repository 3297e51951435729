"""Git's raw format of changed files, as git itself writes it."""

import os
import subprocess
from pathlib import Path

import pytest

from wrapper.plan.treediff import RAW, entries


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a b.txt").write_text("one\n" * 20)
    (tmp_path / os.fsdecode(b"odd\n\xff")).write_text("two\n")
    (tmp_path / "link").symlink_to("a b.txt")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "1")
    git(tmp_path, "mv", "a b.txt", "c.txt")
    (tmp_path / "link").unlink()
    (tmp_path / "link").write_text("three\n")
    git(tmp_path, "rm", "-q", os.fsdecode(b"odd\n\xff"))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "2")
    return tmp_path


def git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **who}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environ, input=given, capture_output=True, check=True
    ).stdout


def test_names_of_any_bytes_moves_and_kinds_are_read_with_their_commit(repository: Path) -> None:
    commits = git(repository, "rev-list", "--reverse", "HEAD")
    first, second = commits.decode().split()
    found = list(entries(git(repository, "diff-tree", "--stdin", *RAW, "-M", given=commits)))
    assert [(one.commit, one.status, one.source, one.path, one.was_file, one.is_file) for one in found] == [
        (first, "A", "", "a b.txt", False, True),
        (first, "A", "", "link", False, False),
        (first, "A", "", os.fsdecode(b"odd\n\xff"), False, True),
        (second, "R", "a b.txt", "c.txt", True, True),
        (second, "T", "", "link", False, True),
        (second, "D", "", os.fsdecode(b"odd\n\xff"), True, False),
    ]
    assert found[0].old.strip("0") == ""
    assert found[0].blob == found[3].old == found[3].blob
