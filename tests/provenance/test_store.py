"""Sheets on disk, and the index of a machine: what is good is read, and whatever is wrong is said."""

import contextlib
import fcntl
import functools
import json
import os
import resource
import secrets
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit.entries import Closed, Entry, Indexed, Opened, Shredded
from wrapper.audit.ledger import Ledger
from wrapper.audit.proofs import root
from wrapper.errors import ProvenanceError
from wrapper.provenance import sheets
from wrapper.provenance.index import Index
from wrapper.provenance.key import Key
from wrapper.provenance.model import LINE, PRINT, Emission, Kind, Read, Sheet
from wrapper.provenance.prints import printed
from wrapper.provenance.sheets import Standing
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id, workspace_ids

_VECTORS = Path(__file__).parents[1] / "vectors" / "provenance-v1"
_SPACE = "ab" * 16
_OTHER = "cd" * 16


@pytest.fixture
def key() -> Key:
    return Key(secrets.token_bytes(32))


@pytest.fixture
def store(tmp_path: Path, key: Key) -> Store:
    return Store(tmp_path / FOLDER / _SPACE, key)


def sheet(key: Key, number: int = 1, session: str = "s-1", text: str = "") -> Sheet:
    prints = printed((text or f"total_{number} = price * {number}\nreturn total_{number}\n").encode(), key.coder())
    emission = Emission(kind=Kind.TEXT, session=session, at=1_000.0 + number, model="m-1", path="src/a.py")
    blobs = np.zeros(1, PRINT)
    reads = (Read("src/b.py", 1_000.5, 12),)
    return Sheet(session, number, (emission,), prints.lines, prints.shapes, prints.words, blobs, reads)


def same(one: Sheet, other: Sheet) -> bool:
    arrays = ("lines", "shapes", "words", "blobs")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and (
        one.session,
        one.number,
        tuple(one.emissions),
        tuple(one.reads),
    ) == (other.session, other.number, tuple(other.emissions), tuple(other.reads))


def whys(store: Store) -> list[str]:
    return [fault.why for fault in store.faults()]


def test_what_is_written_is_read_again(store: Store, key: Key) -> None:
    written = [sheet(key, 1), sheet(key, 2), sheet(key, 1, "s-2")]
    paths = [store.write(one, ends=one.number == 2 or one.session == "s-2") for one in written]
    assert [path.name for path in paths] == ["s-1-1.sheet", "s-1-2.sheet", "s-2-1.sheet"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    assert all(same(*pair) for pair in zip(Store(store.folder, key).sheets(), written, strict=True))
    assert store.faults() == ()
    assert [one.session for one in store.sheets("s-2")] == ["s-2"]


def test_a_writer_that_comes_later_goes_on_with_the_chain(store: Store, key: Key) -> None:
    store.write(sheet(key, 1))
    Store(store.folder, key).write(sheet(key, 2), ends=True)
    assert store.faults() == ()


def test_nothing_is_written_over_and_no_number_is_left_out(store: Store, key: Key) -> None:
    path = store.write(sheet(key, 1))
    before = path.read_bytes()
    with pytest.raises(ProvenanceError, match="already"):
        store.write(sheet(key, 1))
    with pytest.raises(ProvenanceError, match="cannot be read"):
        store.write(sheet(key, 3))
    assert path.read_bytes() == before


@pytest.mark.parametrize("session", ["../x", "", "a/b", "-x"])
def test_a_name_that_leaves_the_folder_is_refused(store: Store, key: Key, session: str) -> None:
    with pytest.raises(ProvenanceError, match="no name of a sheet"):
        store.write(sheet(key, 1, session))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:-1], "cut"),
        (lambda data: data + b"x", "added"),
        (lambda data: data[:9], "cut"),
        (lambda _: b"", "no sheet"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], ""),
        (lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], "damaged"),
        (lambda data: b"SAPROV02" + data[8:], "version"),
    ],
)
def test_a_damaged_sheet_is_a_fault_and_the_others_are_still_read(
    store: Store, key: Key, damage: Callable[[bytes], bytes], why: str
) -> None:
    good = store.write(sheet(key, 1, "good"), ends=True)
    bad = store.write(sheet(key, 1, "bad"), ends=True)
    bad.write_bytes(damage(bad.read_bytes()))
    assert [one.session for one in store.sheets()] == ["good"]
    (fault,) = store.faults()
    assert fault.session == "bad"
    assert why in fault.why
    assert fault.hint == (
        "read it with a newer safe-agent" if why == "version" else "`safe-agent provenance rebuild bad`"
    )
    assert good.exists()


