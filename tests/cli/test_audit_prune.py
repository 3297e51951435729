import json
import time

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event
from wrapper.audit import reader
from wrapper.audit.entries import Shredded
from wrapper.audit.ledger import Ledger, read
from wrapper.audit.retention import key_files
from wrapper.cli import audit
from wrapper.errors import AuditError, SafeAgentError

DAY = 86_400.0


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["prune", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _write(user: Home, session: str, days: float) -> None:
    user.write(session, [start_event(session), ended()], created=time.time() - days * DAY)


def _readable(user: Home) -> list[str]:
    return [session.id for session in reader.list_sessions(user.state) if key_files(session.directory)]


def _said(user: Home) -> list[str]:
    return [entry.reason for _, entry in read(user.state / "ledger").entries if isinstance(entry, Shredded)]


def test_what_is_older_is_pruned_and_a_line_says_so(user: Home) -> None:
    _write(user, "old", 100)
    _write(user, "young", 80)
    result = _run("--older", "90")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith("old  begun 20")
    assert line.endswith("pruned: 1 key file")
    assert _readable(user) == ["young"]
    assert _said(user) == ["older than 90 days"]
    assert reader.verify(user.directory("old")).state is reader.State.SEALED


def test_a_dry_run_deletes_nothing_and_says_what_would_be(user: Home) -> None:
    _write(user, "old", 100)
    assert "would be pruned: 1 key file" in _run("--older", "90", "--dry-run").stdout
    assert json.loads(_run("--older", "90", "--dry-run", "--json").stdout)["pruned"] is False
    assert _readable(user) == ["old"]
    assert not (user.state / "ledger").exists()


def test_the_policy_says_how_long(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(user.state.parent.parent)
    _write(user, "old", 100)
    result = _run()
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "sessions are kept for ever" in result.stderr
    (user.config / "policy.toml").write_text("version = 1\n[audit]\nkeep_days = 30\n")
    assert json.loads(_run("--json").stdout)["id"] == "old"
    assert _said(user) == ["kept for 30 days (user policy)"]
    assert "nothing is due" in _run().stderr


def test_a_session_of_unknown_age_stays_and_is_said(user: Home) -> None:
    _write(user, "old", 100)
    (user.directory("old") / "000001.alog").write_bytes(b"x")
    result = _run("--older", "1")
    assert "session old stays: its age is not known" in result.stderr
    assert len(key_files(user.directory("old"))) == 1


def test_a_failure_is_said_and_the_others_are_pruned(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(user, "one", 100)
    _write(user, "two", 99)
    append = Ledger.append

    def refusing(self: Ledger, *entries: Shredded) -> object:
        if entries[0].session == "one":
            raise AuditError("the disk is full")
        return append(self, *entries)

    monkeypatch.setattr(Ledger, "append", refusing)
    result = _run("--older", "90")
    assert result.exit_code == 125
    assert "the disk is full" in result.stderr
    assert _readable(user) == ["one"]


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5"])
def test_days_are_a_whole_number_from_one_on(user: Home, days: str) -> None:
    _write(user, "old", 100)
    assert _run("--older", days).exit_code == 2
    assert _readable(user) == ["old"]
