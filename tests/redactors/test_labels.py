"""A key can say that its value is none of our business; a sentence around it cannot."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Engine, Vault, labels
from redactors.rules.catalogue import expand
from tests.compiled import load

VALUE = expand("{base62:30}")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


@pytest.mark.parametrize(
    "text",
    [
        "fake_api_key = '{}'",
        'mockToken: "{}"',
        "nonMatchingToken := '{}'",
        "EXAMPLE_SECRET={}",
        "token_type = '{}'",
        'secretName: "{}"',
        '"next_page_token": "{}"',
        "csrf_token={}",
        '<input name="authenticity_token" value="{}">',
        "PUBLIC_KEY={}",
        "Sec-WebSocket-Key: {}",
        "api_key_id: {}",
        "cache_key = '{}'",
    ],
)
def test_a_value_whose_key_says_that_it_is_no_secret_stays(engine: Engine, text: str) -> None:
    assert not engine.find(text.format(VALUE).encode())


@pytest.mark.parametrize(
    "text",
    [
        "api_key = '{}'",
        "TEST_API_KEY={}",
        "invalidate_token = '{}'",
        "badge_token={}",
        "For example, a sample with api_key: {}",
        "export FAKE=1 API_KEY={}",
        'let apiKey: String = "{}"',
        '"verification_token": "{}"',
        "session_sid_token={}",
        "formsite_secret: '{}'",
        "HOMEPAGE_TOKEN={}",
        "asyncToken = '{}'",
        "vendor token - '{}'",
        "secretKey: ' {} '",
    ],
)
def test_a_value_whose_key_says_that_it_is_one_goes(engine: Engine, text: str) -> None:
    assert [one.value for one in engine.find(text.format(VALUE).encode())] == [VALUE.encode()]


@pytest.mark.parametrize(
    "text", ["GITHUB_SHA={}", "A=b\0GITHUB_SHA={}\0B=c", '"github_commit": "{}"', "CIRCLECI_MD5={}"]
)
def test_a_commit_is_no_token_of_the_forge_that_the_key_names(engine: Engine, text: str) -> None:
    commit = secrets.token_hex(20)
    assert not engine.find(text.format(commit).encode())
    assert engine.find(
        text.format(commit).replace("SHA", "KEY").replace("commit", "key").replace("MD5", "KEY").encode()
    )


def test_a_made_up_key_does_not_save_a_token_that_its_issuer_made(engine: Engine) -> None:
    token = expand(["gh", "p_{base62:30}{crc32}"])
    assert engine.find(f'fake_token = "{token}"'.encode())


@pytest.mark.parametrize(
    ("before", "key"),
    [
        (b"api_key = '", b"api_key"),
        (b'foo.bar["client_secret"] = "', b"client_secret"),
        (b'let apiKey: String = "', b"apiKey"),
        (b'{\\"token\\": \\"', b"token"),
        (b"For example, a key: x.token => ", b"x.token"),
        (b"= ", b""),
    ],
)
def test_the_key_is_the_last_name_before_the_sign(before: bytes, key: bytes) -> None:
    assert labels.key(before) == key


@pytest.mark.parametrize("key", [b"WANDB_API_KEY", b"wandbApiKey", b"wandb-api-key", b"wandb.apiKey"])
def test_a_key_has_the_same_words_in_any_writing(key: bytes) -> None:
    assert labels.words(key) == [b"wandb", b"api", b"key"]


@given(st.binary(max_size=labels.LONGEST))
def test_any_text_before_a_value_can_be_read(before: bytes) -> None:
    key = labels.key(before)
    assert key in before
    assert labels.is_made_up(key) in {True, False}
    assert labels.is_harmless(key) in {True, False}