def test_a_sheet_of_another_key_is_a_fault(store: Store) -> None:
    other = Key(secrets.token_bytes(32))
    Store(store.folder, other).write(sheet(other), ends=True)
    assert list(store.sheets()) == []
    assert other.id in whys(store)[0]


def test_a_sheet_that_is_missing_replaced_or_of_another_place_is_a_fault(store: Store, key: Key) -> None:
    first, second, third = (store.write(sheet(key, number), ends=number == 3) for number in (1, 2, 3))
    kept = second.read_bytes()
    second.unlink()
    assert whys(store) == ["sheet 2 is missing"]
    other = Store(store.folder.parent / _OTHER, key)
    other.write(sheet(key, 1, text="another = beginning(of_it)\n"))
    replayed = other.write(sheet(key, 2)).read_bytes()
    second.write_bytes(replayed)
    assert whys(store) == ["sheet 2 is that of another place"]
    second.write_bytes(kept)
    assert whys(store) == []
    with contextlib.ExitStack() as ends:
        ends.callback(third.write_bytes, third.read_bytes())
        third.unlink()
        assert whys(store) == ["its index does not end: the session runs, or was killed"]
    first.unlink()
    store.remove("s-1")
    again = Store(store.folder, key)
    again.write(sheet(key, 1, text="quite = another(beginning)\n"))
    second.write_bytes(kept)
    assert "sheet 2 is not the one that followed sheet 1" in whys(again)


def test_what_was_lost_on_the_way_is_a_fault(store: Store, key: Key) -> None:
    store.write(sheet(key), ends=True, gap="more came than could be indexed")
    assert whys(store) == ["not all of it was captured: more came than could be indexed"]


def test_links_pipes_and_drafts_are_not_followed(store: Store, key: Key, tmp_path: Path) -> None:
    path = store.write(sheet(key), ends=True)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    os.mkfifo(store.path("s-2", 1))
    (store.folder / ".draft-x").write_bytes(b"half")
    assert list(store.sheets()) == []
    assert {fault.session for fault in store.faults()} == {"s-1", "s-2"}


def test_a_killed_writers_draft_goes_when_nobody_can_be_writing_it(store: Store, key: Key) -> None:
    store.write(sheet(key, 1))
    old, young = store.folder / ".draft-old", store.folder / ".draft-young"
    for draft in (old, young):
        draft.write_bytes(b"half a sheet")
    os.utime(old, (1, 1))
    Store(store.folder, key).write(sheet(key, 2), ends=True)
    assert (old.exists(), young.exists(), store.faults()) == (False, True, ())


def test_where_the_disk_is_full_nothing_is_left_and_it_says_so(store: Store, key: Key) -> None:
    store.write(sheet(key, 1))
    with _files_end_at(100), pytest.raises(ProvenanceError, match="cannot write the index"):
        store.write(sheet(key, 2), ends=True)
    assert [path.name for path in store.folder.iterdir()] == ["s-1-1.sheet"]
    store.write(sheet(key, 2), ends=True)
    assert store.faults() == ()


