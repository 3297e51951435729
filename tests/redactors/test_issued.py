"""A value that only pretends to be an issuer's token is none; a token among other letters still is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Confidence, Engine, Vault
from redactors.issued import IssuedShapes, heads, literal, telling
from redactors.loading import bundled_rules
from redactors.rules.catalogue import expand
from redactors.rules.model import Rule
from tests.compiled import load

RULES = bundled_rules()
SHAPES = IssuedShapes(RULES)
MADE_UP = IssuedShapes(
    [
        Rule(id="a", kind="A", issuer="A", regex="abc_(?:live|test)_[A-Za-z0-9]{24}"),
        Rule(id="b", kind="B", issuer="B", regex="(?:XYZ[0-9]{20}|qrs-[a-f0-9]{32})"),
        Rule(id="c", kind="C", issuer="C", regex="sk-[A-Za-z0-9]{48}"),
        Rule(id="d", kind="D", issuer="Deep Thought", names="dthought", regex=r"[a-f0-9]{40}(?![\w-])"),
        Rule(id="e", kind="E", issuer="Wide", names="wide", regex="[A-Za-z0-9]{40}"),
        Rule(id="f", kind="F", issuer="Several", regex="abcd[0-9]{9}:(?P<secret>[a-f0-9]{8})"),
        Rule(id="g", kind="G", issuer="Several", names="several", regex="[a-f0-9]{40}"),
    ]
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("abc_[a-z]{3}", ("abc_",)),
        ("(?:ab|cd)_(?:x|y)[0-9]{3}", ("ab_x", "ab_y", "cd_x", "cd_y")),
        ("(?:one-[a-z]{3}|two[.][0-9]{2})", ("one-", "two?")),
        ("gh[pous]_[A-Z]{9}", ("gh?_",)),
        (r"a\.b(?!c)[a-z]{4}", ("a.b",)),
        ("A{20}b", ("",)),
    ],
)
def test_a_head_is_what_stands_before_the_first_repeat(regex: str, expected: tuple[str, ...]) -> None:
    assert heads(regex) == expected


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("abc_[a-z]{3}", b"abc_"),
        ("abc_d{3}", b"abc_"),
        (r"a\.b\-c?d", b"a.b-"),
        (r"https?:(?:a|b)", b"http"),
        ("abc(?:d|e)", b"abc"),
        ("(?:ab|ac)x", b""),
        ("abc|abd", b""),
        (r"\bcurl", b""),
        ("[a-z]bc", b""),
    ],
)
def test_a_literal_is_what_every_match_begins_with(regex: str, expected: bytes) -> None:
    assert literal(regex) == expected


def test_a_beginning_is_telling_if_all_its_forms_are() -> None:
    assert telling("(?:ghs|github_pat)_[a-z]{30}") == 4
    assert telling("(?:live|test)_[a-z]{30}") == 0
    assert telling("[a-z]{30}") == 0


@given(st.text("abcXYZ019", min_size=0, max_size=23))
def test_a_token_that_ends_too_early_is_cut(rest: str) -> None:
    assert MADE_UP.is_cut(f"abc_live_{rest}".encode())


@given(st.text("abcXYZ019", min_size=25, max_size=60))
def test_a_token_that_is_longer_than_the_issuer_makes_them_is_not_cut(rest: str) -> None:
    assert not MADE_UP.is_cut(f"abc_live_{rest}".encode())


def test_a_beginning_that_many_issuers_share_says_nothing() -> None:
    assert not MADE_UP.is_cut(b"sk-" + expand("{base62:20}").encode())


@pytest.mark.parametrize("key", [b"DTHOUGHT_API_KEY", b"deepThoughtKey", b"deep_thought_token"])
def test_behind_its_issuers_name_a_value_that_is_shorter_than_its_tokens_is_none(key: bytes) -> None:
    assert MADE_UP.is_short(key, b"0f" * 16)
    assert not MADE_UP.is_short(key, b"0f" * 20)
    assert not MADE_UP.is_short(key, b"0f" * 24), "formats change"
    assert not MADE_UP.is_short(key, b"0z" * 16), "none of its letters"
    assert not MADE_UP.is_short(b"OTHER_API_KEY", b"0f" * 16)


def test_hexadecimal_digits_are_another_kind_of_an_issuer_whose_tokens_have_all_letters() -> None:
    assert MADE_UP.is_short(b"WIDE_KEY", b"0z" * 16)
    assert not MADE_UP.is_short(b"WIDE_KEY", b"0f" * 16)


def test_of_an_issuer_one_of_whose_tokens_has_no_known_length_nothing_is_short() -> None:
    assert not MADE_UP.is_short(b"SEVERAL_KEY", b"0f" * 16)


def test_an_issuers_name_that_is_any_keys_word_names_nobody(engine: Engine) -> None:
    for word in ("render", "segment", "square", "linear", "X-Api"):
        assert engine.find(f'{word}_token = "{expand("{base62:14}")}"'.encode())


def test_what_begins_like_no_token_is_not_cut() -> None:
    assert not MADE_UP.is_cut(expand("{base62:20}").encode())
    assert not MADE_UP.is_cut(b"")


@given(st.binary(max_size=80))
def test_any_value_can_be_asked_about(value: bytes) -> None:
    assert SHAPES.is_cut(value) in {True, False}


def test_a_cut_token_is_not_found_behind_a_key_that_says_secret(engine: Engine) -> None:
    assert not engine.find(('upload_secret = "glpat' + expand('-{base62:9}1a"')).encode())


@pytest.mark.parametrize("before", ["MY_", "_", "x:", "'"])
def test_a_token_behind_an_underscore_is_found(engine: Engine, before: str) -> None:
    token = expand(["gh", "p_{base62:30}{crc32}"])
    assert [one.value for one in engine.find(f"{before}{token}".encode())] == [token.encode()]


def test_a_token_with_an_unmistakable_beginning_is_found_in_the_middle_of_a_word(engine: Engine) -> None:
    token = expand(["github", "_pat_{base62:22}_{base62:59}"])
    assert [one.value for one in engine.find(f"our{token}".encode())] == [token.encode()]


def test_what_is_glued_to_a_token_goes_with_it(engine: Engine) -> None:
    token = expand(["gh", "p_{base62:30}{crc32}"])
    assert [one.value for one in engine.find(f"{token}andmore".encode())] == [f"{token}andmore".encode()]


def test_a_token_of_another_length_is_none(engine: Engine) -> None:
    token = expand(["gh", "p_{base62:30}{crc32}"])
    assert not engine.find(f"{token}xy".encode())


def test_letters_within_base64_are_no_token(engine: Engine) -> None:
    chance = expand(["EZ", "AK{base62:54}andmore"])
    assert not engine.find(f"q8/x+{chance}/3VmWq".encode())


def test_filler_in_an_issuers_shape_is_likely_but_never_certain(engine: Engine) -> None:
    token = "glsa_" + "abcdefghijklmnopqrstuvwxyz" + "012345_89abcdef"
    assert [one.confidence for one in engine.find(token.encode())] == [Confidence.LIKELY]
