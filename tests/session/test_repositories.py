"""git inside, where the repository is not the workspace's own `.git`: worktrees and submodules with masked tracked files."""

from pathlib import Path

import pytest

from tests.machine import CIPHER, Machine, deciphered

_WHO = "-c user.name=t -c user.email=t@example.com"


def _tracked(machine: Machine) -> None:
    """Let git track the masked dotenv, as many repositories do."""
    machine.git("add", "-f", ".env")
    machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "tracked")


def _worktree(machine: Machine) -> Path:
    _tracked(machine)
    machine.git("worktree", "add", "-q", str(machine.root / "tree"), "-b", "tree")
    return machine.root / "tree"


def _submodule(machine: Machine) -> Path:
    _tracked(machine)
    outer = machine.root / "outer"
    machine.host("git", "init", "-q", str(outer), check=True)
    allowed = ("-c", "protocol.file.allow=always")
    words = ("submodule", "--quiet", "add", str(machine.workspace), "inner")
    machine.host("git", *allowed, *words, cwd=outer, check=True)
    return outer / "inner"


@pytest.mark.parametrize("make", [_worktree, _submodule])
def test_git_is_clean_and_true_where_the_repository_lies_elsewhere(machine: Machine, make: object) -> None:
    """Promises 2 and 3: status, add, commit, stash; the values are in the commit when the session has ended."""
    assert callable(make)
    folder = make(machine)
    script = f"""
        exec 2>&1
        git status --short; grep -c MASKED- .env
        echo ADDED=1 >> .env; git status --short
        git {_WHO} stash -q; git status --short; git {_WHO} stash pop -q; git status --short
        git add .env; git {_WHO} commit -qm inside; git status --short; git log -1 --format=%s
    """
    done = machine.host("safe-agent", "exec", "--", "sh", "-c", f"{{ {script} }} | {' '.join(CIPHER)}", cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = deciphered(done.stdout).split("\n")
    assert [line for line in lines if line] == [lines[0], " M .env", " M .env", "inside"], done
    assert int(lines[0]) > 0
    assert not machine.leaks(done.stdout)
    assert machine.host("git", "status", "--short", cwd=folder).stdout == ""
    committed = machine.host("git", "show", "HEAD:.env", cwd=folder).stdout
    assert committed == (folder / ".env").read_text()
    assert machine.planted["stripe"] in committed
    assert committed.endswith("ADDED=1\n")


def test_the_main_repositorys_programs_cannot_be_changed_from_a_worktree(machine: Machine) -> None:
    """Promise 2: its hooks and settings run with all the user's secrets."""
    folder = _worktree(machine)
    git = machine.workspace / ".git"
    before = (git / "config").read_bytes()
    attack = f"""
        echo evil > {git}/hooks/post-checkout; echo evil >> {git}/config; git config core.fsmonitor evil
        mv {git}/hooks {git}/h; ln -s /tmp {git}/hooks2; rm -rf {git}/hooks; mkdir {git}/hooks && echo evil > {git}/hooks/x
    """
    machine.host("safe-agent", "exec", "--", "sh", "-c", attack, cwd=folder)
    assert (git / "config").read_bytes() == before
    assert not [one for one in (git / "hooks").iterdir() if not one.name.endswith(".sample")]


def test_a_worktree_and_a_clone_can_be_made_inside(machine: Machine) -> None:
    """They bring settings of their own, which somebody must write; that is reported."""
    _tracked(machine)
    done = machine.inside(
        "git worktree add -q tree -b tree && git -C tree status --short && git clone -q . copy && ls copy"
    )
    assert done.returncode == 0, done.stderr
    assert "`copy/.git`" in done.stderr
    assert machine.planted["stripe"] in (machine.workspace / "tree/.env").read_text()
