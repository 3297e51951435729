"""Attacks promises 2 and 3 through what is kept of damaged files: by reading it inside, and by where it is put back."""

import secrets

import pytest

from tests.machine import Machine
from wrapper.view.recovery import RecoveryStore


@pytest.fixture
def kept(machine: Machine) -> str:
    """Run a session and let it have kept a file; gives the session's id."""
    machine.inside("true").check_returncode()
    (session,) = machine.sessions()
    key = (machine.home / ".config/safe-agent/keys/masking.key").read_bytes()
    content = f"DATABASE={machine.planted['database']}\n".encode()
    RecoveryStore(session / "recovery", key).keep("config/settings.env", content, "cut", 1.0)
    return session.name


def test_the_inside_finds_nothing_of_what_was_kept(machine: Machine, kept: str) -> None:
    folder = machine.home / ".local/state/safe-agent/sessions" / kept / "recovery"
    assert (folder / "000001.kept").is_file()
    seen = machine.seen(f"find / -name '*.kept' 2>/dev/null; cat {folder}/000001.kept; ls {folder}")
    assert "000001.kept" not in seen.replace(f"{folder}/000001.kept", "")
    assert "SAFEKEPT" not in seen
    assert not machine.leaks(seen)


@pytest.mark.parametrize("planted", ["folder", "file", "folder above"])
def test_a_link_that_the_inside_has_planted_does_not_lead_what_is_put_back_out_of_the_workspace(
    machine: Machine, kept: str, planted: str
) -> None:
    target = machine.home / ".ssh/settings.env"
    mark = secrets.token_hex(8)
    target.write_text(mark)
    made = {
        "folder": f"ln -s {target.parent} config",
        "file": f"mkdir config && ln -s {target} config/settings.env",
        "folder above": f"mkdir -p a && ln -s {target.parent} a/config && ln -s a/config config",
    }
    machine.inside(made[planted]).check_returncode()
    refused = machine.host("safe-agent", "recover", kept, "1", "--yes")
    assert refused.returncode == 125
    assert "hint: " in refused.stderr
    assert target.read_text() == mark
    assert sorted(path.name for path in target.parent.iterdir()) == ["id_ed25519", "settings.env"]


def test_where_no_link_is_planted_it_is_put_back(machine: Machine, kept: str) -> None:
    machine.inside("mkdir config && echo DATABASE=MASKED-DATABA >config/settings.env").check_returncode()
    done = machine.host("safe-agent", "recover", kept, "1", "--yes")
    assert done.returncode == 0, done.stderr
    assert machine.planted["database"] in (machine.workspace / "config/settings.env").read_text()
    assert not machine.leaks(done.stdout, done.stderr)
