import base64
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.forms import forms, unescaped

_SOURCE = 'def total(items):\n    """Add „up“ \U0001f600 what\tis there."""\n    return "\\n".join(items)\n' * 3


def _named(text: bytes) -> dict[str, list[bytes]]:
    named: dict[str, list[bytes]] = {}
    for name, form in forms(text):
        named.setdefault(name, []).append(form)
    return named


@given(st.text())
def test_what_json_escaped_is_undone(text: str) -> None:
    for ascii_only in (True, False):
        written = json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode(errors="surrogatepass")
        assert unescaped(written) == text.encode(errors="surrogatepass")


@given(st.binary())
def test_nothing_breaks_it(data: bytes) -> None:
    unescaped(data)
    assert next(forms(data)) == ("", data)
    list(forms(data))


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_json_in_json_is_undone(times: int) -> None:
    text = _SOURCE
    for _ in range(times):
        text = json.dumps({"text": text})
    name = "" if times == 1 else f"escaped {times} times"
    assert any(_SOURCE.encode() in form for form in _named(text.encode())[name])


@pytest.mark.parametrize("number", ["{:>6}\t", "{}\t", "{:>6}\N{RIGHTWARDS ARROW}", "{}:", "{} | "])
def test_line_numbers_are_taken_off(number: str) -> None:
    listed = "".join(number.format(at) + line + "\n" for at, line in enumerate(_SOURCE.splitlines(), 1))
    found = _named(json.dumps(listed).encode())["with line numbers"]
    assert any(_SOURCE.rstrip("\n").encode() in form for form in found)


def test_the_signs_of_a_patch_are_taken_off() -> None:
    patch = "@@\n" + "".join(f"+{line}\n" for line in _SOURCE.splitlines())
    assert any(_SOURCE.encode() in form for form in _named(patch.encode())["as a patch"])


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("width", [60, 76, 10_000])
def test_base64_is_undone_wherever_it_begins(shift: int, width: int) -> None:
    whole = base64.b64encode(_SOURCE.encode()).decode()
    lines = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))
    found = _named(json.dumps("x" * shift + lines).encode())["in base64"]
    assert any(_SOURCE.encode()[:-3] in form for form in found)


def test_the_other_alphabet_of_base64_and_hexadecimal_are_undone() -> None:
    data = bytes(range(256))
    assert any(data[:-3] in form for form in _named(base64.urlsafe_b64encode(data))["in base64"])
    assert any(data in form for form in _named(data.hex().encode())["in hexadecimal"])


def test_percent_encoding_is_undone() -> None:
    assert any(_SOURCE.encode() in form for form in _named(quote(_SOURCE).encode())["percent-encoded"])


@pytest.mark.parametrize("prefix", ["src/a.py:{}:", "src/a.py-{}-", "src/a.py:", "< ", "> ", "L{}: "])
def test_what_programs_put_before_lines_is_taken_off(prefix: str) -> None:
    text = "".join(f"{prefix.format(at)}x{at} = {at * 7}\n" for at in range(1, 40))
    short = "".join(f"x{at} = {at * 7}\n" for at in range(1, 40)).encode()  # no line is a run by itself
    assert any(short in form for _, form in forms(json.dumps(text).encode()))


def test_the_blanks_of_a_form_and_other_line_ends_are_undone() -> None:
    assert any(_SOURCE.encode() in form for form in _named(urlencode({"q": _SOURCE}).encode())["percent-encoded"])
    crlf = _SOURCE.replace("\n", "\r\n").encode()
    assert _SOURCE.encode() in _named(crlf)["with other line ends"]
