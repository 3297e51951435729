import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repository import git, repository
from wrapper.errors import WorkspaceError
from wrapper.review.revisions import INDEX, WORKING, Version
from wrapper.review.sought import AS_TEXT, Bounds, File, Sought, sought, split_revision

_LONG = "".join(f"a line of its own, number {number}\n" for number in range(30))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Files in folders, with history: one that is gone, one that is staged, one that is not tracked, one ignored."""
    repository(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text(_LONG)
    (tmp_path / "src/gone.py").write_text(f"{_LONG}gone\n")
    (tmp_path / "b.py").write_text(f"{_LONG}b\n")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")
    git(tmp_path, "rm", "-q", "src/gone.py")
    (tmp_path / "src/a.py").write_text(f"{_LONG}staged\n")
    git(tmp_path, "add", ".")
    (tmp_path / "src/a.py").write_text(f"{_LONG}now\n")
    (tmp_path / "new.py").write_text("not tracked\n")
    (tmp_path / "x.tmp").write_text("ignored\n")
    return tmp_path


def _found(work: Path, *names: str, **more: object) -> dict[str, list[str]]:
    return {one.name: [version.name for version in one.versions] for one in sought(names, work, **more).files}  # type: ignore[arg-type]


def test_a_folder_is_the_files_below_it_those_that_are_gone_included(work: Path) -> None:
    commit = git(work, "rev-parse", "HEAD").decode()[:12]
    assert _found(work, "src") == {"src/a.py": [WORKING, INDEX, commit], "src/gone.py": [commit]}
    assert _found(work / "src", ".") == {"a.py": [WORKING, INDEX, commit], "gone.py": [commit]}


def test_everything_is_what_git_does_not_ignore_from_wherever_it_is_asked(work: Path) -> None:
    names = {".gitignore", "b.py", "new.py", "src/a.py", "src/gone.py"}
    assert set(_found(work, everything=True)) == names
    from_below = sought((), work / "src", everything=True)
    assert {os.path.relpath(next(iter(one.paths)), work) for one in from_below.files} == names


def test_a_revision_of_a_file_and_of_a_folder_is_read_as_git_reads_it(work: Path) -> None:
    assert _found(work, "v1:src/a.py") == {"v1:src/a.py": ["v1"]}
    assert _found(work / "src", "v1:./a.py") == {"v1:src/a.py": ["v1"]}
    assert _found(work, ":src/a.py") == {":src/a.py": [INDEX]}
    assert _found(work, ":0:src/a.py") == {":0:src/a.py": [INDEX]}
    assert set(_found(work, "v1:src")) == {"v1:src/a.py", "v1:src/gone.py"}
    assert set(_found(work, "HEAD^{/one}:src/a.py")) == {"HEAD^{/one}:src/a.py"}
    assert set(_found(work, revision="v1", everything=True)) == {
        "v1:.gitignore", "v1:b.py", "v1:src/a.py", "v1:src/gone.py",
    }  # fmt: skip
    for wrong in ("v1:/src/a.py", "v1:../../a.py", "v9:src/a.py", ":/one", "v1:never"):
        with pytest.raises(WorkspaceError):
            sought([wrong], work)


def test_what_exists_is_a_path_whatever_is_in_its_name(work: Path) -> None:
    (work / "v1:b.py").write_text(_LONG)
    assert _found(work, "v1:b.py") == {"v1:b.py": [WORKING]}


def test_a_folder_that_is_gone_is_found_in_history(work: Path) -> None:
    git(work, "rm", "-qrf", "src")
    git(work, "commit", "-qm", "gone")
    assert set(_found(work, "src")) == {"src/a.py", "src/gone.py"}


def test_equal_contents_are_held_once_and_are_everybodys(work: Path) -> None:
    (work / "copy.py").write_text(f"{_LONG}b\n")
    all_of_it = sought(["b.py", "copy.py"], work)
    assert len(all_of_it.contents) == 1
    assert all_of_it.owners == (((0, 0), (1, 0)),)


def test_what_is_not_looked_for_is_said_of_the_files_it_is_about(work: Path) -> None:
    (work / "large.bin").write_bytes(os.urandom(5000))
    git(work, "clone", "-q", str(work), str(work / "inner"))
    bounds = Bounds(one=4000, all=3 * len(_LONG))
    files = {one.name: one for one in sought((), work, everything=True, bounds=bounds).files}
    assert files["large.bin"].versions == ()
    assert files["large.bin"].omitted[0].startswith("1 content of more than")
    assert any("past the" in why for one in files.values() for why in one.omitted)
    assert files["src/a.py"].versions[0].name == WORKING
    assert any(name.startswith("inner") and one.omitted for name, one in files.items())


def test_outside_of_a_repository_a_folder_is_walked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.txt").write_text(_LONG)
    (tmp_path / "link").symlink_to("sub/a.txt")
    os.mkfifo(tmp_path / "pipe")
    assert _found(tmp_path, ".") == {"sub/a.txt": [WORKING]}
    with pytest.raises(WorkspaceError, match="in no git repository"):
        sought(["HEAD:sub/a.txt"], tmp_path)


@given(st.text(max_size=40))
def test_a_revision_is_split_as_git_splits_it(text: str) -> None:
    parts = split_revision(text)
    if parts is None:
        assert ":" not in text or "{" in text
    else:
        assert ":".join(parts) == text


def test_contents_of_now_come_first() -> None:
    from wrapper.review.revisions import Version

    def file(name: str) -> File:
        return File(
            name, frozenset(), (Version(WORKING, name, name.encode()), Version("c", name, b"old " + name.encode()))
        )

    assert Sought.of([file("a"), file("b")]).contents == (b"a", b"b", b"old a", b"old b")


def _texts(data: bytes) -> list[bytes]:
    (file,) = Sought.of([File("a", frozenset(), (Version(WORKING, "a", data),))]).files
    assert file.versions[0].data == data
    assert all(AS_TEXT in one.name for one in file.versions[1:])
    return [one.data for one in file.versions[1:]]


def test_what_clients_send_otherwise_than_it_is_stored_is_looked_for_so_too() -> None:
    assert _texts(_LONG.encode()) == []
    assert _texts(_LONG.replace("\n", "\r\n").encode()) == [_LONG.encode()]
    assert _texts(_LONG.encode("utf-16")) == [_LONG.encode()]
    cell = {"cell_type": "code", "source": _LONG.splitlines(keepends=True), "outputs": [{"text": "put out"}]}
    (text,) = _texts(json.dumps({"nbformat": 4, "cells": [cell, {"source": "more"}]}).encode())
    assert _LONG.encode() in text
    assert b"put out" in text


@given(st.binary(max_size=60))
def test_whatever_a_content_is_it_has_a_text(data: bytes) -> None:
    for beginning in (
        b"",
        b"\xff\xfe",
        b'{"nbformat": 4, "cells": [',
        b'{"nbformat": 4, "cells": [["a", 1, "\\ud800"]]}',
    ):
        _texts(beginning + data)


def test_a_folder_is_also_what_git_ignores_below_it_and_links_are_what_they_lead_to(work: Path) -> None:
    (work / "src/y.tmp").write_text("ignored too\n")
    assert set(_found(work, "src")) == {"src/a.py", "src/gone.py", "src/y.tmp"}
    (work / "link.py").symlink_to("src/a.py")
    (work / "linked").symlink_to("src")
    found = _found(work, "src/a.py")
    assert len(found["src/a.py"]) == 3
    assert _found(work, "link.py") == {"link.py": [WORKING], **found}
    assert _found(work, "linked") == _found(work, "src")
    assert _found(work, "linked/a.py") == found


def test_a_repository_below_a_folder_that_is_in_none_is_told_and_not_read(work: Path, tmp_path: Path) -> None:
    outer = tmp_path.parent / f"{tmp_path.name}-outer"
    outer.mkdir()
    (outer / "a.txt").write_text("in no repository\n")
    work.rename(outer / "inner")
    files = {one.name: one for one in sought([str(outer)], outer).files}
    assert set(files) == {"a.txt", "inner"}
    assert "repository of their own" in files["inner"].omitted[0]
