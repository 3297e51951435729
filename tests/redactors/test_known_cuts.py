"""Cut, trimmed and encoded values: looking near a few places finds what a search of everything finds."""

import base64
import json
import random
import re
import string
import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from redactors.commonplace import windows
from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.matcher import Pass, Segment, targets
from redactors.sites import FEATURE
from redactors.spans import Known, Span, resolve
from redactors.squeeze import Gaps, Squeezed, squeeze
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
ALPHABETS = st.sampled_from([ALPHANUMERIC, b"0123456789abcdef", string.ascii_uppercase.encode() + b"234567"])
KEYS = st.builds(
    lambda alphabet, seed, size: bytes(random.Random(seed).choices(alphabet, k=size)),  # noqa: S311  (fakes)
    ALPHABETS, st.integers(0, 2**32), st.integers(20, 64),
)  # fmt: skip
GAPS = [b" ", b"\n", b"\r\n    ", b"\t", b"\\n", b"\\\\n", b"\0", b"\\", b"\x1b[31m", b"\\u001b[0m", b" " * 60]
WEAK = [b"hunter2hunter2", b"S3cret!pass", b"correcthorsebattery", b"summer-breeze-2024", b"pa$$w0rd!", b"qwerty99"]
CODE = b'def find(self, data: bytes) -> None:\n    """Give 0x1F, B2 and aXb of `Self`; 3 D."""\n    return 10_000\n' * 9


def known(*values: bytes) -> KnownValues:
    found = KnownValues(Vault(bytes(32)))
    for value in values:
        assert found.add("KEY", value, Origin.OUTSIDE)
    return found


def covered(findings: list[Finding]) -> set[int]:
    return {place for found in findings for place in range(found.start, found.end)}


def forms(value: bytes) -> list[bytes]:
    return [value, value[::-1], value.hex().encode(), value.hex().upper().encode(), base64.b64encode(b"x" + value)]


@st.composite
def cut(draw: st.DrawFn, text: bytes) -> bytes:
    """Write `text` with gaps of one or two kinds at any places."""
    kinds = draw(st.lists(st.sampled_from(GAPS), min_size=1, max_size=2))
    places = sorted(draw(st.sets(st.integers(1, len(text) - 1), min_size=1, max_size=len(text) - 1)))
    gaps = [draw(st.sampled_from(kinds)) for _ in places]
    starts = [0, *places]
    return b"".join(
        text[start:end] + gap for start, end, gap in zip(starts, [*places, len(text)], [*gaps, b""], strict=True)
    )


def everywhere(value: bytes, data: bytes) -> set[int]:
    """Find `value` in all its forms as the promise says it, without any shortcut: the reference."""
    copy = Squeezed(data, Gaps(written=True))
    found: set[int] = set()
    for form in (value, value[::-1], value.hex().encode(), value.hex().upper().encode()):
        for match in re.finditer(re.escape(squeeze(form, Gaps())), copy.text):
            places = copy.places(match.start(), match.end())
            found.update(range(places[0], places[-1] + 1))
    return found


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(KEYS, st.integers(0, 3), st.integers(0, 900), st.data())
def test_a_cut_key_is_found_as_a_search_of_everything_finds_it(
    key: bytes, form: int, at: int, data: st.DataObject
) -> None:
    text = CODE[:at] + b" " + data.draw(cut(forms(key)[form])) + b"\n" + CODE[at:]
    expected = everywhere(key, text)
    assume(expected)  # a backslash before an `n` is a written line end, of which nobody can tell an `n` of the key
    assert expected <= covered(known(key).find(text))


