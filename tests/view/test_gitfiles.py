"""git inside and git outside both find the working tree as it is, though they see other bytes in masked files.

The inside is played by a copy of the working tree as it would be shown; git compares only size and whole seconds there
(`core.checkStat`, `core.trustctime`), because a copy has inode numbers of its own.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repository import git, repository
from wrapper.view.gitfiles import GitFiles, Masked
from wrapper.view.gitindex import Entry, find

SECRET = b"fake-hunter2-not-real"
PLACEHOLDER = b"MASKED-PASSWORD-ABCDEFGH"
_LATE = 4_000_000_000_000_000_000
"""Nanoseconds since 1970 at which no file is young."""
_LOOSELY = ("-c", "core.checkStat=minimal", "-c", "core.trustctime=false")


class Folder:
    """The files of a real folder; those that hold the secret show a placeholder."""

    def __init__(self, root: Path, copy: Path | None = None) -> None:
        self.root = root
        self.copy = copy  # whose files' states count, as they would in the view

    def masked_paths(self) -> Iterable[bytes]:
        for path in self.root.rglob("*env"):
            yield os.fsencode(path.relative_to(self.root))

    def begun(self) -> int:
        return 0

    def masked(self, path: bytes) -> Masked | None:
        name = os.fsdecode(path)
        real = (self.root / name).read_bytes()
        if SECRET not in real:
            return None
        about = (self.root / name).stat()
        if self.copy is not None:
            about = (self.copy / name).stat()
        return Masked(about, real, real.replace(SECRET, PLACEHOLDER))

    def state(self, path: bytes) -> object:
        file = self.root / os.fsdecode(path)
        return (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None

    def content(self, path: bytes) -> bytes | None:
        return self.read(path)

    def read(self, path: bytes) -> bytes | None:
        file = self.root / os.fsdecode(path)
        return file.read_bytes() if file.is_file() else None

    def stamp(self, path: bytes) -> object:
        file = self.root / os.fsdecode(path)
        return file.stat().st_mtime_ns if file.exists() else None


class Inside:
    """A repository seen from inside, at one moment."""

    def __init__(self, real: Path, place: Path) -> None:
        self.real, self.tree, self.index = real, place / "tree", place / "index"
        shutil.copytree(real, self.tree, ignore=shutil.ignore_patterns(".git"))
        seen = Folder(real)
        for path in seen.masked_paths():
            file = seen.masked(path)
            if file is not None:
                shown = self.tree / os.fsdecode(path)
                shown.write_bytes(file.shown)
                os.utime(shown, ns=(0, file.about.st_mtime_ns))
        self.files = GitFiles(seen, os.fsencode(real))
        about = (real / ".git/index").stat()
        seen_index = self.files.shown(b".git/index", (real / ".git/index").read_bytes(), about.st_mtime_ns)
        self.index.write_bytes(seen_index.data)
        os.utime(self.index, ns=(about.st_atime_ns, about.st_mtime_ns + seen_index.later_ns))

    def git(self, *arguments: str) -> bytes:
        command = *_LOOSELY, f"--git-dir={self.real}/.git", f"--work-tree={self.tree}", *arguments
        return git(self.tree, *command, extra={"GIT_INDEX_FILE": str(self.index)})

    def put(self) -> None:
        """Put the index in place, as git inside does by renaming; git's times count from here on."""
        seen = Folder(self.real, self.tree)
        self.files._files = seen
        data = self.files.real(b".git/index", self.index.read_bytes())
        (self.real / ".git/index").write_bytes(data)


def status(folder: Path) -> list[bytes]:
    return git(folder, *_LOOSELY, "status", "--porcelain").splitlines()


def entry(folder: Path, name: bytes, index: str = ".git/index") -> Entry:
    (found,) = find((folder / index).read_bytes(), [name])
    return found


def blob(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).digest()


