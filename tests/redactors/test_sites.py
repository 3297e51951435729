"""Where cut values may stand: what is passed over could not have held one."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from redactors.hints import Scout
from redactors.sites import FEATURE, TAIL, Sites, Tails, fixed_patterns, with_features, within_anchors
from redactors.squeeze import Gaps, Squeezed, squeeze

TEXTS = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.text("2AB3nrtjq0", max_size=5).map(str.encode),
        st.sampled_from([b"\\n", b"\\\\n", b"\\", b" " * 40, b"\n    ", b"\0", b"\x01", b"\xe2\x94\x82", b"\x1b[0m"]),
    ),
    max_size=30,
).map(b"".join)
SHORTEST = 3
TAILS = st.sets(st.text("2AB3nrtjq0", min_size=SHORTEST, max_size=TAIL).map(str.encode), max_size=30)


def sites(data: bytes, places: Iterable[int]) -> Sites:
    return Sites(list(places), [], b"\x1b" in data)


@given(TEXTS, st.lists(TAILS, max_size=3), st.data())
def test_no_place_is_left_out_at_which_a_tail_ends_when_gaps_do_not_count(
    data: bytes, tails: list[set[bytes]], drawn: st.DataObject
) -> None:
    text = squeeze(data, Gaps())
    if tails and len(text) >= SHORTEST:  # chance makes short ones only
        end = drawn.draw(st.integers(SHORTEST, len(text)))
        tails[0].add(text[max(0, end - TAIL) : end])
    kept = with_features(data, sites(data, range(len(data) + 1)), [Tails(some) for some in tails])
    assert kept == sorted(kept)
    wanted = tuple(tail for some in tails for tail in some)
    assert {place for place in range(len(data) + 1) if squeeze(data[:place], Gaps()).endswith(wanted)} <= set(kept)


def test_a_place_with_another_feature_is_left_out() -> None:
    data = b"What stands at the very start always stays. RFC 2822 and V2aX are not of the key: Q2x\n7kWp"
    places = [found.end() for found in FEATURE.finditer(data)]
    found = sites(data, places)
    assert [data[:place].split()[-1] for place in places] == [b"V2a", b"7kW"]
    assert with_features(data, found, [Tails([b"7kW"])]) == places[-1:]
    assert with_features(data, found, [Tails([b"Q2x7kW"])]) == places[-1:]
    assert with_features(data, found, [Tails([b"Q3x7kW"])]) == []


@given(TEXTS.filter(lambda data: b"\x1b" not in data))
def test_every_feature_of_the_copy_without_gaps_is_found_in_the_data(data: bytes) -> None:
    copy = Squeezed(data, Gaps())
    features = [found for at in range(len(copy.text)) if (found := FEATURE.match(copy.text, at))]
    ends = {copy.places(found.end() - 1, found.end())[0] + 1 for found in features}
    for patterns in fixed_patterns():
        assert ends <= {end for number, end in patterns.scan(data) if not number}


def test_a_letter_of_an_escape_is_no_part_of_a_feature() -> None:
    text = b"AQ\\nBut; K\\tOut; J\\\\rEat; Qn2; Qn\\n2; Q\\\nn2"
    ends = [end for _, end in fixed_patterns()[0].scan(text)]
    assert [text[:end].split(b";")[-1] for end in ends] == [b" Qn2", b" Qn\\n2", b" Q\\\nn2"]


WRITTEN = st.lists(
    st.one_of(
        st.text("abnrt019'\":=@[~", max_size=4).map(str.encode),
        st.sampled_from([b"\\x1b[0m", b"\\\\u001b[1;31m", b"\\x00", b"\\u2502", b"\\n", b"\\", b" \n", b" " * 60]),
    ),
    max_size=12,
).map(b"".join)


@given(WRITTEN, st.text("abnrt019'\":=@[~").map(str.encode))
def test_a_written_sequence_is_left_out_only_behind_what_no_anchor_holds(data: bytes, anchors: bytes) -> None:
    written = Scout().hints(data).written
    kept = within_anchors(data, written, frozenset(anchors))
    copy = Squeezed(data, Gaps(written=True))
    places = copy.places(0, len(copy.text))
    for end in set(written) - set(kept):
        before = [place for place in places if place < end]
        assert not before or data[before[-1]] not in anchors
