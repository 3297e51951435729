"""The same code gives the same tokens, whatever it is wrapped in."""

import json
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.tokens import Tokens, eight_bytes, grams, outline, shape, tokenise, wording

CODE = """
def total(items, *, rate=1.5):
    # what it costs
    result = [item.price * rate for item in items]  # with tax
    return sum(result) if result else None
"""
PARTS = [*"ab_1\\n\t\"'#/-*+:(){}[]<> é€\n", "\r\n", "// ", "/* ", " */", "\\n", "\\t", "\n12\t", "\n7: "]
SOURCE = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)


def words(data: bytes) -> list[bytes]:
    tokens = tokenise(data)
    return [
        data[start:end] for start, end in zip(tokens.starts[: tokens.code], tokens.ends[: tokens.code], strict=True)
    ]


def same(one: Tokens, other: Tokens) -> bool:
    return one.code == other.code and one.exact.tolist() == other.exact.tolist()


def test_words_and_marks_are_tokens_and_comments_are_not() -> None:
    assert words(b"if (a_1 != 0x1F) // never\n  go(); # why") == [
        b"if", b"(", b"a_1", b"!", b"=", b"0x1F", b")", b"go", b"(", b")", b";",
    ]  # fmt: skip


@given(SOURCE)
def test_escaping_as_json_changes_no_token(source: str) -> None:
    plain = tokenise(source.encode())
    once = json.dumps(source)[1:-1]
    twice = json.dumps(once, ensure_ascii=False)[1:-1]
    assert same(plain, tokenise(once.encode()))
    assert same(plain, tokenise(twice.encode()))
    assert same(plain, tokenise(json.dumps(source, ensure_ascii=False)[1:-1].encode()))


@given(SOURCE)
def test_places_rise_within_code_and_within_comments(source: str) -> None:
    data = source.encode()
    tokens = tokenise(data)
    for first, last in ((0, tokens.code), (tokens.code + 1, tokens.starts.size)):
        starts, ends = tokens.starts[first:last].tolist(), tokens.ends[first:last].tolist()
        assert all(start < end <= len(data) for start, end in zip(starts, ends, strict=True))
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


@given(st.binary(max_size=200))
def test_any_bytes_are_tokenised(data: bytes) -> None:
    tokens = tokenise(data)
    assert tokens.exact.size == tokens.starts.size == tokens.ends.size


@pytest.mark.parametrize("escape", [r"\u003c", r"\\u003c", r"\u003C"])
def test_an_escaped_character_is_that_character(escape: str) -> None:
    assert same(tokenise(f"a {escape} b".encode()), tokenise(b"a < b"))


@pytest.mark.parametrize(
    "gutter",
    ["+{}", "-{}", "+    {}", "   7\t{}", "   7→{}", "7: {}", "7| {}", "> {}"],
)
def test_what_tools_put_before_a_line_is_no_token(gutter: str) -> None:
    shown = "\n".join(gutter.format(line) for line in CODE.splitlines())
    assert same(tokenise(shown.encode()), tokenise(CODE.encode()))
    assert same(tokenise(json.dumps(shown)[1:-1].encode()), tokenise(CODE.encode()))


@pytest.mark.parametrize(
    "comment",
    ["// no", "# no", "-- no", "/* no */", "/* no\n * no\n */", "//no", "//", "#! no", "## no"],
)
def test_a_comment_does_not_change_the_code_around_it(comment: str) -> None:
    assert words(f"one(two)\n {comment}\nthree;".encode()) == [b"one", b"(", b"two", b")", b"three", b";"]


@pytest.mark.parametrize(
    "code",
    ["#include <stdio.h>", "#[derive(Debug)]", "color: #fff", "https://a.example/b", "n--", "--flag", '"src/*"'],
)
def test_what_only_looks_like_a_comment_is_code(code: str) -> None:
    tokens = tokenise(code.encode())
    assert tokens.code == tokens.starts.size > 1


@given(st.lists(st.sampled_from(["a", " ", "\n", "// ", " /* ", " */", ";", "# "]), max_size=60).map("".join))
def test_comments_are_what_a_reader_from_left_to_right_sees(source: str) -> None:
    data = source.encode() + b"\n"
    comments = [found.span() for found in re.finditer(rb"/\*.*?\*/", data, re.DOTALL)]
    comments += [(found.start(), data.index(b"\n", found.start())) for found in re.finditer(rb"//|#", data)]
    tokens = tokenise(data)
    for row, start in enumerate(tokens.starts.tolist()):
        if row != tokens.code:
            assert any(first <= start < last for first, last in comments) == (row > tokens.code)


@pytest.mark.parametrize("mark", ["# ", "// ", "-- "])
def test_code_that_was_commented_out_stands_contiguous_behind_the_rest(mark: str) -> None:
    lines = ["alpha(beta, 1)", "gamma = delta"]
    tokens = tokenise("\n".join(mark + line for line in lines).encode())
    plain = tokenise("\n".join(lines).encode())
    assert tokens.exact.tolist()[tokens.code + 1 :] == plain.exact.tolist()


def test_the_kind_of_quotation_marks_does_not_matter() -> None:
    assert same(tokenise(b"f('x')"), tokenise(b'f("x")'))


@given(st.lists(st.sampled_from(["x", "y", "total", "if", "(", "+", "42"]), max_size=40))
def test_renaming_changes_no_shape(code: list[str]) -> None:
    names = {"x": "first_of_all", "y": "z9", "total": "q"}
    one = shape(tokenise(" ".join(code).encode()))
    other = shape(tokenise(" ".join(names.get(word, word) for word in code).encode()))
    assert one.codes.tolist() == other.codes.tolist()
    assert one.digest.tolist() == other.digest.tolist()


def test_a_shape_tells_which_names_are_the_same() -> None:
    assert shape(tokenise(b"a = a + b")).codes.tolist() != shape(tokenise(b"a = b + c")).codes.tolist()


def test_keywords_and_numbers_are_part_of_the_shape() -> None:
    shapes = [shape(tokenise(text)).codes.tolist() for text in (b"if x", b"for x", b"y x", b"1 x", b"2 x")]
    assert len({tuple(each) for each in shapes}) == 5


def test_counting_up_gives_one_outline_and_one_wording() -> None:
    one, two = tokenise(b"a = 1;"), tokenise(b"b = 27;")
    assert outline(one).tolist() == outline(two).tolist()
    assert wording(one).tolist() == wording(two).tolist()
    assert wording(tokenise(b"total = 1;")).tolist() != wording(one).tolist()


@pytest.mark.parametrize("size", [2, 8, 16])
def test_equal_neighbours_have_equal_hashes_and_others_have_not(size: int) -> None:
    codes = shape(tokenise(b" ".join(b"w%d ( if" % (at % 7) for at in range(60)))).codes
    hashes = grams(codes, size)
    assert hashes.size == codes.size - size + 1
    rows = {bytes(codes[row : row + size]): int(hashes[row]) for row in range(hashes.size)}
    assert len(set(rows.values())) == len(rows)


@given(st.binary(min_size=8, max_size=80).map(lambda data: data[: len(data) // 8 * 8]), st.data())
def test_eight_bytes_are_read_at_any_place(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.lists(st.integers(0, len(data) - 8), max_size=9))
    found = eight_bytes(np.frombuffer(data, np.uint64), np.array(at, np.int64))
    assert found.tolist() == [int.from_bytes(data[each : each + 8], sys.byteorder) for each in at]
