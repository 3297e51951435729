"""wrapper.terminal.modes: what terminals remember."""

import os
import pty
import termios

from hypothesis import given
from hypothesis import strategies as st

from wrapper.terminal import modes
from wrapper.terminal.modes import Modes

SEQUENCES = (
    b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h", b"\x1b[?2004h", b"\x1b[?1000;1006h", b"\x1b[?1000l",
    b"\x1b[>7u", b"\x1b[<u", b"\x1b[<2u", b"\x1b[=1;1u", b"\x1b[>4;2m", b"\x1b[>4m", b"\x1b[3;10r", b"\x1b[r",
    b"\x1b[2 q", b"\x1b[0 q", b"\x1b=", b"\x1b>", b"\x1bc", b"\x1b[31m", b"text", b"\x1b", b"[", b"\r\n",
)  # fmt: skip
streams = st.lists(st.sampled_from(SEQUENCES), max_size=30).map(b"".join)


def after(data: bytes) -> Modes:
    followed = Modes()
    followed.feed(data)
    return followed


@given(streams, st.data())
def test_chunk_borders_do_not_matter(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = Modes()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces.feed(stream[start:end])
    assert pieces.undo() == after(stream).undo()


@given(streams)
def test_undo_leaves_nothing_on(stream: bytes) -> None:
    followed = after(stream + b".")
    followed.feed(followed.undo())
    assert followed.undo() == b""


@given(streams)
def test_redo_after_undo_brings_the_same_modes_back(stream: bytes) -> None:
    followed = after(stream + b".")
    again = after(followed.redo())
    assert again.undo() == followed.undo()


@given(st.binary(max_size=200))
def test_any_bytes_can_be_followed(stream: bytes) -> None:
    after(stream)


def test_a_tui_left_in_its_middle_is_undone() -> None:
    shown = b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1002;1006h\x1b[>1u"
    undone = after(shown).undo()
    for sequence in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l", b"\x1b[?1002l", b"\x1b[?1006l", b"\x1b[<1u"):
        assert sequence in undone


def test_the_keyboard_of_the_alternate_screen_is_undone_before_it_is_left() -> None:
    undone = after(b"\x1b[?1049h\x1b[>1u").undo()
    assert undone.index(b"\x1b[<1u") < undone.index(b"\x1b[?1049l")


def test_a_program_that_cleaned_up_needs_no_undo() -> None:
    assert after(b"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l").undo() == b""


def test_a_raw_line_is_told_from_a_cooked_one() -> None:
    master, slave = pty.openpty()
    cooked = termios.tcgetattr(slave)
    assert not modes.looks_raw(cooked)
    assert not modes.reads_keys(cooked)
    assert modes.looks_raw(modes.raw(cooked))
    assert modes.reads_keys(modes.raw(cooked))
    assert cooked == termios.tcgetattr(slave), "the original was changed"
    os.close(master)
    os.close(slave)


@given(st.lists(st.sampled_from([b"a", b"\x03", b"\x04", b"\x16", b"\x7f", b"\r", b"\x1a"]), max_size=20).map(b"".join))
def test_a_quoted_line_arrives_as_it_was_typed(line: bytes) -> None:
    master, slave = pty.openpty()
    termios.tcsetattr(slave, termios.TCSANOW, modes.inner(termios.tcgetattr(slave), echo=False))
    os.write(master, modes.quote_line(line + b"\n") + modes.quote_line(line))
    read = os.read(slave, 100)
    rest = os.read(slave, 100)
    os.close(master)
    os.close(slave)
    assert (read, rest) == (line + b"\n", line)


def test_the_end_of_a_cooked_line_is_the_end_of_the_inner_one() -> None:
    master, slave = pty.openpty()
    termios.tcsetattr(slave, termios.TCSANOW, modes.inner(termios.tcgetattr(slave), echo=False))
    os.write(master, modes.quote_line(b""))
    assert os.read(slave, 100) == b""
    os.close(master)
    os.close(slave)


WHOLE = (
    b"text", "€ü日🎉".encode(), b"\r\n", b"\x07", b"\x1b[31m", b"\x1b[?1049h", b"\x1b[2 q", b"\x1b[>4;2m", b"\x1b7", b"\x1b=",
    b"\x1b(B", b"\x1b#8", b"\x1bM", b"\x1bc", b"\x1b]0;title\x07", b"\x1b]8;;http://x\x1b\\", b"\x1bP1$r\x1b\\",
    b"\x1b_Ga=T;AAAA\x1b\\", b"\x1b\\",
)  # fmt: skip


@given(st.lists(st.sampled_from(WHOLE)), st.sampled_from(WHOLE), st.data())
def test_a_stream_is_cut_short_within_a_sequence_or_a_letter_and_nowhere_else(
    pieces: list[bytes], last: bytes, data: st.DataObject
) -> None:
    assert not modes.cut_short(b"".join(pieces) + last)
    cut = data.draw(st.integers(1, len(last))) if last[:1] == b"\x1b" else len(last)
    assert modes.cut_short(b"".join(pieces) + last[:cut]) is (cut < len(last))


def test_a_letter_of_several_bytes_is_one() -> None:
    for letter in "ü€🎉":
        data = b"text" + letter.encode()
        assert [modes.cut_short(data[:end]) for end in range(4, len(data) + 1)] == [
            False,
            *[True] * (len(letter.encode()) - 1),
            False,
        ]


def test_what_came_since_the_last_escape_can_end_its_sequence() -> None:
    followed = Modes()
    for data, between in (
        (b"\x1b[38;5", False),
        (b";1", False),
        (b"2mred", True),
        (b"plain", True),
        (b"caf\xc3", False),
        (b"\xa9", True),
        (b"\x1b]0;a long", False),
        (b" title", False),
        (b"\x07", True),
    ):
        followed.feed(data)
        assert followed.between is between, data
