"""Where cut values may stand: what is passed over could not have held one."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from redactors.sites import FEATURE, TAIL, Sites, Tails, with_features
from redactors.squeeze import Gaps, squeeze

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
