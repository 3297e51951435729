"""Near-misses of placeholders are named, with the one that was meant; ordinary text is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.vault import Origin, Vault

VAULT = Vault(bytes(range(32)))
VALUE = b"a value of nobody"
PLACEHOLDER = VAULT.issue("GITHUB-TOKEN", VALUE, Origin.OUTSIDE)
OTHERS = [VAULT.issue("CODE-NAME", b"%d" % number, Origin.INSIDE) for number in range(300)]
STEM, TAG = PLACEHOLDER[:-8], PLACEHOLDER[-8:]
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
UNLIKE = next(one for one in ALPHABET if one not in TAG)


def named(text: str) -> list[tuple[str, str]]:
    return [(near.text, near.placeholder) for near in VAULT.near_misses(text.encode())]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (PLACEHOLDER[:-1], "cut"),
        (PLACEHOLDER[:-5], "cut"),
        (PLACEHOLDER[1:], "cut"),
        (PLACEHOLDER[10:], "cut"),
        (PLACEHOLDER.lower(), "case or joints"),
        (PLACEHOLDER.title(), "case or joints"),
        (PLACEHOLDER.replace("-", "_"), "case or joints"),
        (PLACEHOLDER[:-1] + UNLIKE, "one character"),
        (PLACEHOLDER[:-4] + UNLIKE + PLACEHOLDER[-3:], "one character"),
        (PLACEHOLDER[:-4] + PLACEHOLDER[-3:], "one character"),
        (PLACEHOLDER[:-4] + UNLIKE + PLACEHOLDER[-4:], "one character"),
        (PLACEHOLDER[:-2] + PLACEHOLDER[-1] + PLACEHOLDER[-2], "one character"),
        (PLACEHOLDER[:-1].lower() + UNLIKE.lower(), "one character"),
        (f"MASKED-GH-TOKEN-{TAG}", "other words"),
    ],
)
@pytest.mark.parametrize("around", ["{}", 'say "{}".', "A={}\n", "x {} y {}"])
def test_a_near_miss_is_named_with_what_was_meant(text: str, how: str, around: str) -> None:
    nears = VAULT.near_misses(around.format(text, "z").encode())
    assert [(near.text, near.placeholder) for near in nears] == [(text, PLACEHOLDER)]
    assert how in nears[0].how
    assert VALUE.decode() not in nears[0].what
    assert VAULT.restore(text.encode(), to=Origin.OUTSIDE) == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        PLACEHOLDER, f"{PLACEHOLDER}Service", f"x{PLACEHOLDER}", f"{PLACEHOLDER}-{PLACEHOLDER}", f"{PLACEHOLDER}{OTHERS[0]}",
        "MASKED-GITHUB-TOKEN", "MASKED-GITHUB-TOKEN-", STEM + TAG[:2], "MASKED-KEY-ABCDEFGH", "a masked ball", "", "MASKED",
    ],
)  # fmt: skip
def test_placeholders_and_ordinary_text_are_not_named(text: str) -> None:
    assert named(text) == []


def test_a_placeholder_of_another_value_is_no_near_miss_of_this_one() -> None:
    assert named(" ".join(OTHERS)) == []


@given(st.text(ALPHABET + "-_ \nmaskedMASKED", max_size=200))
def test_what_is_named_is_never_an_issued_placeholder_and_stands_where_it_is_said(text: str) -> None:
    for near in VAULT.near_misses((text + PLACEHOLDER[:-1]).encode()):
        assert (text + PLACEHOLDER[:-1])[near.start : near.end] == near.text
        assert VAULT.value_of(near.text) is None
        assert VAULT.value_of(near.placeholder) is not None


@given(st.integers(0, 7), st.sampled_from(ALPHABET))
def test_any_one_character_of_a_tag_may_be_wrong(place: int, other: str) -> None:
    wrong = STEM + TAG[:place] + other + TAG[place + 1 :]
    assert named(wrong) == ([] if wrong == PLACEHOLDER else [(wrong, PLACEHOLDER)])


def test_a_repetition_without_end_is_cut_short() -> None:
    assert 0 < len(named((PLACEHOLDER[:-1] + " ") * 5000)) <= 32


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    VAULT.near_misses(data + PLACEHOLDER.lower().encode() + data)
