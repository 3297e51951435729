from pathlib import Path

import pytest

from tests.repository import git, repository
from wrapper.errors import WorkspaceError
from wrapper.review.revisions import INDEX, WORKING, versions

_LONG = "".join(f"a line of its own, number {number}\n" for number in range(30))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository: first, then changed and renamed, then on another branch, and staged."""
    repository(tmp_path)
    (tmp_path / "old name.txt").write_text(_LONG)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "mv", "old name.txt", "new.txt")
    (tmp_path / "new.txt").write_text(f"{_LONG}two\n")
    git(tmp_path, "commit", "-qam", "two")
    git(tmp_path, "checkout", "-qb", "side")
    (tmp_path / "new.txt").write_text(f"{_LONG}side\n")
    git(tmp_path, "commit", "-qam", "side")
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "new.txt").write_text(f"{_LONG}staged\n")
    git(tmp_path, "add", ".")
    (tmp_path / "new.txt").write_text(f"{_LONG}now\n")
    return tmp_path


def test_every_content_is_found_under_every_name_and_on_every_branch(work: Path) -> None:
    found = versions(work / "new.txt")
    ends = [version.data.decode().removeprefix(_LONG).strip() for version in found]
    assert ends[:2] == ["now", "staged"]
    assert sorted(ends[2:]) == ["", "side", "two"]
    assert [version.name for version in found[:2]] == [WORKING, INDEX]
    assert {version.path for version in found[2:]} == {"new.txt", "old name.txt"}


def test_equal_contents_are_given_once(work: Path) -> None:
    git(work, "checkout", "-q", "-f", "main")
    names = [version.name for version in versions(work / "new.txt")]
    assert names[0] == WORKING
    assert INDEX not in names


def test_a_file_that_is_gone_is_found_in_history(work: Path) -> None:
    git(work, "rm", "-qf", "new.txt")
    git(work, "commit", "-qm", "gone")
    assert len(versions(work / "new.txt")) == 3


def test_what_a_reset_threw_away_is_found(work: Path) -> None:
    git(work, "commit", "-qam", "to be thrown away")
    git(work, "reset", "-q", "--hard", "HEAD~1")
    assert any(version.data.endswith(b"now\n") for version in versions(work / "new.txt"))


def test_one_revision_is_given_alone(work: Path) -> None:
    (version,) = versions(work / "old name.txt", "HEAD~1")
    assert (version.data.decode(), version.name) == (_LONG, "HEAD~1")
    with pytest.raises(WorkspaceError, match=r"git has no `new.txt` in `HEAD~1`"):
        versions(work / "new.txt", "HEAD~1")


def test_a_revision_is_never_an_option(work: Path) -> None:
    with pytest.raises(WorkspaceError, match="git has no"):
        versions(work / "new.txt", "--output=/dev/null")


def test_a_file_outside_of_any_repository_has_one_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    assert [version.data for version in versions(tmp_path / "a")] == [b"text"]
    with pytest.raises(WorkspaceError, match="is in no git repository"):
        versions(tmp_path / "a", "HEAD")


def test_a_file_that_never_was_is_an_error(work: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="does not exist"):
        versions(work / "never")
    with pytest.raises(WorkspaceError, match="does not exist"):
        versions(tmp_path)


def test_programs_that_the_repository_names_are_not_run(work: Path) -> None:
    mark = work / "ran"
    program = f"touch {mark}; cat"
    for setting in ("core.fsmonitor", "diff.x.textconv", "diff.x.command", "filter.x.clean", "filter.x.smudge"):
        git(work, "config", setting, program)
    (work / ".git" / "info" / "attributes").write_text("* diff=x filter=x\n")
    assert len(versions(work / "new.txt")) == 5
    assert not mark.exists()