BLANKS = st.sampled_from(
    [
        b" " * 90,
        b"\n    " * 30,
        b"\\n" * 60,
        b"\\" * 50,
        b"\0" * 120,
        b"\\\\nt" * 40,
        b"nrt" * 30,
        b"\x01",
        b"\xe2\x94\x82" * 40,
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(KEYS, min_size=1, max_size=3), st.lists(BLANKS, max_size=4), st.integers(0, 3), st.data())
def test_looking_near_places_finds_what_looking_everywhere_finds(
    keys: list[bytes], blanks: list[bytes], form: int, data: st.DataObject
) -> None:
    """Also where most of what stands around a key, or within it, is no text: there the part looked at must be wider."""
    written = [data.draw(cut(forms(key)[form])) for key in keys]
    pieces = data.draw(st.permutations([*written, *blanks, CODE[:200], CODE[300:]]))
    text = CODE * 4 + b"".join(pieces) + CODE * 4
    values, patient = known(*keys), known(*keys)
    patient._sites = lambda *_: None  # type: ignore[method-assign]
    whole = [found for found in patient.find(text) if not found.rule.endswith("-trimmed")]
    assert covered(whole) <= covered(values.find(text))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(WEAK), st.integers(1, 13), st.sampled_from([b"\n", b"\r\n   ", b"\x1b[1m", b"\\n", b"\\u001b[0m"])
)
def test_a_weak_value_cut_once_is_found(value: bytes, place: int, gap: bytes) -> None:
    place = min(place, len(value) - 1)
    text = CODE + b"= " + value[:place] + gap + value[place:] + b"\n" + CODE
    start = len(CODE) + 2
    assert set(range(start, start + len(value) + len(gap))) <= covered(known(*WEAK).find(text))


@given(KEYS, st.data())
def test_twenty_four_characters_from_anywhere_in_a_key_are_enough(key: bytes, data: st.DataObject) -> None:
    key = key + key[::-1]
    start = data.draw(st.integers(0, len(key) - 24))
    middle = key[start : start + 24]
    assert len(covered(known(key).find(b"'" + middle + b"'"))) >= 24


@settings(max_examples=60)
@given(KEYS, st.binary(max_size=40))
def test_a_key_as_a_list_of_hex_bytes_is_found(key: bytes, before: bytes) -> None:
    pairs = [b"%02x" % byte for byte in key]
    values = known(key)
    for written in (
        b":".join(pairs), b" ".join(pairs), b"".join(b"\\x" + pair for pair in pairs), b", ".join(b"0x" + pair for pair in pairs),
        b"".join(b"%" + pair for pair in pairs), b"".join(b"\\u00" + pair for pair in pairs), b",\n  ".join(b"0x" + pair for pair in pairs),
        b"\n      ".join(b"0x" + pair for pair in pairs), b":".join(pair.upper() for pair in pairs), json.dumps("".join(f"\\x{pair.decode()}" for pair in pairs)).encode()[1:-1],
    ):  # fmt: skip
        found = covered(values.find(before + b" = " + written + b";"))
        at = len(before) + 3
        assert set(range(at, at + len(written))) <= found, written


def test_a_key_in_the_last_of_several_lists_of_hex_bytes_is_found_where_it_stands() -> None:
    key = b"Tz4q8KxW2mVb7RjP9sLd"
    other, written = (b", ".join(b"0x%02x" % byte for byte in text) for text in (b"no key at all", key))
    data = other + b"\n" + CODE + other + b"\n" + CODE + written + b"\n"
    start = len(data) - len(written) - 1
    assert [(found.value, found.start, found.end) for found in known(key).find(data)] == [
        (key, start, start + len(written))
    ]


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("before", range(5))
def test_a_key_in_a_dump_of_swapped_words_is_found(size: int, before: int) -> None:
    key = b"gh" + b"p_" + bytes(random.Random(before).choices(ALPHANUMERIC, k=36))  # noqa: S311
    data = b"A" * before + key + b"\n" * 16
    lines = []
    for at in range(0, len(data) - 15, 16):
        words = [data[at + place : at + place + size][::-1].hex() for place in range(0, 16, size)]
        lines.append(f"{at:07x} {' '.join(words)}")
    values = known(key)
    for text in ("\n".join(lines), json.dumps("\n".join(lines))):
        findings = values.find(text.encode())
        assert {found.value for found in findings} == {key}
        assert len(covered(findings)) > 2 * (len(key) - 16)


@pytest.mark.parametrize("quote", ["'\\''", "'\"'\"'", "''"])
def test_a_value_with_a_quote_is_found_in_every_shell(quote: str) -> None:
    value = "it's-Secret'42"
    text = ("X='" + value.replace("'", quote) + "' run").encode()
    findings = known(value.encode()).find(text)
    assert set(range(3, len(text) - 5)) <= covered(findings)


