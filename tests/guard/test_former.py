"""What commits have of credential files is learned, newest first, and nothing of the repository runs for that."""

from pathlib import Path

import pytest

from tests.repository import fill, git, repository
from wrapper.guard import former as module
from wrapper.guard.former import former


def _commit(folder: Path, content: str, name: str = ".env", *, second: int = 0) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x", extra={"GIT_COMMITTER_DATE": f"{1_700_000_000 + second} +0000"})


def _learned(folder: Path, *names: str) -> list[tuple[str, bytes]]:
    return list(former(folder, names))


def test_each_content_of_each_file_in_any_branch_or_log_is_learned_once(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    _commit(folder, "A=1\n")
    git(folder, "checkout", "-qb", "side")
    _commit(folder, "A=side\n")
    git(folder, "checkout", "-q", "main")
    _commit(folder, "B=1\n", "sub/b.env")
    _commit(folder, "A=dropped\n")
    git(folder, "reset", "-q", "--hard", "HEAD~")
    _commit(folder, "", "other.env")
    assert sorted(_learned(folder, ".env", "sub/b.env")) == [
        (".env", b"A=1\n"),
        (".env", b"A=dropped\n"),
        (".env", b"A=side\n"),
        ("sub/b.env", b"B=1\n"),
    ]
    assert _learned(folder) == _learned(folder, "none.env", "odd\nname", ":(glob)**") == []


def test_the_newest_contents_are_learned_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository(tmp_path / "repo")
    for number in range(4):
        _commit(folder, f"A={number}\n", second=number)
    monkeypatch.setattr(module, "_MOST_COMMITS", 2)
    assert _learned(folder, ".env") == [(".env", b"A=3\n"), (".env", b"A=2\n")]
    monkeypatch.setattr(module, "_MOST_OF_BLOB", 3)
    assert _learned(folder, ".env") == []


def test_what_is_no_repository_or_is_damaged_teaches_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    fill(folder, [".env"])
    assert _learned(folder, ".env") == []
    made = repository(tmp_path / "repo")
    assert _learned(made, ".env") == []
    _commit(made, "A=1\n")
    for packed in (made / ".git/objects").rglob("*"):
        if packed.is_file():
            packed.chmod(0o600)
            packed.write_bytes(b"no object")
    assert _learned(made, ".env") == []
    (made / ".git/config").write_text("no config")
    assert _learned(made, ".env") == []
