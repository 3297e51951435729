"""`safe-agent provenance`: what is indexed, what is not whole, made anew, packed, and its key."""

import json
import secrets
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event
from tests.provenance.talking import Talk, line
from wrapper.audit import reader
from wrapper.audit.entries import Closed, Opened, Reading, Shredded
from wrapper.audit.ledger import Ledger, read
from wrapper.cli import provenance
from wrapper.errors import SafeAgentError
from wrapper.provenance.index import Index
from wrapper.provenance.key import FILE, load, written
from wrapper.provenance.matching import Matcher
from wrapper.provenance.pack import Pack


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(provenance.group, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _refused(*arguments: str) -> str:
    error = _run(*arguments).exception
    assert isinstance(error, SafeAgentError)
    return f"{error.what}; {error.hint}"


def _session(user: Home, name: str, *lines: str, seal: bool = True, view: str = "fuse") -> None:
    """Put a session into the log and the ledger that nobody indexed."""
    talk = Talk()
    talk.asks("write it")
    talk.answers("", {"file_path": "a.py", "content": "\n".join(lines)})
    workspace = str(user.state.parent.parent)
    user.write(name, [start_event(name, workspace=workspace, view=view), *talk.events[1:], ended()], seal=seal)
    header, frames = reader.verify(user.directory(name)).segments[0]
    found = reader.verify(user.directory(name), wanted={1: {frames: None}}).roots[1, frames]
    now = time.time()
    end = [Closed(now, name, 1, frames, found)] if seal else []
    Ledger(user.state / "ledger").append(Opened(now, name, 1, header), *end)


def _index(user: Home) -> Index:
    return Index.open(user.state, load(user.config / FILE))


def test_before_anything_is_indexed_it_says_so(user: Home) -> None:
    result = _run("status")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is indexed yet" in result.stderr
    assert json.loads(_run("status", "--json").stdout)["sessions"] == []
    assert "missing" in _refused("verify")
    assert not (user.config / FILE).exists()


def test_sessions_that_were_not_indexed_are_rebuilt_from_their_logs(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user.state.parent.parent)
    own = [line() for _ in range(6)]
    _session(user, "s-1", *own)
    _session(user, "s-2", line())
    assert _run("rebuild", "s-1").stdout == "s-1  1 sheet\n"
    result = _run("verify")
    assert (result.exit_code, result.stdout[:8]) == (1, "1 fault:")
    assert "session s-2: there is no index of it" in result.stderr
    assert "hint: `safe-agent provenance rebuild s-2`" in result.stderr
    assert _run("rebuild", "--missing").stdout == "s-2  1 sheet\n"
    assert _run("verify").exit_code == 0
    (header, row) = [one.split() for one in _run("status").stdout.splitlines()[1:]]
    assert header[:4] == ["workspace", "sessions", "whole", "emissions"]
    assert row[1:5] == ["here", "2", "2", "2"]
    told = json.loads(_run("status", "--json").stdout)
    assert [(one["id"], one["is_whole"]) for one in told["sessions"]] == [("s-1", True), ("s-2", True)]
    verbs = [entry.verb for _, entry in read(user.state / "ledger").entries if isinstance(entry, Reading)]
    assert verbs == ["provenance rebuild"] * 2
    assert not list((user.state / "provenance").glob(".*"))


def test_rebuilding_all_gives_the_same_index_again(user: Home) -> None:
    _session(user, "s-1", *(line() for _ in range(6)))
    _run("rebuild", "--all")
    before = [sheet.lines.tobytes() for sheet in _index(user).sheets()]
    assert _run("rebuild", "--all").exit_code == 0
    assert [sheet.lines.tobytes() for sheet in _index(user).sheets()] == before
    assert len(before) == 1


def test_what_cannot_be_made_again_is_told_and_stays_as_it_was(user: Home) -> None:
    _session(user, "s-1", line())
    _session(user, "s-2", line())
    _session(user, "s-3", line(), seal=False)
    _run("rebuild", "s-1")
    for key in user.directory("s-1").glob("*.key.age"):
        key.unlink()
    Ledger(user.state / "ledger").append(Shredded(time.time(), "s-1", "old"))
    result = _run("rebuild", "--all")
    assert result.exit_code == 1
    assert result.stdout == "s-2  1 sheet\ns-3  1 sheet\n"
    assert "session s-1 is not rebuilt" in result.stderr
    assert "session s-3 is not whole: its recorder was killed" in result.stderr
    assert _index(user).sessions["s-1"].is_whole


def test_what_no_log_has_is_not_promised_to_be_made_anew(user: Home) -> None:
    _session(user, "s-1", line(), view="binds: no FUSE")
    result = _run("rebuild", "s-1")
    assert (result.exit_code, result.stdout) == (1, "s-1  1 sheet\n")
    assert "session s-1 is not whole: files were shown by binds" in result.stderr
    told = _run("status").stderr.splitlines()
    assert "s-1: not all of it was captured: files were shown by binds" in told[0]
    assert told[1] == "hint: `safe-agent provenance rebuild s-1`; what that does not bring back is in no log"


@pytest.mark.parametrize("arguments", [(), ("s-1", "--all"), ("--all", "--missing")])
def test_what_to_rebuild_must_be_said_once(user: Home, arguments: tuple[str, ...]) -> None:
    assert user
    assert _run("rebuild", *arguments).exit_code == 2


def test_without_the_key_of_the_logs_nothing_is_rebuilt(user: Home) -> None:
    _session(user, "s-1", line())
    user.keys.reading_path.unlink()
    assert "key" in _refused("rebuild", "s-1")


def test_a_pack_finds_what_was_written_and_nothing_else(user: Home, tmp_path: Path) -> None:
    own = "\n".join(line() for _ in range(12))
    _session(user, "s-1", own)
    _run("rebuild", "s-1")
    out = tmp_path / "agents.pack"
    assert _run("pack", "--out", str(out)).exit_code == 0
    key = load(user.config / FILE)
    matcher = Matcher(Pack.open(out, key), key.coder())
    other = "\n".join(line() for _ in range(12))
    found, missed = matcher.spans([own.encode(), other.encode()])
    assert (len(found) > 0, missed) == (True, [])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert _run("pack", "--out", str(out), "--workspace", str(elsewhere)).exit_code == 0
    assert Pack.open(out, key).rows == 0


def test_a_pack_of_an_index_with_faults_says_so(user: Home, tmp_path: Path) -> None:
    _session(user, "s-1", line())
    _session(user, "s-2", line())
    _run("rebuild", "s-1")
    result = _run("pack", "--out", str(tmp_path / "agents.pack"))
    assert result.exit_code == 1
    assert "session s-2" in result.stderr


def test_the_key_is_shown_by_its_id_given_away_and_taken_over(user: Home, tmp_path: Path) -> None:
    assert "missing" in _refused("key", "show")
    given = tmp_path / "given.key"
    assert "whoever has it" in _run("key", "export", str(given)).stderr
    assert given.stat().st_mode & 0o777 == 0o600
    key = load(user.config / FILE)
    shown = _run("key", "show")
    assert shown.stdout.split()[0] == key.id
    assert given.read_text().split()[-1] not in shown.output
    assert "File exists" in _refused("key", "export", str(given))
    assert _run("key", "import", str(given)).exit_code == 0
    other = tmp_path / "other.key"
    other.write_bytes(written(secrets.token_bytes(32), "theirs"))
    assert "already" in _refused("key", "import", str(other))
    assert _run("key", "import", "--replace", str(other)).exit_code == 0
    assert load(user.config / FILE) == load_of(other) != key
    assert load(user.config / f"{FILE}.{key.id}") == key
    other.write_text("no key")
    assert "no key of provenance" in _refused("key", "import", str(other))


def test_after_another_key_the_old_index_is_a_fault_until_it_is_rebuilt(user: Home, tmp_path: Path) -> None:
    _session(user, "s-1", line())
    _run("rebuild", "s-1")
    other = tmp_path / "other.key"
    other.write_bytes(written(secrets.token_bytes(32), "theirs"))
    _run("key", "import", "--replace", str(other))
    assert _run("verify").exit_code == 1
    _run("rebuild", "--all")
    assert _run("verify").exit_code == 0


def load_of(path: Path) -> object:
    path.chmod(0o600)
    return load(path)
