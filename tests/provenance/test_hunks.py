"""Hunks: which lines a person is asked about, and which stand together."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.attribution import NOBODY, LineOrigin, State
from wrapper.provenance.hunks import BY_AGENT, Hunk, hunks

Line = tuple[State, bytes, bool]  # whose, what it says, added
WORDS = {b"": True, b"  }": True, b"else:": True, b"return True": True, b"price = lookup(amount)": False}
LINES = st.lists(st.tuples(st.sampled_from(State), st.sampled_from(sorted(WORDS)), st.booleans()), max_size=40)


def _origin(state: State, emission: int = 0) -> LineOrigin:
    is_ours = state in BY_AGENT
    return LineOrigin(state, emission if is_ours else NOBODY, 1.0 if is_ours else 0.0, "test")


def _hunks(lines: list[Line], *, change: bool = False) -> list[Hunk]:
    return hunks(
        [line[1] for line in lines],
        [_origin(line[0]) for line in lines],
        [WORDS[line[1]] for line in lines],
        [line[2] for line in lines] if change else None,
    )


def _places(letters: str, added: str = "") -> list[tuple[int, int]]:
    """Give first and last line of each hunk.

    A letter says whose; an upper-case one is a line that says nothing by itself, one before `.` has no word in it.
    """
    states = {"a": State.AGENT, "e": State.EDITED, "h": State.HUMAN, "?": State.UNKNOWN}
    lines: list[Line] = []
    for letter, mark in itertools.zip_longest(letters.replace(".", ""), added or "", fillvalue="+"):
        words = b"return True" if letter.isupper() else b"price = lookup(amount)"
        lines.append((states[letter.lower()], words, mark == "+"))
    for at in (at for at, letter in enumerate(letters) if letter == "."):
        number = at - 1 - letters[:at].count(".")
        lines[number] = (lines[number][0], b"  }", lines[number][2])
    return [(hunk.first, hunk.last) for hunk in _hunks(lines, change=bool(added))]


def test_a_persons_line_that_says_nothing_does_not_split_a_hunk_and_another_does() -> None:
    assert _places("haaHaah") == [(1, 5)]
    assert _places("haaH.aah") == [(1, 5)]
    assert _places("haahaah") == [(1, 2), (4, 5)]


def test_an_agents_line_counts_as_soon_as_it_has_a_word_in_it() -> None:
    assert _places("hAh") == [(1, 1)]
    assert _places("hA.h") == []
    assert _places("hA.aA.h") == [(1, 3)]


def test_a_hunk_of_lines_that_say_nothing_by_themselves_is_told_from_others() -> None:
    (dull,) = _hunks([(State.AGENT, b"return True", True)])
    (telling,) = _hunks([(State.AGENT, b"return True", True), (State.AGENT, b"price = lookup(amount)", True)])
    assert (dull.tells, telling.tells) == (False, True)


def test_of_a_change_only_added_lines_count_and_others_split() -> None:
    assert _places("aaaaa", "-+++-") == [(1, 3)]
    assert _places("aaaaa", "++-++") == [(0, 1), (3, 4)]
    assert _places("aaaaa", "-----") == []


def test_a_hunk_is_edited_where_one_of_its_lines_is() -> None:
    text = b"price = lookup(amount)"
    pure, edited = (
        _hunks([(state, text, True) for state in states])[0]
        for states in ((State.AGENT, State.AGENT), (State.AGENT, State.EDITED))
    )
    assert (pure.state, edited.state) == (State.AGENT, State.EDITED)
    assert (pure.edited, edited.edited) == (frozenset(), frozenset({1}))


def test_what_a_hunk_comes_from_begins_with_what_most_of_its_lines_come_from() -> None:
    origins = [_origin(State.AGENT, emission) for emission in (3, 5, 5, 3, 5)]
    assert hunks([b"a line"] * 5, origins, [False] * 5)[0].emissions == (5, 3)


@given(LINES)
def test_each_added_line_of_an_agent_with_a_word_in_it_is_in_exactly_one_hunk(lines: list[Line]) -> None:
    wanted = [at for at, (state, text, added) in enumerate(lines) if state in BY_AGENT and added and text.strip(b" }")]
    assert [line for hunk in _hunks(lines, change=True) for line in hunk.lines] == wanted


@given(LINES)
def test_hunks_are_in_order_apart_and_parted_by_a_line_that_says_something(lines: list[Line]) -> None:
    found = _hunks(lines)
    for one, other in itertools.pairwise(found):
        between = lines[one.last + 1 : other.first]
        assert [line for line in between if line[0] not in BY_AGENT and not WORDS[line[1]]]
        assert one.last < (one.after or 0) <= other.first
        assert one.last <= (other.before or 0) < other.first
    for hunk in found:
        assert hunk.first <= hunk.lines[0] <= hunk.lines[-1] <= hunk.last
        inside = set(range(hunk.first, hunk.last + 1)) - set(hunk.lines)
        assert all(WORDS[lines[at][1]] for at in inside)
