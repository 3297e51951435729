import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.anchors.standing import Standing
from tests.audit.recording import Home
from tests.fakes.witness import FakeWitness
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["anchor", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


@pytest.fixture
def here(user: Home, monkeypatch: pytest.MonkeyPatch) -> Standing:
    """A machine with a ledger of ten frames; the current folder is the user's home, where no session may be."""
    monkeypatch.chdir(user.state.parent.parent)
    user.state.mkdir(parents=True)
    return Standing(user.state, 1_700_000_000.0).grow(5)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"file:{tmp_path}/kept.notes"


def _restore(here: Standing, before: Standing) -> None:
    shutil.rmtree(here.state)
    before.state.rename(here.state)


def test_the_policys_anchors_are_used(user: Home, here: Standing, place: str) -> None:
    (user.config / "policy.toml").write_text(f'version = 1\n[audit]\nanchors = ["{place}"]\n')
    result = _run()
    assert (result.stdout, result.exit_code) == (f"{place}  holds 10 frames: byte 0\n", 0)
    assert _run("--check").stdout == (
        f"{place}  covers segment 1 up to 10 frames, until 2023-11-14 22:13:25 UTC; 2 frames since\n"
    )


def test_without_any_anchor_it_says_where_to_name_one(here: Standing) -> None:
    result = _run()
    assert isinstance(result.exception, SafeAgentError)
    assert "audit.anchors" in result.exception.hint


def test_as_json_each_anchor_is_a_line(here: Standing, place: str, tmp_path: Path) -> None:
    away = f"file:{tmp_path}/away/notes"
    result = _run("--to", place, "--to", away, "--to", place, "--json")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["anchor"], first["size"], first["exit_code"]) == (place, 10, 0)
    assert (second["anchor"], second["exit_code"]) == (away, 1)
    assert second["reason"].endswith("No such file or directory")
    assert result.exit_code == 1


def test_an_empty_anchor_covers_nothing(here: Standing, place: str) -> None:
    result = _run("--to", place, "--check")
    assert (result.stdout, result.exit_code) == (f"{place}  holds nothing yet: 10 frames are not covered\n", 0)


def test_a_ledger_rolled_back_and_rebuilt_by_a_thief_is_forked(here: Standing, place: str) -> None:
    before = here.copied("before")
    here.grow()
    assert _run("--to", place).exit_code == 0
    _restore(here, before)
    here.grow(20, "forged")
    result = _run("--to", place, "--check", "--json")
    assert result.exit_code == json.loads(result.stdout)["exit_code"] == 14
    assert "at 16 frames of segment 1 the ledger here has the root" in result.stderr
    assert result.stderr.splitlines()[1].startswith("hint: somebody wrote the ledger anew")


def test_a_ledger_rolled_back_is_truncated(here: Standing, place: str) -> None:
    before = here.copied("before")
    here.grow()
    _run("--to", place)
    _restore(here, before)
    assert _run("--to", place, "--check").exit_code == 11


def test_of_several_anchors_the_gravest_counts(here: Standing, place: str, tmp_path: Path) -> None:
    before = here.copied("before")
    here.grow()
    _run("--to", place)
    _restore(here, before)
    here.grow(20, "forged")
    result = _run("--to", f"file:{tmp_path}/away/x", "--to", "nowhere", "--to", place, "--check")
    assert result.exit_code == 14
    assert _run("--to", f"file:{tmp_path}/away/x", "--to", "nowhere", "--check").exit_code == 125
    assert _run("--to", f"file:{tmp_path}/away/x", "--check").exit_code == 1


def test_an_anchor_that_was_emptied_is_tampered_with(here: Standing, place: str, tmp_path: Path) -> None:
    _run("--to", place)
    (tmp_path / "kept.notes").write_bytes(b"")
    result = _run("--to", place, "--check")
    assert result.exit_code == 12
    assert "no longer holds the checkpoint of 10 frames" in result.stderr


def test_a_witness_is_asked_to_sign_what_is_checked(here: Standing) -> None:
    with FakeWitness({here.view.origin: here.view.vkey}) as fake:
        assert _run("--to", fake.anchor).exit_code == 0
        shutil.rmtree(here.folder / "cosigned")  # a thief takes away what was kept here
        result = _run("--to", fake.anchor, "--check")
        assert result.stdout.startswith(f"witness:{fake.url}  covers segment 1 up to 12 frames")
        assert result.stdout.endswith("; all there is\n")
        before = here.copied("before")
        _run("--to", fake.anchor)
        _restore(here, before)
        assert _run("--to", fake.anchor, "--check").exit_code == 0
        here.grow(9, "forged")
        fake.signed[here.view.origin] = (fake.signed[here.view.origin][0], bytes(32))
        assert _run("--to", fake.anchor, "--check").exit_code == 14


def test_a_copy_of_the_ledger_without_its_key_is_only_compared(here: Standing) -> None:
    with FakeWitness({here.view.origin: here.view.vkey}) as fake:
        _run("--to", fake.anchor)
        asked = len(fake.seen)
        (here.folder / "note.key").unlink()
        before = here.view.size
        assert _run("--to", fake.anchor, "--check").exit_code == 0
        assert (len(fake.seen), here.view.size) == (asked, before)


def test_the_key_is_what_the_operator_of_a_witness_needs(here: Standing) -> None:
    result = _run("--key")
    assert result.stdout.splitlines() == [here.view.origin, here.view.vkey]
    assert result.exit_code == 0


def test_without_a_ledger_nothing_is_made(user: Home, place: str, tmp_path: Path) -> None:
    result = _run("--to", place)
    assert isinstance(result.exception, SafeAgentError)
    assert "there is no ledger" in result.exception.what
    assert not (tmp_path / "kept.notes").exists()
    assert not (user.state / "ledger").exists()
