import re

from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.painter import ENTER, LEAVE, Painter
from wrapper.review.screen import Screen

_OURS = re.compile(rb"(?:[^\x00-\x1f\x7f]|\x1b\[\?25[hl]|\x1b\[[0-9]+;[0-9]+H|\x1b\[[0-9;]*m|\x1b\[K)*\Z")
_COLOURS = st.sampled_from(
    [b"\x1b[31m", b"\x1b[1;4;7;48;5;200m", b"\x1b[38;2;1;2;300m", b"\x1b[m", b"\x1b[105m", b"\x1b[K", b"\r\n"]
)


def _screen(data: bytes, columns: int = 10, rows: int = 4) -> Screen:
    screen = Screen(columns, rows)
    screen.feed(data)
    return screen


def _shown(columns: int, rows: int, *paintings: bytes) -> Screen:
    """A terminal that was painted on."""
    return _screen(ENTER + b"".join(paintings), columns, rows)


@given(st.lists(st.binary(max_size=5) | _COLOURS | st.text(max_size=4).map(str.encode)).map(b"".join))
def test_nothing_goes_out_but_letters_and_sequences_of_ours(data: bytes) -> None:
    assert _OURS.match(Painter(20, 6).paint(_screen(data), "status"))


@given(
    st.lists(
        st.sampled_from([b"word", "字".encode(), b"\x1b[2;3H", b"\x1b[K", b"\x1b[31m", b"\x1b[44m", b"\r\n"]),
        max_size=20,
    )
)
def test_the_terminal_shows_the_screen(pieces: list[bytes]) -> None:
    painter, screen, painted = Painter(10, 5), Screen(10, 4), b""
    for piece in pieces:
        screen.feed(piece)
        painted += painter.paint(screen, "")
    if pieces:
        assert _shown(10, 5, painted).lines()[:4] == screen.lines()


def test_what_did_not_change_is_not_painted_again() -> None:
    painter, screen = Painter(10, 5), _screen(b"one\r\ntwo")
    assert b"one" in painter.paint(screen, "")
    screen.feed(b"!")
    again = painter.paint(screen, "")
    assert b"one" not in again
    assert b"two!" in again


def test_colours_and_styles_come_through() -> None:
    row = Painter(20, 3).paint(_screen(b"\x1b[1;31mA\x1b[0;38;2;1;2;3;48;5;16mB\x1b[0;7;105mC"), "")
    assert b"\x1b[0;1;31mA\x1b[0;38;2;1;2;3;48;2;0;0;0mB\x1b[0;7;105mC" in row


def test_a_screen_larger_than_the_terminal_is_cut_around_its_cursor() -> None:
    screen = _screen(b"1234567890\r\nb\r\nc\r\nd", rows=8)
    painter = Painter(4, 3)
    assert not painter.fits(screen)
    first = painter.paint(screen, "stat")
    assert _shown(4, 3, first).lines() == ["c", "d", "stat"]
    screen.feed(b"\x1b[H")
    assert _shown(4, 3, first, painter.paint(screen, "stat")).lines() == ["1234", "b", "stat"]


def test_half_of_a_wide_letter_is_not_painted() -> None:
    assert _shown(3, 2, Painter(3, 2).paint(_screen("字字".encode()), "")).lines()[0] == "字"


def test_a_terminal_of_one_cell_is_no_fault() -> None:
    assert _OURS.match(Painter(0, 0).paint(_screen(b"abc"), "status"))
    assert _OURS.match(Painter(1, 1).paint(_screen(b"abc"), "status"))


def test_leaving_takes_back_all_that_entering_changed() -> None:
    assert (b"\x1b[?1049h" in ENTER, b"\x1b[?7l" in ENTER) == (True, True)
    for taken_back in (b"\x1b[?1049l", b"\x1b[?7h", b"\x1b[?25h", b"\x1b[0m"):
        assert taken_back in LEAVE
