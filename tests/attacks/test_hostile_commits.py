"""A repository that was made, inside, to mislead what looks at its commits from outside.

Attacks promise 2 (a program of the repository's would run as the user, with every secret in reach; a value put into
git's objects could be read inside) and promise 3 (nothing may be written but the repository's own objects, refs and
indexes).
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import git, repository, said
from wrapper.guard.commits import Commits, Outcome

SECRET = b"fake-hunter2-not-real"
PLACEHOLDER = b"MASKED-" + b"PASSWORD-ABCDEFGH"

_PROGRAMS = (
    "core.fsmonitor",
    "core.pager",
    "core.sshCommand",
    "core.alternateRefsCommand",
    "core.askPass",
    "core.editor",
    "diff.external",
    "diff.evil.command",
    "diff.evil.textconv",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "gpg.program",
    "gpg.ssh.program",
    "credential.helper",
    "remote.origin.uploadpack",
    "uploadpack.packObjectsHook",
    "alias.for-each-ref",
    "alias.update-ref",
)
_HOOKS = (
    "reference-transaction",
    "post-index-change",
    "fsmonitor-watchman",
    "post-rewrite",
    "pre-auto-gc",
    "post-update",
)


def restored(data: bytes) -> bytes:
    return data.replace(PLACEHOLDER, SECRET)


def commit(folder: Path, name: str = ".env", content: bytes = b"A=" + PLACEHOLDER) -> str:
    (folder / name).write_bytes(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", name)
    return said(folder, "rev-parse", "HEAD")


def listing(folder: Path) -> dict[str, bytes | None]:
    """Give all that is in a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def made(folder: Path, kind: str, content: bytes) -> str:
    return git(folder, "hash-object", "--literally", "-t", kind, "-w", "--stdin", given=content).decode().strip()


def tree(folder: Path, *items: tuple[bytes, bytes, str]) -> str:
    return made(folder, "tree", b"".join(b"%b %b\0%b" % (mode, name, bytes.fromhex(i)) for mode, name, i in items))


def commit_of(folder: Path, tree_id: str) -> str:
    return git(folder, "commit-tree", "-m", "x", "-p", "HEAD", tree_id).decode().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made_here = repository(tmp_path / "repo")
    commit(made_here, "code.py", b"pass\n")
    return made_here


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's; nothing in it may change."""
    place = tmp_path / "home"
    (place / "deep").mkdir(parents=True)
    (place / "authorized_keys").write_text("key\n")
    before = listing(place)
    yield place
    assert listing(place) == before


def watching(folder: Path) -> Commits:
    return Commits(folder, restored, refuse=False)