@pytest.fixture
def real(tmp_path: Path) -> Path:
    folder = repository(tmp_path / "repo")
    (folder / "sub").mkdir()
    (folder / ".env").write_bytes(b"A=" + SECRET + b"\n")
    (folder / "sub/.env").write_bytes(b"B=" + SECRET + b"\nC=" + SECRET)
    (folder / "plain").write_text("plain\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return folder


def test_a_masked_file_looks_unchanged_inside_even_in_the_second_of_the_commit(real: Path, tmp_path: Path) -> None:
    inside = Inside(real, tmp_path / "in")
    assert inside.git("status", "--porcelain") == b""
    assert (inside.tree / ".env").read_bytes() == b"A=" + PLACEHOLDER + b"\n"


def test_the_index_is_as_long_as_it_is(real: Path) -> None:
    data = (real / ".git/index").read_bytes()
    shown = GitFiles(Folder(real), os.fsencode(real)).shown(b".git/index", data, _LATE).data
    assert shown != data
    assert len(shown) == len(data)


def test_a_change_of_the_host_shows_inside_with_the_same_size_in_the_same_second(real: Path, tmp_path: Path) -> None:
    about = (real / ".env").stat()
    (real / ".env").write_bytes(b"B=" + SECRET + b"\n")
    os.utime(real / ".env", ns=(about.st_atime_ns, about.st_mtime_ns))
    inside = Inside(real, tmp_path / "in")
    assert inside.git("status", "--porcelain").split() == [b"M", b".env"]


def test_a_touched_file_that_is_as_it_was_looks_unchanged_inside(real: Path, tmp_path: Path) -> None:
    os.utime(real / ".env", (10, 10))
    assert Inside(real, tmp_path / "in").git("status", "--porcelain") == b""


def test_what_git_would_have_to_read_again_is_neither_missed_nor_called_changed(real: Path, tmp_path: Path) -> None:
    """A file that is as young as the index may have changed without a trace, also in commands that refresh nothing."""
    assert Inside(real, tmp_path / "in").git("diff-files") == b""
    about = (real / "plain").stat()
    (real / "plain").write_text("other\n")
    os.utime(real / "plain", ns=(about.st_atime_ns, (real / ".git/index").stat().st_mtime_ns))
    assert Inside(real, tmp_path / "again").git("diff-files", "--name-only") == b"plain\n"


def test_what_is_shown_holds_as_long_as_the_files_it_depends_on(real: Path) -> None:
    files = GitFiles(Folder(real), os.fsencode(real))
    index = real / ".git/index"
    shown = files.shown(b".git/index", index.read_bytes(), index.stat().st_mtime_ns)
    assert {path for path, _ in shown.depends} >= {b".env", b"sub/.env"}
    assert all(files.state(path) == state for path, state in shown.depends)
    (real / ".env").write_bytes(b"A=" + SECRET + b"more\n")
    assert not all(files.state(path) == state for path, state in shown.depends)


def test_an_index_that_git_inside_has_refreshed_is_true_outside(real: Path, tmp_path: Path) -> None:
    before = entry(real, b".env")
    os.utime(real / "plain", (5, 5))
    inside = Inside(real, tmp_path / "in")
    inside.git("update-index", "--really-refresh")
    inside.put()
    after = entry(real, b".env")
    assert entry(real, b"plain").mtime == (5, 0)
    assert (after.size, after.object_id) == (before.size, before.object_id)
    assert status(real) == []
    git(real, *_LOOSELY, "diff-files", "--quiet")


def test_adding_what_git_has_already_stages_nothing(real: Path, tmp_path: Path) -> None:
    inside = Inside(real, tmp_path / "in")
    os.utime(inside.tree / ".env", (9, 9))
    os.utime(real / ".env", (11, 11))  # it is shown two seconds older
    inside.git("add", "-A")
    assert entry(inside.index.parent, b".env", "index").object_id == blob((inside.tree / ".env").read_bytes())
    inside.put()
    assert entry(real, b".env").object_id == blob((real / ".env").read_bytes())
    assert status(real) == []


def test_adding_a_changed_masked_file_stages_placeholders_and_no_value(real: Path, tmp_path: Path) -> None:
    content = b"A=" + SECRET + b"\nNEW=1\n"
    (real / ".env").write_bytes(content)
    inside = Inside(real, tmp_path / "in")
    inside.git("add", "-A")
    inside.put()
    shown = content.replace(SECRET, PLACEHOLDER)
    assert entry(real, b".env").object_id == blob(shown)
    assert not (real / f".git/objects/{blob(content).hex()[:2]}/{blob(content).hex()[2:]}").exists()
    assert status(real) == [b"MM .env"]  # outside it is plain that what is staged is not what is there
    again = Inside(real, tmp_path / "again")
    assert again.git("status", "--porcelain") == b"M  .env\n"


def test_a_new_masked_file_that_git_does_not_have_stays_out_of_its_objects(real: Path, tmp_path: Path) -> None:
    content = b"D=" + SECRET
    (real / "new.env").write_bytes(content)
    inside = Inside(real, tmp_path / "in")
    inside.git("add", "-A")
    inside.put()
    assert entry(real, b"new.env").object_id == blob(content.replace(SECRET, PLACEHOLDER))
    objects = git(real, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert blob(content).hex().encode() not in objects


def test_a_file_in_a_conflict_is_left_as_it_is(real: Path) -> None:
    object_id = entry(real, b".env").object_id.hex()
    rows = f"0 {'0' * 40}\t.env\n" + "".join(f"100644 {object_id} {stage}\t.env\n" for stage in (1, 2, 3))
    git(real, "update-index", "--index-info", given=rows.encode())
    data = (real / ".git/index").read_bytes()
    files = GitFiles(Folder(real), os.fsencode(real))
    assert find(files.shown(b".git/index", data, _LATE).data, [b".env"]) == find(data, [b".env"])
    assert find(files.shown(b".git/index", data, _LATE).data, [b"sub/.env"]) != find(data, [b"sub/.env"])


def test_a_file_whose_line_ends_git_changes_looks_unchanged(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    git(folder, "config", "core.autocrlf", "true")
    (folder / ".env").write_bytes(b"A=" + SECRET + b"\r\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    assert entry(folder, b".env").object_id == blob(b"A=" + SECRET + b"\n")
    inside = Inside(folder, tmp_path / "in")
    assert inside.git("status", "--porcelain") == b""
    os.utime(inside.tree / ".env", (9, 9))
    os.utime(folder / ".env", (11, 11))
    inside.git("add", "-A")
    inside.put()
    assert entry(folder, b".env").object_id == blob(b"A=" + SECRET + b"\n")
    assert status(folder) == []


def test_a_file_that_a_filter_changes_looks_unchanged_until_it_is_touched(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    git(folder, "config", "filter.up.clean", "tr a-z A-Z")
    (folder / ".gitattributes").write_text(".env filter=up\n")
    (folder / ".env").write_bytes(b"A=" + SECRET)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    assert entry(folder, b".env").object_id == blob(b"A=" + SECRET.upper())
    assert Inside(folder, tmp_path / "in").git("status", "--porcelain") == b""
    (folder / ".env").write_bytes(b"B=" + SECRET)
    assert Inside(folder, tmp_path / "again").git("status", "--porcelain").split() == [b"M", b".env"]


@pytest.mark.parametrize("is_relative", [False, True])
def test_a_worktree_in_the_view_is_compared_with_its_own_files(real: Path, *, is_relative: bool) -> None:
    git(real, "worktree", "add", "-q", "trees/one")
    (real / "trees/one/.env").write_bytes(b"A=" + SECRET + b"\n\n")
    if is_relative:
        (real / ".git/worktrees/one/gitdir").write_text("../../../trees/one/.git\n")
    data = (real / ".git/worktrees/one/index").read_bytes()
    shown = GitFiles(Folder(real), os.fsencode(real)).shown(b".git/worktrees/one/index", data, _LATE).data
    before, after = (find(index, [b".env", b"sub/.env"]) for index in (data, shown))
    changed = [one.path for one, other in zip(before, after, strict=True) if one != other]
    assert changed == [b"sub/.env"]


def test_a_submodule_is_compared_with_its_own_files(real: Path, tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner")
    (inner / "in.env").write_bytes(SECRET)
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "x")
    git(real, "submodule", "--quiet", "add", str(inner), "deep/er")
    data = (real / ".git/modules/deep/er/index").read_bytes()
    files = GitFiles(Folder(real), os.fsencode(real))
    assert files.is_index(b".git/modules/deep/er/index")
    (shown,) = find(files.shown(b".git/modules/deep/er/index", data, _LATE).data, [b"in.env"])
    assert shown.size == len(PLACEHOLDER)


@pytest.mark.parametrize(
    "named", ["/etc/.git", "../../../../elsewhere/.git", "/", "", "\0", "../../../../repo-not/.git"]
)
def test_a_worktree_elsewhere_is_left_as_it_is(real: Path, named: str) -> None:
    folder = real / ".git/worktrees/one"
    folder.mkdir(parents=True)
    shutil.copy(real / ".git/index", folder / "index")
    (folder / "gitdir").write_text(named + "\n")
    data = (folder / "index").read_bytes()
    files = GitFiles(Folder(real), os.fsencode(real))
    assert files.shown(b".git/worktrees/one/index", data, _LATE).data == data
    assert files.real(b".git/worktrees/one/index", data) == data


def test_a_sha256_repository_is_understood(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo", "--object-format=sha256")
    (folder / ".env").write_bytes(b"A=" + SECRET)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    assert Inside(folder, tmp_path / "in").git("status", "--porcelain") == b""


@given(data=st.binary(max_size=200), text=st.binary(max_size=60))
def test_whatever_the_inside_writes_into_its_git_folder_raises_nothing(data: bytes, text: bytes) -> None:
    class Hostile(Folder):
        def masked_paths(self) -> Iterable[bytes]:
            return [b".env"]

        def masked(self, path: bytes) -> Masked | None:
            return Masked(Path("/").stat(), SECRET, PLACEHOLDER)

        def read(self, path: bytes) -> bytes | None:
            return text

    files = GitFiles(Hostile(Path("/")), b"/home/someone/work")
    for path in (b".git/index", b".git/worktrees/one/index", b".git/modules/a/index"):
        for content in (data, b"DIRC\0\0\0\2\0\0\0\1" + data):
            assert len(files.shown(path, content, _LATE).data) == len(content)
            files.real(path, content)


@pytest.mark.parametrize(
    ("path", "is_index", "moves"),
    [
        (b".git/index", True, False),
        (b"sub/dir/.git/index", True, False),
        (b".git/worktrees/one/index", True, False),
        (b".git/modules/a/b/index", True, False),
        (b".git/worktrees/one/modules/a/index", True, False),
        (b".git/index.lock", False, False),
        (b"index", False, False),
        (b"git/index", False, False),
        (b"x.git/index", False, False),
        (b".git/refs/heads/index", False, True),
        (b".git/HEAD", False, True),
        (b".git/HEAD.lock", False, False),
        (b".git/refs/heads/main", False, True),
        (b".git/refs/heads/main.lock", False, False),
        (b".git/refs/stash", False, True),
        (b".git/packed-refs", False, True),
        (b".git/reftable/tables.list", False, True),
        (b".git/reftable/tables.list.lock", False, False),
        (b".git/worktrees/one/HEAD", False, True),
        (b".git/worktrees/one/refs/bisect/bad", False, True),
        (b".git/worktrees/one/logs/HEAD", False, False),
        (b".git/modules/a/HEAD", False, True),
        (b".git/modules/a/b/refs/heads/main", False, True),
        (b"sub/.git/refs/tags/v1", False, True),
        (b".git/logs/HEAD", False, False),
        (b".git/ORIG_HEAD", False, False),
        (b".git/FETCH_HEAD", False, False),
        (b".git/config", False, False),
        (b".git", False, False),
        (b"HEAD", False, False),
        (b"refs/heads/main", False, False),
    ],
)
def test_gits_own_files_are_told_apart(path: bytes, *, is_index: bool, moves: bool) -> None:
    files = GitFiles(Folder(Path("/nowhere")), b"/nowhere")
    assert files.is_index(path) is is_index
    assert files.moves_commits(path) is moves


@pytest.mark.parametrize(
    ("path", "is_index", "moves"),
    [
        (b"x/.bare/worktrees/one/index", True, False),
        (b"x/.bare/index", True, False),
        (b"x/.bare/worktrees/one/HEAD", False, True),
        (b"x/.bare/refs/heads/main", False, True),
        (b"x/.bare/modules/a/.git/HEAD", False, True),
        (b"x/.bare/config", False, False),
        (b"x/.bare", False, False),
        (b"x/.bare2/index", False, False),
        (b"x/one/index", False, False),
    ],
)
def test_a_repositorys_own_folder_may_have_any_name(path: bytes, *, is_index: bool, moves: bool) -> None:
    files = GitFiles(Folder(Path("/")), b"", b"x/.bare")
    assert files.is_index(path) is is_index
    assert files.moves_commits(path) is moves
