"""Code of a denied file is found however it comes, and other code is not."""

import itertools
import json
import keyword
import pickle
import random
import re
import sysconfig
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import redactors
from redactors import fingerprint
from redactors.alignment import evidence, repeated
from redactors.finding import Confidence, Finding
from redactors.fingerprint import DRIFT, SHORTEST, Fingerprints, bits_needed
from redactors.idioms import WORDING, Idioms
from redactors.prints import RARE
from redactors.surprisal import MOST, UNIT, Surprisal
from redactors.tokens import shape, tokenise

IDIOMS = Idioms.bundled()
OURS = sorted(Path(redactors.__file__).parent.glob("*.py"))
DENIED = (Path(redactors.__file__).parent / "fingerprint.py").read_text()
GO = """package ledger

// Settle moves what is owed between two accounts, oldest debt first.
func (book *Ledger) Settle(from, to string, limit int64) (int64, error) {
	moved := int64(0)
	for at, debt := range book.debts[from] {
		if debt.creditor != to || debt.amount <= 0 { // paid, or another's
			continue
		}
		part := min(debt.amount, limit-moved)
		book.debts[from][at].amount -= part
		book.paid[to] += part
		if moved += part; moved >= limit {
			return moved, nil
		}
	}
	return moved, fmt.Errorf("%s owes %s less than %d", from, to, limit)
}
"""
SQL = """CREATE TABLE parcels (id BIGINT PRIMARY KEY, depot TEXT NOT NULL, weight NUMERIC(8, 3), seen TIMESTAMP);
SELECT p.depot, count(*) AS parcels, sum(p.weight) / 1000 AS tons -- of the week
FROM parcels p LEFT JOIN routes r ON r.depot = p.depot AND r.closes > p.seen + INTERVAL '2 hours'
WHERE p.seen >= date_trunc('week', now()) AND r.id IS NOT NULL GROUP BY p.depot HAVING sum(p.weight) > 25.5;
"""


@pytest.fixture(scope="module")
def known() -> Fingerprints:
    prints = Fingerprints()
    for name, text in (("denied.py", DENIED), ("ledger.go", GO), ("parcels.sql", SQL)):
        assert prints.add(name, text.encode()) > 0
    return prints


def piece(source: str, first: int, count: int) -> str:
    """Cut `count` tokens out."""
    data = source.encode()
    tokens = tokenise(data)
    return data[int(tokens.starts[first]) : int(tokens.ends[first + count - 1])].decode()


def share(found: list[Finding], data: bytes, text: bytes) -> float:
    """How much of `text` within `data` is covered."""
    start = data.index(text)
    return sum(min(one.end, start + len(text)) - max(one.start, start) for one in found) / len(text)


def renamed(text: str, but: frozenset[str] = frozenset()) -> str:
    names: dict[str, str] = {}
    kept = {*but, *keyword.kwlist, *keyword.softkwlist, "self", "bytes", "int", "bool", "str", "None"}

    def other(word: re.Match[str]) -> str:
        return word[0] if word[0] in kept else names.setdefault(word[0], f"x{len(names)}_{len(names) % 3}")

    return re.sub(r"[A-Za-z_]\w*", other, text)


