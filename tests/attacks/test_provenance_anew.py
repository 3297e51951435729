"""Attacks on the index after the session, by somebody who has the account by then: keys, sheets and the ledger's pen.

Agents' text is to be passed off as a person's, or the other way round: by an invented log, by sheets of the attacker's
own, by entries that take back what the ledger said. The ledger's first words stand, and the log proves the rest.
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, home, start_event
from tests.provenance.sheetsof import code, sheet_of
from tests.provenance.talking import Talk, line
from wrapper.audit import reader
from wrapper.audit.entries import Closed, Indexed, Opened
from wrapper.audit.ledger import Ledger
from wrapper.audit.proofs import root
from wrapper.audit.reader import State
from wrapper.cli import provenance
from wrapper.errors import SafeAgentError
from wrapper.provenance.index import Index
from wrapper.provenance.key import FILE, Key, load_or_make
from wrapper.provenance.model import Sheet
from wrapper.provenance.rebuilding import _hashes, rebuild
from wrapper.provenance.store import Store


@dataclass
class Machine:
    """A machine on which session `s-1` was captured while it ran, as its ledger says."""

    user: Home
    key: Key

    @property
    def state(self) -> Path:
        return self.user.state

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.state / "ledger")

    @property
    def store(self) -> Store:
        (folder,) = (self.state / "provenance").iterdir()
        return Store(folder, self.key)

    def log(self, session: str, *lines: str) -> None:
        """Write a log in which a model wrote these lines; anybody can, who has the public key."""
        shutil.rmtree(self.user.directory(session), ignore_errors=True)
        talk = Talk()
        talk.asks("write it")
        talk.answers("", {"file_path": "a.py", "content": "\n".join(lines)})
        self.user.write(session, [start_event(session, workspace=str(self.state)), *talk.events[1:], ended()])

    def runs(self, session: str, *lines: str) -> None:
        """Let a session happen: a log, its index, and what the ledger hears of both."""
        self.log(session, *lines)
        where = self.user.directory(session)
        header, frames = reader.verify(where).segments[0]
        found = reader.verify(where, wanted={1: {frames: None}}).roots[1, frames]
        now = time.time()
        self.ledger.append(Opened(now, session, 1, header))
        rebuild(session, reader.read_records(where, self.user.keys.load_identity()), State.SEALED, self.state, self.key)
        self.ledger.append(Closed(now, session, 1, frames, found))

    def says(self, session: str, sheets: int) -> None:
        """Have the ledger say that a session has so many of the sheets that lie there now."""
        leaves = next(one.leaves[:sheets] for one in self.store.chains() if one.session == session)
        where = self.store.folder.name if leaves else ""
        self.ledger.append(Indexed(time.time(), session, where, len(leaves), root(leaves).hex()))

    def index(self) -> Index:
        return Index.open(self.state, self.key)

    def whys(self) -> list[str]:
        return [fault.why for fault in self.index().faults]

    def lines(self) -> int:
        return sum(len(sheet.lines) for sheet in self.index().sheets())


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, folder in (("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", "s"), ("XDG_CACHE_HOME", "x")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    made = home(tmp_path)
    (tmp_path / "c").mkdir()
    config = made.config.rename(tmp_path / "c" / "safe-agent")
    user = Home(config, tmp_path / "s" / "safe-agent", type(made.keys)(config))
    machine = Machine(user, load_or_make(config / FILE))
    machine.runs("s-1", *(line() for _ in range(9)))
    assert (machine.whys(), machine.index().anew, machine.lines()) == ([], (), 9)
    return machine


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(provenance.group, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _forged(there: Machine, of: str = "s-1") -> Sheet:
    """Make a sheet of this machine's key that holds two of a session's lines."""
    sheet = next(one for one in there.index().sheets() if one.session == of)
    return sheet._replace(lines=sheet.lines[:2], shapes=sheet.shapes[:0], words=sheet.words[:0], blobs=sheet.blobs[:0])


def test_a_log_that_was_put_in_place_of_a_sessions_makes_no_index(there: Machine) -> None:
    there.log("s-1", *(line() for _ in range(30)))
    result = _run("rebuild", "--all")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "its log is not the one that the ledger saw" in result.stderr
    assert (there.whys(), there.index().anew, there.lines()) == ([], (), 9)
    assert "its log is not the one" in _run("verify", "--logs").stderr


def test_a_log_of_which_the_ledger_knows_nothing_makes_no_index_that_is_whole(there: Machine) -> None:
    there.log("invented", *(line() for _ in range(30)))
    result = _run("rebuild", "invented")
    assert result.exit_code == 1
    assert "nothing vouches for its log: the ledger of this machine does not know it" in result.stderr
    assert "nothing vouches for its log" in there.whys()[0]
    assert not there.index().sessions["invented"].is_whole
    assert there.index().sessions["s-1"].is_whole


def test_to_rebuild_makes_up_for_no_ledger(there: Machine) -> None:
    shutil.rmtree(there.state / "ledger")
    assert _run("rebuild", "--all").exit_code == 1
    assert "nothing vouches for its log: there is no ledger" in "".join(there.whys())
    assert not there.index().sessions["s-1"].is_whole


def test_a_sheet_behind_the_last_one_is_a_fault_whatever_the_ledger_is_told_later(there: Machine) -> None:
    there.store.write(_forged(there)._replace(number=2), ends=True)
    there.says("s-1", 2)
    assert there.whys() == ["sheet 2 was added behind the last one"]


def test_a_later_word_that_there_was_nothing_takes_nothing_back(there: Machine) -> None:
    there.says("s-1", 0)
    there.store.remove("s-1")
    assert there.whys() == ["its index of 1 sheets is gone"]


@pytest.mark.parametrize("is_said_twice", [False, True])
def test_sheets_of_somebodys_own_are_said_to_be_made_anew_and_their_log_tells(
    there: Machine, *, is_said_twice: bool
) -> None:
    there.runs("s-2", line())
    forged = _forged(there)
    there.store.remove("s-1")
    there.store.write(forged, ends=True)
    there.says("s-1", 1)
    if is_said_twice:
        there.says("s-1", 1)
    assert (there.whys(), there.index().anew) == ([], ("s-1",))
    result = _run("verify")
    assert result.exit_code == 0
    assert "1 of them made after the session's end: `--logs` compares with the logs" in result.stdout
    result = _run("verify", "--logs")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[:2] == [
        "safe-agent: comparing the index of 2 sessions with the logs",
        "fault: session s-1: it holds other things than its log gives",
    ]
    assert result.stdout.startswith("1 fault: 1 of 2 sessions are whole")
    shutil.rmtree(there.user.directory("s-1"))
    result = _run("verify", "--logs")
    assert result.exit_code == 1
    assert "session s-1: its index was made after its end, and its log is not here" in result.stderr


def test_what_was_rebuilt_from_its_own_log_is_what_the_log_gives(there: Machine) -> None:
    """The control: so a lost index, or one of another key, comes back."""
    there.runs("s-2", line())
    assert _run("rebuild", "s-1").exit_code == 0
    assert (there.whys(), there.index().anew) == ([], ("s-1",))
    assert _run("verify", "--logs").exit_code == 0
    row = json.loads(_run("verify", "--logs", "--json").stdout)
    assert (row["whole"], row["made_anew"], row["compared_with_logs"], row["faults"]) == (2, 1, True, [])
    assert not list((there.state / "provenance").glob(".*"))


def test_a_row_that_stands_apart_from_its_emissions_others_is_compared_too() -> None:
    """Rows are looked up by emission, which no sheet has to be sorted by."""
    sheet = sheet_of([code(1), code(2)])
    hidden = np.concatenate([sheet.lines, sheet.lines[:1]])  # a line of the first emission, behind those of the second
    assert sorted(_hashes(sheet)) != sorted(_hashes(sheet._replace(lines=hidden)))
    assert sorted(_hashes(sheet)) == sorted(_hashes(sheet._replace(lines=np.concatenate([sheet.lines]))))


def test_of_logs_that_retention_made_unreadable_it_is_said_and_is_no_fault(there: Machine) -> None:
    there.runs("s-2", line())
    for key in there.user.directory("s-1").glob("*.key.age"):
        key.unlink()
    result = _run("verify", "--logs")
    assert (result.exit_code, "1 of them cannot be compared" in result.stderr) == (0, True)


def test_an_index_that_was_first_made_long_after_the_session_is_said_to_be(there: Machine) -> None:
    there.log("s-2", line())
    where = there.user.directory("s-2")
    header, frames = reader.verify(where).segments[0]
    found = reader.verify(where, wanted={1: {frames: None}}).roots[1, frames]
    there.ledger.append(Opened(9.0, "s-2", 1, header), Closed(10.0, "s-2", 1, frames, found))
    assert _run("rebuild", "s-2").exit_code == 0
    assert (there.whys(), there.index().anew) == ([], ("s-2",))
    assert _run("verify", "--logs").exit_code == 0
