"""Which files a scan reads: git is asked where there is git, policy elsewhere."""

import os

import pytest

from tests.scan.project import Project, certain
from wrapper.errors import WorkspaceError


@pytest.fixture
def repository(project: Project) -> Project:
    project.git("init", "-q", "-b", "main")
    return project


def test_in_git_what_is_tracked_or_not_ignored_is_read(repository: Project) -> None:
    for path in ("tracked.py", "new.py", "ignored.py", "deep/ignored.py", "forced.py"):
        repository.write(path, f"k = '{certain()}'\n")
    repository.write(".gitignore", "ignored.py\nforced.py\n")
    repository.git("add", "tracked.py")
    repository.git("add", "-f", "forced.py")
    assert repository.found() == ["forced.py", "new.py", "tracked.py"]
    assert repository.found(every=True) == ["deep/ignored.py", "forced.py", "ignored.py", "new.py", "tracked.py"]


def test_the_users_own_ignore_rules_count(repository: Project) -> None:
    repository.write("notes.txt", f"k = '{certain()}'\n")
    folder = repository.cache.parent / ".config/git"
    folder.mkdir(parents=True)
    (folder / "ignore").write_text("notes.txt\n")
    assert repository.found() == []


def test_policy_leaves_out_what_git_does_not_track_and_nothing_that_it_tracks(repository: Project) -> None:
    repository.write("build/a.py", f"k = '{certain()}'\n")
    repository.write("node_modules/b.py", f"k = '{certain()}'\n")
    repository.git("add", "build/a.py")
    assert repository.found() == ["build/a.py"]


def test_a_named_file_is_read_whatever_is_said_of_it(repository: Project) -> None:
    repository.write("ignored.py", f"k = '{certain()}'\n")
    repository.write("node_modules/b.py", f"k = '{certain()}'\n")
    repository.write(".gitignore", "ignored.py\n")
    assert repository.found("ignored.py", "node_modules/b.py") == ["ignored.py", "node_modules/b.py"]


def test_a_named_folder_is_read_alone(repository: Project) -> None:
    for path in ("a/one.py", "ab/two.py", "three.py"):
        repository.write(path, f"k = '{certain()}'\n")
    repository.git("add", "a", "three.py")
    assert repository.found("a") == ["a/one.py"]
    assert repository.found("ab", "three.py") == ["ab/two.py", "three.py"]


def test_a_name_that_looks_like_a_pattern_of_gits_is_a_name(repository: Project) -> None:
    repository.write(":(top)/a.py", f"k = '{certain()}'\n")
    repository.write("*/b.py", f"k = '{certain()}'\n")
    repository.write("c.py", f"k = '{certain()}'\n")
    assert repository.found("*") == ["*/b.py"]
    assert repository.found(":(top)") == [":(top)/a.py"]


def test_without_git_all_is_read_but_what_policy_leaves_out(project: Project) -> None:
    for path in ("a.py", "deep/er/b.py", "node_modules/c.py", ".hidden"):
        project.write(path, f"k = '{certain()}'\n")
    assert project.found() == [".hidden", "a.py", "deep/er/b.py"]


def test_a_repository_in_a_plain_folder_is_asked_what_it_ignores(project: Project) -> None:
    inner = Project(project.root, project.engines)
    inner.git("init", "-q")
    inner.write("a.py", f"k = '{certain()}'\n")
    inner.write("b.py", f"k = '{certain()}'\n")
    inner.write(".gitignore", "b.py\n")
    assert "work/a.py" in project.found()
    assert "work/b.py" not in project.found()


def test_submodules_and_repositories_within_are_read(repository: Project) -> None:
    module = Project(repository.cache, repository.engines)
    module.git("init", "-q")
    module.write("a.py", f"k = '{certain()}'\n")
    module.git("add", ".")
    module.git("commit", "-qm", "start")
    repository.git("submodule", "add", "-q", str(module.root), "module")
    inner = repository.root / "inner"
    inner.mkdir()
    repository.git("init", "-q", str(inner))
    (inner / "b.py").write_text(f"k = '{certain()}'\n")
    assert repository.found() == ["inner/b.py", "module/a.py"]


def test_a_linked_worktree_is_a_working_tree(repository: Project) -> None:
    repository.write("a.py", f"k = '{certain()}'\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "start")
    linked = repository.cache / "linked"
    repository.git("worktree", "add", "-q", str(linked))
    (linked / "ignored.py").write_text(f"k = '{certain()}'\n")
    (linked / ".gitignore").write_text("ignored.py\n")
    repository.root = linked
    assert repository.found() == ["a.py"]


def test_links_are_not_followed(project: Project) -> None:
    outside = project.cache / "outside"
    outside.mkdir()
    (outside / "a.py").write_text(f"k = '{certain()}'\n")
    project.write("b.py", "nothing\n")
    (project.root / "file").symlink_to(outside / "a.py")
    (project.root / "folder").symlink_to(outside)
    (project.root / "loop").symlink_to(".")
    assert project.found() == []
    project.git("init", "-q")
    project.git("add", ".")
    assert project.found() == []


def test_a_name_that_is_no_utf8_is_read(repository: Project) -> None:
    name = os.fsdecode(b"na\xffme.py")
    repository.write(name, f"k = '{certain()}'\n")
    assert repository.found() == [name]
    repository.git("add", ".")
    assert repository.found() == [name]
    assert repository.found(source="staged") == [name]


def test_a_file_that_is_deleted_but_tracked_is_not_missed(repository: Project) -> None:
    file = repository.write("a.py", "x\n")
    repository.git("add", ".")
    file.unlink()
    assert repository.scan().unreadable == ()


def test_pipes_and_sockets_stop_nothing(repository: Project) -> None:
    os.mkfifo(repository.root / "pipe")
    repository.write("a.py", f"k = '{certain()}'\n")
    assert repository.found() == ["a.py"]


def test_what_is_named_and_no_file_is_said(project: Project) -> None:
    os.mkfifo(project.root / "pipe")
    assert project.scan("pipe").unreadable == (("pipe", "not a regular file"),)


def test_no_git_on_the_machine_is_said_with_the_way_around(repository: Project) -> None:
    repository.write("a.py", f"k = '{certain()}'\n")
    repository.environ["PATH"] = str(repository.cache)
    with pytest.raises(WorkspaceError) as refused:
        repository.scan()
    assert "--all" in refused.value.hint
    assert repository.found(every=True) == ["a.py"]


def test_a_broken_repository_among_folders_is_said_and_the_rest_is_read(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    project.write("broken/.git/HEAD", "nonsense\n")
    project.write("broken/.git/index", "nonsense\n")
    result = project.scan()
    assert [hit.path for hit in result.hits] == ["a.py"]
    assert [path for path, _ in result.unreadable] == ["broken"]
