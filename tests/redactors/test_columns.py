"""What names of columns and lists say about their values."""

import pytest

from redactors.columns import PASSWORD, SECRET, kind


@pytest.mark.parametrize(
    "name",
    ["password", "Password", "login_password", "userPassword", "DB_PASSWD", "passwords", "password_plain", "pwd"],
)
def test_these_are_passwords(name: str) -> None:
    assert kind(name.encode()) == PASSWORD


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "API Key",
        "apiKey",
        "apikey",
        "client_secret",
        "Secret access key",
        "access_tokens",
        "OTPAuth",
        "totp",
    ],
)
def test_these_are_other_secrets(name: str) -> None:
    assert kind(name.encode()) == SECRET


@pytest.mark.parametrize(
    "name",
    ["", "id", "key", "Access key ID", "password_hash", "password_changed_at", "token_type", "public_key", "page_token"]
    + ["fake_password", "has_passwords_of", "keyboard", "compass", "secretary"],
)
def test_these_say_nothing(name: str) -> None:
    assert kind(name.encode()) == ""
