"""What is kept of a text: a row for each line, fingerprints of its own lines, none of them readable without the key."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.sheetsof import KEY, code
from wrapper.provenance.key import Key
from wrapper.provenance.licences import NOTICES
from wrapper.provenance.linecodes import likeness
from wrapper.provenance.model import Flag
from wrapper.provenance.prints import (
    blob_code,
    line_codes,
    normalised_code,
    plain_codes,
    printed,
    trivial,
)

_KEYED = KEY.coder()
_TEXTS = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                "if",
                "é",
                "名",
                "x",
                "_y9",
                "/*",
                "*/",
                "//",
                "#",
                "\\",
                '"',
                "\n",
                "\r\n",
                "\t",
                " ",
                "12→",
                "{",
                "MASKED-KEY-0123ABCD",
            ]
        ),
        max_size=60,
    ).map(lambda parts: "".join(parts).encode()),
)


def split(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@given(_TEXTS)
@settings(max_examples=200)
def test_any_bytes_give_a_row_for_each_line_and_prints_in_order(text: bytes) -> None:
    prints = printed(text, _KEYED)
    lines = split(text)
    assert prints.lines["number"].tolist() == list(range(len(lines)))
    assert (prints.lines["code"] == line_codes(text, _KEYED)).all()
    assert ((prints.lines["flags"] & Flag.TRIVIAL != 0) == trivial(text)).all()
    for kind in (prints.shapes, prints.words):
        assert (np.diff(kind["place"].astype(np.int64)) > 0).all()
        assert not kind.size or int(kind["place"][-1]) < prints.tokens
    assert plain_codes(text).size == len(lines)


@given(_TEXTS)
@settings(max_examples=200)
def test_lines_have_equal_codes_just_if_they_are_equal_without_blanks_at_their_ends(text: bytes) -> None:
    bare = [line.translate(bytes.maketrans(b"\t\r\f\v", b"    ")).strip(b" ") for line in split(text)]
    codes = line_codes(text, _KEYED).tolist()
    assert len(set(bare)) == len(set(codes)) == len(set(zip(bare, codes, strict=True)))


@given(_TEXTS, _TEXTS)
def test_a_line_has_the_same_row_wherever_it_stands(before: bytes, after: bytes) -> None:
    line = b"total = compute(width, 'deep', 17)"
    alone = printed(line, _KEYED).lines[0]
    among = printed(line + b"\n" + after.replace(b"*/", b""), _KEYED).lines[0]
    assert alone == among
    at = before.count(b"\n") + 1
    assert printed(before + b"\n  " + line + b"\r\n", _KEYED).lines["code"][at] == alone["code"]


def test_another_key_gives_other_codes_everywhere() -> None:
    text = code(1)
    one, other = printed(text, _KEYED), printed(text, Key(bytes(32)).coder())
    for name in ("lines", "shapes", "words"):
        columns = ("code", "shape", "sketch") if name == "lines" else ("code",)
        for column in columns:
            assert not np.intersect1d(getattr(one, name)[column], getattr(other, name)[column]).size
    assert one.shapes.size
    assert one.words.size
    assert blob_code(text, _KEYED) != blob_code(text, Key(bytes(32)).coder())


def test_names_change_a_lines_code_and_sketch_but_not_its_shape() -> None:
    rows = printed(
        b"total = compute(width, depth)\nprice = measure(size_, level)\nprice = measure(size_) + level\n", _KEYED
    ).lines
    assert rows["shape"][0] == rows["shape"][1] != rows["shape"][2]
    assert rows["code"][0] != rows["code"][1]
    assert likeness(rows["sketch"][:1], rows["sketch"][1:2])[0] < 0.3
    assert likeness(rows["sketch"][1:2], rows["sketch"][2:3])[0] > 0.9


@pytest.mark.parametrize(
    "line",
    ["}", "", "   ", "else:", "return self.value", "});", "pass", "import os", "# ---", "i += 1", "} else {", "try {"],
)
def test_lines_that_everybody_writes_are_trivial(line: str) -> None:
    assert trivial(line.encode() + b"\n").tolist() == [True]


@pytest.mark.parametrize(
    "line", ["é", "x = 'ξ'", "qwfpgj = 1", "名", "return frobnicated", "x = 0xBEEF17", "# note of Zorkmid"]
)
def test_lines_with_a_word_or_character_of_their_own_are_not(line: str) -> None:
    assert trivial(line.encode() + b"\n").tolist() == [False]


@pytest.mark.parametrize("gutter", ["12\t", "   12→", "12:", "src/a.py:12:", "src/a.py-12-", "+", "-", "> "])
def test_what_tools_put_before_lines_does_not_hide_that_they_were_seen(gutter: str) -> None:
    lines = ["def alpha(beta):", "    return beta.gamma"]
    shown = "".join(f"{gutter}{line}\n" for line in lines)
    assert set(plain_codes("\n".join(lines).encode())) == set(plain_codes(shown.encode()))
    assert set(plain_codes(b"other(line)")) != set(plain_codes(shown.encode()))


def test_prints_are_kept_of_lines_that_are_the_texts_own_only() -> None:
    seen, own = code(2), code(3)
    echo = [True] * seen.count(b"\n") + [False] * own.count(b"\n")
    both, without = printed(seen + own, _KEYED, echo=echo), printed(seen + own, _KEYED)
    alone = printed(own, _KEYED)
    for name in ("shapes", "words"):
        kept = getattr(both, name)["code"]
        foreign = getattr(printed(seen, _KEYED), name)["code"]
        assert not np.isin(kept, foreign).any()
        assert np.isin(getattr(without, name)["code"], foreign).any()
        assert np.isin(kept, getattr(alone, name)["code"]).mean() > 0.9
        assert np.isin(getattr(alone, name)["code"], kept).mean() > 0.9
    assert ((both.lines["flags"] & Flag.ECHO != 0) == echo).all()
    assert not printed(seen, _KEYED, echo=[True] * seen.count(b"\n")).words.size


@pytest.mark.parametrize("echo", [[], [True], [True] * 3])
def test_echoes_of_another_number_of_lines_are_refused(echo: list[bool]) -> None:
    with pytest.raises(ValueError, match="lines"):
        printed(b"a\nb\n", _KEYED, echo=echo)


def test_lines_that_hold_a_placeholder_are_marked() -> None:
    text = b"key = 'MASKED-KEY-0123ABCD'\nkey = other\nMASKED-\n"
    assert [bool(flags & Flag.HIDDEN) for flags in printed(text, _KEYED).lines["flags"]] == [True, False, False]


def test_a_content_is_the_same_in_another_layout_and_another_in_other_words() -> None:
    text = code(4)
    other = b"".join(b"\t" + line.strip().replace(b"'", b'"') + b"\r\n" for line in text.split(b"\n"))
    assert normalised_code(text, _KEYED) == normalised_code(other, _KEYED) != 0
    assert blob_code(text, _KEYED) != blob_code(other, _KEYED)
    lines = text.split(b"\n")
    assert normalised_code(b"\n".join(reversed(lines)), _KEYED) != normalised_code(text, _KEYED)
    assert normalised_code(text + b"one.more(line)\n", _KEYED) != normalised_code(text, _KEYED)
    assert normalised_code(b"{}", _KEYED) == 0


@pytest.mark.parametrize("mark", ["", "# ", " * ", "// "])
def test_licence_notices_leave_no_prints_of_words(mark: str) -> None:
    for notice in NOTICES:
        text = "".join(f"{mark}{line}\n" for line in notice.strip().split("\n")).encode()
        text = b"/*\n" + text + b" */\n" if mark == " * " else text
        kept = printed(text, _KEYED)
        assert kept.words.size <= 3, notice  # the marks of the comment
        assert printed(text.replace(b"e", b"u"), _KEYED).words.size > 3
