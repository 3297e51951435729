"""A repository's folder is read and written without following a link, and under git's own locks."""

from pathlib import Path

import pytest

from wrapper.guard import gitfolder
from wrapper.guard.gitfolder import GitFolder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "git"
    (folder / "refs/heads").mkdir(parents=True)
    (folder / "refs/heads/main").write_text("x")
    (tmp_path / "secret").write_text("not ours")
    (folder / "link").symlink_to(tmp_path)
    (folder / "file-link").symlink_to(tmp_path / "secret")
    return folder


@pytest.mark.parametrize("name", ["link/secret", "file-link", "refs/../../secret", "missing", "refs", "missing/more"])
def test_nothing_is_read_through_a_link_or_that_is_no_file(place: Path, name: str) -> None:
    assert GitFolder(place).read(name) is None
    assert GitFolder(place).names("link") == []


def test_links_are_told_from_what_is_there_and_what_is_not(place: Path) -> None:
    folder = GitFolder(place)
    names = ["refs/heads/main", "refs/new/more", "file-link", "link/secret", "link"]
    assert [folder.leads_elsewhere(name) for name in names] == [False, False, True, True, True]


def test_a_file_is_replaced_whole_when_the_lock_is_given_back(place: Path) -> None:
    folder = GitFolder(place)
    with folder.locked("refs/heads/main") as lock:
        lock.replace(b"new")
        assert (place / "refs/heads/main").read_text() == "x"
        assert (place / "refs/heads/main.lock").exists()
    assert (place / "refs/heads/main").read_text() == "new"
    assert not (place / "refs/heads/main.lock").exists()


def test_a_lock_without_new_content_leaves_the_file(place: Path) -> None:
    with GitFolder(place).locked("refs/heads/main"):
        pass
    assert [path.name for path in (place / "refs/heads").iterdir()] == ["main"]
    assert (place / "refs/heads/main").read_text() == "x"


def test_a_lock_of_somebody_else_is_waited_for_and_never_broken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitfolder, "_WAIT", 0.05)
    (place / "refs/heads/main.lock").write_text("theirs")
    with pytest.raises(FileExistsError), GitFolder(place).locked("refs/heads/main"):
        pass
    assert (place / "refs/heads/main.lock").read_text() == "theirs"


def test_another_folder_in_its_place_is_not_asked(place: Path, tmp_path: Path) -> None:
    folder = GitFolder(place)
    place.rename(tmp_path / "moved")
    place.mkdir()
    with pytest.raises(OSError, match="Stale"):
        folder.ask("version")