def test_a_whole_value_keeps_its_place_before_a_trimmed_one() -> None:
    one, two = (Known("KEY", value, random=True, breaks=frozenset()) for value in (b"one", b"two"))
    spans = [Span(0, 20, one, "known:raw-trimmed"), Span(10, 40, two, "known:raw"), Span(35, 50, one, "known:raw-cut")]
    assert [(found.start, found.end, found.value, found.rule) for found in resolve(spans)] == [
        (0, 10, b"one", "known:raw-trimmed"), (10, 40, b"two", "known:raw"), (40, 50, b"one", "known:raw-cut-trimmed"),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.sampled_from(["raw", "raw-trimmed", "hex"]))))
def test_findings_cover_every_byte_of_every_span_once(places: list[tuple[int, int, str]]) -> None:
    value = Known("KEY", b"value", random=True, breaks=frozenset())
    spans = [Span(start, start + size, value, f"known:{rule}") for start, size, rule in places]
    findings = resolve(spans)
    assert all(one.end <= other.start for one, other in pairwise(findings))
    assert covered(findings) == {place for span in spans for place in range(span.start, span.end)}
    whole = {(span.start, span.end) for span in spans if span.rule == "known:raw"}
    assert all((found.start, found.end) in whole for found in findings if found.rule == "known:raw")


