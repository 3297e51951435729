"""Commits made inside hold real values in the end, and are else what they were; git itself is the judge."""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.repository import git, repository, said
from wrapper.errors import WorkspaceError
from wrapper.guard.commits import Commits, Outcome
from wrapper.guard.objects import Objects

SECRET = b"fake-hunter2-not-real"
PLACEHOLDER = b"MASKED-" + b"PASSWORD-ABCDEFGH"
MASKED = b"A=" + PLACEHOLDER + b"\n"
REAL = b"A=" + SECRET + b"\n"


def restored(data: bytes) -> bytes:
    return data.replace(PLACEHOLDER, SECRET)


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def commit(folder: Path, message: str = "made inside", *arguments: str) -> str:
    """Commit all, as git inside does: it sees placeholders."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message, *arguments)
    return said(folder, "rev-parse", "HEAD")


def show(folder: Path, what: str) -> bytes:
    return git(folder, "cat-file", "blob", what)


def done(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.ref: one.done for one in outcomes}


def finish(commits: Commits) -> list[Outcome]:
    return commits.check(ended=True)


def whole(folder: Path) -> None:
    """Let git look at each object that a ref or a log leads to."""
    git(folder, "fsck", "--full", "--strict", "--no-dangling")


@pytest.fixture(params=["sha1", "sha256"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = repository(tmp_path / "repo", f"--object-format={request.param}")
    put(made, "src/code.py", b"pass\n")
    put(made, "src/deep/er.py", b"pass\n")
    commit(made, "first")
    return made


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    made = repository(tmp_path / "repo")
    put(made, "src/code.py", b"pass\n")
    commit(made, "first")
    return made


def watching(folder: Path, *, refuse: bool = False) -> Commits:
    return Commits(folder, restored, refuse=refuse)


def test_a_commit_with_a_placeholder_holds_the_value_and_all_else_stays(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "conf/.env", MASKED)
    put(folder, "other.txt", b"other\n")
    old = commit(folder, "subject\n\nbody \xc3\xa9\n\nTrailer: x")
    before = git(folder, "cat-file", "commit", old).split(b"\n", 1)
    (outcome,) = [one for one in finish(commits) if one.ref == "refs/heads/main"]
    new = said(folder, "rev-parse", "HEAD")
    assert outcome == Outcome("refs/heads/main", old, new, ("conf/.env",), "rewritten")
    assert show(folder, "HEAD:conf/.env") == REAL
    assert show(folder, "HEAD:other.txt") == b"other\n"
    after = git(folder, "cat-file", "commit", new).split(b"\n", 1)
    assert after[1] == before[1]  # parent, author, dates and message; the first line names the tree
    assert said(folder, "symbolic-ref", "HEAD") == "refs/heads/main"
    whole(folder)


def test_the_working_tree_is_clean_afterwards(folder: Path) -> None:
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    put(folder, ".env", REAL)  # what the view has on disk
    assert done(finish(commits)) == {"refs/heads/main": "rewritten", "index": "rewritten"}
    assert said(folder, "status", "--porcelain") == ""
    whole(folder)


def test_as_long_as_the_inside_runs_no_value_goes_into_the_objects(folder: Path) -> None:
    commits = watching(folder)
    put(folder, ".env", MASKED)
    old = commit(folder)
    (outcome,) = commits.check()
    assert outcome == Outcome("refs/heads/main", old, old, (".env",), "waiting")
    assert commits.check() == []
    assert said(folder, "rev-parse", "HEAD") == old
    assert SECRET not in git(folder, "cat-file", "--batch-all-objects", "--batch")
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert show(folder, "HEAD:.env") == REAL


def test_commits_without_placeholders_stay_and_nothing_is_told(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "text", b"MASKED-NOTHING-THAT-WE-KNOW")
    tip = commit(folder)
    git(folder, "tag", "-am", "v1", "v1")
    assert commits.check() == []
    assert finish(commits) == []
    assert said(folder, "rev-parse", "HEAD") == tip


def test_what_stood_in_the_history_before_stays_as_it_was(folder: Path) -> None:
    put(folder, "docs/old", MASKED)
    base = commit(folder, "before the session")
    commits = watching(folder)
    put(folder, "docs/new", b"new")
    tip = commit(folder)
    assert finish(commits) == []
    assert [said(folder, "rev-parse", name) for name in ("HEAD", "HEAD~")] == [tip, base]


def test_a_chain_of_commits_is_made_anew_and_later_ones_keep_the_value(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "a/b/.env", MASKED)
    commit(folder, "one")
    for number in range(10):
        put(folder, f"src/{number}", b"%d" % number)
        commit(folder, str(number))
    put(folder, "a/b/.env", MASKED + b"B=2\n")
    commit(folder, "changed")
    (folder / "a/b/.env").unlink()
    commit(folder, "removed")
    assert done(finish(commits)) == {"refs/heads/main": "rewritten"}
    assert show(folder, "HEAD~:a/b/.env") == REAL + b"B=2\n"
    assert {show(folder, f"HEAD~{n}:a/b/.env") for n in range(2, 13)} == {REAL}
    assert said(folder, "log", "--format=%s").split() == [
        "removed",
        "changed",
        *map(str, range(9, -1, -1)),
        "one",
        "first",
    ]
    whole(folder)


def test_a_merge_keeps_both_parents_and_what_it_adds_itself(folder: Path) -> None:
    commits = watching(folder)
    git(folder, "checkout", "-qb", "side")
    put(folder, "side.env", MASKED)
    commit(folder, "side")
    git(folder, "checkout", "-q", "main")
    put(folder, "main.txt", b"main")
    main = commit(folder, "main")
    git(folder, "merge", "-q", "--no-commit", "side")
    put(folder, "merge.env", MASKED)
    commit(folder, "merge")
    assert done(finish(commits)) == {
        "refs/heads/main": "rewritten",
        "refs/heads/side": "rewritten",
        "index": "rewritten",
    }
    assert said(folder, "rev-parse", "HEAD^1", "HEAD^2").split() == [main, said(folder, "rev-parse", "side")]
    assert [show(folder, f"HEAD:{name}.env") for name in ("side", "merge")] == [REAL, REAL]
    whole(folder)


def test_an_amended_commit_keeps_its_parent(folder: Path) -> None:
    base = said(folder, "rev-parse", "HEAD")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    commits.check()
    git(folder, "commit", "-q", "--amend", "-m", "amended")
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert said(folder, "rev-parse", "HEAD~") == base
    assert said(folder, "log", "-1", "--format=%s") == "amended"


def test_a_rebased_branch_of_ten_commits_is_made_anew(folder: Path) -> None:
    commits = watching(folder)
    git(folder, "checkout", "-qb", "work")
    for number in range(10):
        put(folder, f"{number}.env", MASKED)
        commit(folder, str(number))
    git(folder, "checkout", "-q", "main")
    put(folder, "main.txt", b"main")
    main = commit(folder, "main")
    git(folder, "checkout", "-q", "work")
    git(folder, "rebase", "-q", "main")
    assert done(finish(commits)) == {"refs/heads/work": "rewritten", "index": "rewritten", "logs": "rewritten"}
    assert said(folder, "rev-parse", "HEAD~10") == main
    assert {show(folder, f"HEAD:{number}.env") for number in range(10)} == {REAL}
    whole(folder)


def test_tags_follow_their_commits_and_lose_their_signatures(plain: Path) -> None:
    commits = watching(plain)
    put(plain, ".env", MASKED)
    tip = commit(plain)
    git(plain, "tag", "light")
    git(plain, "tag", "-am", "about", "noted")
    git(plain, "tag", "-am", "about the tag", "nested", "noted")
    signed = (
        git(plain, "cat-file", "tag", "noted") + b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
    )
    tag = git(plain, "hash-object", "-t", "tag", "-w", "--stdin", given=signed).decode().strip()
    git(plain, "update-ref", "refs/tags/signed", tag)
    outcomes = {one.ref: one for one in finish(commits)}
    new = said(plain, "rev-parse", "HEAD")
    assert new != tip
    assert {said(plain, "rev-parse", f"{name}^{{commit}}") for name in ("light", "noted", "nested", "signed")} == {new}
    assert said(plain, "for-each-ref", "--format=%(contents)", "refs/tags/signed") == "about"
    assert b"SIGNATURE" not in git(plain, "cat-file", "tag", "signed")
    assert "signature" in outcomes["refs/tags/signed"].why
    assert outcomes["refs/tags/noted"].why == ""
    whole(plain)


@pytest.mark.parametrize("header", ["gpgsig", "gpgsig-sha256"])
def test_a_signed_commit_loses_its_signature_and_it_is_said(plain: Path, header: str) -> None:
    commits = watching(plain)
    put(plain, ".env", MASKED)
    commit(plain)
    head, blank, message = git(plain, "cat-file", "commit", "HEAD").partition(b"\n\n")
    signature = f"\n{header} -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----".encode()
    raw = head + signature + b"\nencoding ISO-8859-1" + blank + message
    signed = git(plain, "hash-object", "-t", "commit", "-w", "--stdin", given=raw).decode().strip()
    git(plain, "update-ref", "refs/heads/main", signed)
    outcomes = {one.ref: one for one in finish(commits)}
    assert "signature" in outcomes["refs/heads/main"].why
    after = git(plain, "cat-file", "commit", "HEAD")
    assert after.split(b"\n", 1)[1] == (head + b"\nencoding ISO-8859-1" + blank + message).split(b"\n", 1)[1]


def test_a_message_with_a_placeholder_stays_as_it_is(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "a", b"a")
    tip = commit(folder, f"uses {PLACEHOLDER.decode()}")
    assert finish(commits) == []
    assert said(folder, "rev-parse", "HEAD") == tip


def test_a_binary_file_keeps_its_placeholder_and_it_is_said(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "data.bin", b"\0" + PLACEHOLDER)
    put(folder, ".env", MASKED)
    commit(folder)
    outcomes = finish(commits)
    assert ("data.bin",) in [one.paths for one in outcomes if one.done == "failed" and "binary" in one.why]
    assert show(folder, "HEAD:data.bin") == b"\0" + PLACEHOLDER
    assert show(folder, "HEAD:.env") == REAL


def test_links_and_submodules_are_not_taken_for_files(plain: Path, tmp_path: Path) -> None:
    commits = watching(plain)
    (plain / "link").symlink_to(PLACEHOLDER.decode())
    inner = repository(tmp_path / "inner")
    put(inner, "a", b"a")
    commit(inner)
    git(plain, "submodule", "--quiet", "add", str(inner), "sub")
    commit(plain)
    assert finish(commits) == []


def test_what_is_staged_and_not_committed_holds_the_value_in_the_end(folder: Path) -> None:
    commits = watching(folder)
    put(folder, "conf/.env", MASKED)
    git(folder, "add", "-A")
    assert commits.check() == []
    assert finish(commits) == [Outcome("index", "", "", ("conf/.env",), "rewritten")]
    assert show(folder, ":conf/.env") == REAL
    put(folder, "conf/.env", REAL)
    assert said(folder, "status", "--porcelain") == "A  conf/.env"
    whole(folder)


def test_a_repository_in_which_nothing_was_done_is_not_opened_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's end must not wait for it; but an index whose times were put back has been written to."""
    commits = watching(folder)
    found = folder / ".git/index"
    before = found.stat()
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "opened", lambda _self: pytest.fail("opened"))
        assert finish(commits) == []
    put(folder, "new.env", MASKED)
    git(folder, "add", "new.env")
    os.utime(found, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert done(finish(commits)) == {"index": "rewritten"}


def test_what_is_staged_before_the_first_commit_holds_the_value_in_the_end(tmp_path: Path) -> None:
    folder = repository(tmp_path / "new")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    git(folder, "add", "-A")
    assert done(finish(commits)) == {"index": "rewritten"}
    assert show(folder, ":.env") == REAL


def test_a_first_commit_is_made_anew(tmp_path: Path) -> None:
    folder = repository(tmp_path / "new")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert show(folder, "HEAD:.env") == REAL


def test_all_of_a_repository_that_was_made_inside_counts(tmp_path: Path) -> None:
    folder = repository(tmp_path / "new")
    put(folder, ".env", MASKED)
    commit(folder)
    assert done(finish(Commits(folder, restored, refuse=False, is_new=True)))["refs/heads/main"] == "rewritten"


def test_a_detached_head_is_moved(folder: Path) -> None:
    commits = watching(folder)
    main = said(folder, "rev-parse", "main")
    git(folder, "checkout", "-q", "--detach")
    put(folder, ".env", MASKED)
    commit(folder)
    assert done(finish(commits)) == {"HEAD": "rewritten", "index": "rewritten"}
    assert show(folder, "HEAD:.env") == REAL
    assert said(folder, "rev-parse", "main") == main == said(folder, "rev-parse", "HEAD~")
    assert said(folder, "branch", "--show-current") == ""


@pytest.mark.parametrize("detach", [["--detach"], ["-b", "work"]])
def test_worktrees_have_their_own_head_and_index(folder: Path, tmp_path: Path, detach: list[str]) -> None:
    git(folder, "worktree", "add", "-q", *detach, str(tmp_path / "tree"))
    commits = watching(tmp_path / "tree")
    put(tmp_path / "tree", ".env", MASKED)
    commit(tmp_path / "tree")
    put(tmp_path / "tree", ".env", REAL)
    put(folder, "staged.env", MASKED)
    git(folder, "add", "-A")
    told = done(finish(commits))
    head = "refs/heads/work" if "-b" in detach else "worktrees/tree/HEAD"
    assert told == {head: "rewritten", "worktrees/tree/index": "rewritten", "index": "rewritten"}
    assert show(tmp_path / "tree", "HEAD:.env") == REAL
    assert show(folder, ":staged.env") == REAL
    assert said(tmp_path / "tree", "status", "--porcelain") == ""


def test_a_stash_comes_back_with_values_from_anywhere_in_the_list(folder: Path) -> None:
    put(folder, ".env", b"A=1\n")
    commit(folder, "tracked")
    commits = watching(folder)
    for number in range(3):
        put(folder, ".env", MASKED + b"N=%d\n" % number)
        put(folder, f"untracked{number}.env", MASKED)
        git(folder, "stash", "push", "-qu", "-m", f"work {number}")
    subjects = said(folder, "stash", "list")
    assert done(commits.check())["refs/stash"] == "waiting"
    assert done(finish(commits)) == {"refs/stash": "rewritten"}
    assert said(folder, "stash", "list") == subjects
    whole(folder)
    for number in (2, 1, 0):
        git(folder, "stash", "pop", "-q")
        assert (folder / ".env").read_bytes() == REAL + b"N=%d\n" % number
        assert (folder / f"untracked{number}.env").read_bytes() == REAL
        git(folder, "checkout", "-q", ".env")
    assert said(folder, "stash", "list") == ""


def leads_to_no_placeholder(folder: Path) -> None:
    """Look at all that a user can name: refs, logs, pseudo-refs."""
    logged = said(folder, "reflog", "--all", "--format=%H").split()
    refs = said(folder, "for-each-ref", "--format=%(objectname)").split()
    pseudo = [
        said(folder, "rev-parse", one.name) for one in (folder / ".git").glob("*_HEAD") if one.name != "FETCH_HEAD"
    ]
    objects = git(folder, "rev-list", "--objects", *logged, *refs, *pseudo).split(b"\n")
    ids = b"".join(line[: line.find(b" ")] + b"\n" if b" " in line else line + b"\n" for line in objects if line)
    assert PLACEHOLDER not in git(folder, "cat-file", "--batch", given=ids)


def test_what_a_filter_leaves_behind_holds_the_value(folder: Path) -> None:
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    quiet = {"FILTER_BRANCH_SQUELCH_WARNING": "1"}
    git(folder, "filter-branch", "-f", "--msg-filter", "cat; echo x", "--", "--all", extra=quiet)
    assert done(finish(commits))["refs/original/refs/heads/main"] == "rewritten"
    assert show(folder, "refs/original/refs/heads/main:.env") == REAL
    leads_to_no_placeholder(folder)
    whole(folder)


def test_what_only_the_log_leads_to_holds_the_value(folder: Path) -> None:
    first = said(folder, "rev-parse", "HEAD")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder, "given up")
    git(folder, "reset", "-q", "--hard", first)
    put(folder, "b/.env", MASKED)
    commit(folder, "amended")
    put(folder, "b/more", b"more\n")
    commit(folder, "amended", "--amend")
    git(folder, "branch", "packed")
    git(folder, "pack-refs", "--all")
    before = said(folder, "reflog", "--format=%gd %gs %cd")
    assert done(finish(commits))["logs"] == "rewritten"
    assert (
        said(folder, "reflog", "--format=%gd %gs %cd").split("\n")[-4:]
        == [line.replace(f"@{{{at}}}", f"@{{{at + 1}}}") for at, line in enumerate(before.split("\n"))][-4:]
    )
    leads_to_no_placeholder(folder)
    assert show(folder, "HEAD@{4}:.env") == REAL
    whole(folder)


