import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.review.matrix import MOST_COLUMNS, MOST_ROWS
from wrapper.review.screen import Screen

_WORDS = st.sampled_from(["abc", "hello world", "x" * 23, "é", "│─│", " "])
_MOVES = st.sampled_from(
    [
        "\r\n",
        "\r",
        "\n",
        "\b",
        "\t",
        "\x1b[3;4H",
        "\x1b[H",
        "\x1b[5A",
        "\x1b[2B",
        "\x1b[3C",
        "\x1b[D",
        "\x1b[7G",
        "\x1b[4d",
        "\x1b[E",
    ]
)
_ERASE = st.sampled_from(
    ["\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[J", "\x1b[1J", "\x1b[2J", "\x1b[2P", "\x1b[3X", "\x1b[2@", "\x1b[L", "\x1bM"]
)
_ANY = st.lists(
    st.binary(max_size=4)
    | st.builds(
        lambda mark, number, final: f"\x1b[{mark}{number}{final}".encode(),
        st.sampled_from(["", "?", ">"]),
        st.sampled_from(["", "0", "2", "7;9", "99999", "1049", "6", "1;2;3"]),
        st.sampled_from("@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu"),
    )
    | st.sampled_from(
        [
            b"\x1b7",
            b"\x1b8",
            b"\x1bc",
            b"\x1bM",
            b"\x1bD",
            b"\r\n",
            "字".encode(),
            "a\u0301".encode(),
            "👩‍👩‍👧".encode(),
        ]
    )
)


def _screen(data: str | bytes, columns: int = 10, rows: int = 4) -> Screen:
    screen = Screen(columns, rows)
    screen.feed(data.encode() if isinstance(data, str) else data)
    return screen


@given(st.lists(_WORDS | _MOVES | _ERASE))
def test_it_shows_what_pyte_shows(pieces: list[str]) -> None:
    """Pyte is the reference for what it does right; the rest has tests of its own."""
    reference = pyte.Screen(20, 6)
    pyte.ByteStream(reference).feed("".join(pieces).encode())
    assert _screen("".join(pieces), 20, 6).lines() == [line.rstrip() for line in reference.display]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(_ANY.map(b"".join), st.integers(-1, 90), st.integers(-1, 40)), max_size=5),
    st.sampled_from([(0, 0), (1, 1), (2, 1), (1, 5), (80, 24)]),
)
def test_nothing_that_comes_breaks_it(pieces: list[tuple[bytes, int, int]], size: tuple[int, int]) -> None:
    screen = Screen(*size, losing=lambda y: setattr(screen.line(y), "changed", False))
    for data, columns, rows in pieces:
        screen.feed(data)
        screen.resize(columns, rows)
        lines = screen.lines()
        assert len(lines) == screen.rows
        assert 0 <= screen.cursor.y < screen.rows
        assert 0 <= screen.cursor.x <= screen.columns
        assert all(max(screen.line(y), default=0) < screen.columns for y in range(screen.rows))


def test_a_size_that_nobody_knows_is_the_usual_one_and_a_giant_one_is_cut() -> None:
    assert (Screen(0, 0).columns, Screen(0, 0).rows) == (80, 24)
    assert (Screen(10**6, 10**6).columns, Screen(10**6, 10**6).rows) == (MOST_COLUMNS, MOST_ROWS)


def test_a_window_of_size_0_in_the_middle_keeps_the_size() -> None:
    screen = _screen("abc")
    screen.resize(0, 0)
    assert (screen.columns, screen.rows, screen.lines()[0]) == (10, 4, "abc")


def test_the_alternate_screen_is_another_one_and_the_main_one_comes_back() -> None:
    screen = _screen("shell\x1b[?1049hhello")
    assert screen.lines()[0] == "     hello"
    screen.feed(b"\x1b[2J\x1b[Heditor")
    assert screen.lines()[0] == "editor"
    screen.feed(b"\x1b[?1049l$")
    assert screen.lines()[0] == "shell$"


