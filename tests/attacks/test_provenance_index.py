"""Attacks on the index of what agents wrote: read code, paths or names out of it (promise 1: what leaves says nothing),
confirm a guess without its key, forge a sheet, or get at index and key from the inside (promise 2)."""

import hashlib
import secrets
from pathlib import Path

import numpy as np
import pytest

from tests.machine import Machine
from tests.provenance.talking import Listening, Talk, line
from wrapper.errors import ProvenanceError
from wrapper.provenance import sheets
from wrapper.provenance.gathering import Gathering
from wrapper.provenance.index import Index
from wrapper.provenance.key import FILE, Key, load
from wrapper.provenance.model import Sheet
from wrapper.provenance.prints import line_codes, plain_codes, printed
from wrapper.provenance.sheets import Standing
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id

_COLUMNS = ("lines", "shapes", "words", "blobs")


@pytest.fixture
def key() -> Key:
    return Key(secrets.token_bytes(32))


@pytest.fixture
def code() -> list[str]:
    return [line("secretive") for _ in range(40)]


@pytest.fixture
def sheet(key: Key, code: list[str]) -> Sheet:
    """What is kept of a session in which a model wrote `code`."""
    talk, ear = Talk(), Listening()
    ear.capture = type(ear.capture)("s-1", key.coder())
    gathering = Gathering("s-1")
    talk.asks("write the unreleased thing")
    talk.answers("This is it.", {"file_path": "src/unreleased/thing.py", "content": "\n".join(code)})
    talk.results("done")
    talk.changes("src/unreleased/thing.py", "", "\n".join(code))
    for number, event in enumerate(talk.events):
        gathering.add(ear.capture.feed(type(talk.begun)(number, event)))  # type: ignore[arg-type]
    gathering.add(ear.capture.rest())
    return gathering.take()


def _codes(sheet: Sheet) -> set[int]:
    columns = [getattr(sheet, name)["code"] for name in _COLUMNS]
    return {int(code) for code in np.concatenate([*columns, sheet.lines["shape"], sheet.lines["sketch"]])}


def test_neither_code_nor_paths_nor_names_stand_in_a_sheet(sheet: Sheet, key: Key, code: list[str]) -> None:
    data = sheets.packed(sheet, Standing("ab" * 16), key)
    words = [word for one in code for word in one.replace("(", " ").replace(",", " ").split() if len(word) > 5]
    said = [*code, *words, "unreleased", "thing.py", "m-1-big", "api.invalid", "Edit", "claude", "sed["]
    assert len(words) > 40
    assert [word for word in said if word.encode() in data] == []
    found = sheets.proven(data, key).sheet.emissions  # the control: whoever has the key finds who, when and where
    assert {"unreleased" in one.path for one in found} == {True, False}
    assert {one.model for one in found} == {"m-1-big"}


def test_a_guess_cannot_be_confirmed_without_the_key(sheet: Sheet, key: Key, code: list[str]) -> None:
    text = "\n".join(code).encode()
    other = Key(secrets.token_bytes(32))
    kept = _codes(sheet)
    guesses = {int(one) for one in plain_codes(text)} | {int(one) for one in line_codes(text, other.coder())}
    prints = printed(text, other.coder())
    guesses |= {int(one) for table in prints[:3] for one in table["code"]}
    for one in (text, *(each.encode() for each in code)):
        for algorithm in ("sha256", "blake2b", "md5", "sha1"):
            digest = hashlib.new(algorithm, one.strip()).digest()
            guesses |= {int.from_bytes(digest[:8], order) for order in ("little", "big")}
    assert len(guesses) > 400
    assert guesses & kept == set()
    assert len({int(one) for one in line_codes(text, key.coder())} & kept) == 40  # the control: with the key each is


def test_a_line_that_two_indexes_have_cannot_be_joined_without_the_same_key(code: list[str]) -> None:
    text = "\n".join(code).encode()
    one, other = (printed(text, Key(secrets.token_bytes(32)).coder()) for _ in range(2))
    for name in ("code", "shape", "sketch"):
        assert set(one.lines[name].tolist()) & set(other.lines[name].tolist()) == set()


def test_the_id_of_a_workspace_cannot_be_guessed_from_its_path(key: Key, tmp_path: Path) -> None:
    found = workspace_id(key, tmp_path)
    path = str(tmp_path).encode()
    guesses = {hashlib.new(name, path).hexdigest()[:32] for name in ("sha256", "md5", "sha1", "blake2b")}
    assert found not in guesses | {workspace_id(Key(secrets.token_bytes(32)), tmp_path)}
    assert found == workspace_id(key, tmp_path)


def test_a_sheet_that_was_written_without_the_key_is_not_believed(sheet: Sheet, key: Key, tmp_path: Path) -> None:
    forger = Key(secrets.token_bytes(32))
    forger.id = key.id  # it stands in every sheet
    store = Store(tmp_path / ("ab" * 16), key)
    Store(store.folder, forger).write(sheet, ends=True)
    assert list(store.sheets()) == []
    assert "without the key" in store.faults()[0].why
    data = sheets.packed(sheet, Standing("ab" * 16), forger)
    with pytest.raises(ProvenanceError):
        sheets.proven(data[:-32] + key.authenticate(b"something else"), key)
    assert sheets.proven(sheets.packed(sheet, Standing("ab" * 16), key), key).sheet.session == "s-1"


_PRY = (
    "ls -la $HOME/.local/state/safe-agent $HOME/.local/state/safe-agent/provenance; "
    "cat $HOME/.config/safe-agent/provenance.key; "
    "find / -xdev \\( -name '*.sheet' -o -name 'provenance*' \\) -not -path '/proc/*' 2>/dev/null; "
    "mkdir -p $HOME/.local/state/safe-agent/provenance $HOME/.config/safe-agent; "
    "echo forged > $HOME/.config/safe-agent/provenance.key; "
    "for at in /proc/[0-9]*; do cat $at/comm; tr '\\0' '\\n' < $at/environ; ls -l $at/fd; done 2>/dev/null; echo pried"
)


@pytest.fixture
def indexed(machine: Machine) -> Machine:
    """A machine on which a session was indexed."""
    done = machine.inside("seq 1 9 | sed 's/.*/made_& = compute(&, limit=7)/' > made.py")
    assert done.returncode == 0, done.stderr
    assert "not whole" not in done.stderr
    return machine


def test_the_inside_reaches_neither_index_nor_key(indexed: Machine) -> None:
    state, config = (indexed.home / folder / "safe-agent" for folder in (".local/state", ".config"))
    key = load(config / FILE)
    before = {path: path.read_bytes() for path in (state / FOLDER).rglob("*.sheet")}
    secret = (config / FILE).read_text().split()[-1]
    (sheet,) = Index.open(state, key).sheets()
    assert (len(before), len(sheet.lines)) == (1, 9)  # the control: both are there, outside
    seen = indexed.seen(_PRY)
    assert seen.rstrip().endswith("pried")
    assert secret not in seen
    assert ".sheet" not in seen
    assert "safe-index" not in seen
    assert next(iter(before)).parent.name not in seen
    assert load(config / FILE) == key
    assert {path: path.read_bytes() for path in before} == before
    index = Index.open(state, key)
    assert index.faults == ()
    assert {one.session for one in index.sheets()} == {sheet.session}
