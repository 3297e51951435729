"""git on a served folder with masked tracked files, as a user would run it."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.view.entered import Shell
from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, served
from tests.view.workplace import DOTENV, SEEN, PolicyLike, Workplace, programs, workplace
from wrapper.guard.commits import Commits
from wrapper.view.contents import Mode
from wrapper.view.daemon import Daemon


@pytest.fixture
def work() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


@pytest.fixture
def repository(work: Workplace) -> Workplace:
    """A repository in which a masked file is tracked, made outside before."""
    work.write("code.py", "print(1)\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(
            ["git", *words], cwd=work.real, env={"HOME": str(work.shell.home), "PATH": work.shell.path}, check=True
        )
    return work


def _outside(work: Workplace, *words: str) -> str:
    environ = {"HOME": str(work.shell.home), "PATH": work.shell.path, "LANG": "C.UTF-8"}
    return subprocess.run(
        ["git", *words], cwd=work.real, env=environ, check=True, capture_output=True, text=True
    ).stdout


def test_git_status_is_clean_with_masked_tracked_files(repository: Workplace) -> None:
    assert repository.run("git", "status", "--porcelain") == ""
    repository.write("code.py", "print(2)\n")
    assert repository.run("git", "status", "--porcelain") == " M code.py\n"
    assert repository.run("git", "diff", "--stat", "--", "secret.env") == ""


def test_git_adds_and_commits_what_was_written_inside(repository: Workplace) -> None:
    repository.run("sh", "-c", "echo 'print(3)' >code.py && mkdir new && echo x >new/file")
    repository.run("git", "add", "-A")
    assert sorted(repository.run("git", "status", "--porcelain").splitlines()) == ["A  new/file", "M  code.py"]
    repository.run("git", "commit", "-qm", "second")
    assert _outside(repository, "status", "--porcelain") == ""
    assert _outside(repository, "show", "HEAD:code.py") == "print(3)\n"
    _outside(repository, "fsck", "--strict")


def test_a_changed_masked_file_is_committed_with_its_value_when_all_has_ended(repository: Workplace) -> None:
    guard = Commits(repository.real, lambda data: data.replace(PLACEHOLDER, SECRET), refuse=False)
    repository.run("sh", "-c", "echo MORE=1 >>secret.env")
    assert repository.run("git", "status", "--porcelain") == " M secret.env\n"
    repository.run("git", "add", "secret.env")
    assert repository.run("git", "show", ":secret.env") == SEEN + "MORE=1\n"
    repository.run("git", "commit", "-qm", "more")
    assert repository.run("git", "status", "--porcelain") == ""
    assert "failed" not in {outcome.done for outcome in guard.check(ended=True)}
    assert _outside(repository, "show", "HEAD:secret.env") == DOTENV + "MORE=1\n"
    assert _outside(repository, "status", "--porcelain") == ""


def test_git_switches_between_branches_whose_masked_files_differ(repository: Workplace) -> None:
    repository.run("git", "checkout", "-qb", "other")
    _outside(repository, "rm", "-q", "deep/er/settings.env")
    repository.write("secret.env", DOTENV + "BRANCH=other\n")
    _outside(repository, "commit", "-qam", "other")
    repository.run("git", "checkout", "-q", "main")
    assert (repository.real / "secret.env").read_text() == DOTENV
    assert repository.is_masked("deep/er/settings.env")
    assert repository.run("git", "status", "--porcelain") == ""
    repository.run("git", "checkout", "-q", "other")
    assert (repository.inside / "secret.env").read_text() == SEEN + "BRANCH=other\n"
    assert not (repository.inside / "deep/er/settings.env").exists()
    repository.run("git", "switch", "-q", "main")
    assert repository.run("git", "status", "--porcelain") == _outside(repository, "status", "--porcelain") == ""


def test_a_repository_made_inside_does_not_name_objects_that_only_another_one_has(repository: Workplace) -> None:
    repository.run("sh", "-ec", """
        git status
        git init -q other; cd other; cp ../secret.env lib.env; git add lib.env; git commit -qm lib
        cd ..; git clone -q . clone; rm -rf clone; git init -q clone; cd clone
        cp ../secret.env .; git add secret.env; git commit -qm new
    """)  # fmt: skip
    for name, file in (("other", "lib.env"), ("clone", "secret.env")):
        assert repository.run("git", "-C", name, "status", "--porcelain") == ""
        assert repository.run("git", "-C", name, "show", f"HEAD:{file}") == SEEN
        repository.run("git", "-C", name, "fsck", "--strict")


@pytest.mark.parametrize("prune", ["gc -q --prune=now", "prune --expire=now"])
def test_what_git_has_thrown_away_is_not_named_in_a_commit(repository: Workplace, prune: str) -> None:
    guard = Commits(repository.real, lambda data: data.replace(PLACEHOLDER, SECRET), refuse=False)
    if prune.startswith("gc"):
        _outside(repository, "gc", "-q")
    repository.run("git", "status")
    repository.run("sh", "-ec", f"""
        echo MORE=1 >>secret.env; echo MORE=1 >>deep/er/settings.env; git add -u; git commit -q --amend -m other
        git reflog expire --expire=now --all
        git {prune}
        sed -i /MORE/d secret.env; git add secret.env; git commit -qm back
    """)  # fmt: skip
    assert repository.run("git", "show", "HEAD:secret.env") == SEEN
    repository.run("git", "fsck", "--strict")
    assert repository.run("git", "status", "--porcelain") == ""
    assert [outcome for outcome in guard.check(ended=True) if outcome.done == "failed"] == []
    assert _outside(repository, "show", "HEAD:secret.env") == DOTENV
    assert _outside(repository, "status", "--porcelain") == ""
    _outside(repository, "fsck", "--strict")


def test_git_with_an_untracked_cache_sees_what_is_made_right_behind_its_last_look(repository: Workplace) -> None:
    _outside(repository, "config", "core.untrackedCache", "true")
    _outside(repository, "status")
    script = "for n in 1 2 3 4 5 6; do touch new$n deep/new$n; git status --porcelain; rm new$n deep/new$n; done"
    seen = repository.run("sh", "-ec", f"touch secret.env; git status --porcelain; {script}")
    assert seen.split() == [word for n in "123456" for word in ("??", f"deep/new{n}", "??", f"new{n}")]


def test_git_stash_brings_back_what_it_took(repository: Workplace) -> None:
    repository.run("sh", "-c", "echo 'print(4)' >code.py; echo new >untracked")
    repository.run("git", "stash", "-q", "--include-untracked")
    assert (repository.real / "code.py").read_text() == "print(1)\n"
    assert repository.run("git", "status", "--porcelain") == ""
    repository.run("git", "stash", "pop", "-q")
    assert (repository.real / "code.py").read_text() == "print(4)\n"
    assert (repository.real / "untracked").read_text() == "new\n"


def _tells_late(daemon: Daemon) -> None:
    next_message = daemon._next_message

    def late() -> bytes | None:
        message = next_message()
        time.sleep(0.3)
        return message

    daemon._next_message = late  # type: ignore[method-assign]


def test_git_status_is_clean_right_behind_a_stash_however_late_the_kernel_is_told() -> None:
    with workplace(beside=_tells_late) as work:
        work.run("sh", "-c", "git init -q && echo 'print(1)' >code.py && git add . && git commit -qm first")
        work.run("sh", "-c", "echo 'print(2)' >code.py; echo MORE=1 >>secret.env; echo new >untracked")
        time.sleep(0.8)  # at rest, and looked at again
        assert work.run("sh", "-c", "git stash -q --include-untracked; git status --porcelain") == ""
        assert work.run("sh", "-c", "git stash pop -q; git status --porcelain").splitlines() == [
            " M code.py",
            " M secret.env",
            "?? untracked",
        ]
        work.run("git", "checkout", "-q", ".")


class _Repository(PlainJudge):
    """A repository's own folder, which passes unseen."""

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        del path, is_folder, is_own
        return Mode.PASS


