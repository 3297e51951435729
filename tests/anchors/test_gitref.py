import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.anchors.standing import Standing, no_proof
from wrapper.anchors.gitref import GitRef
from wrapper.audit import notes
from wrapper.audit.anchored import ForkedError, UnreachableError, check
from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError

REF = "refs/safe-agent/ledger"
AS = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *AS, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare.git"], check=True)
    return tmp_path / "bare.git"


@pytest.fixture
def work(tmp_path: Path, bare: Path) -> Path:
    """A repository with a commit, an edited file, something in its index, and a remote."""
    folder = tmp_path / "work"
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    git(folder, "remote", "add", "origin", str(bare))
    (folder / "a").write_text("a\n")
    git(folder, "add", "a")
    git(folder, "commit", "-q", "-m", "a")
    (folder / "a").write_text("edited\n")
    (folder / "b").write_text("staged\n")
    git(folder, "add", "b")
    return folder


def test_each_note_is_a_commit_after_the_one_before(here: Standing, bare: Path) -> None:
    anchor = GitRef("git:here", bare, REF)
    first = here.ledger.note()
    receipt = anchor.put(first, no_proof)
    second = here.grow().ledger.note()
    anchor.put(second, no_proof)
    assert anchor.get() == [first, second]
    assert check(here.view, anchor).size == 16
    assert (receipt.size, receipt.detail) == (10, f"commit {git(bare, 'rev-parse', REF + '~')}")
    assert git(bare, "log", "--format=%an <%ae> %s", REF).splitlines()[1] == (
        f"safe-agent <safe-agent@localhost> checkpoint of {here.view.origin} at 10"
    )
    assert git(bare, "show", f"{REF}:checkpoint") + "\n" == second


def test_the_same_note_again_makes_no_commit(here: Standing, bare: Path) -> None:
    anchor = GitRef("git:here", bare, REF)
    note = here.ledger.note()
    assert anchor.put(note, no_proof) == anchor.put(note, no_proof)
    assert git(bare, "rev-list", "--count", REF) == "1"


def test_an_anchor_that_was_never_used_holds_nothing(bare: Path, work: Path) -> None:
    assert GitRef("git:here", bare, REF).get() == []
    assert GitRef("git:here", work, REF, "origin").get() == []


