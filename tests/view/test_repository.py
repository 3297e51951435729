"""A repository's folder outside of the workspace is judged as a `.git` in it would be."""

from pathlib import Path

import pytest

from tests.plan.bench import Bench, secret
from wrapper.view.contents import Mode
from wrapper.view.repository import Repository
from wrapper.view.tree import Tree


@pytest.fixture
def bench(tmp_path: Path, engine_cache: Path) -> Bench:
    return Bench(tmp_path, engine_cache)


def repository(bench: Bench) -> Repository:
    inventory = bench.take()
    tree = Tree(inventory, bench.engine.vault, is_strict=True, learned=lambda: None)
    return Repository(tree, ["config", "hooks", "worktrees/old/gitdir"], ["worktrees/old"])


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (b"objects/ab/cd", Mode.PASS),
        (b"refs/heads/main", Mode.PASS),
        (b"worktrees/old/index", Mode.PASS),
        (b"modules/deep/er/HEAD", Mode.PASS),
        (b"config", Mode.SCAN),
        (b"rebase-merge/patch", Mode.KNOWN),
    ],
)
def test_files_are_judged_by_gits_names(bench: Bench, path: bytes, mode: Mode) -> None:
    assert repository(bench).by_name(path, is_folder=False) is mode


@pytest.mark.parametrize(
    ("path", "is_protected"),
    [
        (b"config", True),
        (b"hooks/post-checkout", True),
        (b"commondir", True),
        (b"worktrees/old/gitdir", True),
        (b"worktrees/old/config.worktree", True),
        (b"worktrees/new/config.worktree", False),
        (b"modules/new/config", False),
        (b"HEAD", False),
        (b"index", False),
    ],
)
def test_what_names_programs_is_protected_but_in_a_worktree_that_is_made_inside(
    bench: Bench, path: bytes, *, is_protected: bool
) -> None:
    """Promise 2."""
    assert repository(bench).is_protected(path) is is_protected


def test_values_of_the_workspace_are_masked_and_restored_here(bench: Bench) -> None:
    """Promises 2 and 3."""
    value = secret()
    bench.write(".env", f"TOKEN={value}\n")
    judged = repository(bench)
    data = f"url = https://someone:{value}@example.com/x.git\n".encode()
    shown = judged.masked(b"config", data, Mode.SCAN)
    assert shown is not None
    assert value.encode() not in shown
    assert judged.restored(shown) == data


def test_folders_of_what_is_protected_stay_and_are_not_linked_to(bench: Bench) -> None:
    judged = repository(bench)
    assert judged.is_held(b"worktrees/old")
    assert judged.is_held(b"worktrees")
    assert not judged.is_held(b"refs")
    assert judged.holds_protected(b"hooks")
    assert not judged.holds_protected(b"refs")
