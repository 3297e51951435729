"""The scan cache gives back what was stored, never more than that, and never a secret."""

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.plan import scancache
from wrapper.plan.scancache import NEVER, Code, Folder, ScanCache

KEY = bytes(range(32))

name = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12) | st.sampled_from(
    ["\udcff\udc80", "a\nb", " "]
)
unsigned = st.integers(0, 2**64 - 1)
signed = st.integers(-(2**63), 2**63 - 1)
row = st.tuples(name, unsigned, unsigned, signed, signed)


@st.composite
def folders(draw: st.DrawFn) -> Folder:
    files = draw(st.lists(row, max_size=6))
    codes = draw(st.lists(st.integers(0, 2**16 - 1), min_size=len(files), max_size=len(files)))
    stamp = draw(st.tuples(unsigned, signed, signed))
    return Folder(draw(st.integers(0, 2**16 - 1)), stamp, draw(st.lists(name, max_size=4)), files, codes)


caches = st.builds(
    ScanCache,
    st.just(KEY),
    st.frozensets(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=8, max_size=8), max_size=5),
    st.dictionaries(name | st.just(""), folders(), max_size=5),
)


def sample() -> ScanCache:
    files = [("a.py", 5, 10, 3, 4), (".env", 6, 11, 3, NEVER)]
    return ScanCache(KEY, frozenset({"ABCDEFGH"}), {"": Folder(0, (1, 2, 3), ["sub"], files, [0, 2])})


@given(caches)
def test_what_was_encoded_comes_back(cache: ScanCache) -> None:
    assert scancache.decode(scancache.encode(cache)) == cache


@given(caches, st.data())
def test_a_damaged_cache_is_refused(cache: ScanCache, data: st.DataObject) -> None:
    good = scancache.encode(cache)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r".+"):
        scancache.decode(bytes(bad))
    with pytest.raises(ValueError, match=r".+"):
        scancache.decode(good[:place])


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        scancache.decode(data)


def test_a_stored_cache_is_private_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "scans/one"
    scancache.store(path, sample())
    scancache.store(path, sample())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert scancache.load(path, KEY) == sample()
    assert [entry.name for entry in path.parent.iterdir()] == ["one"]


def test_a_cache_made_under_another_key_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "one"
    scancache.store(path, sample())
    other = bytes(32)
    assert scancache.load(path, other) == ScanCache(other)


@pytest.mark.parametrize("content", [b"", b"x", b"sascan\0\1" * 100])
def test_a_corrupt_file_is_no_cache(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "one"
    path.write_bytes(content)
    path.chmod(0o600)
    assert scancache.load(path, KEY) == ScanCache(KEY)


def test_a_file_that_others_may_write_is_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "one"
    scancache.store(path, sample())
    path.chmod(0o620)
    assert scancache.load(path, KEY) == ScanCache(KEY)


def test_a_symbolic_link_and_a_fifo_are_no_cache_and_do_not_block(tmp_path: Path) -> None:
    scancache.store(tmp_path / "one", sample())
    (tmp_path / "link").symlink_to("one")
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert scancache.load(tmp_path / "link", KEY) == ScanCache(KEY)
    assert scancache.load(tmp_path / "fifo", KEY) == ScanCache(KEY)


def test_a_missing_file_is_no_cache(tmp_path: Path) -> None:
    assert scancache.load(tmp_path / "none", KEY) == ScanCache(KEY)


def test_a_failed_store_leaves_the_old_cache_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one"
    scancache.store(path, sample())

    def fail(*_arguments: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        scancache.store(path, ScanCache(KEY))
    assert scancache.load(path, KEY) == sample()
    assert [entry.name for entry in tmp_path.iterdir()] == ["one"]


def test_a_file_written_just_before_the_scan_is_racy_and_an_old_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_text("x")
    ctime = path.stat().st_ctime_ns
    assert scancache.is_racy(ctime, time.time_ns())
    assert scancache.is_racy(ctime, ctime - 10**12)
    assert not scancache.is_racy(ctime, ctime + 60_000_000 if ctime % 10**9 else ctime + 3 * 10**9)


def test_a_file_system_of_whole_seconds_gets_a_wide_window() -> None:
    assert scancache.is_racy(7_000_000_000, 8_500_000_000)
    assert not scancache.is_racy(7_000_000_000, 9_500_000_000)


def test_fifteen_thousand_rows_load_in_a_few_milliseconds() -> None:
    files = [(f"module_{n}.py", n, n * 7, 10**18 + n, 10**18 + n) for n in range(15)]
    cache = ScanCache(KEY, frozenset(), {f"d/{n}": Folder(0, (n, 1, 2), [], files, [0] * 15) for n in range(1000)})
    data = scancache.encode(cache)
    best = min(_seconds(data) for _ in range(5))
    assert best < 0.05  # 5 ms where this was written


def _seconds(data: bytes) -> float:
    before = time.perf_counter()
    scancache.decode(data)
    return time.perf_counter() - before


def test_every_action_has_its_place_in_the_code() -> None:
    assert len(scancache.ACTIONS) <= Code.ACTION + 1