def test_work_tree_index_hooks_and_settings_are_left_alone(here: Standing, work: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for hook in ("reference-transaction", "pre-push", "post-commit", "pre-commit"):
        path = work / ".git/hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {ran}\n")
        path.chmod(0o755)
    git(work, "config", "commit.gpgSign", "true")
    git(work, "config", "core.fsmonitor", f"touch {ran}")
    before = {name: (work / name).read_bytes() for name in (".git/index", ".git/config", ".git/HEAD", "a", "b")}
    GitRef("git:here", work, REF, "origin").put(here.ledger.note(), no_proof)
    assert {name: (work / name).read_bytes() for name in before} == before
    assert not ran.exists()
    assert not (work / ".git/FETCH_HEAD").exists()
    assert git(work, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", REF]


def test_other_files_of_a_branch_stay(here: Standing, work: Path) -> None:
    git(work, "branch", "box")
    anchor = GitRef("git:here", work, "refs/heads/box")
    note = here.ledger.note()
    anchor.put(note, no_proof)
    assert git(work, "ls-tree", "--name-only", "box").split() == ["a", "checkpoint"]
    assert anchor.get() == [note]


def test_a_branch_that_is_checked_out_is_refused(here: Standing, work: Path, tmp_path: Path) -> None:
    git(work, "worktree", "add", "-q", str(tmp_path / "second"), "-b", "other")
    for branch in ("main", "other"):
        anchor = GitRef("git:here", work, f"refs/heads/{branch}")
        with pytest.raises(AuditError, match=f"`refs/heads/{branch}` is checked out"):
            anchor.put(here.ledger.note(), no_proof)


def test_with_a_remote_that_of_the_remote_counts(here: Standing, work: Path, bare: Path) -> None:
    anchor = GitRef("git:here", work, REF, "origin")
    first = here.ledger.note()
    anchor.put(first, no_proof)
    assert git(bare, "rev-parse", REF) == git(work, "rev-parse", REF)
    git(work, "update-ref", "-d", REF)  # a thief takes the copy here away
    assert anchor.get() == [first]
    second = here.grow().ledger.note()
    anchor.put(second, no_proof)
    assert anchor.get() == [first, second]
    assert git(work, "rev-list", "--count", REF) == "2"


def test_what_was_committed_while_the_remote_was_away_is_pushed_later(here: Standing, work: Path, bare: Path) -> None:
    anchor = GitRef("git:here", work, REF, "origin")
    first = here.ledger.note()
    GitRef("git:here", work, REF).put(first, no_proof)
    away = bare.rename(bare.with_name("away.git"))
    with pytest.raises(UnreachableError, match=r"bare\.git"):
        anchor.put(here.grow().ledger.note(), no_proof)
    assert git(work, "rev-list", "--count", REF) == "1"  # nothing went ahead that could part the two later
    away.rename(bare)
    newest = here.grow().ledger.note()
    anchor.put(newest, no_proof)
    assert anchor.get() == [first, newest]


def test_a_remote_that_went_another_way_is_never_forced(here: Standing, work: Path, bare: Path) -> None:
    anchor = GitRef("git:here", work, REF, "origin")
    anchor.put(here.ledger.note(), no_proof)
    theirs = git(bare, "rev-parse", REF)
    git(work, "update-ref", "-d", REF)
    GitRef("git:here", work, REF).put(here.grow().ledger.note(), no_proof)
    with pytest.raises(ForkedError, match="went apart") as caught:
        anchor.put(here.grow().ledger.note(), no_proof)
    assert theirs in caught.value.what
    assert git(bare, "rev-parse", REF) == theirs


def test_a_session_that_was_faster_is_followed(here: Standing, work: Path, bare: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", bare, tmp_path / "other"], check=True, capture_output=True)
    first = here.ledger.note()
    GitRef("git:other", tmp_path / "other", REF, "origin").put(first, no_proof)
    second = here.grow().ledger.note()
    anchor = GitRef("git:here", work, REF, "origin")
    anchor.put(second, no_proof)
    assert anchor.get() == [first, second]


def test_sessions_that_end_at_the_same_time_all_get_their_commit(here: Standing, work: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", tmp_path / "bare.git", tmp_path / "other"], check=True, capture_output=True)
    held = [here.grow(1).ledger.note() for _ in range(4)]
    repositories = [work, tmp_path / "other", work, tmp_path / "other"]
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda one: GitRef("git:x", one[0], REF, "origin").put(one[1], no_proof),
                zip(repositories, held, strict=True),
            )
        )
    assert sorted(GitRef("git:x", work, REF, "origin").get()) == sorted(held)


def test_a_commit_that_holds_something_else_is_no_checkpoint(here: Standing, work: Path) -> None:
    (work / "checkpoint").write_text("hello\n")
    git(work, "add", "checkpoint")
    git(work, "commit", "-q", "-m", "x")
    git(work, "branch", "box")
    with pytest.raises(TamperedError, match="signed checkpoint"):
        check(here.view, GitRef("git:here", work, "refs/heads/box"))


def test_a_folder_without_a_repository_is_said_in_gits_words(here: Standing, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        anchor = GitRef("git:here", path, REF)
        with pytest.raises(UnreachableError, match="`git:here`: fatal: ") as caught:
            anchor.put(here.ledger.note(), no_proof)
        assert "\n" not in caught.value.what


def test_gits_own_variables_do_not_lead_elsewhere(
    here: Standing, work: Path, bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path / "elsewhere"], check=True)
    with monkeypatch.context() as inside_a_hook:
        for name in ("GIT_DIR", "GIT_COMMON_DIR"):
            inside_a_hook.setenv(name, str(tmp_path / "elsewhere/.git"))
        inside_a_hook.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere/index"))
        GitRef("git:here", work, REF, "origin").put(here.ledger.note(), no_proof)
    assert notes.parse(git(bare, "show", f"{REF}:checkpoint") + "\n").checkpoint.size == 10
    assert git(tmp_path / "elsewhere", "for-each-ref") == ""