@pytest.mark.parametrize("name", ["main/.git", ".bare", "bare.git"])
def test_git_status_is_clean_right_behind_a_stash_in_a_linked_worktree_too(tmp_path: Path, name: str) -> None:
    """Its index lies in another view than its files, which one thread each tells the kernel of; whatever its name."""
    (tmp_path / ".gitconfig").write_text("[user]\n name = t\n email = t@example.com\n[init]\n defaultBranch = main\n")
    (tmp_path / "main").mkdir()
    (tmp_path / "main/secret.env").write_text(DOTENV)
    (tmp_path / "main/code.py").write_text("print(1)\n")
    clone = "" if name == "main/.git" else f"git clone -q --bare . ../{name}; cd ../{name};"
    script = f"git init -q; git add .; git commit -qm first; {clone} git worktree add -q -b tree {tmp_path}/tree"
    environ = {"HOME": str(tmp_path), "PATH": programs()}
    subprocess.run(["sh", "-ec", script], cwd=tmp_path / "main", env=environ, check=True)
    tree = tmp_path / "tree"
    with served(tree, PolicyLike(), beside=_tells_late, repository=(tmp_path / name, _Repository())) as inside:
        within = Shell(inside, tmp_path, programs())
        assert within.run("git", "status", "--porcelain") == ""
        within.run("sh", "-c", "echo 'print(2)' >code.py; echo MORE=1 >>secret.env; echo new >untracked")
        time.sleep(0.8)
        assert within.run("sh", "-c", "git stash -q --include-untracked; git status --porcelain") == ""
    assert (tree / "secret.env").read_text() == DOTENV


