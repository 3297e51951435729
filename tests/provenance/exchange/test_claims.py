"""From a claim to rows of the index: the claimed lines and no others, the same for the same claim."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.exchange.claims import Claim, Claimed, identities, said, sheets, stated
from wrapper.provenance.exchange.ranges import MOST, Range, within
from wrapper.provenance.keyed import KEY_SIZE, Keyed
from wrapper.provenance.model import Flag, Kind
from wrapper.provenance.prints import blob_code, line_codes, normalised_code

KEYED = Keyed(bytes(range(KEY_SIZE)))
TEXT = b"".join(b"value_%d = compute_%d(argument, other)\n" % (number, number * 7) for number in range(60))


def claim(*ranges: Range, path: str = "a.py", model: str = "m", at: float = 5.0) -> Claim:
    return Claim("0" * 40, path, ranges, "cursor", model, "s", "git-ai note at 0", at)


_RANGES = st.lists(
    st.tuples(st.integers(1, 70), st.integers(0, 20)).map(lambda pair: Range(pair[0], sum(pair))), max_size=5
)


@given(_RANGES)
def test_the_claimed_lines_are_its_own_and_no_others(ranges: list[Range]) -> None:
    own: Counter[int] = Counter()
    for one in stated(claim(*ranges), Claimed(TEXT), KEYED):
        rows = one.prints.lines
        own.update(rows["code"][rows["flags"] & Flag.ECHO == 0].tolist())
    codes = line_codes(TEXT, KEYED)
    assert own == Counter(int(codes[line - 1]) for line in within(ranges, 60))


@given(_RANGES, _RANGES)
def test_sheets_are_the_same_for_the_same_claims_and_number_their_rows(one: list[Range], other: list[Range]) -> None:
    parts = [*stated(claim(*one), Claimed(TEXT), KEYED), *stated(claim(*other, path="b.py"), Claimed(TEXT), KEYED)]
    made = list(sheets(parts, "claim-"))
    assert [sheet.session for sheet in made] == [sheet.session for sheet in sheets(parts[::-1], "claim-")]
    for sheet in made:
        assert {emission.session for emission in sheet.emissions} == {sheet.session}
        assert {emission.kind for emission in sheet.emissions} == {Kind.CLAIM}
        assert np.array_equal(np.unique(sheet.lines["emission"]), np.arange(len(sheet.emissions)))
        assert sheet.shapes["emission"].max(initial=0) < len(sheet.emissions)
        assert set(identities(sheet)) == {part.identity for part in parts}


def test_a_claim_of_a_whole_file_is_known_as_a_whole() -> None:
    (sheet,) = sheets(stated(claim(Range(1, MOST)), Claimed(TEXT), KEYED), "claim-")
    assert sheet.blobs["code"].tolist() == [blob_code(TEXT, KEYED), normalised_code(TEXT, KEYED)]
    (sheet,) = sheets(stated(claim(Range(2, MOST)), Claimed(TEXT), KEYED), "claim-")
    assert sheet.blobs.size == 0


def test_another_word_about_the_same_lines_is_another_claim() -> None:
    ranges = (Range(1, 9),)
    claims = [
        claim(*ranges),
        claim(*ranges, model="n"),
        claim(*ranges, path="b"),
        claim(*ranges, at=6),
        claim(Range(1, 8)),
    ]
    assert len({one.identity for each in claims for one in stated(each, Claimed(TEXT), KEYED)}) == len(claims)
    moved = b"one line more\n" + TEXT
    (before,), (after,) = (
        stated(claim(*ranges), Claimed(TEXT), KEYED),
        stated(claim(Range(2, 10)), Claimed(moved), KEYED),
    )
    assert before.identity == after.identity  # it is about content


def test_what_is_no_text_has_no_lines() -> None:
    assert list(stated(claim(Range(1, 9)), Claimed(b"a\0b\n"), KEYED)) == []
    assert list(stated(claim(Range(1, 9)), Claimed(b""), KEYED)) == []
    assert list(stated(claim(), Claimed(TEXT), KEYED)) == []


@given(st.text(max_size=400))
def test_a_strangers_word_is_short_and_prints(word: str) -> None:
    assert said(word).isprintable()
    assert len(said(word)) <= 250
