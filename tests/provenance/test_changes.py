"""What git says of a change, asked in repositories that are made to lie."""

from pathlib import Path

import pytest

from tests.repository import git, repository
from wrapper.errors import WorkspaceError
from wrapper.provenance.changes import Change, Changes

Said = dict[str, set[int] | None]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    made = repository(tmp_path / "repo")
    write(made, "a.py", "one\ntwo\nthree\n")
    write(made, "gone.py", "away\n")
    commit(made, "first")
    return made


def write(repo: Path, name: str, text: str) -> None:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_bytes(text.encode(errors="surrogateescape"))


def commit(repo: Path, message: str) -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", message)


def said(changes: list[Change]) -> Said:
    return {change.path: None if change.added is None else set(change.added) for change in changes}


def test_added_lines_are_those_that_are_new_in_every_kind_of_name(repo: Path) -> None:
    header = f"x\nindex {'0' * 40}..{'1' * 40} 100644\n@@ -0,0 +1,9 @@\n/y"
    odd = header, 'with "quotes"\tand ä.py', "line\nbreak.py", "-dash.py", "\udcff.py", "deep/er/file.py"
    for name in odd:
        write(repo, name, "new\n")
    write(repo, "a.py", "one\nTWO\nthree\nfour")
    (repo / "gone.py").unlink()
    wanted: Said = {"a.py": {1, 3}, **{name: {0} for name in odd}}
    working = Changes(repo, {}).working()
    assert said(working) == wanted
    assert {change.path: change.content for change in working}["a.py"] == b"one\nTWO\nthree\nfour"
    git(repo, "add", "-A")
    staged = Changes(repo, {}).staged()
    assert said(staged) == wanted
    assert {change.revision for change in staged} == {":"}
    commit(repo, "second")
    between = Changes(repo, {}).between("HEAD~1", "HEAD")
    assert said(between) == wanted
    assert Changes(repo, {}).of(git(repo, "rev-parse", "HEAD").decode().strip()) == between
    assert [change.blob for change in between] == [change.blob for change in staged]


def test_what_is_staged_counts_not_what_the_working_tree_holds(repo: Path) -> None:
    write(repo, "a.py", "one\nstaged\ntwo\nthree\n")
    git(repo, "add", "-A")
    write(repo, "a.py", "something else\n")
    (staged,) = Changes(repo, {}).staged()
    assert (staged.content, staged.added) == (b"one\nstaged\ntwo\nthree\n", frozenset({1}))


def test_a_hook_sees_the_index_that_git_gives_it(repo: Path, tmp_path: Path) -> None:
    write(repo, "a.py", "one\nmine\n")
    other = str(tmp_path / "index")
    git(repo, "read-tree", "HEAD", extra={"GIT_INDEX_FILE": other})
    git(repo, "add", "a.py", extra={"GIT_INDEX_FILE": other})
    assert said(Changes(repo, {}).staged()) == {}
    assert said(Changes(repo, {"GIT_INDEX_FILE": other}).staged()) == {"a.py": {1}}


def test_a_file_that_moves_adds_nothing_and_one_that_moves_and_grows_adds_what_is_new(repo: Path) -> None:
    lines = "".join(f"line number {number}\n" for number in range(30))
    write(repo, "big.py", lines)
    commit(repo, "second")
    (repo / "big.py").rename(repo / "moved.py")
    (repo / "a.py").rename(repo / "b.py")
    write(repo, "moved.py", lines + "one more\n")
    assert said(Changes(repo, {}).working()) == {"b.py": set(), "moved.py": {30}}


def test_a_nul_byte_hides_no_line(repo: Path) -> None:
    write(repo, "a.py", "one\ntwo\nthree\0\nfour\n")
    assert said(Changes(repo, {}).working()) == {"a.py": {2, 3}}


def test_settings_and_attributes_of_the_repository_run_nothing_and_hide_nothing(repo: Path) -> None:
    trap = repo.parent / "ran"
    for name in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.external", "core.fsmonitor"):
        git(repo, "config", name, f"touch {trap}; cat")
    git(repo, "config", "diff.evil.command", f"touch {trap}")
    write(repo, ".gitattributes", "*.py filter=evil diff=evil -text\nhidden.py -diff binary\n")
    write(repo, "hidden.py", "agent\n")
    write(repo, "a.py", "one\ntwo\nthree\nfour\n")
    assert said(Changes(repo, {}).working()) == {".gitattributes": {0, 1}, "hidden.py": {0}, "a.py": {3}}
    assert not trap.exists()


def test_the_repository_is_left_as_it_was(repo: Path) -> None:
    write(repo, "new.py", "new\n")
    before = {path: path.read_bytes() for path in (repo / ".git").rglob("*") if path.is_file()}
    assert Changes(repo, {}).working()
    assert {path: path.read_bytes() for path in (repo / ".git").rglob("*") if path.is_file()} == before


