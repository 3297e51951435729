"""The index and the history are read as git has them, and only once."""

import pytest

from redactors.finding import Confidence
from tests.scan.project import Project, certain, likely, where
from wrapper.errors import WorkspaceError
from wrapper.scan.windows import STEP


@pytest.fixture
def repository(project: Project) -> Project:
    project.git("init", "-q", "-b", "main")
    return project


def commit(repository: Project, path: str, text: str) -> str:
    repository.write(path, text)
    repository.git("add", path)
    repository.git("commit", "-qm", path)
    return repository.git("rev-parse", "HEAD")


def test_what_is_staged_is_read_from_the_index_not_from_the_folder(repository: Project) -> None:
    commit(repository, "old.py", f"k = '{certain()}'\n")
    repository.write("staged.py", f"\nk = '{certain()}'\n")
    repository.git("add", "staged.py")
    repository.write("staged.py", "cleaned up, but not added\n")
    repository.write("unstaged.py", f"k = '{certain()}'\n")
    result = repository.scan(source="staged")
    assert [where(hit) for hit in result.hits] == [("staged.py", 2, 6)]
    assert result.counts.files == 1


def test_without_a_commit_yet_all_of_the_index_is_staged(repository: Project) -> None:
    repository.write("a b.py", f"k = '{certain()}'\n")
    repository.git("add", ".")
    assert repository.found(source="staged") == ["a b.py"]


def test_a_deletion_and_a_link_hold_nothing(repository: Project) -> None:
    commit(repository, "gone.py", f"k = '{certain()}'\n")
    repository.git("rm", "-q", "gone.py")
    (repository.root / "link").symlink_to(certain())
    repository.git("add", "link")
    assert repository.found(source="staged") == []


def test_the_index_that_git_gives_its_hook_is_the_one_that_is_read(repository: Project) -> None:
    """`git commit FILE` makes an index of its own for the hook."""
    commit(repository, "a.py", "x\n")
    repository.write("a.py", f"k = '{certain()}'\n")
    other = repository.cache / "index"
    repository.git("read-tree", "HEAD", GIT_INDEX_FILE=str(other))
    repository.git("add", "a.py", GIT_INDEX_FILE=str(other))
    assert repository.found(source="staged") == []
    repository.environ["GIT_INDEX_FILE"] = str(other)
    assert repository.found(source="staged") == ["a.py"]


def test_history_names_the_first_commit_that_has_a_secret_and_no_other(repository: Project) -> None:
    commit(repository, "a.py", "clean\n")
    first = commit(repository, "deep/b.py", f"# settings\nk = '{certain()}'\n")
    repository.git("mv", "deep/b.py", "c.py")
    repository.git("commit", "-qm", "rename")
    repository.git("rm", "-q", "c.py")
    repository.git("commit", "-qm", "remove")
    (hit,) = repository.scan(source="history").hits
    assert (hit.commit, where(hit)) == (first, ("deep/b.py", 2, 6))


def test_history_is_that_of_every_branch_and_of_merges(repository: Project) -> None:
    commit(repository, "a.py", "one\n")
    repository.git("checkout", "-qb", "side")
    commit(repository, "side.py", f"k = '{certain()}'\n")
    repository.git("checkout", "-q", "main")
    commit(repository, "b.py", "two\n")
    repository.git("checkout", "-q", "--detach")
    commit(repository, "detached.py", f"k = '{certain()}'\n")
    repository.git("merge", "-q", "--no-commit", "side")
    repository.write("merged.py", f"k = '{certain()}'\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "merge")
    assert repository.found(source="history") == ["detached.py", "merged.py", "side.py"]


def test_history_without_a_commit_is_empty(repository: Project) -> None:
    assert repository.found(source="history") == []


def test_a_large_blob_is_read_in_pieces_and_the_next_one_is_whole(repository: Project) -> None:
    repository.write("a.txt", b"w " * STEP + f"\nk = '{certain()}'\n".encode() + b"w " * STEP)
    repository.write("b.py", likely())
    repository.write("c.bin", b"\0" * (3 * STEP))
    repository.write("d.py", f"k = '{certain()}'\n")
    repository.git("add", ".")
    result = repository.scan(source="staged")
    assert [(hit.path, hit.place.line) for hit in result.hits] == [("a.txt", 2), ("b.py", 1), ("d.py", 1)]
    assert result.counts.binary == 1


def test_only_what_was_named_is_looked_at(repository: Project) -> None:
    commit(repository, "a/one.py", f"k = '{certain()}'\n")
    commit(repository, "ab/two.py", f"k = '{certain()}'\n")
    assert repository.found("a", source="history") == ["a/one.py"]


def test_an_object_that_is_gone_is_said(repository: Project) -> None:
    commit(repository, "a.py", f"k = '{certain()}'\n")
    name = repository.git("rev-parse", "HEAD:a.py")
    commit(repository, "b.py", f"k = '{certain()}'\n")
    (repository.root / ".git/objects" / name[:2] / name[2:]).unlink()
    result = repository.scan(source="history")
    assert [path for path, _ in result.unreadable] == ["a.py"]
    assert [hit.path for hit in result.hits] == ["b.py"]


def test_without_a_working_tree_there_is_no_index(project: Project) -> None:
    with pytest.raises(WorkspaceError, match="not in a git working tree"):
        project.scan(source="staged")


def test_the_least_confidence_holds_for_blobs_too(repository: Project) -> None:
    commit(repository, "a.py", likely())
    assert repository.scan(source="history").hits
    assert not repository.scan(source="history", minimum=Confidence.CERTAIN).hits
