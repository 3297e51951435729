"""Placeholders behind what clients look for: `ghp_MASKED-…`. Whole everywhere, never found, never doubled."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redactors.documents import mask_document
from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.loading import bundled_rules
from redactors.prefixes import issuer_prefix
from redactors.rules.catalogue import expand
from redactors.rules.model import Rule
from redactors.stream import StreamRedactor
from redactors.vault import Origin, Vault
from tests.compiled import load
from wrapper.filter.restoring import Restorer

KEY = bytes(range(32))
# Some are the beginning of others, or stand within them; one has no joint at its end.
PREFIXES = ("", "g", "ghp", "ghp_", "_", "p_", "github_pat_", "sk-", "sk-ant-", "M", "MASKED")
PIECES = st.sampled_from((*PREFIXES, " ", "-", "=", "x", "MASKED-", "MASK", "\n", "MASKED-KEY-", "ABCDEFGH", "0", "é"))


@pytest.fixture(scope="module")
def engine() -> Engine:
    vault = Vault(KEY)
    return load(vault, KnownValues(vault))


def issued(vault: Vault) -> dict[str, bytes]:
    """Issue a value for each prefix; give all texts that stand for one."""
    forms: dict[str, bytes] = {}
    for at, prefix in enumerate(PREFIXES):
        value = b"<%d>" % at
        placeholder = vault.issue("key", value, Origin.OUTSIDE, prefix)
        forms[placeholder] = forms[placeholder.removeprefix(prefix)] = value
    return forms


FORMS = issued(Vault(KEY))


def cut(text: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut a text into pieces of these sizes, over and over."""
    at, turn = 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        yield text[at : at + size]
        at, turn = at + size, turn + 1


def test_a_prefix_stands_before_the_placeholder_from_the_moment_it_is_given() -> None:
    vault = Vault(KEY)
    bare = vault.issue("github-token", b"ghp_1", Origin.OUTSIDE)
    assert vault.issue("github-token", b"ghp_1", Origin.OUTSIDE, "ghp_") == f"ghp_{bare}"
    assert vault.issue("other", b"ghp_1", Origin.INSIDE) == f"ghp_{bare}"
    assert vault.placeholder_of(b"ghp_1") == f"ghp_{bare}"
    assert [one.placeholder for one in vault.issued()] == [f"ghp_{bare}"]


def test_the_first_prefix_stays() -> None:
    vault = Vault(KEY)
    first = vault.issue("k", b"value", Origin.OUTSIDE, "a_")
    assert vault.issue("k", b"value", Origin.OUTSIDE, "b_") == first


