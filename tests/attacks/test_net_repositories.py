"""Repositories that lead whoever looks at them to another one: what is outside of the workspace stays as it was."""

from pathlib import Path

import pytest

from tests.machine import Machine

_WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture
def theirs(anyones: Machine) -> Path:
    """Another project of the user's, beside the workspace."""
    place = anyones.root / "theirs"
    place.mkdir()
    anyones.give()
    for words in (("init", "-q", "-b", "main"), ("commit", "-q", "--allow-empty", "-m", "x"), ("branch", "precious")):
        anyones.host("git", *_WHO, *words, cwd=place, check=True)
    return place


def _refs(machine: Machine, place: Path) -> str:
    return machine.host("git", "for-each-ref", cwd=place, check=True).stdout


@pytest.mark.parametrize("commits", ["review", "refuse", "rewrite"])
def test_a_repository_made_inside_that_names_another_moves_no_refs_of_it(
    anyones: Machine, theirs: Path, commits: str
) -> None:
    """Promise 3: the guard, outside, would take that one's branches for what was made inside, and take them back."""
    anyones.show_by("fuse", f'commits = "{commits}"')
    before = _refs(anyones, theirs)
    done = anyones.inside(
        f"git init -q new; cd new; git {' '.join(_WHO)} commit -q --allow-empty -m x; sleep 1.5; "
        f"echo {theirs}/.git > .git/commondir; rm -rf .git/refs/heads/*; touch .git/refs/heads/x; sleep 1.5"
    )
    assert _refs(anyones, theirs) == before
    assert "`new`" in done.stderr  # it is told that this repository could not be looked at


def test_a_folder_that_was_unpacked_with_another_repositorys_name_in_it_is_refused(
    anyones: Machine, theirs: Path
) -> None:
    """Promise 3: nothing is made, read or moved where `.git/commondir` leads; git itself makes none there."""
    (theirs / "bare").mkdir()
    (anyones.workspace / ".git/commondir").write_text("../../theirs/bare\n")
    anyones.give()
    done = anyones.inside("true")
    assert done.returncode == 125
    assert "commondir` names another repository" in done.stderr
    assert "remove that file" in done.stderr
    assert list((theirs / "bare").iterdir()) == []