def test_no_setting_and_no_hook_of_the_repository_runs(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "evil.sh"
    program.write_text(f'#!/bin/sh\ntouch "{tmp_path}/owned"\nprintf "2.0\\0/\\0"\nexit 0\n')
    program.chmod(0o755)
    (folder / ".gitattributes").write_text("* diff=evil filter=evil text ident\n")
    commits = watching(folder)
    commit(folder)
    git(folder, "tag", "-am", "x", "v1")
    git(folder, "stash", "list")
    (folder / "more.env").write_bytes(PLACEHOLDER)
    git(folder, "add", "-A")
    for name in _PROGRAMS:
        git(folder, "config", name, str(program))
    for name in (
        "log.showSignature",
        "commit.gpgSign",
        "tag.gpgSign",
        "extensions.worktreeConfig",
        "core.untrackedCache",
    ):
        git(folder, "config", name, "true")
    (tmp_path / "included").write_text(f"[core]\n\tfsmonitor = {program}\n")
    git(folder, "config", f"includeIf.gitdir:{folder}/.path", str(tmp_path / "included"))
    git(folder, "config", "extensions.partialClone", "origin")
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.url", f"ext::{program}")
    git(folder, "config", "protocol.ext.allow", "always")
    for name in _HOOKS:
        shutil.copy(program, folder / ".git/hooks" / name)
    (tmp_path / "owned").unlink(missing_ok=True)
    outcomes = commits.check(ended=True)
    assert {one.done for one in outcomes} == {"rewritten"}
    assert not (tmp_path / "owned").exists()


def test_a_missing_object_of_a_partial_clone_is_not_fetched(folder: Path, tmp_path: Path) -> None:
    commits = watching(folder)
    blob = made(folder, "blob", b"gone")
    git(folder, "update-ref", "refs/heads/main", commit_of(folder, tree(folder, (b"100644", b"a", blob))))
    (folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git(folder, "config", "extensions.partialClone", "origin")
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.url", f"ext::touch {tmp_path}/owned")
    git(folder, "config", "protocol.ext.allow", "always")
    commits.check(ended=True)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", [b"../x", b".git", b".git/config", b"..", b"/etc/x", b"a\\b", b".GIT"])
def test_names_in_a_tree_are_never_taken_for_paths(folder: Path, elsewhere: Path, name: bytes) -> None:
    before = listing(folder)
    commits = watching(folder)
    blob = made(folder, "blob", PLACEHOLDER)
    inner = tree(folder, (b"100644", name, blob))
    tip = commit_of(folder, tree(folder, (b"100644", name, blob), (b"40000", b"z", inner)))
    git(folder, "update-ref", "refs/heads/evil", tip)
    (outcome,) = commits.check(ended=True)
    assert outcome.done == "rewritten"
    rows = git(folder, "cat-file", "tree", f"{said(folder, 'rev-parse', 'evil')}^{{tree}}")
    assert rows.startswith(b"100644 " + name + b"\0")
    after = listing(folder)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert all(path.startswith((".git/objects/", ".git/refs/heads/evil", ".git/logs/refs/heads")) for path in changed)


@pytest.mark.parametrize("place", ["refs/heads", "refs", "logs", "logs/refs/heads", "logs/HEAD", "HEAD", "packed-refs"])
def test_a_link_in_place_of_refs_or_logs_is_not_written_through(folder: Path, elsewhere: Path, place: str) -> None:
    commits = watching(folder)
    commit(folder)
    git(folder, "branch", "authorized_keys2")
    git(folder, "pack-refs", "--all")
    there = folder / ".git" / place
    if there.is_dir():
        shutil.rmtree(there)
        there.symlink_to(elsewhere / "deep")
    else:
        (elsewhere / "authorized_keys").read_bytes()
        there.unlink(missing_ok=True)
        there.symlink_to(elsewhere / "authorized_keys")
    outcomes = commits.check(ended=True)
    assert "rewritten" not in {one.done for one in outcomes if one.ref.startswith("refs")}


@pytest.mark.parametrize("place", ["ORIG_HEAD", "logs/refs/kept/one", "rebase-merge", "worktrees/x", "worktrees"])
def test_a_link_in_place_of_what_else_names_commits_is_not_written_through(
    folder: Path, tmp_path: Path, place: str
) -> None:
    commits = watching(folder)
    made_inside = commit(folder)
    elsewhere = tmp_path / "elsewhere"
    for name in ("file", "ORIG_HEAD", "refs/one", "logs/HEAD", "x/ORIG_HEAD"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(made_inside)
    there = folder / ".git" / place
    there.parent.mkdir(parents=True, exist_ok=True)
    there.symlink_to(elsewhere / "file" if place in {"ORIG_HEAD", "logs/refs/kept/one"} else elsewhere)
    before = listing(elsewhere)
    commits.check(ended=True)
    assert listing(elsewhere) == before


def test_a_link_in_place_of_an_objects_folder_is_not_written_through(folder: Path, elsewhere: Path) -> None:
    commits = watching(folder)
    commit(folder)
    for number in range(256):
        place = folder / f".git/objects/{number:02x}"
        if not place.exists():
            place.symlink_to(elsewhere / "deep")
    (outcome,) = commits.check(ended=True)
    assert outcome.done == "failed"


@pytest.mark.parametrize("name", ["index", "index.lock", "worktrees"])
def test_a_link_in_place_of_an_index_is_not_written_through(folder: Path, elsewhere: Path, name: str) -> None:
    commits = watching(folder)
    (folder / ".env").write_bytes(PLACEHOLDER)
    git(folder, "add", "-A")
    place = folder / ".git" / name
    if name == "index":
        place.rename(folder / "kept")
    place.symlink_to(elsewhere / ("deep" if name == "worktrees" else "authorized_keys"))
    commits.check(ended=True)


def test_a_link_in_place_of_the_stash_is_not_written_through(folder: Path, elsewhere: Path) -> None:
    commits = watching(folder)
    (folder / "code.py").write_bytes(PLACEHOLDER)
    git(folder, "stash", "-q")
    log = folder / ".git/logs/refs/stash"
    shutil.copy(log, folder / "kept")
    log.unlink()
    log.symlink_to(elsewhere / "authorized_keys")
    (folder / ".git/logs/refs/stash.lock").symlink_to(elsewhere / "new")
    commits.check(ended=True)


def test_another_repository_in_place_of_ours_is_not_touched(folder: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    commit(other)
    before = listing(other)
    commits = watching(folder)
    commit(folder)
    (folder / ".git").rename(folder / "moved")
    (folder / ".git").symlink_to(other / ".git")
    (outcome,) = commits.check(ended=True)
    assert outcome.done == "failed"
    assert listing(other) == before


def test_objects_borrowed_from_another_repository_are_not_written_there(folder: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    tip = commit(other)
    before = listing(other)
    commits = watching(folder)
    (folder / ".git/objects/info/alternates").write_text(f"{other}/.git/objects\n")
    git(folder, "update-ref", "refs/heads/borrowed", tip)
    assert [one.done for one in commits.check(ended=True)] == ["rewritten"]
    assert listing(other) == before
    assert git(folder, "cat-file", "blob", "borrowed:.env") == b"A=" + SECRET


def test_replacements_and_grafts_hide_nothing(folder: Path) -> None:
    base = said(folder, "rev-parse", "HEAD")
    commits = watching(folder)
    tip = commit(folder)
    clean = commit_of(folder, said(folder, "rev-parse", f"{base}^{{tree}}"))
    for old, new in ((tip, clean), (clean, tip)):  # each stands for the other
        (folder / ".git/refs/replace").mkdir(exist_ok=True)
        (folder / ".git/refs/replace" / old).write_text(f"{new}\n")
    (folder / ".git/info/grafts").write_text(f"{tip} {tip}\n")
    assert {one.ref: one.done for one in commits.check(ended=True)}["refs/heads/main"] == "rewritten"
    content = git(folder, "cat-file", "blob", "main:.env", extra={"GIT_NO_REPLACE_OBJECTS": "1"})
    assert content == b"A=" + SECRET


def test_trees_that_hold_each_other_a_thousand_million_times_take_no_time(folder: Path) -> None:
    commits = watching(folder)
    blob = made(folder, "blob", PLACEHOLDER)
    inner = tree(folder, *((b"100644", b"%02d" % number, blob) for number in range(10)))
    for _ in range(8):
        inner = tree(folder, *((b"40000", b"%02d" % number, inner) for number in range(10)))
    git(folder, "update-ref", "refs/heads/bomb", commit_of(folder, inner))
    began = time.process_time()
    (outcome,) = commits.check()
    assert time.process_time() - began < 5
    assert len(outcome.paths) <= 100


def test_folders_deeper_than_any_path_are_told_and_end_nothing(folder: Path) -> None:
    commits = watching(folder)
    inner = tree(folder, (b"100644", b"x", made(folder, "blob", PLACEHOLDER)))
    for _ in range(450):
        inner = tree(folder, (b"40000", b"d", inner))
    git(folder, "update-ref", "refs/heads/deep", commit_of(folder, inner))
    (outcome,) = commits.check()
    assert outcome.done == "failed"


def test_a_tree_of_a_hundred_thousand_files_is_looked_at(folder: Path) -> None:
    commits = watching(folder)
    blobs = [made(folder, "blob", b"x"), made(folder, "blob", PLACEHOLDER)]
    wide = tree(folder, *((b"100644", b"%06d" % number, blobs[number == 77_777]) for number in range(100_000)))
    git(folder, "update-ref", "refs/heads/wide", commit_of(folder, wide))
    (outcome,) = commits.check(ended=True)
    assert (outcome.done, outcome.paths) == ("rewritten", ("077777",))


def test_a_hundred_thousand_refs_are_looked_at(folder: Path) -> None:
    commits = watching(folder)
    tip = commit(folder)
    rows = "".join(f"{tip} refs/heads/b{number:06d}\n" for number in range(100_000))
    (folder / ".git/packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + rows)
    outcomes = commits.check()
    assert len(outcomes) == 100_001
    assert {one.done for one in outcomes} == {"waiting"}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("commit", b""),
        ("commit", b"tree nothing\n"),
        ("commit", b"tree " + b"0" * 40 + b"\nparent " + b"1" * 40 + b"\n\n"),
        ("tag", b"object nothing"),
        ("tag", b"object " + b"0" * 40 + b"\ntype commit\n\n"),
    ],
)
def test_damaged_objects_are_told_or_left_and_end_nothing(folder: Path, kind: str, content: bytes) -> None:
    commits = watching(folder)
    (folder / ".git/refs/heads/broken").write_text(made(folder, kind, content) + "\n")
    assert all(one.done == "failed" for one in commits.check(ended=True))


def test_a_placeholder_that_is_committed_tells_the_inside_nothing(folder: Path) -> None:
    commits = watching(folder)
    commit(folder, "guess", PLACEHOLDER)
    git(folder, "tag", "-am", "x", "v1")
    (folder / "staged").write_bytes(PLACEHOLDER)
    git(folder, "add", "-A")
    assert [one.done for one in commits.check()] == ["waiting", "waiting"]
    assert commits.check() == list[Outcome]()
    for path in (folder / ".git").rglob("*"):
        assert not path.is_file() or SECRET not in path.read_bytes()
    assert SECRET not in git(folder, "cat-file", "--batch-all-objects", "--batch")
