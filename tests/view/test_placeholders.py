"""Where a write meets placeholders."""

import re

from hypothesis import given
from hypothesis import strategies as st

from redactors.vault import Origin, Vault
from tests.view.served import PLACEHOLDER
from wrapper.view.contents import Damage
from wrapper.view.placeholders import LARGE, MARK, Marks, damage_by_write, head_of, new_damage, stem_of, tail_of

_TEXT = st.lists(st.sampled_from([b"A", b"-", b"\n", b"x", PLACEHOLDER, PLACEHOLDER[:-2], b"MASKED-"]), max_size=8).map(
    b"".join
)


def _find(data: bytes) -> list[Damage]:
    found = re.finditer(rb"MASKED-PASSWORD-[A-Z0-9-]*", data)
    return [Damage(one.start(), one.end(), one.group().decode()) for one in found if one.group() != PLACEHOLDER]


@given(_TEXT, _TEXT)
def test_runs_at_both_sides_of_a_place_hold_every_placeholder_across_it(before: bytes, behind: bytes) -> None:
    across = [
        one for one in re.finditer(re.escape(PLACEHOLDER), before + behind) if one.start() < len(before) < one.end()
    ]
    window = tail_of(before) + head_of(behind)
    assert all(one.group() in window for one in across)
    assert before.endswith(tail_of(before))
    assert behind.startswith(head_of(behind))


MARKS = Marks()


@given(
    st.lists(st.sampled_from([MARK, b"MASKED", b"MMASKED-", b"-", b"\0", b"x" * 997, b"A" * LARGE]), max_size=6),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_the_first_mark_is_where_a_plain_search_finds_it(pieces: list[bytes], start: int, left: int) -> None:
    buffer = bytearray(b"".join(pieces))
    end = max(start, len(buffer) - left)
    assert MARKS.first(buffer, start, end) == buffer.find(MARK, start, end)


def test_a_mark_is_found_at_every_place_of_a_large_buffer() -> None:
    for at in (*range(70), *range(LARGE - 70, LARGE - len(MARK) + 1)):
        buffer = bytearray(b"x" * (LARGE + 20))
        buffer[10 + at : 10 + at + len(MARK)] = MARK
        assert MARKS.first(buffer, 10, 10 + LARGE) == 10 + at
        assert MARKS.first(buffer, 10, 10 + at + len(MARK) - 1) == -1


VAULT = Vault(bytes(32))
PREFIXED = VAULT.issue("github-token", b"<value>", Origin.OUTSIDE, "ghp_").encode()


@given(
    st.lists(st.sampled_from([PREFIXED, PREFIXED[4:], b"ghp_", b"gh", b"x", b"\n", b"MASKED-"]), max_size=6), st.data()
)
def test_what_is_appended_by_itself_is_what_it_would_be_behind_all_that_stands_before(
    pieces: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(pieces)
    at = data.draw(st.integers(0, len(text)))
    before, behind = text[:at], text[at:]
    stem = stem_of(before)
    if not stem or VAULT.restore_in_file(stem + behind) == stem + VAULT.restore_in_file(behind):
        assert VAULT.restore_in_file(text) == VAULT.restore_in_file(before) + VAULT.restore_in_file(behind)


def test_what_goes_on_from_a_prefix_is_not_by_itself() -> None:
    for at in range(1, len(PREFIXED)):
        assert stem_of(b"token=" + PREFIXED[:at]) == PREFIXED[:at]


@given(_TEXT, _TEXT)
def test_what_stood_there_before_is_no_new_damage(before: bytes, after: bytes) -> None:
    assert new_damage(_find, after, after) == []
    assert len(new_damage(_find, before, after)) >= len(_find(after)) - len(_find(before))


@given(_TEXT, _TEXT, st.integers(0, 200))
def test_a_write_is_blamed_only_for_what_stands_in_it_and_not_at_its_end(shown: bytes, data: bytes, at: int) -> None:
    after = shown.ljust(at, b"\0")[:at] + data + shown[at + len(data) :]
    found = damage_by_write(_find, shown, shown, at, data)
    texts = [one.text for one in _find(after)]
    assert all(one.text in texts for one in found)
    assert (
        not data.endswith(PLACEHOLDER[:-2])
        or all(one.text != PLACEHOLDER[:-2].decode() for one in found)
        or (data.count(PLACEHOLDER[:-2]) > 1)
    )


def test_a_placeholder_cut_in_the_middle_of_a_write_is_damage() -> None:
    shown = b"A=" + PLACEHOLDER + b"\n"
    (one,) = damage_by_write(_find, shown, shown, 2, PLACEHOLDER[:-2] + b"\nB=2\n")
    assert one.text == PLACEHOLDER[:-2].decode()


def test_a_write_that_ends_within_a_placeholder_is_none() -> None:
    shown = b"A=" + PLACEHOLDER + b"\n"
    assert damage_by_write(_find, b"", shown, 0, shown[:-5]) == []
