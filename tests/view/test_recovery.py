"""What a damaged placeholder stood for is never lost, and never readable without the key."""

import hashlib
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.machine import fake
from wrapper.errors import StateError
from wrapper.view import recovery
from wrapper.view.recovery import Entry, RecoveryStore

KEY = secrets.token_bytes(32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recovery"


@pytest.fixture
def store(folder: Path) -> RecoveryStore:
    return RecoveryStore(folder, KEY)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.binary(min_size=1, max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    content=st.binary(max_size=2000),
    why=st.text(max_size=2000),
    at=st.floats(0, 4e9),
)
def test_what_was_kept_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, path: str, content: bytes, why: str, at: float
) -> None:
    store = RecoveryStore(tmp_path_factory.mktemp("session") / "recovery", KEY)
    store.keep(path, content, why, at)
    (entry,) = store.entries()
    assert (entry.number, entry.path, entry.at, entry.size) == (1, path, at, len(content))
    assert entry.why == why[:1000].encode(errors="replace").decode()
    assert store.content(1) == content


def test_another_process_lists_without_the_key_and_opens_with_it(folder: Path, store: RecoveryStore) -> None:
    store.keep("a", b"one", "cut", 1.0)
    store.keep("b", b"two", "altered", 2.0)
    assert RecoveryStore(folder, b"").entries() == [Entry(1, "a", 1.0, "cut", 3), Entry(2, "b", 2.0, "altered", 3)]
    assert RecoveryStore(folder, KEY).content(2) == b"two"


def test_nothing_is_made_before_something_is_kept(folder: Path, store: RecoveryStore) -> None:
    assert store.entries() == []
    assert not folder.exists()
    with pytest.raises(StateError, match="nothing is kept as 1"):
        store.content(1)


def test_folder_and_files_are_the_users_alone_and_hold_no_value_in_the_clear(
    folder: Path, store: RecoveryStore
) -> None:
    value = fake().encode()
    store.keep(".env", b"KEY=" + value, "cut", 1.0)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert value not in file.read_bytes()


def test_the_same_content_of_the_same_file_is_kept_once(folder: Path, store: RecoveryStore) -> None:
    store.keep("a", b"x", "cut", 1.0)
    store.keep("a", b"x", "altered", 2.0)
    RecoveryStore(folder, KEY).keep("a", b"x", "cut again", 3.0)
    assert [entry.at for entry in store.entries()] == [1.0]
    store.keep("b", b"x", "cut", 4.0)
    store.keep("a", b"y", "cut", 5.0)
    assert [(entry.path, entry.at) for entry in store.entries()] == [("a", 1.0), ("b", 4.0), ("a", 5.0)]


def test_where_a_name_ends_counts_for_what_is_the_same(store: RecoveryStore) -> None:
    store.keep("a", b"bc", "cut", 1.0)
    store.keep("ab", b"c", "cut", 2.0)
    assert len(store.entries()) == 2


def test_a_full_store_keeps_the_oldest_and_says_what_was_not_kept(
    store: RecoveryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "MOST_ENTRIES", 3)
    for number in range(3):
        store.keep("a", b"%d" % number, "cut", float(number))
    with pytest.raises(StateError, match=r"content of `late` was not kept: .* 3 files already") as caught:
        store.keep("late", b"new", "cut", 9.0)
    assert "safe-agent recover" in caught.value.hint
    assert [entry.at for entry in store.entries()] == [0.0, 1.0, 2.0]


def test_a_store_takes_no_more_bytes_than_it_says(store: RecoveryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "MOST_BYTES", 1 << 20)
    store.keep("a", bytes(1 << 19), "cut", 1.0)
    store.keep("b", b"1" * (1 << 19), "cut", 2.0)
    with pytest.raises(StateError, match="would hold more than 1 MiB"):
        store.keep("c", b"x", "cut", 3.0)
    assert len(store.entries()) == 2


def test_two_hundred_files_are_taken_in_their_order(folder: Path, store: RecoveryStore) -> None:
    for number in range(recovery.MOST_ENTRIES):
        store.keep("a", b"%d" % number, "cut", float(number))
    entries = store.entries()
    assert [entry.number for entry in entries] == list(range(1, 201))
    assert [RecoveryStore(folder, KEY).content(entry.number) for entry in entries[::50]] == [
        b"0",
        b"50",
        b"100",
        b"150",
    ]


def test_what_the_first_version_kept_reads_the_same() -> None:
    """`tests/vectors/recovery-v1/` is never changed; its key guards nothing."""
    store = RecoveryStore(
        Path(__file__).parents[1] / "vectors/recovery-v1",
        hashlib.sha256(b"safe-agent recovery vectors, version 1").digest(),
    )
    assert store.entries() == [
        Entry(1, "config/.env", 1_700_000_000.5, "`MASKED-DATABA` is no placeholder", 21),
        Entry(2, "/elsewhere/na\udcffme", 1_700_000_001.0, "cut", 256),
    ]
    assert [store.content(1), store.content(2)] == [b"PORT=1\nNAME=anything\n", bytes(range(256))]


def test_another_masking_key_opens_nothing(folder: Path, store: RecoveryStore) -> None:
    store.keep("a", b"x", "cut", 1.0)
    with pytest.raises(StateError, match="cannot be opened"):
        RecoveryStore(folder, secrets.token_bytes(32)).content(1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_and_no_cut_is_taken_for_what_was_kept(folder: Path, data: st.DataObject) -> None:
    store = RecoveryStore(folder, KEY)
    store.keep("path/of/it", b"the content", "cut", 1.0)
    file = folder / "000001.kept"
    good = file.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = data.draw(st.sampled_from([good[:at], good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :], good + b"x"]))
    file.write_bytes(bad)
    try:
        with pytest.raises(StateError):
            store.content(1)
        assert [entry.number for entry in store.entries()] == [1]
    finally:
        file.write_bytes(good)


def test_an_entry_in_the_place_of_another_does_not_open(folder: Path, store: RecoveryStore) -> None:
    store.keep("a", b"x", "cut", 1.0)
    store.keep("b", b"y", "cut", 2.0)
    (folder / "000001.kept").replace(folder / "000002.kept")
    with pytest.raises(StateError, match="cannot be opened"):
        store.content(2)


@given(content=st.binary(max_size=100))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_in_the_folder_is_listed_as_damaged_or_not_at_all(folder: Path, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "000001.kept").write_bytes(b"SAFEKEPT\0\1" + content)
    (folder / ".000002.kept.draft").write_bytes(content)
    (folder / "notes.kept").write_bytes(content)
    (entry,) = RecoveryStore(folder, KEY).entries()
    assert entry == Entry(1, "", 0.0, "its file is damaged", 0)


def test_what_is_damaged_keeps_its_number(folder: Path, store: RecoveryStore) -> None:
    store.keep("a", b"x", "cut", 1.0)
    (folder / "000001.kept").write_bytes(b"")
    store.keep("b", b"y", "cut", 2.0)
    assert [(entry.number, entry.path) for entry in store.entries()] == [(1, ""), (2, "b")]


def test_a_folder_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot"):
        RecoveryStore(tmp_path / "file" / "recovery", KEY).keep("a", b"x", "cut", 1.0)


def test_listing_loads_no_cryptography() -> None:
    code = "import sys, wrapper.view.recovery as r, pathlib; r.RecoveryStore(pathlib.Path('/nowhere'), b'').entries()"
    seen = subprocess.run(
        [sys.executable, "-c", f"{code}; print('cryptography' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == "False"
