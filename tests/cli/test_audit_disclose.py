import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event, warned
from wrapper.audit import entries, reader
from wrapper.audit import format as layout
from wrapper.audit.ledger import Ledger, read
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("disclose", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


@pytest.fixture
def log(user: Home) -> Home:
    user.write(written=[start_event(), warned("look \x1b[31mhere"), warned("not here"), ended()])
    return user


def _in_ledger(user: Home) -> None:
    header = reader.verify(user.directory()).segments[0][0]
    Ledger(user.state / "ledger").append(entries.Opened(at=999.0, session="s-1", segment=1, header=header))


def test_a_record_is_written_and_proven_where_nothing_else_is(log: Home, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    assert _run("2", "--out", str(file)).exit_code == 0
    shutil.rmtree(log.state)
    shutil.rmtree(log.config)
    result = _run("--check", str(file))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "PROVEN  frame 2 of session s-1"
    assert "look \\x1b[31mhere" in lines[-1]
    assert "ledger: not in the file; who wrote the log, and when, is not proven" in lines
    assert "not here" not in file.read_text()


def test_what_is_printed_is_what_would_be_written(log: Home, tmp_path: Path) -> None:
    del log
    _run("2", "--out", str(tmp_path / "one"))
    assert _run("2", "s-1").stdout_bytes == (tmp_path / "one").read_bytes()


def test_the_ledgers_word_is_in_it_where_there_is_one(log: Home, tmp_path: Path) -> None:
    _in_ledger(log)
    made = _run("2", "--out", str(tmp_path / "one"))
    assert "without the ledger" not in made.stderr
    shown = _run("--check", str(tmp_path / "one")).stdout
    assert "knew the log at 1970-01-01 00:16:39 UTC" in shown
    assert (log.state / "ledger" / "note.pub").read_text().strip() in shown
    said = json.loads(_run("--check", str(tmp_path / "one"), "--json").stdout)
    assert said["ledger"]["at"] == 999.0


def test_without_a_ledger_it_says_so(log: Home) -> None:
    del log
    result = _run("2")
    assert result.exit_code == 0
    assert "without the ledger's word" in result.stderr


def test_the_reading_is_recorded(log: Home) -> None:
    _in_ledger(log)
    _run("2")
    readings = [entry for _, entry in read(log.state / "ledger").entries if isinstance(entry, entries.Reading)]
    assert [(entry.session, entry.verb) for entry in readings] == [("s-1", "disclose")]


def test_as_json_the_record_is_whole(log: Home, tmp_path: Path) -> None:
    del log
    _run("2", "--out", str(tmp_path / "one"))
    said = json.loads(_run("--check", str(tmp_path / "one"), "--json").stdout)
    assert (said["session"], said["frame"], said["ledger"]) == ("s-1", 2, None)
    assert said["record"] == {"frame": 2, "type": "warning", "at": 1_001.0, "text": "look \x1b[31mhere"}


def test_a_file_is_never_written_over(log: Home, tmp_path: Path) -> None:
    del log
    (tmp_path / "one").write_text("precious")
    error = _run("2", "--out", str(tmp_path / "one")).exception
    assert isinstance(error, SafeAgentError)
    assert (tmp_path / "one").read_text() == "precious"


def test_a_changed_file_is_called_tampered(log: Home, tmp_path: Path) -> None:
    del log
    data = _run("2").stdout_bytes
    (tmp_path / "one").write_bytes(data.replace(b'"previous": "', b'"previous": "A', 1))
    error = _run("--check", str(tmp_path / "one")).exception
    assert isinstance(error, SafeAgentError)
    (tmp_path / "two").write_bytes(data.replace(b"\n", b"", 1))
    error = _run("--check", str(tmp_path / "two")).exception
    assert isinstance(error, SafeAgentError)
    assert error.exit_code == 12


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00\xff", '{"format": "other"}'])
def test_what_is_no_disclosure_is_said_not_to_be(user: Home, tmp_path: Path, text: str) -> None:
    del user
    (tmp_path / "one").write_text(text)
    error = _run("--check", str(tmp_path / "one")).exception
    assert isinstance(error, SafeAgentError)
    assert error.what.startswith("this is no disclosure that is known here")
    assert error.exit_code == 125


def test_a_record_that_is_not_there_or_a_signature_is_an_error(log: Home) -> None:
    del log
    for sequence, what in (("1", "is a signature"), ("99", "no record 99")):
        error = _run(sequence).exception
        assert isinstance(error, SafeAgentError)
        assert what in error.what


def test_either_a_number_or_a_file_must_be_named(log: Home, tmp_path: Path) -> None:
    del log
    assert _run().exit_code == 2
    assert _run("2", "--check", str(tmp_path)).exit_code == 2
    assert _run("-1").exit_code == 2


def test_a_log_without_its_key_is_not_disclosed(log: Home) -> None:
    (log.directory() / layout.KEY_FILE).unlink()
    error = _run("2").exception
    assert isinstance(error, SafeAgentError)
    assert error.exit_code == 13