@pytest.mark.parametrize("refuse", [False, True])
def test_a_commit_that_was_taken_back_inside_holds_the_value_in_the_log(folder: Path, *, refuse: bool) -> None:
    first = said(folder, "rev-parse", "HEAD")
    commits = watching(folder, refuse=refuse)
    put(folder, ".env", MASKED)
    commit(folder)
    git(folder, "reset", "-q", "--hard", first)
    assert done(finish(commits)) == {"logs": "rewritten"}
    assert said(folder, "rev-parse", "HEAD") == first
    assert show(folder, "ORIG_HEAD:.env") == REAL
    leads_to_no_placeholder(folder)
    assert finish(commits) == []


def test_a_refused_commit_is_found_in_the_log_with_its_value(folder: Path) -> None:
    commits = watching(folder, refuse=True)
    put(folder, ".env", MASKED)
    commit(folder)
    commits.check()
    finish(commits)
    leads_to_no_placeholder(folder)
    assert show(folder, "HEAD@{1}:.env") == REAL


def test_what_replaces_an_object_and_what_names_a_file_holds_the_value(folder: Path) -> None:
    first = said(folder, "rev-parse", "HEAD")
    code = said(folder, "rev-parse", "HEAD:src/code.py")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    new = commit(folder)
    git(folder, "reset", "-q", "--hard", first)
    blob = said(folder, "rev-parse", f"{new}:.env")
    tree = said(folder, "rev-parse", f"{new}^{{tree}}")
    git(folder, "replace", code, blob)
    git(folder, "update-ref", "refs/kept/commit", new)
    git(folder, "tag", "tree", tree)
    git(folder, "tag", "-am", "x", "file", blob)
    found = done(finish(commits))
    names = (f"refs/replace/{code}", "refs/kept/commit", "refs/tags/tree", "refs/tags/file")
    assert [found[name] for name in names] == ["rewritten"] * 4
    leads_to_no_placeholder(folder)
    assert show(folder, "tree:.env") == show(folder, "file^{}") == REAL