def test_adding_what_git_has_already_stages_nothing_in_a_submodule_either(tmp_path: Path) -> None:
    """Its index lies in another view than its files."""
    (tmp_path / ".gitconfig").write_text(
        '[user]\n name = t\n email = t@example.com\n[init]\n defaultBranch = main\n[protocol "file"]\n allow = always\n'
    )
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/secret.env").write_text(DOTENV)
    script = (
        "git init -q; git add .; git commit -qm lib; git init -q ../top; cd ../top; git submodule --quiet add ../lib"
    )
    environ = {"HOME": str(tmp_path), "PATH": programs()}
    subprocess.run(["sh", "-ec", script], cwd=tmp_path / "lib", env=environ, check=True)
    place = tmp_path / "top/lib", tmp_path / "top/.git/modules/lib"
    with served(place[0], PolicyLike(), repository=(place[1], _Repository())) as inside:
        within = Shell(inside, tmp_path, programs())
        for _ in range(3):
            assert within.run("sh", "-ec", "touch secret.env; git add secret.env; git status --porcelain") == ""


@pytest.mark.parametrize(
    "script",
    [
        "git mv secret.env moved.env",
        "cp secret.env new.env; git add new.env",
        "cat secret.env >>code.py; git add code.py",
        "cp secret.env deep/er/new.env; git rm -q --cached secret.env; mv secret.env deep/; git add deep",
    ],
)
def test_git_status_is_clean_at_once_behind_what_the_host_has_committed(repository: Workplace, script: str) -> None:
    """git reads its index before it asks for the files, and nobody inside has asked for these yet."""
    repository.run("git", "status")
    subprocess.run(
        ["sh", "-ec", f"{script}; git commit -qm host"],
        cwd=repository.real, env={"HOME": str(repository.shell.home), "PATH": repository.shell.path}, check=True,
    )  # fmt: skip
    time.sleep(0.5)
    assert repository.run("git", "status", "--porcelain") == ""
    _outside(repository, "reset", "-q", "--hard", "HEAD~1")
    time.sleep(0.5)
    assert repository.run("git", "status", "--porcelain") == ""