CHANGES: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "indentation": lambda text: re.sub(r"(?m)^[ \t]*", "\t\t\t", text),
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "comments taken out": lambda text: re.sub(r"(?m)  # .*$", "", text),
    "comments put in": lambda text: re.sub(r"(?m)$", "  # I think that this is it", text),
    "commented out": lambda text: re.sub(r"(?m)^", "# ", text),
    "quotation marks": lambda text: text.replace('"', "'"),
    "line numbers": lambda text: "".join(f"{at:6}\t{line}\n" for at, line in enumerate(text.split("\n"), 90)),
    "line numbers with arrows": lambda text: "".join(f"{at:6}→{line}\n" for at, line in enumerate(text.split("\n"), 9)),
    "a diff": lambda text: re.sub(r"(?m)^", "+", text),
    "names": renamed,
    "names and comments and indentation": lambda text: re.sub(r"(?m)^[ ]*|$", " # why\n  ", renamed(text)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_function_is_found_after(known: Fingerprints, change: str, depth: int) -> None:
    before = DENIED[: DENIED.index("def _candidates")]
    text = CHANGES[change](piece(DENIED, tokenise(before.encode()).code, 120))
    for _ in range(depth):
        text = json.dumps(text)[1:-1]
    data = b"Please look at this:\n" + text.encode() + b"\nand tell me what you think of it.\n"
    found = known.find(data)
    assert share(found, data, text.encode()) > 0.85
    assert {one.rule for one in found} == {"fingerprint:denied.py"}


@pytest.mark.parametrize("source", [DENIED, GO, SQL], ids=["python", "go", "sql"])
@pytest.mark.parametrize("count", [40, 50, 60])
def test_any_run_of_forty_tokens_is_found_in_a_body(known: Fingerprints, source: str, count: int) -> None:
    tokens = tokenise(source.encode())
    for first in range(0, tokens.code - count, 31):
        text = piece(source, first, count)
        body = json.dumps(
            {"messages": [{"role": "user", "content": f"Why does this fail?\n\n{text}\n\nThanks!"}]}
        ).encode()
        assert share(known.find(body), body, json.dumps(text)[1:-1].encode()) > 0.9, text


def test_most_runs_of_forty_tokens_are_found_with_all_names_changed(known: Fingerprints) -> None:
    tokens = tokenise(DENIED.encode())
    surprise = Surprisal.bundled().of(tokens, shape(tokens))
    found: dict[bool, list[bool]] = {True: [], False: []}
    for first in range(0, tokens.code - 40, 13):
        text = renamed(piece(DENIED, first, 40)).encode()
        rows = slice(first, first + 40)
        bits = evidence(surprise[rows], repeated(tokens.rows(first, first + 40)), SHORTEST, DRIFT) / UNIT
        found[bits >= known.needed].append(bool(known.find(b"see\n\n" + text + b"\n\nthere")))
    assert len(found[True]) > len(found[False])
    assert sum(found[True]) > 0.9 * len(found[True])
    assert sum(found[False]) < 0.5 * len(found[False])  # the words around may lengthen a run


def test_rare_names_that_were_kept_prove_what_a_run_without_them_does_not(known: Fingerprints) -> None:
    text = DENIED.encode()
    tokens = tokenise(text)
    places = tokens.rows(0, tokens.code)
    rare = Surprisal.bundled().rare(places)
    words = zip(places.starts[rare].tolist(), places.ends[rare].tolist(), strict=True)
    kept = frozenset(text[start:end].decode() for start, end in words)
    pieces = [piece(DENIED, first, 40) for first in range(0, tokens.code - 40, 13)]
    with_rare = [bool(known.find(f"see\n\n{renamed(each, kept)}\n\nthere".encode())) for each in pieces]
    without = [bool(known.find(f"see\n\n{renamed(each)}\n\nthere".encode())) for each in pieces]
    assert sum(with_rare) > 1.02 * sum(without)
    assert not any(less and not more for more, less in zip(with_rare, without, strict=True))


def test_words_that_stand_together_as_they_did_prove_what_a_run_without_them_does_not(known: Fingerprints) -> None:
    text = DENIED.encode()
    tokens = tokenise(text)
    places = tokens.rows(0, tokens.code)
    rare = Surprisal.bundled().rare(places)
    words = zip(places.starts[~rare].tolist(), places.ends[~rare].tolist(), strict=True)
    common = frozenset(text[start:end].decode() for start, end in words)
    prints = Fingerprints(enough=52)
    prints.add("denied.py", text)
    pieces = [piece(DENIED, first, 40) for first in range(0, tokens.code - 40, 13)]
    own = [bool(prints.find(f"see\n\n{renamed(each, common)}\n\nthere".encode())) for each in pieces]
    every = [bool(prints.find(f"see\n\n{renamed(each)}\n\nthere".encode())) for each in pieces]
    assert sum(own) > 1.1 * sum(every)
    assert not any(less and not more for more, less in zip(own, every, strict=True))


def test_the_more_is_known_the_more_a_run_must_hold() -> None:
    needed = [bits_needed(prints) for prints in (0, 10, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 1 << 40)]
    assert needed == sorted(needed)
    assert needed[0] == bits_needed(10) < needed[2]
    assert all(3 < more - less < 6 for less, more in itertools.pairwise(needed[2:7]))
    assert needed[-1] == bits_needed(1_000_000)


def test_what_is_known_twice_asks_for_no_more() -> None:
    once, often = Fingerprints(), Fingerprints()
    for path in OURS:
        once.add(path.name, path.read_bytes())
        for version in range(3):
            often.add(f"{path.name} {version}", path.read_bytes() + b"\nversion = %d\n" % version)
    assert once.needed == often.needed > Fingerprints().needed


def test_what_a_token_is_worth_leaves_room_to_say_that_it_is_a_rare_name() -> None:
    assert MOST < RARE


@given(st.lists(st.integers(0, 40), max_size=60), st.lists(st.integers(0, 60), max_size=60), st.integers(0, 3))
def test_candidates_are_all_places_of_equal_hashes_up_to_four(
    known: list[int], searched: list[int], spread: int
) -> None:
    factor = np.uint32((1, 257, 0x9E3779B1, 1 << 26)[spread])
    hashes = np.array(known, np.uint32) * factor
    places = np.arange(hashes.size, dtype=np.uint32)
    table = fingerprint._table([hashes], [places], np.zeros(2, np.int64))
    wanted = np.array(searched, np.uint32) * factor
    rows, found = fingerprint._candidates(table, wanted)
    plain = [(row, place) for row, each in enumerate(wanted) for place in np.flatnonzero(hashes == each)[:4].tolist()]
    assert sorted(zip(rows.tolist(), found.tolist(), strict=True)) == sorted(plain)


@given(st.lists(st.tuples(st.integers(0, 96), st.booleans(), st.booleans(), st.booleans()), min_size=30, max_size=70))
def test_a_proof_is_the_evidence_and_up_to_two_thirds_of_it_names_that_were_kept(
    each: list[tuple[int, bool, bool, bool]],
) -> None:
    tokens = tokenise(" ".join(f"name{at % 29}" if name else "*" for at, (_, _, _, name) in enumerate(each)).encode())
    worth = np.array([worth for worth, _, _, _ in each], np.uint8)
    rare = np.array([rare for _, rare, _, _ in each], np.bool_) & tokens.names
    same = np.array([same for _, _, same, _ in each], np.bool_)
    bits = evidence(worth, repeated(tokens), SHORTEST, DRIFT)
    own = IDIOMS.own_wordings(tokens).tolist()
    wordings = {
        own[row]
        for row in range(len(own))
        if own[row] and same[row : row + WORDING].all() and tokens.names[row : row + WORDING].any()
    }
    names = len(set(tokens.exact[rare & same].tolist())) * 8 + max(len(wordings) - 6, 0) * 2
    for needed in (20 * UNIT, 38 * UNIT, 90 * UNIT):
        plainly = len(each) >= SHORTEST and bits >= needed // 3 and bits + names * UNIT >= needed
        assert fingerprint._proves_enough(tokens, worth | RARE * rare, same, needed, IDIOMS) == plainly


def test_renaming_without_consistency_is_another_code(known: Fingerprints) -> None:
    chance = random.Random(1)  # noqa: S311 (a sample)
    names = b"|".join(set(re.findall(rb"\b[a-z]+\b(?=[.,)\[])", GO.encode())))
    text = re.sub(rb"\b(%b)\b" % names, lambda _: b"x%d" % chance.randrange(50), GO.encode())
    consistent = re.sub(rb"\b(%b)\b" % names, lambda word: b"x" + word[0], GO.encode())
    assert known.find(consistent)
    assert known.find(text) == []


def _mutated(text: bytes, chance: random.Random) -> bytes:
    """Change a word here and there, so that runs end anywhere."""
    words = re.split(rb"(\W)", text)
    for _ in range(chance.randrange(1, 12)):
        words[chance.randrange(len(words))] = chance.choice((b"", b"if", b"(", b"7", b"other"))
    return b"".join(words)


@pytest.mark.parametrize("seed", range(25))
def test_looking_around_a_candidate_first_leaves_no_run_out(
    known: Fingerprints, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 (a sample)
    source = chance.choice((DENIED, GO, SQL))
    tokens = tokenise(source.encode()).code
    text = renamed(
        piece(source, start := chance.randrange(tokens - 40), min(chance.randrange(36, 200), tokens - start))
    )
    data = b"see " + _mutated(text.encode(), chance) + b" and # " + _mutated(text.encode(), chance) + b"\nthere"
    quick = known.find(data)
    monkeypatch.setattr(fingerprint, "_long_enough", lambda _index, _text, rows, _places: (rows >= 0).nonzero()[0])
    assert known.find(data) == quick


def test_what_is_known_takes_at_most_six_times_the_memory_of_the_code() -> None:
    chance = random.Random(3)  # noqa: S311 (a sample)
    pieces = [path.read_bytes() for path in OURS]
    files = [_mutated(b"\n".join(chance.sample(pieces, 6)), chance) for _ in range(40)]
    size = sum(len(text) for text in files)
    assert size > 1_000_000
    known = Fingerprints()
    known.add("the bundled sets are read", b"")
    tracemalloc.start()
    for number, text in enumerate(files):
        known.add(str(number), text)
    known.find(GO.encode())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 6 * size


def test_what_is_known_cannot_be_pickled_and_is_not_shown(known: Fingerprints) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(known)
    assert "ledger" not in repr(known)


def test_less_than_a_run_is_not_found(known: Fingerprints) -> None:
    assert known.find(piece(GO, 40, 30).encode()) == []


def test_a_finding_says_which_file_and_is_certain(known: Fingerprints) -> None:
    (found,) = known.find(b"see " + SQL.encode())
    assert found.kind == "DENIED-CODE"
    assert found.rule == "fingerprint:parcels.sql"
    assert found.confidence is Confidence.CERTAIN
    assert found.value == SQL.encode()[: len(found.value)]


def test_code_of_others_is_not_found(known: Fingerprints) -> None:
    everything = Fingerprints()
    for path in OURS:
        everything.add(path.name, path.read_bytes())
    strangers = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::3]
    assert sum(path.stat().st_size for path in strangers) > 1_000_000
    for path in strangers:
        assert [found.value for found in everything.find(path.read_bytes())] == [], path
    assert known.find(b"import os\n" * 100 + b"x = [" + b"0, 1, 2, " * 200 + b"]\n") == []


_COMMENT_MARKS = ("#", "//", "--", "/*")  # what stands before a comment may go on behind it, in another string


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, 1200),
    count=st.integers(40, 200),
    depth=st.integers(0, 3),
    around=st.text(max_size=20).filter(lambda text: not any(mark in text for mark in _COMMENT_MARKS)),
    ascii_only=st.booleans(),
)
def test_a_body_stays_json_when_spans_are_replaced(
    known: Fingerprints, *, first: int, count: int, depth: int, around: str, ascii_only: bool
) -> None:
    value: object = {"a": around, "text": around + piece(DENIED, first, count) + around, "b": [1, around]}
    for _ in range(depth):
        value = {"x": json.dumps(value, ensure_ascii=ascii_only), "y": around}
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    result = body
    for found in reversed(known.find(body)):
        assert body[found.start : found.end] == found.value
        result = result[: found.start] + b"MASKED" + result[found.end :]
    inner = json.loads(result)
    for _ in range(depth):
        assert inner["y"] == around
        inner = json.loads(inner["x"])
    assert inner["a"] == around
    assert inner["b"] == [1, around]


