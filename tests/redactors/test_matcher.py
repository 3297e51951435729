"""Anchors of so many values that one pass over the data finds all that is looked for first."""

import random
import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors.hints import Scout
from redactors.known import KnownValues
from redactors.matcher import Pass, Segment, targets
from redactors.squeeze import Gaps, Squeezed
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
LONE = [b"Zfoa", b"KIRE", b"JOak", b"7032543975785073"]


def keys(number: int, seed: int) -> list[bytes]:
    drawn = random.Random(seed)  # noqa: S311  (fakes)
    return [bytes(drawn.choices(ALPHANUMERIC, k=drawn.randint(20, 40))) for _ in range(number)]


KEYS = keys(6_000, 1)


HINTED = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\\x1b[", b"\\u001b[0m", b"\\x00", b"0x41, 0x42,", b"0x41\n 0X42", b"\\x41\\x42", b"%41%42%43", b"61:62:63:64"]
        ),
        st.sampled_from([b"\\u0041\\u0042", b"61 62 63 64", b"00000010: 4142", b"000001f  |", b"\0", b" ", b"\n", b"\\n"]),
        st.builds(
            lambda text, at, gap: text[:at] + gap + text[at:],
            st.sampled_from(LONE), st.integers(0, 7), st.sampled_from([b"", b"\0", b" ", b"\\", b"\r\n", b"\\n", b"\xe2\x94\x82"]),
        ),
        st.integers(0, 5_999).map(lambda at: KEYS[at]),
        st.binary(max_size=4),
    ),
    max_size=20,
).map(b"".join)  # fmt: skip


@pytest.fixture(scope="module")
def many() -> Segment:
    found_by = [target for key in KEYS for target in targets(key, [], within=Pass.BOTH, form="raw", owner=None)]
    return Segment(found_by, [b"a piece"], lone=LONE)


@given(text=HINTED)
def test_one_pass_tells_what_three_passes_tell(many: Segment, text: bytes) -> None:
    look = many.look(text)
    assert look.hints == Scout().hints(text)
    assert not many.lone_elsewhere
    assert b"\x1b" in text or _ends_of_lone(text) <= set(look.ends)
    whole = {(found.start(), found.group()) for key in set(KEYS) if key in text for found in re.finditer(key, text)}
    assert whole == {(match.start, match.target.text) for match in look.matches}
    assert {match[:3] for match in look.matches} == {match[:3] for match in many.search(text, Pass.EXACT)}


def _ends_of_lone(text: bytes) -> set[int]:
    """Where the first of the characters of a lone text end in the data, when gaps do not count."""
    copy = Squeezed(text, Gaps())
    found = [match.start() + min(len(lone), 8) - 1 for lone in LONE for match in re.finditer(lone, copy.text)]
    return {copy.places(last, last + 1)[0] + 1 for last in found}


def test_a_stream_asks_for_the_literals_alone(many: Segment) -> None:
    assert not many.probe()(b"0x41, 0x42, and \\x1b[0m of Zfoa")
    assert many.probe()(b"- " + KEYS[7] + b" -")


@pytest.fixture(scope="module")
def values() -> tuple[KnownValues, list[bytes]]:
    plain = [bytes(random.Random(seed).choices(b"CDLMNPRTU", k=20)) for seed in range(8)]  # noqa: S311
    found = KnownValues(Vault(bytes(32)))
    added = [*keys(500, 2), *plain]
    for value in added:
        assert found.add("KEY", value, Origin.OUTSIDE)
    return found, added


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, 507), form=st.integers(0, 3), drawn=st.data())
def test_one_of_many_keys_is_found_cut_at_any_places(
    values: tuple[KnownValues, list[bytes]], at: int, form: int, drawn: st.DataObject
) -> None:
    known, added = values
    key = added[at]
    text = [key, key[::-1], key.hex().encode(), key.hex().upper().encode()][form]
    gap = drawn.draw(st.sampled_from([b" ", b"\n", b"\\\\n", b"\\", b"\t ", b"\\u001b[0m", b"\x1b[1m"]))
    places = sorted(drawn.draw(st.sets(st.integers(1, len(text) - 1), min_size=1)))
    cut = gap.join(text[start:end] for start, end in zip([0, *places], [*places, None], strict=True))
    data = b"Some text, 0x1F and more: " * 9 + b"= " + cut + b";" + b" and text behind it" * 9
    copy = Squeezed(data, Gaps(written=True))
    expected = {place for found in re.finditer(text, copy.text) for place in copy.places(*found.span())}
    covered = {place for found in known.find(data) for place in range(found.start, found.end)}
    assert expected <= covered