def test_notes_are_those_of_the_new_commit_and_stay_as_they_are(folder: Path) -> None:
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    git(folder, "notes", "add", "-m", f"about {PLACEHOLDER.decode()}")
    git(folder, "notes", "--ref=ai", "add", "-m", "made inside")
    assert done(finish(commits)) == {"refs/heads/main": "rewritten", "index": "rewritten"}
    assert said(folder, "notes", "show") == f"about {PLACEHOLDER.decode()}"
    assert said(folder, "notes", "--ref=ai", "show") == "made inside"


def test_what_another_repository_had_stays(folder: Path) -> None:
    commits = watching(folder)
    put(folder, ".env", MASKED)
    new = commit(folder)
    git(folder, "update-ref", "refs/remotes/origin/main", new)
    finish(commits)
    assert said(folder, "rev-parse", "origin/main") == new != said(folder, "rev-parse", "main")


def test_a_rebase_that_stands_goes_on_with_values(plain: Path) -> None:
    commits = watching(plain)
    git(plain, "checkout", "-qb", "work")
    for number in range(3):
        put(plain, ".env", MASKED + b"%d\n" % number)
        commit(plain, str(number))
    with pytest.raises(CalledProcessError):
        git(plain, "rebase", "-q", "-f", "--exec", "test -e ../stop || { touch ../stop; exit 1; }", "main")
    finish(commits)
    put(plain, ".env", REAL + b"0\n")  # what the view has on disk
    git(plain, "rebase", "--continue", extra={"GIT_EDITOR": "true"})
    assert show(plain, "work:.env") == REAL + b"2\n"
    leads_to_no_placeholder(plain)