def test_an_index_in_another_view_follows_files_that_are_masked_later(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n name = t\n email = t@example.com\n[init]\n defaultBranch = main\n")
    (tmp_path / "main").mkdir()
    (tmp_path / "main/plain").write_text("plain\n")
    environ = {"HOME": str(tmp_path), "PATH": programs()}
    script = "git init -q; git add .; git commit -qm first; git worktree add -q -b tree ../tree"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path / "main", env=environ, check=True)
    tree = tmp_path / "tree"
    with served(tree, PolicyLike(), repository=(tmp_path / "main/.git", _Repository())) as inside:
        within = Shell(inside, tmp_path, programs())
        assert within.run("git", "status", "--porcelain") == ""
        (tree / "new/er").mkdir(parents=True)
        (tree / "new/er/later.env").write_text(DOTENV)
        subprocess.run(["sh", "-ec", "git add new; git commit -qm later"], cwd=tree, env=environ, check=True)
        time.sleep(0.5)
        within.run("git", "status", "--porcelain")  # it finds the file
        assert within.run("git", "status", "--porcelain") == ""


def test_git_rebases_and_merges(repository: Workplace) -> None:
    git = "git -c advice.detachedHead=false"
    repository.run("sh", "-ec", f"""
        {git} checkout -qb topic
        for number in 1 2 3; do echo $number >topic$number; git add .; git commit -qm topic$number; done
        {git} checkout -q main
        echo base >base; git add base; git commit -qm base
        {git} rebase -q main topic
        {git} checkout -q main
        {git} merge -q --no-ff -m merged topic
        {git} reset -q --hard HEAD~1
        {git} cherry-pick topic >/dev/null
        {git} revert --no-edit HEAD >/dev/null
    """)  # fmt: skip
    assert repository.run("git", "status", "--porcelain") == _outside(repository, "status", "--porcelain") == ""
    assert len(_outside(repository, "log", "--format=%h", "topic").splitlines()) == 5
    _outside(repository, "fsck", "--strict")


def test_git_collects_garbage_and_packs(repository: Workplace) -> None:
    repository.run(
        "sh", "-ec", "for n in 1 2 3 4 5; do echo $n >>code.py; git commit -qam $n; done; git gc -q --prune=now"
    )
    assert list((repository.real / ".git/objects/pack").glob("*.pack"))
    assert "garbage: 0" in _outside(repository, "count-objects", "-v")
    _outside(repository, "fsck", "--strict", "--full")
    assert repository.run("git", "log", "--oneline").count("\n") == 6


def test_git_makes_and_removes_a_worktree_and_a_clone(repository: Workplace) -> None:
    repository.run("git", "worktree", "add", "-q", "-b", "beside", "tree")
    assert repository.is_masked("tree/secret.env")
    assert repository.run("git", "-C", "tree", "status", "--porcelain") == ""
    repository.run("sh", "-ec", "cd tree; echo x >x; git add x; git commit -qm x")
    repository.run("git", "worktree", "remove", "tree")
    repository.run("git", "clone", "-q", ".", "clone")
    assert repository.is_masked("clone/secret.env")
    assert repository.run("git", "-C", "clone", "status", "--porcelain") == ""
    repository.run("rm", "-r", "clone")
    assert not (repository.real / "clone").exists()


def test_git_serves_a_submodule(repository: Workplace) -> None:
    repository.run("git", "init", "-q", "other")
    repository.run("sh", "-ec", "cd other; cp ../secret.env lib.env; echo x >x; git add x; git commit -qm lib")
    repository.run("git", "submodule", "--quiet", "add", "./other", "module")
    repository.run("git", "commit", "-qm", "module")
    assert repository.run("git", "-C", "module", "status", "--porcelain") == ""
    assert repository.run("git", "submodule", "status").startswith(" ")
