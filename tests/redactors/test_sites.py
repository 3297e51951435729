"""Where cut values may stand: what is passed over could not have held one."""

from hypothesis import given
from hypothesis import strategies as st

from redactors.sites import FEATURE, with_features
from redactors.squeeze import Gaps, squeeze

TEXTS = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.text("2AB3nrtjq0", max_size=5).map(str.encode),
        st.sampled_from([b"\\n", b"\\\\n", b"\\", b" " * 40, b"\n    ", b"\0", b"\x01", b"\xe2\x94\x82", b"\x1b[0m"]),
    ),
    max_size=30,
).map(b"".join)
FEATURES = st.sets(st.text("2AB3nrtjq0", min_size=3, max_size=4).map(str.encode), max_size=30).map(frozenset)


@given(TEXTS, st.lists(FEATURES, max_size=3))
def test_no_place_is_left_out_at_which_a_feature_ends_when_gaps_do_not_count(
    data: bytes, features: list[frozenset[bytes]]
) -> None:
    kept = with_features(data, list(range(len(data) + 1)), features)
    assert kept == sorted(kept)
    wanted = tuple(feature for some in features for feature in some)
    assert {place for place in range(len(data) + 1) if squeeze(data[:place], Gaps()).endswith(wanted)} <= set(kept)


def test_a_place_with_another_feature_is_left_out() -> None:
    data = b"What stands at the very start always stays. RFC 2822 and B2aX are not of the key: Q2x\n7kWp"
    places = [found.end() for found in FEATURE.finditer(data)]
    assert [data[:place].split()[-1] for place in places] == [b"B2a", b"7kW"]
    assert with_features(data, places, [frozenset({b"7kW"})]) == places[-1:]
