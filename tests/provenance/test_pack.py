"""A pack is what its sheets are, whatever way it was made; damage is found, never matched."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.sheetsof import KEY, code, sheet_of
from wrapper.errors import ProvenanceError
from wrapper.provenance import building, presence
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.columns import PIECE, Column, SortedCodes, Writer, opened
from wrapper.provenance.key import Key
from wrapper.provenance.model import Fault, Flag, Sheet
from wrapper.provenance.pack import TABLES, Pack

_FAULTS = (Fault("s1", "cut short", "run it again"), Fault("", "another key"))


@pytest.fixture(scope="module")
def sheets() -> list[Sheet]:
    return [sheet_of([code(10 * n + m) for m in range(4)], session=f"s{n}") for n in range(40)]


@pytest.fixture(scope="module")
def path(sheets: list[Sheet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packs") / "pack"
    Pack.build(iter(sheets), path, KEY, _FAULTS)
    return path


def same(one: Pack, other: Pack) -> bool:
    assert (one.emissions, one.rows) == (other.emissions, other.rows)
    for name in TABLES:
        codes, more = (getattr(each, name.replace(" ", "_")) for each in (one, other))
        assert (codes.codes.whole() == more.codes.whole()).all()
        assert (codes.of.whole() == more.of.whole()).all()
    for number in range(0, one.emissions, 7):
        assert one.emission(number) == other.emission(number)
        assert (one.lines(number) == other.lines(number)).all()
    assert (one.present() == other.present()).all()
    return one.faults == other.faults


def test_made_in_memory_saved_built_and_taken_apart_it_is_the_same(
    sheets: list[Sheet], path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Pack.of(sheets, _FAULTS)
    whole.save(tmp_path / "saved", KEY)
    assert same(whole, Pack.open(tmp_path / "saved", KEY))
    assert same(whole, Pack.open(path, KEY))
    monkeypatch.setattr(building, "_RUN", 1000)  # many runs, many shares
    Pack.build(whole.sheets(), tmp_path / "small", KEY, whole.faults)
    assert same(whole, Pack.open(tmp_path / "small", KEY))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["saved", "small"]  # no drafts, no runs
    assert (tmp_path / "small").stat().st_mode & 0o777 == 0o600


def test_every_row_of_the_sheets_is_found_under_its_emission(sheets: list[Sheet], path: Path) -> None:
    pack, first = Pack.open(path, KEY), 0
    for sheet in sheets[:5]:
        for name, table in (("shapes", pack.shape), ("words", pack.word), ("blobs", pack.blob)):
            rows = getattr(sheet, name)
            which, of = table.find(rows["code"].astype(np.uint64), 8)
            found = set(zip(which.tolist(), of["emission"].tolist(), of["place"].tolist(), strict=True))
            assert {(n, row["emission"] + first, row["place"]) for n, row in enumerate(rows)} <= found
        telling = sheet.lines[sheet.lines["flags"] & Flag.TRIVIAL == 0]
        which, of = pack.line.find(telling["code"].astype(np.uint64), 8)
        rows = pack.lines_of(of.astype(np.int64))
        assert (rows["code"] == telling["code"][which]).all()
        assert set(which.tolist()) == set(range(telling.size))
        first += len(sheet.emissions)


def test_nothing_at_all_is_a_pack(tmp_path: Path) -> None:
    Pack.build([], tmp_path / "empty", KEY)
    pack = Pack.open(tmp_path / "empty", KEY)
    assert same(pack, Pack.of([]))
    assert not pack.emissions
    assert not pack.word.codes.contains(np.arange(5, dtype=np.uint64)).any()


def uses(pack: Pack, sheet: Sheet) -> Iterator[object]:
    """Everything that one does with a pack; what it gives."""
    yield pack.present().tobytes()
    for name in TABLES:
        table = getattr(pack, name.replace(" ", "_"))
        which, of = table.find(sheet.words["code"][:3].astype(np.uint64), 4)
        yield which.tobytes(), of.tobytes()
        yield table.codes.whole().tobytes(), table.of.whole().tobytes()
    for number in range(pack.emissions):
        yield pack.emission(number), pack.lines(number).tobytes()
    yield pack.faults


def test_a_changed_byte_anywhere_is_found_and_nothing_false_is_said(
    sheets: list[Sheet], path: Path, tmp_path: Path
) -> None:
    content = path.read_bytes()
    right = list(uses(Pack.open(path, KEY), sheets[0]))
    chance = random.Random(4)  # noqa: S311 (a sample)
    damaged = tmp_path / "damaged"
    silent = 0
    for _ in range(60):
        at = chance.randrange(len(content))
        damaged.write_bytes(content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :])
        given_before: list[object] = []
        try:
            pack = Pack.open(damaged, KEY)
            for one in uses(pack, sheets[0]):
                given_before.append(one)  # noqa: PERF402 (what was given before the error counts)
            pack.verify()
            silent += 1  # only the few bytes between two columns are nobody's
        except ProvenanceError:
            pass
        assert given_before == right[: len(given_before)]
    assert silent <= 2


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.3, 0.9, 0.99999])
def test_a_file_that_was_cut_does_not_open(path: Path, tmp_path: Path, share: float) -> None:
    content = path.read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ProvenanceError, match=r"cut short|another version"):
        Pack.open(tmp_path / "cut", KEY)


def test_another_key_another_kind_and_no_file_do_not_open(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="another key"):
        Pack.open(path, Key(bytes(32)))
    with pytest.raises(ProvenanceError, match="is a pack, not a baseline"):
        Baseline.open(path, KEY)
    with pytest.raises(ProvenanceError, match="cannot read"):
        Pack.open(tmp_path / "none", KEY)
    (tmp_path / "text").write_text("hello\n" * 100)
    with pytest.raises(ProvenanceError, match="not safe-agent's"):
        Pack.open(tmp_path / "text", KEY)


def test_a_write_that_fails_leaves_what_was_there(path: Path, sheets: list[Sheet], tmp_path: Path) -> None:
    target = tmp_path / "pack"
    target.write_bytes(path.read_bytes())

    def failing() -> Iterator[Sheet]:
        yield sheets[0]
        raise ProvenanceError("a sheet is damaged")

    with pytest.raises(ProvenanceError, match="a sheet is damaged"):
        Pack.build(failing(), target, KEY)
    assert target.read_bytes() == path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["pack"]


def test_a_sheet_with_rows_of_no_emission_is_refused(sheets: list[Sheet]) -> None:
    with pytest.raises(ProvenanceError, match="rows of no emission"):
        Pack.of([sheets[0]._replace(emissions=sheets[0].emissions[:1])])


@given(
    st.lists(st.integers(0, 40), max_size=300),
    st.lists(st.integers(0, 45), max_size=40),
    st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_codes_are_found_over_the_borders_of_pieces(held: list[int], asked: list[int], most: int) -> None:
    each = PIECE // 8
    codes = np.sort(np.repeat(np.array(held, np.uint64), 97 if len(held) % 2 else 3)) * np.uint64(1 << 57)
    wanted = np.array(asked, np.uint64) * np.uint64(1 << 57)
    fence = codes[::each] if codes.size else None
    pairs = [
        (which, row)
        for which, one in enumerate(wanted.tolist())
        for row in range(int(np.searchsorted(codes, one)), int(np.searchsorted(codes, one, "right")))[:most]
    ]
    for sorted_codes in (SortedCodes(Column(codes), fence), SortedCodes(Column(codes))):
        which, rows = sorted_codes.find(wanted, most)
        assert sorted(zip(which.tolist(), rows.tolist(), strict=True)) == pairs
        assert sorted_codes.contains(wanted).tolist() == np.isin(wanted, codes).tolist()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_the_filter_forgets_no_code(codes: list[int]) -> None:
    held = np.array(codes, np.uint64)
    words = np.zeros(presence.words_for(held.size), np.uint64)
    presence.note(words, held)
    assert presence.seems_in(words, held).tolist() == list(range(held.size))


def test_the_filter_passes_few_that_are_not_there() -> None:
    chance = np.random.default_rng(1)
    held, other = chance.integers(0, 2**64, (2, 100_000), np.uint64)
    words = np.zeros(presence.words_for(held.size), np.uint64)
    presence.note(words, held)
    assert presence.seems_in(words, other).size < 1000


def test_columns_of_any_sort_come_back_as_they_were(tmp_path: Path) -> None:
    numbers = np.arange(30_000, dtype=np.uint32)
    with Writer(tmp_path / "file", "test", KEY) as writer:
        assert writer.add("numbers", np.uint32, [numbers[:7], numbers[7:7], numbers[7:]]) == numbers.size
        assert writer.add("none", np.uint64, [], is_sorted=True) == 0
    columns = opened(tmp_path / "file", "test", KEY)
    assert (columns.columns["numbers"].whole() == numbers).all()
    assert (columns.columns["numbers"].take(np.array([29_999, 0, 16_384])) == [29_999, 0, 16_384]).all()
    assert not columns.codes["none"].contains(numbers.astype(np.uint64)).any()