def test_what_a_work_tree_keeps_for_itself_holds_the_value(plain: Path, tmp_path: Path) -> None:
    git(plain, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    first = said(plain, "rev-parse", "HEAD")
    commits = watching(plain)
    put(tmp_path / "side", ".env", MASKED)
    new = commit(tmp_path / "side")
    git(tmp_path / "side", "update-ref", "refs/worktree/kept", new)
    git(tmp_path / "side", "reset", "-q", "--hard", first)
    assert done(finish(commits)) == {"logs": "rewritten"}
    for name in ("refs/worktree/kept", "ORIG_HEAD", "HEAD@{1}"):
        assert show(tmp_path / "side", f"{name}:.env") == REAL


def test_packed_refs_and_packed_objects_are_understood(folder: Path) -> None:
    git(folder, "branch", "other")
    git(folder, "pack-refs", "--all")
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    git(folder, "stash", "list")
    git(folder, "gc", "-q")
    assert not (folder / ".git/refs/heads/main").exists()
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert show(folder, "main:.env") == REAL
    whole(folder)


def test_a_deleted_branch_is_nothing_to_do(folder: Path) -> None:
    git(folder, "branch", "gone")
    commits = watching(folder)
    git(folder, "branch", "-qD", "gone")
    assert commits.check() == []
    assert finish(commits) == []


def test_a_shallow_repository_is_understood(plain: Path, tmp_path: Path) -> None:
    put(plain, "more", b"more")
    commit(plain, "second")
    folder = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{plain}", str(folder))
    commits = watching(folder)
    put(folder, ".env", MASKED)
    commit(folder)
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert show(folder, "HEAD:.env") == REAL
    whole(folder)


def test_a_refused_commit_is_taken_back_and_its_objects_stay(folder: Path) -> None:
    base = said(folder, "rev-parse", "HEAD")
    commits = watching(folder, refuse=True)
    put(folder, ".env", MASKED)
    tip = commit(folder)
    git(folder, "branch", "new")
    git(folder, "tag", "-am", "x", "noted")
    tag = said(folder, "rev-parse", "noted")
    outcomes = commits.check()
    assert set(outcomes) == {
        Outcome("refs/heads/main", tip, base, (".env",), "taken back"),
        Outcome("refs/heads/new", tip, "", (".env",), "taken back"),
        Outcome("refs/tags/noted", tag, "", (".env",), "taken back"),
    }
    assert said(folder, "rev-parse", "HEAD") == base
    assert said(folder, "cat-file", "-t", tip) == "commit"
    assert commits.check() == []
    put(folder, "fine", b"fine")
    git(folder, "rm", "-q", "--cached", ".env")
    (folder / ".env").unlink()
    fine = commit(folder, "fine")
    assert commits.check() == []
    assert said(folder, "rev-parse", "HEAD") == fine


def test_a_refused_commit_on_a_detached_head_is_taken_back(folder: Path) -> None:
    base = said(folder, "rev-parse", "HEAD")
    commits = watching(folder, refuse=True)
    git(folder, "checkout", "-q", "--detach")
    put(folder, ".env", MASKED)
    commit(folder)
    put(folder, "more", b"more")
    commit(folder)
    assert done(commits.check()) == {"HEAD": "taken back"}
    assert said(folder, "rev-parse", "HEAD") == base


def test_a_stash_is_not_taken_back_but_waits(folder: Path) -> None:
    commits = watching(folder, refuse=True)
    put(folder, "src/code.py", MASKED)
    git(folder, "stash", "-q")
    assert done(commits.check()) == {"refs/stash": "waiting"}
    assert done(finish(commits)) == {"refs/stash": "rewritten"}
    git(folder, "stash", "pop", "-q")
    assert (folder / "src/code.py").read_bytes() == REAL


def test_a_ref_that_moves_meanwhile_is_looked_at_again(plain: Path) -> None:
    moves: list[Callable[[], object]] = []

    def racing(data: bytes) -> bytes:
        if moves:
            moves.pop()()
        return restored(data)

    commits = Commits(plain, racing, refuse=False)
    put(plain, ".env", MASKED)
    commit(plain)

    def race() -> None:
        put(plain, "late.env", MASKED)
        commit(plain, "late")

    moves.append(race)
    assert done(finish(commits))["refs/heads/main"] == "rewritten"
    assert [show(plain, f"HEAD:{name}") for name in (".env", "late.env")] == [REAL, REAL]
    assert said(plain, "log", "--format=%s").split("\n")[0] == "late"


def test_a_ref_that_never_stops_moving_is_told(plain: Path) -> None:
    number = 0

    def racing(data: bytes) -> bytes:
        nonlocal number
        number += 1
        git(plain, "commit", "-q", "--allow-empty", "-m", str(number))
        return restored(data)

    commits = Commits(plain, racing, refuse=False)
    put(plain, ".env", MASKED)
    commit(plain)
    (outcome,) = finish(commits)
    assert (outcome.done, outcome.why) == ("failed", "the refs kept moving")
    assert show(plain, "HEAD:.env") == MASKED


def test_a_lock_that_a_dead_git_has_left_is_told_and_not_broken(plain: Path) -> None:
    commits = watching(plain)
    put(plain, ".env", MASKED)
    commit(plain)
    (plain / ".git/index.lock").touch()
    outcomes = {one.ref: one for one in finish(commits)}
    assert outcomes["refs/heads/main"].done == "rewritten"
    assert outcomes["index"].done == "failed"
    assert "index.lock" in outcomes["index"].why
    assert (plain / ".git/index.lock").exists()


def test_more_commits_than_can_be_looked_at_are_told(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.guard.commits._MOST", 3)
    commits = watching(plain)
    put(plain, ".env", MASKED)
    for number in range(4):
        git(plain, "commit", "-q", "--allow-empty", "-m", str(number))
    tip = said(plain, "rev-parse", "HEAD")
    (outcome,) = finish(commits)
    assert outcome.done == "failed"
    assert "3 new commits" in outcome.why
    assert said(plain, "rev-parse", "HEAD") == tip


def test_a_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError):
        watching(tmp_path)


def test_permissions_of_the_index_stay(plain: Path) -> None:
    commits = watching(plain)
    put(plain, ".env", MASKED)
    git(plain, "add", "-A")
    (plain / ".git/index").chmod(0o640)
    finish(commits)
    assert (plain / ".git/index").stat().st_mode & 0o777 == 0o640
