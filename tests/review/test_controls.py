from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.controls import MOST, Control, Controls

_BYTES = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"]", b"P", b"?", b";", b":", b"1", b"38", b"m", b"H", b"\x07", b"\x1b\\", b"\n", b"x"]
    )
    | st.binary(max_size=3)
    | st.sampled_from(["é", "字", "\u009b", "\u009d", "\u202e", "\U000e0041"]).map(str.encode)
).map(b"".join)


def _taken(*pieces: bytes) -> list[str | Control]:
    controls = Controls()
    tokens: list[str | Control] = []
    for piece in pieces:
        for token in controls.feed(piece):
            if isinstance(token, str) and tokens and isinstance(tokens[-1], str):
                tokens[-1] += token
            elif token:
                tokens.append(token)
    return tokens


def test_texts_and_controls_come_in_order() -> None:
    assert _taken(b"a\x1b[1;31mb\r\n\x1b7\x1b[?25lc\x1b[2 q") == [
        "a",
        Control("[m", (1, 31)),
        "b",
        Control("\r"),
        Control("\n"),
        Control("\x1b7"),
        Control("[?l", (25,)),
        "c",
        Control("[ q", (2,)),
    ]


@given(_BYTES, st.integers(min_value=0, max_value=40))
def test_it_does_not_matter_where_the_stream_is_cut(data: bytes, at: int) -> None:
    assert _taken(data[:at], data[at:]) == _taken(data)


@given(_BYTES)
def test_no_text_holds_a_control_or_an_invisible_letter(data: bytes) -> None:
    for token in _taken(data):
        if isinstance(token, str):
            assert all(one.isprintable() or ord(one) >= 0xE000 for one in token)
            assert not any(0x7F <= ord(one) <= 0x9F or one in "\u202e\U000e0041" for one in token)


@given(_BYTES)
def test_numbers_stay_small(data: bytes) -> None:
    for token in _taken(data):
        if isinstance(token, Control):
            assert all(0 <= number <= MOST for number in token.params)


def test_control_strings_are_left_out_up_to_their_end() -> None:
    assert _taken(b"a\x1b]0;title\x07b\x1bPq1\x072\x1b\\c\x1b_x\x1b[1md\x1b]8;;u\x18e") == [
        "ab",
        Control("\x1b\\"),
        "c",
        Control("[m", (1,)),
        "de",
    ]


def test_a_control_string_without_an_end_takes_no_memory_and_no_time() -> None:
    controls = Controls()
    assert list(controls.feed(b"\x1b]52;c;")) == []
    for _ in range(100):
        assert list(controls.feed(b"A" * 100_000)) == []
    assert list(controls.feed(b"\x07x")) == ["x"]


def test_a_sequence_without_an_end_is_held_back_only_so_far() -> None:
    controls = Controls()
    for _ in range(200):
        assert list(controls.feed(b"\x1b[" + b"1;" * 5_000)) in ([], [])
    assert [token for token in controls.feed(b"mx") if isinstance(token, str)] == ["x"]


def test_eight_bit_controls_are_what_they_are_to_a_terminal() -> None:
    assert _taken("\u009b5nx\u009d0;t\u009cy".encode()) == [Control("[n", (5,)), "x", Control("\x1b\\"), "y"]


def test_a_control_within_a_sequence_acts_before_it() -> None:
    assert _taken(b"\x1b[3\n1m") == [Control("\n"), Control("[m", (31,))]


def test_letters_cut_in_two_are_put_together_and_bad_ones_replaced() -> None:
    assert _taken("字".encode()[:1], "字".encode()[1:], b"\xff") == ["字\ufffd"]


def test_line_drawing_letters_come_as_what_they_draw() -> None:
    assert _taken(b"\x1b(0lqk\x1b(Blqk\x1b)0\x0ex\x0fx\x1bcq") == ["┌─┐lqk│x", Control("\x1bc"), "q"]


def test_colours_with_colons_come_with_semicolons() -> None:
    assert _taken(
        b"\x1b[38:2::1:2:3;1m\x1b[48:5:7m\x1b[4:3m\x1b[4:0m\x1b[58:2::9:9:9;3m\x1b[58;5;9;3m\x1b[58;2;9;9;9m"
    ) == [
        Control("[m", (38, 2, 1, 2, 3, 1)),
        Control("[m", (48, 5, 7)),
        Control("[m", (4,)),
        Control("[m", (24,)),
        Control("[m", (3,)),
        Control("[m", (3,)),
    ]
    assert _taken(b"\x1b[m") == [Control("[m", (0,))]


def test_a_number_too_long_to_be_read_is_the_largest_one() -> None:
    assert _taken(b"\x1b[" + b"9" * 5_000 + b"A\x1b[000000000000003B") == [Control("[A", (MOST,)), Control("[B", (3,))]