@functools.cache
def _whole() -> tuple[Key, bytes]:
    key = Key(bytes(range(32)))
    whole = sheets.packed(sheet(key), Standing(_SPACE), key)
    assert same(sheets.proven(whole, key).sheet, sheet(key))
    return key, whole


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_make_a_reader_do_more_than_refuse(data: bytes, at: int, flipped: int) -> None:
    key, whole = _whole()
    at %= len(whole)
    changed = whole[:at] + bytes([whole[at] ^ flipped]) + whole[at + 1 :]
    for hostile in (data, b"SAPROV01" + data, changed, whole[:at], whole[:at] + data):
        if hostile != whole:
            with pytest.raises(ProvenanceError):
                sheets.proven(hostile, key)


@given(st.lists(st.integers(0, 1 << 33), min_size=5, max_size=5))
def test_lengths_that_the_file_does_not_have_take_no_memory(counts: list[int]) -> None:
    key = Key(bytes(range(32)))
    header = msgspec.msgpack.encode((key.id, _SPACE, "s-1", 1, bytes(32), *counts))
    data = b"SAPROV01" + struct.pack("<I", len(header)) + header + bytes(64)
    data += key.authenticate(data)
    with pytest.raises(ProvenanceError):
        sheets.proven(data, key)


def test_two_sessions_write_into_one_workspace_at_once(store: Store, key: Key) -> None:
    pids = []
    for session in ("a", "b"):
        if (pid := os.fork()) == 0:
            own = Store(store.folder, key)
            for number in range(1, 9):
                own.write(sheet(key, number, session), ends=number == 8)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert [(one.session, one.number) for one in store.sheets()] == [(s, n) for s in "ab" for n in range(1, 9)]
    assert store.faults() == ()


class Told:
    """A machine's index and ledger."""

    def __init__(self, state: Path, key: Key) -> None:
        self.state, self.key = state, key
        self.ledger = Ledger(state / "ledger")
        self.store = Store(state / FOLDER / _SPACE, key)

    def session(self, name: str, count: int = 2, *, ends: bool = True, told: int | None = None) -> list[Path]:
        """Run a session that writes so many sheets, of which the ledger hears of the first `told`."""
        self.ledger.append(Opened(900.0, name, 1, "ab" * 32))
        paths = [self.store.write(sheet(self.key, n, name), ends=ends and n == count) for n in range(1, count + 1)]
        leaves = [sheets.leaf(path.read_bytes()) for path in paths][:told]
        entries: list[Entry] = [Closed(2_000.0, name, 1, 3, "ab" * 32)] if ends else []
        self.ledger.append(*entries, Indexed(2_000.0, name, _SPACE if leaves else "", len(leaves), root(leaves).hex()))
        return paths

    def faults(self, *workspaces: str) -> list[tuple[str, str]]:
        index = Index.open(self.state, self.key, workspaces=workspaces or None)
        return [(fault.session, fault.why) for fault in index.faults]


@pytest.fixture
def told(tmp_path: Path, key: Key) -> Told:
    return Told(tmp_path, key)


def test_an_index_that_is_as_the_ledger_says_is_whole(told: Told, key: Key) -> None:
    told.session("s-1")
    told.session("s-2", 0)
    index = Index.open(told.state, key)
    assert index.faults == ()
    assert index.sessions["s-1"]._asdict() == {
        "workspace": _SPACE,
        "first": 900.0,
        "last": 2_000.0,
        "sheets": 2,
        "is_whole": True,
        "lines": 4,
        "emissions": 2,
        "size": index.sessions["s-1"].size,
        "commits": None,
        "made_anew": 0.0,
    }
    assert (index.sessions["s-2"].is_whole, index.sessions["s-2"].workspace) == (True, "")
    assert [one.number for one in index.sheets()] == [1, 2]


def test_no_index_and_no_ledger_is_an_empty_one(tmp_path: Path, key: Key) -> None:
    index = Index.open(tmp_path, key)
    assert (index.faults, index.sessions, list(index.sheets())) == ((), {}, [])