@pytest.mark.parametrize("prefix", ["a b", 'a"', "a\n", "é_", "MASKED-", "x" * 33, "a\\", "$a", "a/"])
def test_a_prefix_that_is_not_valid_wherever_a_placeholder_is_has_no_place(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Vault(KEY).issue("k", b"value", Origin.OUTSIDE, prefix)


@pytest.mark.parametrize("form", FORMS)
def test_both_forms_are_the_value_and_the_prefix_is_not_doubled(form: str) -> None:
    vault = Vault(KEY)
    issued(vault)
    assert vault.value_of(form) == FORMS[form]
    assert vault.restore(f"={form}=".encode(), to=Origin.OUTSIDE) == b"=%b=" % FORMS[form]
    assert vault.restore_in_file(f"={form}=".encode()) == b"=%b=" % FORMS[form]


def test_another_values_prefix_is_text() -> None:
    vault = Vault(KEY)
    issued(vault)
    placeholder = vault.issue("key", b"<6>", Origin.OUTSIDE).removeprefix("github_pat_")
    assert vault.restore(f"ghp_{placeholder}".encode(), to=Origin.OUTSIDE) == b"ghp_<6>"
    assert vault.value_of(f"ghp_{placeholder}") is None


def test_what_the_inside_must_not_know_stays_in_both_forms() -> None:
    vault = Vault(KEY)
    placeholder = vault.issue("k", b"value", Origin.OUTSIDE, "ghp_")
    text = f"{placeholder} {placeholder.removeprefix('ghp_')}".encode()
    assert vault.restore(text, to=Origin.INSIDE) == text


@given(
    st.lists(st.one_of(PIECES, st.sampled_from(sorted(FORMS))), max_size=12), st.lists(st.integers(1, 40), min_size=1)
)
@example(["sk-MASKED-KEY-BVEQW3QM", *["MASKED-KEY-004MPEWY"] * 6], [1])  # the last letter of the first is a prefix, too
def test_any_chunking_of_any_text_is_restored_the_same(pieces: list[str], sizes: list[int]) -> None:
    vault = Vault(KEY)
    issued(vault)
    text = "".join(pieces).encode()
    restorer = Restorer(vault)
    restored = b"".join(map(restorer.feed, cut(text, sizes))) + restorer.flush()
    assert restored == vault.restore(text, to=Origin.OUTSIDE)


@given(st.lists(st.sampled_from(sorted(FORMS)), max_size=8), st.sampled_from([" ", "\n", "=", ",", '"']))
def test_a_file_of_placeholders_in_both_forms_becomes_one_of_values(forms: list[str], between: str) -> None:
    vault = Vault(KEY)
    issued(vault)
    real = vault.restore_in_file(between.join(forms).encode())
    assert real == between.encode().join(FORMS[form] for form in forms)


def test_a_withheld_value_stays_a_placeholder_until_its_file_is_seen_in_both_forms() -> None:
    vault = Vault(KEY)
    placeholder = vault.issue("k", b"value", Origin.OUTSIDE, "ghp_").encode()
    vault.withhold([b"value"])
    both = placeholder + b" " + placeholder.removeprefix(b"ghp_")
    assert vault.restore_in_file(both) == both
    assert vault.restore_in_file(both, b"value", placeholder) == b"value value"
    vault.release(b"value", placeholder)
    assert vault.restore_in_file(both) == b"value value"


def test_a_damaged_placeholder_behind_a_prefix_is_named() -> None:
    vault = Vault(KEY)
    placeholder = vault.issue("github-token", b"value", Origin.OUTSIDE, "ghp_")
    [near] = vault.near_misses(placeholder[:-3].encode())
    assert near.placeholder == placeholder.removeprefix("ghp_")
    assert not vault.near_misses(f"{placeholder} {placeholder.removeprefix('ghp_')}".encode())


# What issuers put before their tokens.

TOKENS = {
    "ghp_": ("gh", "p_", "{base62:30}", "{crc32}"),
    "github_pat_": ("github", "_pat_", "{base62:22}_{base62:59}"),
    "glpat-": ("glp", "at-", "{base62:20}"),
    "npm_": ("np", "m_", "{base62:30}", "{crc32}"),
    "hf_": ("h", "f_", "{lower:34}"),
    "xoxb-": ("xo", "xb-", "{digits:12}-{digits:12}-{base62:24}"),
}


@pytest.mark.parametrize("prefix", TOKENS)
def test_an_issuers_prefix_is_what_its_rule_spells_out_and_never_more(prefix: str) -> None:
    token = expand(TOKENS[prefix])
    assert issuer_prefix(_rules(), token.encode()) == prefix


@pytest.mark.parametrize(
    "value", ["", "hunter2", "ghp_", "ghp_short", "AKIA", "{base62:40}", "{hex:64}", "pass_word-1.2"]
)
def test_what_no_certain_rule_knows_has_no_prefix(value: str) -> None:
    assert issuer_prefix(_rules(), expand(value).encode()) == ""


@given(st.binary(max_size=60))
def test_a_prefix_is_the_values_own_beginning(value: bytes) -> None:
    assert value.startswith(issuer_prefix(_rules(), value).encode())


@lru_cache
def _rules() -> tuple[Rule, ...]:
    return bundled_rules()


# No finding, whoever looks.

TEXTS = (
    "{}", "GITHUB_TOKEN={}", 'api_key = "{}"', "https://user:{}@github.com/x.git", "Authorization: Bearer {}",
    "curl -u me:{} https://x", '{{"access_token": "{}"}}', "export SECRET_KEY='{}'",
)  # fmt: skip


ISSUERS = ("ghp_", "github_pat_", "glpat-", "sk-ant-", "pypi-")


@pytest.mark.parametrize("prefix", [*ISSUERS, "sk-ant-api03-", "custom_prefix_for_x_"])
def test_a_prefixed_placeholder_is_no_finding_nor_is_its_prefix(prefix: str, engine: Engine) -> None:
    _is_left_alone(engine.vault.issue("github-token", os.urandom(20), Origin.OUTSIDE, prefix), engine)


@pytest.mark.parametrize("prefix", ISSUERS)
def test_that_of_another_machine_is_no_finding_either(prefix: str, engine: Engine) -> None:
    vault = Vault(os.urandom(32))
    _is_left_alone(vault.issue("github-token", os.urandom(20), Origin.OUTSIDE, prefix), engine)


def _is_left_alone(placeholder: str, engine: Engine) -> None:
    for text in TEXTS:
        data = text.format(placeholder).encode()
        assert engine.redact(data).data == data
        assert engine.redact_json(data).data == data
        assert _streamed(engine, data) == data


def _streamed(engine: Engine, data: bytes) -> bytes:
    assert engine.known is not None
    stream = StreamRedactor(engine.known, engine.vault, engine=engine)
    return b"".join(map(stream.feed, cut(data, [7]))) + stream.flush()


def test_what_stands_before_a_mark_and_is_no_prefix_is_found(engine: Engine) -> None:
    token = expand(TOKENS["ghp_"])
    bare = engine.vault.issue("k", b"some other value", Origin.OUTSIDE)
    assert token.encode() not in engine.redact(f"TOKEN={token}{bare}".encode()).data
    assert token.encode() not in engine.redact(f"TOKEN={token}_{bare}".encode()).data


@pytest.mark.parametrize("prefix", ["ghp_", "github_pat_", "sk-ant-api03-"])
def test_a_dotenv_that_holds_one_is_as_it_was(prefix: str, engine: Engine) -> None:
    placeholder = engine.vault.issue("github-token", prefix.encode() + os.urandom(9), Origin.OUTSIDE, prefix)
    data = f"TOKEN={placeholder}\nURL=https://u:{placeholder}@x.org/\n".encode()
    assert mask_document(".env", data, engine, whole=True).data == data


def test_a_dotenv_with_the_value_shows_the_prefixed_form_and_is_written_back_the_same(engine: Engine) -> None:
    token = expand(TOKENS["glpat-"]).encode()
    prefix = engine.issuer_prefix(token)
    placeholder = engine.vault.issue("gitlab-token", token, Origin.OUTSIDE, prefix).encode()
    real = b"A=1\nTOKEN=%b\nAGAIN='%b'\n" % (token, token)
    shown = mask_document(".env", real, engine, whole=True).data
    assert shown.count(placeholder) == 2
    assert token not in shown
    assert engine.vault.restore_in_file(shown) == real
