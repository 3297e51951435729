"""What the inside sees of a path, asked for one at a time: as policy, git and the scan decide."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from redactors.vault import Origin
from tests.plan.bench import Bench, secret
from wrapper.view.contents import Mode
from wrapper.view.tree import Tree
from wrapper.view.verdicts import stricter

Ask = Callable[..., Tree]


@pytest.fixture
def bench(tmp_path: Path, engine_cache: Path) -> Bench:
    return Bench(tmp_path, engine_cache)


def tree(bench: Bench, learned: Callable[[], None] = lambda: None) -> Tree:
    inventory = bench.take()
    return Tree(inventory, bench.engine.vault, is_strict=False, learned=learned)


def mode(asked: Tree, path: str, *, is_own: bool = False) -> Mode:
    return asked.by_name(os.fsencode(path.rstrip("/")), is_folder=path.endswith("/"), is_own=is_own)


@pytest.mark.parametrize("made", ["before", "after"])
def test_a_name_is_judged_whether_the_file_was_there_at_the_start_or_not(bench: Bench, made: str) -> None:
    names = {".env": Mode.MASK, "a/app.py": Mode.SCAN, "deploy.key": Mode.HIDE, "node_modules/x/i.js": Mode.KNOWN}
    asked = None if made == "before" else tree(bench)
    for name in names:
        bench.write(name, "text\n")
    asked = asked or tree(bench)
    assert {name: mode(asked, name) for name in names} == names


def test_a_key_that_git_tracks_is_denied_and_one_that_the_inside_makes_is_shown_masked(bench: Bench) -> None:
    bench.git("init", "-q")
    bench.write("tracked.key", "x")
    bench.git("add", "tracked.key")
    asked = tree(bench)
    assert mode(asked, "tracked.key") is Mode.DENY
    assert mode(asked, "other.key") is Mode.HIDE
    assert mode(asked, "other.key", is_own=True) is Mode.SCAN


def test_what_policy_closes_by_the_users_wish_cannot_be_made_inside_either(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**"]\nhide = ["*.secret"]\n'
    asked = tree(bench)
    assert mode(asked, "training/set.jsonl", is_own=True) is Mode.HIDE
    assert mode(asked, "training/") is Mode.DENY
    assert mode(asked, "a.secret", is_own=True) is Mode.HIDE


def test_nothing_below_a_closed_folder_is_there(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**"]\n'
    bench.write("training/deep/set.jsonl", "{}")
    asked = tree(bench)
    assert mode(asked, "training/") is Mode.DENY
    assert mode(asked, "training/deep/") is Mode.HIDE
    assert mode(asked, "training/deep/set.jsonl") is Mode.HIDE


def test_what_git_keeps_of_commits_passes_and_its_other_files_are_searched_for_known_values(bench: Bench) -> None:
    asked = tree(bench)
    for name in ("objects/ab/cd", "refs/heads/main", "logs/HEAD", "index", "index.lock", "COMMIT_EDITMSG", "HEAD"):
        assert mode(asked, f".git/{name}") is Mode.PASS
        assert mode(asked, f".git/modules/deep/sub/{name}") is Mode.PASS
    assert mode(asked, ".git/rebase-apply/patch") is Mode.KNOWN
    assert mode(asked, ".git/config") is Mode.SCAN
    assert mode(asked, "not.git/refs/x") is Mode.SCAN


def test_a_file_in_the_state_of_the_scan_is_clean_until_it_changes(bench: Bench) -> None:
    file = bench.write("src/app.py", "print(1)\n")
    time.sleep(0.1)  # a file as young as the scan is not trusted: a later write could bear the same stamp
    asked = tree(bench)
    assert asked.is_clean(b"src/app.py", file.stat())
    assert not asked.is_clean(b"src/other.py", file.stat())
    file.write_text("print(2)\n")
    assert not asked.is_clean(b"src/app.py", file.stat())


@pytest.mark.parametrize("name", ["logo.png", ".git/notes", "node_modules/a.js"])
def test_a_file_that_the_scan_only_lists_is_not_clean(bench: Bench, name: str) -> None:
    """Promise 2: nobody has searched it for what is known from elsewhere."""
    bench.git("init", "-q")
    file = bench.write(name, "text")
    time.sleep(0.1)
    assert not tree(bench).is_clean(os.fsencode(name), file.stat())


def test_no_file_is_clean_any_more_once_another_value_has_become_known(bench: Bench) -> None:
    """Promise 2: the file may quote it."""

    file = bench.write("src/app.py", "print(1)\n")
    time.sleep(0.1)
    asked = tree(bench)
    assert asked.is_clean(b"src/app.py", file.stat())
    bench.engine.vault.issue("KEY", secret().encode(), Origin.OUTSIDE)
    assert not asked.is_clean(b"src/app.py", file.stat())


def test_a_file_with_a_secret_is_never_clean(bench: Bench) -> None:

    value = secret()
    bench.write(".env", f"TOKEN={value}\n")
    quoting = bench.write("notes.txt", f"it is {value}\n")
    time.sleep(0.1)
    asked = tree(bench)
    assert not asked.is_clean(b"notes.txt", quoting.stat())
    assert set(asked.masked_paths()) == {b".env", b"notes.txt"}


def test_what_is_shown_holds_no_value_and_comes_back_byte_for_byte(bench: Bench) -> None:
    """Promises 2 and 3, by the real rules."""
    value = secret()
    data = f"# keep\nTOKEN='{value}'\nDEBUG=true\n".encode()
    bench.write(".env", data)
    asked = tree(bench)
    for path, kind in ((b".env", Mode.MASK), (b"copy", Mode.SCAN), (b"dist/copy", Mode.KNOWN)):
        shown = asked.masked(path, data, kind)
        assert shown is not None
        assert value.encode() not in shown
        assert shown.startswith(b"# keep\nTOKEN='MASKED-")
        assert asked.restored(shown) == data


def test_a_binary_file_with_a_known_value_is_not_shown_and_one_without_is(bench: Bench) -> None:
    value = secret()
    bench.write(".env", f"TOKEN={value}\n")
    asked = tree(bench)
    for kind in (Mode.SCAN, Mode.KNOWN):
        assert asked.masked(b"a.db", b"\0\1" + value.encode(), kind) is None
        assert asked.masked(b"a.db", b"\0\1plain", kind) == b"\0\1plain"
    assert asked.masked(b".env", b"\0", Mode.MASK) is None


def test_who_learns_a_value_says_so_once(bench: Bench) -> None:
    told: list[int] = []
    asked = tree(bench, lambda: told.append(1))
    data = f"TOKEN={secret()}\n".encode()
    asked.masked(b".env", data, Mode.MASK)
    asked.masked(b".env", data, Mode.MASK)
    assert told == [1]


def test_the_values_of_a_file_that_the_host_writes_are_known(bench: Bench) -> None:
    value = secret()
    asked = tree(bench)
    bench.write(".env.local", f"TOKEN={value}\n")
    asked.host_changed(b".env.local")
    assert bench.knows(value)


@pytest.mark.parametrize(
    ("path", "is_protected"),
    [
        (".envrc", True),
        (".vscode/tasks.json", True),
        ("deep/.husky/pre-commit", True),
        (".git/hooks/pre-commit", True),
        (".git/config", True),
        (".git/commondir", True),
        (".git/worktrees/new/config.worktree", False),
        (".git/modules/new/config", False),
        ("nested/.git/config", False),
        ("app.py", False),
        (".git/HEAD", False),
    ],
)
def test_what_runs_outside_later_is_protected_made_or_not_but_in_a_new_repository(
    bench: Bench, path: str, *, is_protected: bool
) -> None:
    """Promise 2: `git init`, `git worktree add` and `git submodule` inside must be able to write their own."""
    bench.git("init", "-q")
    assert tree(bench).is_protected(path.encode()) is is_protected


def test_packages_and_clones_may_bring_what_is_protected_elsewhere(bench: Bench) -> None:
    """Else `npm install` and `git clone` inside would fail on the editor settings of strangers."""
    bench.write("old/app.py", "")
    asked = tree(bench)
    assert asked.is_protected(b"clone/.vscode/tasks.json")
    assert not asked.is_protected(b"node_modules/x/.vscode/tasks.json")
    for folder in ("clone", "old"):
        (bench.workspace / folder / ".git").mkdir(parents=True)
    assert not asked.is_protected(b"clone/.vscode/tasks.json")
    assert not asked.is_protected(b"clone/deep/.envrc")
    assert asked.is_protected(b"old/.vscode/tasks.json")
    assert asked.is_protected(b".vscode/tasks.json")


def test_what_is_protected_may_go_with_a_folder_that_was_not_there_and_nowhere_else(bench: Bench) -> None:
    """Else a work tree or clone that was made inside could not be removed again; what stood at the start stays."""
    for name in ("old/.vscode/tasks.json", "old/deep/app.py", "deep/.git/hooks/pre-commit"):
        bench.write(name, "")
    asked = tree(bench)
    for path in (b"new/.envrc", b"new/deep/.vscode/tasks.json", b"old/made/.gitmodules"):
        assert asked.is_protected(path)
        assert asked.may_go(path), path
    for path in (
        b"old/.vscode/tasks.json",
        b"old/.envrc",
        b".gitmodules",
        b"deep/.git/hooks/pre-commit",
        b".git/config",
    ):
        assert not asked.may_go(path), path


def test_a_link_may_not_stand_where_policy_protects_what_lies_in_folders_of_that_name(bench: Bench) -> None:
    asked = tree(bench)
    assert asked.holds_protected(b"a/.vscode")
    assert asked.holds_protected(b".husky")
    assert not asked.holds_protected(b"a/src")


def test_folders_around_what_is_protected_are_held(bench: Bench) -> None:
    bench.git("init", "-q", "deep/sub")
    bench.write("a/.vscode/tasks.json", "{}")
    asked = tree(bench)
    for path in (b"deep", b"deep/sub", b"deep/sub/.git", b"a/.vscode"):
        assert asked.is_held(path), path
    assert not asked.is_held(b"a")


def test_another_name_of_a_covered_file_is_covered(bench: Bench) -> None:
    file = bench.write(".env", f"TOKEN={secret()}\n")
    (bench.workspace / "notes").hardlink_to(file)
    about = file.stat()
    assert tree(bench).by_inode((about.st_dev, about.st_ino)) is Mode.MASK


def test_a_link_gives_the_file_behind_it_what_policy_says_of_its_name(bench: Bench) -> None:
    bench.write("plain", f"TOKEN={secret()}\n")
    (bench.workspace / ".env").symlink_to("plain")
    assert mode(tree(bench), "plain") is Mode.MASK


def test_the_stricter_mode_holds() -> None:
    assert stricter(Mode.SCAN, Mode.DENY) is Mode.DENY
    assert stricter(Mode.MASK, Mode.PASS) is Mode.MASK