def test_what_the_ledger_knows_and_is_not_there_is_a_fault(told: Told) -> None:
    for path in told.session("gone"):
        path.unlink()
    told.session("cut")[1].unlink()
    told.ledger.append(Opened(901.0, "uncaptured", 1, "ab" * 32), Opened(902.0, "pruned", 1, "ab" * 32))
    told.ledger.append(Shredded(903.0, "pruned", "old"))
    index = Index.open(told.state, told.key)
    found = {fault.session: fault for fault in index.faults}
    assert found["gone"].why == "its index of 2 sheets is gone"
    assert found["cut"].why == "the ledger knows 2 sheets, 1 are there"
    assert found["uncaptured"].why == "there is no index of it: it was not captured"
    assert "rebuild uncaptured" in found["uncaptured"].hint
    assert found["pruned"].hint == "its log cannot be read any more"
    assert not any(index.sessions[name].is_whole for name in found)
    assert len(index.faults) == 4


def test_an_older_index_that_is_put_back_is_a_fault(told: Told) -> None:
    paths = told.session("s-1")
    old = [path.read_bytes() for path in paths]
    told.store.remove("s-1")
    told.session("s-1")
    assert told.faults() == []
    for path, data in zip(paths, old, strict=True):
        path.write_bytes(data)
    assert told.faults() == [("s-1", "its sheets are not those that the ledger knows")]


def test_what_the_ledger_was_not_told_of_is_a_fault(told: Told) -> None:
    told.session("s-1", 3, told=2)
    assert told.faults() == [("s-1", "the ledger was not told of its last sheets")]


def test_a_session_that_did_not_end_is_a_fault_and_what_it_wrote_is_read(told: Told) -> None:
    told.session("s-1", ends=False)
    assert told.faults() == [("s-1", "its index does not end: the session runs, or was killed")]
    assert len(list(Index.open(told.state, told.key).sheets())) == 2


def test_of_a_session_that_runs_it_says_so_until_it_ends(told: Told) -> None:
    told.session("s-1", ends=False)
    told.ledger.append(Opened(901.0, "s-2", 1, "ab" * 32))
    running = "it runs: what it brought last is not indexed yet"
    with contextlib.ExitStack() as logs:
        for session in ("s-1", "s-2"):
            folder = told.state / "sessions" / session
            folder.mkdir(parents=True)
            log = logs.enter_context((folder / "000001.alog").open("wb"))
            fcntl.flock(log, fcntl.LOCK_EX)
        index = Index.open(told.state, told.key)
        assert [(fault.session, fault.why) for fault in index.faults] == [("s-1", running), ("s-2", running)]
        assert [one.is_whole for one in index.sessions.values()] == [False, False]
        assert len(list(index.sheets())) == 2
    assert running not in dict(told.faults()).values()


