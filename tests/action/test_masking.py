"""What is registered hides the value in the ways it was known to leave, and no ordinary word."""

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine import fake, private_key
from wrapper.action.masking import masks

VALUE = fake("sk" + "_live_", 30)


def masked(text: str, value: str) -> str:
    for one in sorted(masks(value.encode()), key=len, reverse=True):
        text = text.replace(one, "***")
    return text


@pytest.mark.parametrize(
    "shown",
    [
        VALUE,
        VALUE[7:],
        VALUE[:-7],
        VALUE[7:-7],
        VALUE[::-1],
        VALUE.encode().hex(),
        *(base64.b64encode(b"u" * n + VALUE.encode()).decode() for n in range(3)),
    ],
)
def test_a_value_is_hidden_whole_trimmed_and_encoded(shown: str) -> None:
    left = masked(f"before {shown} after", VALUE).replace("***", "")
    assert "before " in left
    assert " after" in left
    assert len(left) <= len("before  after") + 8  # of base64 the ends belong to what stands around


@pytest.mark.parametrize("cut", range(1, 7))
def test_of_a_value_that_is_trimmed_by_less_only_the_rest_of_its_prefix_stays(cut: int) -> None:
    assert masked(VALUE[cut:], VALUE) == VALUE[cut:7] + "***"


def test_a_password_is_hidden_as_json_and_urls_write_it() -> None:
    value = 'p"q/w\\ö&' + fake("", 8)
    assert masked(json.dumps(value), value) == '"***"'
    assert masked(json.dumps(value, ensure_ascii=False), value) == '"***"'
    assert masked(urllib.parse.quote(value, safe=""), value) == "***"


def test_each_line_of_a_key_is_hidden_and_its_frame_is_not() -> None:
    key = private_key()
    lines = key.splitlines()
    body = "\n".join(lines[1:-1]).encode()
    found = masks(body)
    assert set(lines[1:-2]) <= set(found)
    assert not any("-----" in one or "\n" in one for one in found)


@pytest.mark.parametrize("value", ["", "true", "prod", "12345", "aaaaaaaaaaaa", "     "])
def test_what_is_too_short_or_common_is_left_alone(value: str) -> None:
    assert masks(value.encode()) == ()


def test_of_one_among_thousands_only_itself_is_registered() -> None:
    assert masks(VALUE.encode(), encoded=False) == (VALUE,)


def test_of_a_value_that_is_hardly_text_no_word_is_registered() -> None:
    value = b"\x80\x81\x82\x83\x84\x85\x86\x87the\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91"
    assert min(map(len, masks(value))) >= len(value)


@given(st.binary(max_size=200))
def test_any_value_gives_single_lines_that_are_not_blank(value: bytes) -> None:
    for one in masks(value):
        assert one.strip()
        assert len(one.splitlines()) <= 1 or "\n" not in one
