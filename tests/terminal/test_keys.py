from hypothesis import given
from hypothesis import strategies as st

from wrapper.terminal.keys import Key, Keys, Pressed

SEQUENCES = {
    b"\x1b[A": [],  # an arrow
    b"\x1bOP": [],  # F1
    b"\x1b[[A": [],  # F1 of the Linux console
    b"\x1b[15;5~": [],
    b"\x1b[<0;10;5M": [],  # the mouse
    b"\x1b[Myn\r": [],  # the mouse in the old way, whose bytes look like an answer
    b"\x1b[I": [],  # the window has the focus
    b"\x1b[12;40R": [Key.REPLY],
    b"\x1b[?62;22c": [Key.REPLY],
    b"\x1b[?2026;2$y": [Key.REPLY],
    b"\x1b[?1u": [Key.REPLY],
    b"\x1b[4;600;800t": [Key.REPLY],
    b"\x1b]11;rgb:0000/0000/0000\x1b\\": [Key.REPLY],
    b"\x1b]11;rgb:0000/0000/0000\x07": [Key.REPLY],
    b"\x1bP>|tmux 3.4\x1b\\": [Key.REPLY],
    b"\x1b[200~y\r\x1b[201~": [Key.PASTED, Key.PASTED],
    b"\x1b[201~": [Key.REPLY],  # of a paste whose beginning somebody else has read
    b"\r": [Key.ENTER],
    b"\x7f": [Key.BACKSPACE],
    b"\x15": [Key.CLEAR],
    b"\x03": [Key.INTERRUPT],
    b"\x1a": [Key.STOP],
    b"\x00\x01\x1f": [],
    "ü日".encode(): [Key.TEXT, Key.TEXT],
}


def pressed(*pieces: bytes) -> list[Pressed]:
    keys = Keys()
    return [*[one for piece in pieces for one in keys.feed(piece)], *keys.flush()]


def test_each_sequence_is_what_it_is() -> None:
    for data, expected in SEQUENCES.items():
        assert [one.key for one in pressed(data)] == expected, data


def test_a_reply_is_kept_as_it_came() -> None:
    assert pressed(b"a\x1b[12;40Rb") == [(Key.TEXT, "a", b""), (Key.REPLY, "", b"\x1b[12;40R"), (Key.TEXT, "b", b"")]


def test_an_escape_alone_is_the_key_once_nothing_follows() -> None:
    keys = Keys()
    assert list(keys.feed(b"\x1b")) == []
    assert keys.waiting
    assert [one.key for one in keys.flush()] == [Key.ESCAPE]
    assert not keys.waiting


def test_an_escape_before_something_else_is_the_key() -> None:
    assert [one.key for one in pressed(b"\x1by")] == [Key.ESCAPE, Key.TEXT]
    assert [one.key for one in pressed(b"\x1b\x1b")] == [Key.ESCAPE, Key.ESCAPE]


def test_a_string_without_end_is_given_up() -> None:
    keys = Keys()
    list(keys.feed(b"\x1b]" + b"x" * 5000))
    assert not keys.waiting


@given(st.lists(st.sampled_from(sorted(SEQUENCES)), max_size=6), st.data())
def test_pieces_make_no_difference(sequences: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(sequences)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert pressed(*pieces) == pressed(whole)
    assert [one.key for one in pressed(whole)] == [key for sequence in sequences for key in SEQUENCES[sequence]]


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_no_bytes_are_an_error_or_an_unprintable_text(pieces: list[bytes]) -> None:
    assert all(one.text.isprintable() for one in pressed(*pieces) if one.key is Key.TEXT)
