"""The dotenv parser: what is key, what is value, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import dotenv

FRAGMENTS = st.sampled_from(
    [
        b"A",
        b"KEY",
        b"=",
        b": ",
        b":",
        b'"',
        b"'",
        b"`",
        b"\\",
        b"\\n",
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"\t",
        b"#",
        b"export ",
    ]
    + [b"value", b"-----BEGIN X-----", b"-----END X-----", b"\xef\xbb\xbf", b"\xff", b"\0", b"- ", b"$", b";"]
)
FILES = st.one_of(st.binary(max_size=200), st.lists(FRAGMENTS, max_size=40).map(b"".join))


def parsed(data: bytes) -> list[tuple[str, bytes]]:
    return [(found.name(data), found.text(data)) for found in dotenv.parse(data)]


@given(FILES)
def test_the_pieces_joined_are_the_file(data: bytes) -> None:
    assert b"".join(piece for piece, _ in dotenv.pieces(data, dotenv.parse(data))) == data


@given(FILES)
def test_spans_rise_and_do_not_overlap(data: bytes) -> None:
    at = 0
    for found in dotenv.parse(data):
        assert at <= found.key_start < found.key_end <= found.start <= found.end <= len(data)
        at = found.end


@given(
    st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True),
    st.text(st.characters(blacklist_characters="\r\n\"'`#\\ \t", blacklist_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["{}={}", "export {}={}", '{}="{}"', "{}='{}'", "{} = {}", "{}: {}", "{}=`{}` # c", "  {}={}  # c", "- {}={}"]
    ),
    st.sampled_from(["\n", "\r\n", "\r", ""]),
)
def test_a_line_written_in_any_usual_way_gives_its_name_and_value(name: str, value: str, shape: str, end: str) -> None:
    data = (shape.format(name, value) + end).encode()
    assert parsed(data) == [(name, value.encode())]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbfA=1", [("A", b"1")]),
        (b"A=", [("A", b"")]),
        (b"A=\nB=2", [("A", b""), ("B", b"2")]),
        (b"# A=1\n; B=2\nC=3", [("C", b"3")]),
        (b"A=a b  # note", [("A", b"a b")]),
        (b"A=pass#word", [("A", b"pass#word")]),
        (b'A="a # b" # note', [("A", b"a # b")]),
        (b'A="a\\"b"', [("A", b'a\\"b')]),
        (b"A='a\nb'\nB=2", [("A", b"a\nb"), ("B", b"2")]),
        (b'A="a\r\nB=2\r\n"\r\nC=3', [("A", b"a\r\nB=2\r\n"), ("C", b"3")]),
        (b'A="unclosed\nB=2', [("A", b'"unclosed'), ("B", b"2")]),
        (b'A="one" two', [("A", b'"one" two')]),
        (b"A='it\\'s'", [("A", b"'it\\'s'")]),
        (
            b"A=-----BEGIN X-----\nMII\n-----END X-----\nB=2",
            [("A", b"-----BEGIN X-----\nMII\n-----END X-----"), ("B", b"2")],
        ),
        (b"A.b-c=1", [("A.b-c", b"1")]),
        (b"url: http://x", [("url", b"http://x")]),
        (b"http://x=1", []),
        (b"A=\xff\xfe", [("A", b"\xff\xfe")]),
        (b"not a line\nA=1", [("A", b"1")]),
        (b"A==b=", [("A", b"=b=")]),
        (b"A=\\\nb", [("A", b"\\\nb")]),
        (b"A=a\\\r\n  b\\\r\nc\r\nB=2", [("A", b"a\\\r\n  b\\\r\nc"), ("B", b"2")]),
        (b"A=C:\\x\\\nB=2", [("A", b"C:\\x\\"), ("B", b"2")]),
        (b"A=a\\", [("A", b"a\\")]),
        ("T\u00d6KEN=x".encode(), [("T\u00d6KEN", b"x")]),
    ],
)
def test_corner_cases_are_read_as_written_here(data: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert parsed(data) == expected


def test_a_double_quoted_value_is_seen_as_a_program_sees_it() -> None:
    data = b'A="a\\nb\\"c\\\\d\\$e\\q"\nB=\'a\\nb\''
    first, second = dotenv.parse(data)
    assert first.value(data) == b'a\nb"c\\d$e\\q'
    assert second.value(data) == b"a\\nb"


def test_a_megabyte_of_open_quotes_does_not_take_for_ever() -> None:
    data = b"A=\"x'\n" * 100_000
    assert len(dotenv.parse(data)) > 0
