import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.painting import Painting
from wrapper.review.screen import Screen

_PASSES = re.compile(
    rb"(?:[^\x00-\x1f\x7f]|[\b\t\n\r]|\x1b[78DEM]|\x1b\[[0-9;]*[@-IK-MPSTXZ`abdefmrsu]|\x1b\[[0-2;]*J|\x1b\[4[hl]"
    rb"|\x1b\[\?(?:(?:5|6|7|25|47|1047|1048|1049);?)+[hl])*\Z"
)
_BYTES = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"]52;c;", b"?", b"1049", b"2004", b";", b"3", b"J", b"h", b"c", b"\x07", b"\x1b\\", b"x"]
    )
    | st.binary(max_size=3)
).map(b"".join)


@given(_BYTES, _BYTES)
def test_nothing_passes_but_what_paints(first: bytes, second: bytes) -> None:
    painting = Painting()
    for piece in (first, second):
        passed = painting.feed(piece)
        assert _PASSES.match(passed), passed
        assert not re.search("[\x80-\x9f]", passed.decode())


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        (b"a\tb\r\nc\b\x0b", b"a\tb\r\nc\b\n"),
        (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[m"),
        (b"\x1b[2J\x1b[3J\x1b[H\x1b[5;H\x1b[K", b"\x1b[2J\x1b[H\x1b[5;H\x1b[K"),
        (b"\x1b[?1049;2004;25h", b"\x1b[?1049;25h"),
        (b"\x1b[?2004h\x1b[?1000h\x1b[>1u\x1b[=1u\x1b[<u\x1b[>4;2m\x1b[5n\x1b[6n\x1b[c\x1b[>c\x1b[21t\x1b[2 q", b""),
        (b"\x1b[1;2;3;4;5T\x1b[2T", b"\x1b[2T"),
        (b"\x1b[s\x1b[1;5s\x1b[u", b"\x1b[s\x1b[u"),
        (b'\x1b]0;title\x07\x1b]52;c;eA==\x1b\\\x1bP$q"p\x1b\\\x07', b""),
        (b"\x1bH\x1b[3g\x1b[20h\x1b[4h", b"\x1b[4h"),
    ],
)
def test_what_passes_and_what_does_not(given: bytes, passes: bytes) -> None:
    assert Painting().feed(given) == passes


@given(
    st.lists(
        st.sampled_from(
            [
                b"word ",
                b"\x1b[31m",
                b"\x1b[2;3H",
                b"\x1b[K",
                b"\r\n",
                b"\x1b[2A",
                b"\x1b[?1049h",
                b"\x1b[?1049l",
                b"\x1bc",
            ]
        )
    )
)
def test_what_passes_paints_the_same_screen(pieces: list[bytes]) -> None:
    painting, direct, filtered = Painting(), Screen(20, 6), Screen(20, 6)
    for piece in pieces:
        direct.feed(piece)
        filtered.feed(painting.feed(piece))
    assert filtered.lines() == direct.lines()
