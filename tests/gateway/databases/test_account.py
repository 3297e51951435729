"""What is read out of a URL, a connection string or a bare password."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine import fake
from wrapper.errors import PolicyError
from wrapper.gateway.databases.account import Account, account, statement

PASSWORD = fake()


@pytest.mark.parametrize(
    ("protocol", "value", "user"),
    [
        ("postgresql", "postgres://app:{}@127.0.0.1:5432/db?sslmode=prefer", "app"),
        ("postgresql", "postgresql://app:{}@localhost/db", "app"),
        ("postgresql", "postgresql+asyncpg://app:{}@localhost/db", "app"),
        ("postgresql", "jdbc:postgresql://localhost/db?user=app&password={}", "app"),
        ("postgresql", "postgresql:///db?host=localhost&user=app&password={}", "app"),
        ("postgresql", "host=localhost user=app password={} dbname=x", "app"),
        ("postgresql", "host = localhost password = '{}' user='app'", "app"),
        ("postgresql", "password={}", None),
        ("mysql", "mysql://app:{}@127.0.0.1/db", "app"),
        ("mysql", "mysql+pymysql://app:{}@127.0.0.1/db", "app"),
        ("mysql", "mariadb://app:{}@127.0.0.1/db", "app"),
        ("mysql", "app:{}@tcp(127.0.0.1:3306)/db?parseTime=true", "app"),
        ("redis", "redis://:{}@127.0.0.1:6379/0", "default"),
        ("redis", "redis://app:{}@127.0.0.1", "app"),
        ("redis", "redis://127.0.0.1?password={}", "default"),
        ("postgresql", "{}", None),
        ("mysql", "{}\n", None),
        ("redis", "{}", None),
    ],
)
def test_the_password_and_its_user_are_found(protocol: str, value: str, user: str | None) -> None:
    assert account(protocol, value.format(PASSWORD)) == Account(user, PASSWORD.encode())


@pytest.mark.parametrize(
    ("protocol", "value"),
    [
        ("redis", "rediss://:{}@127.0.0.1"),
        ("postgresql", "mysql://app:{}@localhost/db"),
        ("tcp", "postgres://app:{}@localhost/db"),
        ("mysql", "https://app:{}@localhost/db"),
        ("redis", "x{}://x"),
        ("postgresql", "postgres://app@localhost/{}"),
        ("postgresql", "postgres://app:@localhost/{}"),
        ("postgresql", "postgres://app:{}@x@localhost/db"),
        ("postgresql", "postgres://app:{}/x@localhost/db"),
        ("postgresql", "postgres://app:[{}@localhost/db"),
        ("postgresql", "postgres://app:{}#x@localhost/db"),
        ("postgresql", "host=localhost password='{} user=app"),
        ("redis", "{}\nmore"),
        ("redis", "redis://:{}%00@127.0.0.1"),
        ("redis", "redis://:{}%ff@127.0.0.1"),
        ("redis", "{}\udcff"),  # a byte of the environment that is no UTF-8
        ("postgresql", "postgres://app:{}\udcff@localhost/db"),
        ("postgresql", "jdbc:postgresql://localhost/db?user=app&password={}%ff"),
        ("postgresql", "jdbc:postgresql://localhost/db?user=app&password={}+x"),
        ("postgresql", "postgres://app:{}@localhost/db?password=another"),
        ("redis", ""),
    ],
)
def test_what_is_not_wholly_understood_is_refused_without_showing_it(protocol: str, value: str) -> None:
    """Promise 2: what the error says reaches a screen and a log."""
    with pytest.raises(PolicyError) as caught:
        account(protocol, value.format(PASSWORD))
    assert PASSWORD.lower() not in (caught.value.what + caught.value.hint).lower()
    assert caught.value.hint
    assert caught.value.__cause__ is None


@given(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_password_is_found_where_it_is_written_as_it_should_be(password: str) -> None:
    wanted = Account("a p", password.encode())
    assert account("postgresql", f"postgres://a%20p:{quote(password, safe='')}@localhost/db") == wanted
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    assert account("postgresql", f"host=x user='a p' password='{escaped}'") == wanted


def test_an_account_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(Account("app", PASSWORD.encode()))


def test_what_becomes_of_the_password_is_said_for_each_protocol() -> None:
    assert "put in outside" in statement("postgresql", 5432, has_value=True)
    assert "must be known inside" in statement("tcp", 5432, has_value=True)
    assert "only moved" in statement("postgresql", 5432, has_value=False)
    assert "where a client logs in with it" in statement("redis", 6379, has_value=True)
