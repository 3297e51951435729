from pathlib import Path

import pytest

from tests.repository import git, repository
from wrapper.errors import WorkspaceError
from wrapper.review.blame import line_of, stages

_TEXT = ["def cost(price):", "    return price", "", "def other():", "    pass", ""]


def _commit(file: Path, lines: list[str], said: str) -> None:
    file.write_text("\n".join(lines))
    git(file.parent, "add", ".")
    git(file.parent, "commit", "-qm", said)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    repository(tmp_path)
    made = tmp_path / "a.py"
    _commit(made, _TEXT, "first")
    _commit(made, [*_TEXT[:1], "    return price * 2", *_TEXT[2:]], "twice")
    git(tmp_path, "mv", "a.py", "b.py")
    made = tmp_path / "b.py"
    _commit(made, ["import x", "", _TEXT[0], "    return price * 3", *_TEXT[2:]], "thrice")
    return made


def test_a_line_is_followed_through_commits_and_names(file: Path) -> None:
    found = stages(file, file.read_text(), 4)
    assert [stage.text.strip() for stage in found] == ["return price * 3", "return price * 2", "return price"]
    assert [stage.commit and stage.commit.subject for stage in found] == ["thrice", "twice", "first"]
    assert found[0].commit is not None
    assert (found[0].commit.author, found[0].number) == ("t", 4)


def test_a_line_that_was_new_has_nothing_before(file: Path) -> None:
    (stage,) = stages(file, file.read_text(), 1)
    assert (stage.text, stage.commit and stage.commit.subject) == ("import x", "thrice")


def test_a_line_that_is_not_committed_goes_back_to_what_was(file: Path) -> None:
    file.write_text(file.read_text().replace("price * 3", "price * 4"))
    first, second, *_ = stages(file, file.read_text(), 4)
    assert (first.text.strip(), first.commit) == ("return price * 4", None)
    assert second.text.strip() == "return price * 3"
    file.write_text("# new\n" + file.read_text())
    assert [stage.text for stage in stages(file, file.read_text(), 1)] == ["# new"]


def test_without_git_or_a_commit_the_line_is_all_there_is(tmp_path: Path) -> None:
    made = tmp_path / "a.py"
    made.write_text("one\ntwo\n")
    assert [stage.text for stage in stages(made, made.read_text(), 2)] == ["two"]
    repository(tmp_path)
    assert [stage.text for stage in stages(made, made.read_text(), 2)] == ["two"]


def test_programs_that_the_repository_names_are_not_run(file: Path) -> None:
    mark = file.parent / "ran"
    for setting in ("core.fsmonitor", "diff.x.textconv", "filter.x.clean", "filter.x.smudge"):
        git(file.parent, "config", setting, f"touch {mark}; cat")
    (file.parent / ".git" / "info" / "attributes").write_text("* diff=x filter=x\n")
    file.touch()
    assert len(stages(file, file.read_text(), 4)) == 3
    assert not mark.exists()


def test_a_line_that_is_not_there_is_an_error(file: Path) -> None:
    count = file.read_text().count("\n")
    line_of(file, count)
    with pytest.raises(WorkspaceError, match=f"has {count} lines, and no line {count + 1}"):
        line_of(file, count + 1)
    with pytest.raises(WorkspaceError, match="cannot read"):
        line_of(file.parent / "never", 1)
