"""The index reader says what `git ls-files` says, in every index format that git writes."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.repository import fill, git, repository
from wrapper.errors import WorkspaceError
from wrapper.plan import gitinfo
from wrapper.plan.gitinfo import git_layout, layout_at, leads_astray, tracked
from wrapper.plan.indexformat import IndexFormatError, index_names


def listed(folder: Path) -> frozenset[str]:
    return frozenset(os.fsdecode(name) for name in git(folder, "ls-files", "-z").split(b"\0") if name)


NAMES = ["a", "src/one.py", "src/two.py", "src/deep/er/three.py", "ü/ß.txt", "x" * 200, "sp ace\nline", ".env"]


@pytest.fixture(params=["2", "3", "4"])
def any_version(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = repository(tmp_path / "repo")
    fill(folder, NAMES)
    git(folder, "add", "-A")
    if request.param == "3":  # written only when an entry needs extended flags
        fill(folder, ["later.txt"])
        git(folder, "add", "-N", "later.txt")
    else:
        git(folder, "update-index", "--index-version", request.param)
    assert (folder / ".git/index").read_bytes()[7:8] == bytes([int(request.param)])
    return folder


def never(_layout: object) -> frozenset[bytes]:
    raise AssertionError("git was asked")


def test_index_versions_2_3_and_4_are_read_without_git(any_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitinfo, "_ask_git", never)
    layout = git_layout(any_version)
    assert layout is not None
    assert tracked(layout) == listed(any_version)
    assert len(tracked(layout)) >= len(NAMES)


def test_a_name_longer_than_the_length_field_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "repo")
    long = "/".join(["d" * 200] * 17 + ["end"])
    blob = git(folder, "hash-object", "-w", "--stdin", given=b"x").decode().strip()
    git(folder, "update-index", "--index-info", given=f"100644 {blob}\t{long}\n100644 {blob}\tz\n".encode())
    monkeypatch.setattr(gitinfo, "_ask_git", never)
    layout = git_layout(folder)
    assert layout is not None
    assert tracked(layout) == {long, "z"}


def test_a_sha256_index_is_read_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "repo", "--object-format=sha256")
    fill(folder, NAMES)
    git(folder, "add", "-A")
    monkeypatch.setattr(gitinfo, "_ask_git", never)
    layout = git_layout(folder)
    assert layout is not None
    assert tracked(layout) == frozenset(NAMES)


def test_a_split_index_is_answered_by_git(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, NAMES)
    git(folder, "add", "-A")
    git(folder, "update-index", "--split-index")
    fill(folder, ["after.txt"])
    git(folder, "add", "-A")
    with pytest.raises(IndexFormatError):
        list(index_names((folder / ".git/index").read_bytes()))
    layout = git_layout(folder)
    assert layout is not None
    assert tracked(layout) == {*NAMES, "after.txt"}


def test_a_sparse_index_is_answered_by_git(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, ["kept/a", "left/b", "left/c", "top"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "sparse-checkout", "init", "--cone", "--sparse-index")
    git(folder, "sparse-checkout", "set", "kept")
    layout = git_layout(folder)
    assert layout is not None
    assert tracked(layout) == {"kept/a", "left/b", "left/c", "top"}


def test_an_index_that_neither_reader_understands_is_an_error_not_an_empty_answer(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    (folder / ".git/index").write_bytes(b"DIRC" + b"\xff" * 100)
    layout = git_layout(folder)
    assert layout is not None
    with pytest.raises(WorkspaceError):
        tracked(layout)


def test_asking_git_runs_no_program_of_the_repository(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, ["a"])
    git(folder, "add", "-A")
    git(folder, "update-index", "--split-index")
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    git(folder, "config", "core.fsmonitor", str(program))
    git(folder, "config", "alias.ls-files", f"!{program}")
    layout = git_layout(folder)
    assert layout is not None
    assert tracked(layout) == {"a"}
    assert not (tmp_path / "ran").exists()


def test_a_repository_without_an_index_tracks_nothing(tmp_path: Path) -> None:
    layout = git_layout(repository(tmp_path / "repo"))
    assert layout is not None
    assert tracked(layout) == frozenset()


def test_a_folder_below_the_top_belongs_to_the_repository(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    (folder / "a/b").mkdir(parents=True)
    layout = git_layout(folder / "a/b")
    assert layout is not None
    assert layout.toplevel == folder
    assert layout.git_dir == layout.common_dir == folder / ".git"


def test_a_linked_worktree_has_its_own_index_and_shares_the_rest(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, ["a"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "worktree", "add", "-q", str(tmp_path / "tree"))
    fill(tmp_path / "tree", ["only-here"])
    git(tmp_path / "tree", "add", "-A")
    layout = git_layout(tmp_path / "tree")
    assert layout is not None
    assert layout.git_dir == folder / ".git/worktrees/tree"
    assert layout.common_dir == folder / ".git"
    assert tracked(layout) == {"a", "only-here"}


def test_a_submodule_is_a_repository_of_its_own(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner")
    fill(inner, ["secret.pem"])
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "x")
    outer = repository(tmp_path / "outer")
    git(outer, "submodule", "--quiet", "add", str(inner), "sub")
    layout = git_layout(outer / "sub")
    assert layout is not None
    assert layout.toplevel == outer / "sub"
    assert layout.git_dir == outer / ".git/modules/sub"
    assert tracked(layout) == {"secret.pem"}


@pytest.mark.parametrize("dot_git", ["gitdir: /nowhere/at/all\n", "nonsense", ""])
def test_a_git_file_that_leads_nowhere_is_no_repository(tmp_path: Path, dot_git: str) -> None:
    (tmp_path / ".git").write_text(dot_git)
    assert gitinfo.layout_at(tmp_path) is None


def test_a_fifo_named_git_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert gitinfo.layout_at(tmp_path) is None


def test_a_fifo_in_place_of_the_index_is_an_error_and_does_not_block(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    os.mkfifo(folder / ".git/index")
    layout = git_layout(folder)
    assert layout is not None
    with pytest.raises(WorkspaceError):
        tracked(layout)


@given(st.binary(max_size=400))
def test_damaged_indexes_raise_their_own_error_and_nothing_else(data: bytes) -> None:
    for head in (b"", b"DIRC\0\0\0\2\0\0\0\2", b"DIRC\0\0\0\4\0\0\0\3"):
        with contextlib.suppress(IndexFormatError):
            list(index_names(head + data))


FILE_NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30).filter(
    lambda name: name not in {".", ".."} and ".git" not in name.lower() and "git~" not in name.lower()
)


@settings(max_examples=15, deadline=None)
@given(names=st.sets(FILE_NAME, max_size=40), version=st.sampled_from(["2", "4"]))
def test_any_names_come_back_as_git_gives_them(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], version: str
) -> None:
    folder = repository(tmp_path_factory.mktemp("any"))
    try:
        blob = git(folder, "hash-object", "-w", "--stdin", given=b"x").decode().strip()
        entries = "".join(f"100644 {blob}\tdir/{name}\0" for name in names)
        git(folder, "update-index", "-z", "--index-info", given=entries.encode())
        git(folder, "update-index", "--index-version", version)
        layout = git_layout(folder)
        assert layout is not None
        assert tracked(layout) == listed(folder)
    finally:
        shutil.rmtree(folder)


def test_a_git_folder_that_names_another_repository_is_none(tmp_path: Path) -> None:
    work, other = repository(tmp_path / "work"), repository(tmp_path / "other")
    assert not leads_astray(work)
    for named in ("../../other/.git", f"{other}/.git", ".", "nowhere"):
        (work / ".git/commondir").write_text(f"{named}\n")
        assert leads_astray(work)
        assert layout_at(work) is None
    (work / "own").mkdir()
    (work / "own/HEAD").write_text("ref: refs/heads/main\n")
    (work / "own/commondir").write_text(f"{other}/.git\n")
    shutil.rmtree(work / ".git")
    (work / ".git").write_text("gitdir: own\n")
    assert layout_at(work) is None


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_linked_working_tree_has_the_folders_of_its_repository(tmp_path: Path, *, is_bare: bool) -> None:
    main = repository(tmp_path / "main", *(["--bare"] if is_bare else []))
    tree = git(main, "hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
    commit = git(main, "commit-tree", "-m", "x", tree).decode().strip()
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"), commit)
    common = main if is_bare else main / ".git"
    found = layout_at(tmp_path / "tree")
    assert found is not None
    assert (found.git_dir, found.common_dir) == (common / "worktrees/tree", common)
    assert not leads_astray(tmp_path / "tree")


def test_an_index_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "repo")
    (folder / ".git/index").write_bytes(b"DIRC" + bytes(4097))
    monkeypatch.setattr(gitinfo, "_LARGEST_INDEX", 4096)
    layout = git_layout(folder)
    assert layout is not None
    with pytest.raises(WorkspaceError, match="larger than any") as refused:
        tracked(layout)
    assert "git reset" in refused.value.hint