def test_an_index_from_another_machine_can_be_used_but_is_not_whole(told: Told, tmp_path: Path) -> None:
    told.session("s-1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / FOLDER).rename(elsewhere / FOLDER)
    index = Index.open(elsewhere, told.key)
    assert len(list(index.sheets())) == 2
    assert [fault.why for fault in index.faults] == [
        "there is no ledger here that would tell whether sheets are missing"
    ]
    assert not index.sessions["s-1"].is_whole


def test_a_ledger_that_was_tampered_with_vouches_for_nothing(told: Told) -> None:
    told.session("s-1")
    (log,) = (told.state / "ledger").glob("*.alog")
    data = log.read_bytes()
    log.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    index = Index.open(told.state, told.key)
    assert "cannot be relied on" in index.faults[0].why
    assert not index.sessions["s-1"].is_whole


def test_of_one_workspace_only_its_own_faults_count_and_those_of_nobody_knows_which(told: Told) -> None:
    told.session("s-1", ends=False)
    assert told.faults(_OTHER) == []
    told.ledger.append(Opened(901.0, "uncaptured", 1, "ab" * 32))
    assert told.faults(_OTHER) == [("uncaptured", "there is no index of it: it was not captured")]


def test_a_workspace_of_another_key_is_a_fault_of_every_workspace(told: Told) -> None:
    told.session("s-1")
    other = Key(secrets.token_bytes(32))
    index = Index.open(told.state, other, workspaces=[_OTHER])
    assert [fault.why for fault in index.faults] == [f"the index has a workspace of another key ({told.key.id})"]


def test_claims_are_read_and_are_no_sessions(told: Told, key: Key) -> None:
    told.session("s-1")
    path = told.store.write(sheet(key, 1, "claim-0123456789abcdef"), ends=True)
    index = Index.open(told.state, key)
    assert (index.faults, set(index.sessions), len(list(index.sheets()))) == ((), {"s-1"}, 3)
    assert index.claims == 1
    path.write_bytes(path.read_bytes()[:-1])
    assert [(session, "cut" in why) for session, why in told.faults()] == [("claim-0123456789abcdef", True)]


def test_the_stamp_changes_with_what_is_there(told: Told, key: Key) -> None:
    told.session("s-1")
    before = Index.open(told.state, key).stamp
    assert Index.open(told.state, key).stamp == before
    path = told.session("s-2")[0]
    after = Index.open(told.state, key).stamp
    path.unlink()
    assert len({before, after, Index.open(told.state, key).stamp}) == 3


def test_a_workspace_is_known_by_its_repository_from_every_worktree_and_folder(tmp_path: Path, key: Key) -> None:
    main, linked, inner = tmp_path / "main", tmp_path / "linked", tmp_path / "main" / "src"
    inner.mkdir(parents=True)
    before = workspace_id(key, inner)
    common = main / ".git"
    (common / "worktrees/linked").mkdir(parents=True)
    (common / "HEAD").write_text("ref: refs/heads/main\n")
    (common / "worktrees/linked/HEAD").write_text("ref: refs/heads/other\n")
    (common / "worktrees/linked/commondir").write_text("../..\n")
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {common}/worktrees/linked\n")
    assert workspace_id(key, main) == workspace_id(key, inner) == workspace_id(key, linked) != before
    assert before in workspace_ids(key, inner)
    assert workspace_id(key, inner / "a.py") == workspace_id(key, main)
    assert workspace_id(Key(secrets.token_bytes(32)), main) != workspace_id(key, main)
    (tmp_path / "link").symlink_to(main)
    assert workspace_id(key, tmp_path / "link") == workspace_id(key, main)


def test_columns_are_those_of_the_contract() -> None:
    assert (LINE.itemsize, PRINT.itemsize) == (33, 16)


@contextlib.contextmanager
def _files_end_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes; the signal for that is ignored, as in the recorder."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_the_vectors_of_the_format_are_read_as_they_say() -> None:
    said = json.loads((_VECTORS / "vectors.json").read_text())
    key = Key(bytes(range(32)))
    store = Store(_VECTORS / said["workspace"], key)
    (chain,) = store.chains()
    assert (key.id, chain.session, chain.ends) == (said["key_id"], said["session"], True)
    assert root(chain.leaves).hex() == said["root"]
    assert [fault.why for fault in chain.faults] == ["not all of it was captured: a reason"]
    for sheet_, good, expected in zip(store.sheets(), chain.good, said["sheets"], strict=True):
        assert list(msgspec.to_builtins(sheet_.emissions)) == expected["emissions"]
        assert list(msgspec.to_builtins(sheet_.reads)) == expected["reads"]
        for name in ("lines", "shapes", "words", "blobs"):
            assert [[int(cell) for cell in row] for row in getattr(sheet_, name)] == expected[name]
        standing = (good.leaf.hex(), good.standing.previous.hex(), good.standing.ends, good.standing.gap)
        assert standing == tuple(expected[name] for name in ("leaf", "previous", "ends", "gap"))
        assert (good.first, good.last) == (expected["first"], expected["last"])
