import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, recording, start_event, warned
from wrapper.anchors.anchoring import anchor_all
from wrapper.audit.client import RecorderClient
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["verify", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _recorded(user: Home, session: str) -> None:
    with recording(user, session) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event(session))
        client.append_durable(warned("x"))
        client.close()
        assert running.wait() == 0


def _verdicts(result: Result) -> dict[str, tuple[str, int]]:
    rows = (json.loads(line) for line in result.stdout.splitlines())
    return {row["session"]: (row["verdict"], row["exit_code"]) for row in rows}


def test_a_sealed_session_is_anchored_when_an_anchor_covers_its_end(user: Home, tmp_path: Path) -> None:
    anchor = f"file:{tmp_path / 'notes'}"
    _recorded(user, "s-1")
    assert not [one.error for one in anchor_all([anchor], user.state) if one.error]
    _recorded(user, "s-2")
    result = _run("--all", "--require", "anchored", "--anchor", anchor, "--json")
    assert _verdicts(result) == {"s-1": ("anchored", 0), "s-2": ("sealed", 9)}
    assert result.exit_code == 9
    assert _run("--all").exit_code == 0


def test_a_ledger_written_anew_is_forked_from_its_anchor(user: Home, tmp_path: Path) -> None:
    anchor = f"file:{tmp_path / 'notes'}"
    _recorded(user, "s-1")
    kept = tmp_path / "kept"
    shutil.copytree(user.state / "ledger", kept)
    _recorded(user, "s-2")
    assert not [one.error for one in anchor_all([anchor], user.state) if one.error]
    shutil.rmtree(user.state / "ledger")  # rolled back to before s-2, which is taken away, and gone on with
    shutil.copytree(kept, user.state / "ledger")
    shutil.rmtree(user.directory("s-2"))
    for number in range(3, 8):
        _recorded(user, f"s-{number}")
    assert _run("--all").exit_code == 0  # without the anchor nothing is noticed
    result = _run("--all", "--require", "anchored", "--anchor", anchor, "--json")
    assert _verdicts(result)["(ledger)"] == ("forked", 14)
    assert result.exit_code == 14


def test_a_session_that_was_deleted_is_named(user: Home) -> None:
    _recorded(user, "s-1")
    _recorded(user, "s-2")
    shutil.rmtree(user.directory("s-1"))
    result = _run("--all", "--json")
    assert _verdicts(result) == {"s-2": ("sealed", 0), "s-1": ("truncated", 11)}
    assert result.exit_code == 11


def test_all_sessions_are_summed_up_and_what_is_gone_among_them(user: Home) -> None:
    for number in (1, 2, 3):
        _recorded(user, f"s-{number}")
    assert _run("--all").stderr == "safe-agent: 3 sessions: 3 sealed; the ledger knows no other\n"
    shutil.rmtree(user.directory("s-2"))
    said = _run("--all").stderr.splitlines()
    assert said[-1] == "safe-agent: 3 sessions: 2 sealed, 1 truncated; the ledger knows no other"
    shutil.rmtree(user.state / "ledger")
    assert _run("--all").stderr.splitlines()[-1] == "safe-agent: 2 sessions: 2 sealed"
    assert _run("s-1").stderr.splitlines() == _run("s-3").stderr.splitlines()  # of one session there is no sum
    assert not [line for line in _run("--all", "--json").stdout.splitlines() if "sessions" in line]


def test_a_ledger_that_was_tampered_with_has_a_line_of_its_own(user: Home) -> None:
    _recorded(user, "s-1")
    log = next((user.state / "ledger").glob("*.alog"))
    data = bytearray(log.read_bytes())
    data[-200] ^= 1
    log.write_bytes(data)
    result = _run("--json")
    verdict, code = _verdicts(result)["(ledger)"]
    assert (verdict, code) == ("tampered", 12)
    assert result.exit_code == 12


def test_a_ledger_that_was_cut_and_goes_on_is_truncated_for_ever(user: Home) -> None:
    _recorded(user, "s-1")
    kept = (user.state / "ledger/000001.alog").read_bytes()
    _recorded(user, "s-2")
    (user.state / "ledger/000001.alog").write_bytes(kept)
    _recorded(user, "s-3")
    result = _run("--all", "--json")
    assert _verdicts(result)["(ledger)"] == ("truncated", 11)
    assert result.exit_code == 11


def test_without_a_ledger_it_is_said_what_is_not_noticed(user: Home) -> None:
    user.write(written=[start_event()])
    result = _run()
    assert result.exit_code == 0
    assert "there is no ledger here" in result.stderr
    assert not (user.state / "ledger").exists()


def test_a_copy_of_a_session_elsewhere_is_verified_by_its_path(user: Home, tmp_path: Path) -> None:
    _recorded(user, "s-1")
    copied = tmp_path / "elsewhere" / "s-1"
    shutil.copytree(user.directory("s-1"), copied)
    assert _run(str(copied)).stdout.startswith("s-1  SEALED")
    with pytest.raises(SafeAgentError, match="no such folder"):
        raise _run(str(tmp_path / "nowhere")).exception or AssertionError


def test_requiring_an_anchor_where_none_is_named_is_refused(user: Home) -> None:
    _recorded(user, "s-1")
    error = _run("--require", "anchored").exception
    assert isinstance(error, SafeAgentError)
    assert error.what == "the policy names no anchor"