def test_a_run_over_several_strings_of_a_document_is_cut_at_their_ends(known: Fingerprints) -> None:
    body = json.dumps({"lines": [SQL, SQL]}).encode()
    result = bytearray(body)
    found = known.find(body)
    for one in reversed(found):
        result[one.start : one.end] = b"MASKED"
    assert len(found) == 2
    assert len(json.loads(result)["lines"]) == 2


@pytest.mark.parametrize("filler", [b"word and word, ", b"x" * 64])
def test_a_run_is_found_wherever_it_stands_in_a_long_text(known: Fingerprints, filler: bytes) -> None:
    for offset in range((1 << 18) - 900, (1 << 18) + 200, 100):
        data = (filler * (offset // len(filler) + 1))[:offset] + b"\n" + GO.encode() + filler * 100
        assert share(known.find(data), data, GO.encode()[120:]) > 0.95


def test_a_table_that_resembles_a_denied_one_costs_no_seconds() -> None:
    known = Fingerprints()
    row = "    {{ name_{0}, &other[{0}](left, *right), sizeof(kind_{0}) ? 1 : ~{0}, !flag_{0} }},"
    assert known.add("table", "\n".join(row.format(at) for at in range(2000)).encode())
    table = "\n".join(row.replace("name", "x").replace("!", "-").format(at) for at in range(5000)).encode()
    before = time.process_time()
    known.find(table)
    assert time.process_time() - before < 3


@given(st.binary(max_size=600))
def test_any_bytes_are_searched(known: Fingerprints, data: bytes) -> None:
    assert known.find(data) == []


def test_nothing_known_finds_nothing() -> None:
    assert not Fingerprints()
    assert Fingerprints().find(GO.encode()) == []


def test_adding_a_file_again_replaces_what_it_was() -> None:
    known = Fingerprints()
    known.add("a", GO.encode())
    assert known.find(GO.encode())
    known.add("a", SQL.encode())
    assert known.find(GO.encode()) == []
    assert known.find(SQL.encode())


def test_files_that_are_added_later_are_found_too(known: Fingerprints) -> None:
    prints = Fingerprints()
    prints.add("a", GO.encode())
    assert prints.find(SQL.encode()) == []
    before = len(prints)
    assert prints.add("b", SQL.encode()) == len(prints) - before
    assert {one.rule for one in prints.find(SQL.encode() + GO.encode())} == {"fingerprint:a", "fingerprint:b"}


@pytest.mark.parametrize(
    "text", [b"", b"x = 1\n", b"0, " * 500, b"# only a comment of some words\n" * 40, b"\xff\x00" * 99]
)
def test_a_file_with_nothing_of_its_own_has_no_fingerprints(text: bytes) -> None:
    known = Fingerprints()
    assert known.add("nothing", text) == 0
    assert known.find(GO.encode()) == []


def test_what_was_dumped_is_known_again_after_loading(known: Fingerprints) -> None:
    other = Fingerprints()
    assert other.load("ledger.go", known.dump("ledger.go")) == len(other)
    data = b"see " + GO.encode()
    assert other.find(data) == known.find(data)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_dump_is_refused(known: Fingerprints, data: st.DataObject) -> None:
    dumped = bytearray(known.dump("parcels.sql"))
    place = data.draw(st.integers(0, len(dumped) - 1))
    dumped[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="fingerprints"):
        Fingerprints().load("x", bytes(dumped))
    with pytest.raises(ValueError, match="fingerprints"):
        Fingerprints().load("x", known.dump("parcels.sql")[:place])


def test_a_dump_holds_no_text(known: Fingerprints) -> None:
    assert not any(word in known.dump("ledger.go") for word in (b"Ledger", b"debts", b"creditor"))
