import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wrapper.terminal.harmless import cells, cut, harmless, tail, wrap

TEXTS = st.text(max_size=60).map(harmless)


def test_names_of_the_world_stay_as_they_are() -> None:
    for text in ("weights.py", "größe", "日本語.txt", "данные", "a b", "…", "emoji 🎉"):
        assert harmless(text) == text


def test_what_moves_hides_or_turns_is_written_out() -> None:
    for text, shown in {
        "\x1b[2J": "\\x1b[2J",
        "a\r\nb": "a\\r\\nb",
        "\x9b1A": "\\x9b1A",
        "\u202egnp.exe": "\\u202egnp.exe",
        "\u2066x\u2069": "\\u2066x\\u2069",
        "a\u200bb\ufeff": "a\\u200bb\\ufeff",
        "\u3164\u115f\u2800": "\\u3164\\u115f\\u2800",
        "\u1100\u1161": "가",  # composed: one letter of one cell's width each
        "\u1161": "\\u1161",
        "e\u0301": "é",
        "x\u0336\u0336": "x\\u0336\\u0336",
        "\udcff": "\\udcff",
        "\tx": "    x",
    }.items():
        assert harmless(text) == shown, ascii(text)


@given(st.text())
def test_harmless_text_is_printable_and_nothing_in_it_stands_on_another_letter(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(one) in {"Mn", "Me", "Mc", "Cf", "Cc", "Cs", "Zl", "Zp"} for one in shown)
    shown.encode()


@given(TEXTS, st.integers(0, 30))
def test_what_is_cut_fits_and_is_the_beginning_or_the_end(text: str, width: int) -> None:
    first, last = cut(text, width), tail(text, width)
    assert cells(first) <= width
    assert cells(last) <= width
    assert text.startswith(first.removesuffix("…"))
    assert text.endswith(last)


@given(TEXTS, st.integers(2, 30), st.integers(1, 40))
def test_wrapped_lines_fit_and_hold_the_words(text: str, width: int, most: int) -> None:
    lines = wrap(text, width, most)
    assert 1 <= len(lines) <= most
    assert all(cells(line) <= width for line in lines)
    if not lines[-1].endswith("…"):
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