def test_lines_scroll_in_their_region_only() -> None:
    assert _screen("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3H\n*").lines() == ["1", "3", "*", "4"]
    assert _screen("1\r\n2\r\n3\r\n4\x1b[2;4r\x1b[2S").lines() == ["1", "4", "", ""]
    assert _screen("1\r\n2\r\n3\r\n4\x1b[T").lines() == ["", "1", "2", "3"]


def test_below_the_region_the_cursor_moves_on_to_the_edge() -> None:
    """pyte moves it up into the region."""
    assert _screen("\x1b[1;2r\x1b[3H\x1b[Bx").lines() == ["", "", "", "x"]


def test_a_letter_can_be_repeated() -> None:
    assert _screen("ab\x1b[3b").lines()[0] == "abbbb"
    assert _screen("a\x1b[99999b", 3, 2).lines() == ["aaa", "a"]


def test_the_saved_cursor_is_one_and_comes_back_as_often_as_asked_for() -> None:
    assert _screen("ab\x1b7" * 3 + "cd\x1b8X\x1b8Y").lines()[0] == "abababYd"


def test_half_of_a_wide_letter_does_not_stay() -> None:
    assert _screen("字字\x1b[2GX").lines()[0] == " X字"
    assert _screen("字字\x1b[3GX").lines()[0] == "字X"
    assert _screen("字" * 6).lines()[:2] == ["字" * 5, "字"]
    assert _screen("字", columns=1).lines()[0] == ""


def test_marks_stand_on_their_letter_and_not_without_end() -> None:
    assert _screen("e\u0301x").lines()[0] == "e\u0301x"
    assert len(_screen("e" + "\u0301" * 5_000).lines()[0]) < 10


def test_a_line_that_was_wrapped_says_so() -> None:
    screen = _screen("abcdefghijKL\r\nnew")
    assert [screen.line(y).goes_on for y in range(3)] == [True, False, False]


def test_what_changed_is_told_before_it_is_lost() -> None:
    told: list[str] = []

    def lose(y: int) -> None:
        told.append(screen.line(y).text())
        screen.line(y).changed = False

    screen = Screen(10, 2, lose)
    screen.feed(b"one\r\x1b[2Ktwo\rTWO\r\nthree\r\nfour\x1b[2J\x1b[Hfive\x1bc")
    assert [text for text in told if text] == ["one", "two", "TWO", "three", "four", "five"]


def test_a_copy_goes_on_by_itself() -> None:
    screen = _screen("abc\x1b[?1049h")
    other = screen.copy()
    screen.feed(b"\x1b[?1049l\x1b[2J")
    assert screen.lines()[0] == ""
    other.feed(b"\x1b[?1049ld")
    assert other.lines()[0] == "abcd"


def test_where_lines_become_fewer_those_above_go() -> None:
    screen = _screen("1\r\n2\r\n3\r\n4")
    screen.resize(10, 2)
    assert screen.lines() == ["3", "4"]
    screen.resize(10, 3)
    assert screen.lines() == ["3", "4", ""]


def test_a_program_that_paints_ten_megabytes_leaves_one_screen() -> None:
    screen = Screen(80, 24)
    for number in range(200):
        screen.feed(b"\x1b[1;31mline\x1b[0m of text %d\r\n" % number * 250)
    assert screen.lines()[-2:] == ["line of text 199", ""]
    assert len(screen._matrix.buffer) <= 24


@pytest.mark.parametrize(
    "data", [b"\x1b[?6h\x1b[d", b"\x1b[?6h\x1b[5;9H", b"\x1b[?3h", b"\x1b[?5hx\x1b[?5l", b"\x1b#8", b"\x1b%@\xff\x1b%G"]
)
def test_what_pyte_trips_over_is_harmless(data: bytes) -> None:
    assert len(_screen(data).lines()) == 4
