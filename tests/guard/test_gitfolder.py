"""A repository's folder is read and written without following a link, and under git's own locks."""

import shutil
from pathlib import Path

import pytest

from tests.repository import git
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


def test_another_folder_in_its_place_is_not_asked(tmp_path: Path) -> None:
    place = tmp_path / "git"
    git(tmp_path, "init", "-q", "--bare", str(place))
    folder = GitFolder(place)
    place.rename(tmp_path / "moved")
    git(tmp_path, "init", "-q", "--bare", str(place))
    assert folder.ask("rev-parse", "--absolute-git-dir").decode() == f"{tmp_path}/moved\n"
    assert not folder.is_gone
    shutil.rmtree(tmp_path / "moved")
    assert folder.is_gone
    with pytest.raises(OSError, match="No such file"):
        folder.ask("version")


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_that_names_another_repository_is_not_asked(tmp_path: Path, *, is_link: bool) -> None:
    place = tmp_path / "git"
    git(tmp_path, "init", "-q", "--bare", str(place))
    folder = GitFolder(place)
    if is_link:
        (place / "commondir").symlink_to("nowhere")
    else:
        (place / "commondir").write_text("../other\n")
    with pytest.raises(OSError, match="names another repository"):
        folder.ask("for-each-ref")
    (place / "commondir").unlink()
    assert folder.ask("for-each-ref") == b""


def test_git_stays_in_a_folder_whose_settings_name_a_work_tree(tmp_path: Path) -> None:
    place = tmp_path / "work/.git"
    git(tmp_path, "init", "-q", "work")
    git(tmp_path, "init", "-q", "--bare", "other")
    git(tmp_path, "--git-dir", str(place), "config", "core.worktree", str(tmp_path))
    folder = GitFolder(place)
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "other")
    (tmp_path / "moved/refs/heads/main").write_text("1" * 40 + "\n")
    assert folder.ask("rev-parse", "refs/heads/main") == b"1" * 40 + b"\n"


def test_a_link_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "git"
    place.mkdir()
    (place / "file").write_text("kept")
    (place / "link").symlink_to(place / "file")
    (place / "folder").symlink_to(tmp_path)
    (tmp_path / "beyond").symlink_to(place / "file")
    folder = GitFolder(place)
    tried = ("link", "file", "missing", "folder/beyond", "missing/link")
    assert [folder.unlink(name) for name in tried] == [True, False, False, False, False]
    assert sorted(path.name for path in place.iterdir()) == ["file", "folder"]
    assert (tmp_path / "beyond").is_symlink()


def test_a_lock_is_taken_away_that_nobody_works_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.guard.gitfolder._WAIT", 0.05)
    place = tmp_path / "git"
    place.mkdir()
    (place / "a.lock").touch()
    (place / "b.lock").mkdir()
    (place / "folder").symlink_to(tmp_path)
    (tmp_path / "c.lock").touch()
    folder = GitFolder(place)
    for name in ("a", "b", "folder/c", "missing"):
        folder.unlock(name)
    assert sorted(path.name for path in place.iterdir()) == ["folder"]
    assert (tmp_path / "c.lock").exists()


def test_files_with_other_names_are_found_where_refs_are(tmp_path: Path) -> None:
    place = tmp_path / "git"
    for name in ("refs/heads/a", "refs/heads/b", "objects/c", "HEAD", "worktrees/w/HEAD"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    for name in ("refs/heads/a", "objects/c", "worktrees/w/HEAD"):
        (tmp_path / name.replace("/", "-")).hardlink_to(place / name)
    assert sorted(GitFolder(place).shared()) == ["refs/heads/a", "worktrees/w/HEAD"]