def test_links_have_no_lines_and_lead_nowhere(repo: Path) -> None:
    (repo / "link.py").symlink_to("/etc/passwd")
    assert said(Changes(repo, {}).working()) == {}
    commit(repo, "second")
    assert said(Changes(repo, {}).between("HEAD~1", "HEAD")) == {}
    assert Changes(repo, {}).whole([repo / "link.py"]) == []


def test_of_a_merge_only_what_no_parent_has_is_added(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, "a.py", "zero\none\ntwo\nthree\n")
    commit(repo, "side")
    git(repo, "checkout", "-q", "main")
    write(repo, "a.py", "one\ntwo\nthree\nfour\n")
    write(repo, "b.py", "b\n")
    commit(repo, "main")
    git(repo, "merge", "-q", "--no-commit", "side")
    write(repo, "a.py", "zero\none\nEVIL\ntwo\nthree\nfour\n")
    commit(repo, "merge")
    changes = Changes(repo, {})
    assert said(changes.of(changes.commit("HEAD"))) == {"a.py": {2}}
    assert len(changes.commits("HEAD~1", "HEAD")) == 2


def test_a_range_counts_from_where_it_left(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, "b.py", "b\n")
    commit(repo, "side")
    git(repo, "checkout", "-q", "main")
    write(repo, "c.py", "c\n")
    commit(repo, "main")
    assert said(Changes(repo, {}).between("main", "side")) == {"b.py": {0}}


def test_whole_files_are_named_or_below_a_folder_and_ignored_ones_are_left_out(repo: Path) -> None:
    write(repo, ".gitignore", "*.log\n")
    write(repo, "src/x.py", "x\n")
    write(repo, "src/x.log", "x\n")
    changes = Changes(repo, {})
    assert said(changes.whole([repo / "src", repo / "a.py"])) == {"a.py": None, "src/x.py": None}
    with pytest.raises(WorkspaceError, match="is not below"):
        changes.whole([repo.parent / "else"])


def test_before_the_first_commit_and_outside_of_git(tmp_path: Path) -> None:
    fresh = repository(tmp_path / "fresh")
    write(fresh, "a.py", "a\n")
    assert said(Changes(fresh, {}).working()) == {"a.py": {0}}
    assert said(Changes(fresh, {}).staged()) == {}
    git(fresh, "add", "-A")
    assert said(Changes(fresh, {}).staged()) == {"a.py": {0}}
    commit(fresh, "first")
    changes = Changes(fresh, {})
    assert said(changes.of(changes.commit("HEAD"))) == {"a.py": {0}}
    bare = tmp_path / "no repository"
    write(bare, "b/c.py", "c\n")
    assert said(Changes(bare, {}).whole([bare])) == {"b/c.py": None}
    with pytest.raises(WorkspaceError, match="no git repository"):
        Changes(bare, {}).working()


def test_a_revision_that_is_not_there_is_an_error_and_never_an_option(repo: Path) -> None:
    for name in ("nothing", "--output=x", "HEAD:a.py"):
        with pytest.raises(WorkspaceError, match="no commit"):
            Changes(repo, {}).between(name, "HEAD")


def test_a_file_in_the_place_of_a_link_or_a_submodule_is_new(repo: Path) -> None:
    (repo / "link").symlink_to("a.py")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(repo, "add", "link")
    git(repo, "commit", "-q", "-m", "odd")
    (repo / "link").unlink()
    for name in ("link", "sub"):
        write(repo, name, "new\nlines\n")
    wanted: Said = {"link": {0, 1}, "sub": {0, 1}}
    assert said(Changes(repo, {}).working()) == wanted
    git(repo, "add", "link", "sub")
    assert said(Changes(repo, {}).staged()) == wanted
    commit(repo, "files")
    assert said(Changes(repo, {}).between("HEAD~1", "HEAD")) == wanted
    assert said(Changes(repo, {}).of(git(repo, "rev-parse", "HEAD").decode().strip())) == wanted


def test_a_name_that_ends_like_a_line_is_not_taken_for_another(repo: Path) -> None:
    for name in ("b.py\r", "b.py\n", "b.py"):
        write(repo, name, f"of {name!r}\n")
    found = {change.path: change.content for change in Changes(repo, {}).working()}
    assert found == {name: f"of {name!r}\n".encode() for name in ("b.py\r", "b.py\n", "b.py")}


def test_branches_that_have_nothing_in_common_are_compared_as_they_are(repo: Path) -> None:
    git(repo, "checkout", "-q", "--orphan", "other")
    write(repo, "a.py", "one\nelse\n")
    commit(repo, "unrelated")
    assert said(Changes(repo, {}).between("main", "other")) == {"a.py": {1}}