@pytest.mark.parametrize(
    "fill",
    [
        b"\x1b[0m" + b" " * 300,
        b"\x1b[0m" + b"\\" * 300,
        b"\\x1b[0m" + b" " * 400,
        b"\\x1b[0m" + b"\\" * 200_000,
        b"Q2x" + b" " * 400,
    ],
)
def test_a_value_among_data_that_is_almost_all_gaps_is_found_in_little_time(fill: bytes) -> None:
    key = b"Tz4q8KxW2mVb7RjP9sLd"
    half = fill * (400_000 // len(fill))
    values = known(key)
    values.find(b"x")
    begin = time.process_time()
    found = values.find(half + b" = " + key[:9] + b"\n  " + key[9:] + b"\n" + half)
    assert time.process_time() - begin < 5
    assert key in {finding.value for finding in found}


@pytest.mark.parametrize("depth", [1, 2, 4, 200])
def test_backslashes_of_a_written_sequence_are_no_escape_with_what_follows(depth: int) -> None:
    key = b"Tz4q8KxW2nVb7RjP9sLd"
    data = CODE + key[:9] + b"\\" * depth + b"u001b[0m" + key[9:] + b"\n" + CODE
    assert [(found.start, found.end) for found in known(key).find(data)] == [(len(CODE), len(data) - len(CODE) - 1)]


def test_many_values_that_begin_alike_are_found_in_little_time() -> None:
    chance = random.Random(1)  # noqa: S311
    start = bytes(chance.choices(ALPHANUMERIC, k=20))
    values = [start + bytes(chance.choices(ALPHANUMERIC, k=chance.randint(12, 30))) for _ in range(1500)]
    found = known(*values)
    data = b"\n".join(b"NAME=" + value for value in values)
    found.find(b"x")
    begin = time.process_time()
    assert [finding.value for finding in found.find(data)] == values
    assert time.process_time() - begin < 5


def test_the_best_of_many_forms_with_one_anchor_is_found() -> None:
    chance = random.Random(2)  # noqa: S311
    texts = [bytes(chance.choices(b"ab", k=6)) + b"anchor" + bytes(chance.choices(b"ab", k=9)) for _ in range(200)]
    segment = Segment(
        target for text in texts for target in targets(text, [(6, 12)], within=Pass.BOTH, form="raw", owner=None)
    )
    for text in texts:
        assert text in {match.target.text for match in segment.search(b"." + text + b".", Pass.EXACT) if match.is_whole}
        parts = segment.search(b"." + text[2:-2] + b".", Pass.EXACT)
        assert (min(part.start for part in parts), max(part.end for part in parts)) == (1, len(text) - 3)


def test_a_key_is_known_by_windows_no_more_than_twelve_apart() -> None:
    starts = [start for start, _ in windows(bytes(random.Random(3).choices(ALPHANUMERIC, k=80))).edges]  # noqa: S311
    assert all(other - one <= 12 for one, other in pairwise(starts))


def test_a_key_of_digits_at_its_start_is_found_beside_keys_whose_hex_is_all_digits() -> None:
    key = b"e79515212" + b"08195eacacf"
    values = known(key, *(bytes((digit,)) * 3 + b"7951521208195" for digit in b"1234"))
    text = b"e 7 9 5 1 5 2 1 2 08195e acacf"
    assert covered(values.find(CODE + text + CODE)) >= set(range(len(CODE), len(CODE) + len(text)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(KEYS, st.binary(max_size=9), st.binary(max_size=9), st.integers(0, 900), st.sampled_from([0, 64, 76]))
def test_base64_of_base64_in_lines_is_found_anywhere_in_a_text(
    key: bytes, before: bytes, behind: bytes, at: int, width: int
) -> None:
    twice = base64.b64encode(base64.b64encode(before + key + behind))
    lines = [twice[place : place + width] for place in range(0, len(twice), width)] if width else [twice]
    for end in (b"\n", b"\\n", b"\r\n"):
        assert known(key).find(CODE[:at] + b" " + end.join(lines) + b"\n" + CODE[at:])


@pytest.mark.parametrize("batches", [3, 7, 40])  # up to more than are searched for one by one
def test_keys_without_any_rare_shape_are_found_cut_however_they_were_added(batches: int) -> None:
    drawn = random.Random(batches)  # noqa: S311  (fakes)
    plain = (bytes(drawn.choices(b"CDLMNPRTU", k=20)) for _ in iter(int, 1))
    random_keys = (key for key in plain if windows(key).edges)
    batched = [[next(random_keys), next(random_keys)] for _ in range(batches)]
    values = known()
    far = b"\nnothing to look at near here\n" * 30
    for batch in batched:
        for key in batch:
            assert values.add("KEY", key, Origin.OUTSIDE)
        text = far + b" ".join(batch[0][at : at + 1] for at in range(20)) + far
        assert {found.value for found in values.find(text)} == {batch[0]}
    for key in (key for batch in batched for key in batch):
        text = far + b"\n".join(key[at : at + 2] for at in range(0, 20, 2)) + far
        assert {found.value for found in values.find(text)} == {key}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(KEYS, st.sampled_from([b"\n", b" ", b"\\n", b"\0", b" " * 60]))
def test_a_window_with_a_feature_is_found_cut_at_every_place(key: bytes, gap: bytes) -> None:
    """What stands before the window in the key is gone: nothing of it may be asked for."""
    values = known(key)
    for start, end in windows(key).edges:
        if FEATURE.search(key, start, end):
            text = gap.join(key[at : at + 1] for at in range(start, end))
            found = covered(values.find(CODE + b"= " + text + b";" + CODE))
            assert set(range(len(CODE) + 2, len(CODE) + 2 + len(text))) <= found


def test_a_text_full_of_features_is_searched_as_any_other() -> None:
    key = bytes(random.Random(4).choices(ALPHANUMERIC, k=40))  # noqa: S311
    noise = bytes(random.Random(5).choices(ALPHANUMERIC, k=20_000))  # noqa: S311
    cut_key = b"\n".join(key[at : at + 3] for at in range(0, 40, 3))
    found = known(key).find(noise + b" " + cut_key + b" " + noise)
    assert [(one.value, one.start, one.end) for one in found] == [(key, 20_001, 20_001 + len(cut_key))]


def test_in_a_text_full_of_features_a_key_is_found_cut_by_gaps_of_each_kind_and_encoded_twice() -> None:
    one, other, third = (bytes(random.Random(seed).choices(ALPHANUMERIC, k=40)) for seed in (6, 7, 8))  # noqa: S311
    noise = bytes(random.Random(5).choices(ALPHANUMERIC, k=20_000))  # noqa: S311
    by_lines = b"\n".join(one[at : at + 3] for at in range(0, 40, 3))
    by_colours = b"\\u001b[0m".join(other[at : at + 3] for at in range(0, 40, 3))
    twice = base64.encodebytes(base64.b64encode(third))
    found = known(one, other, third).find(b" ".join((noise, by_lines, noise, by_colours, noise, twice, noise)))
    assert [one.value for one in found] == [one, other, third]
