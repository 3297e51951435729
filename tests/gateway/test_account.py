import secrets

import pytest

from wrapper.gateway.account import account

_REST = secrets.token_urlsafe(40)


def _told(**headers: str) -> str:
    return account({name.replace("_", "-"): value for name, value in headers.items()}, lambda value: f"<{len(value)}>")


@pytest.mark.parametrize(
    ("headers", "kind", "value"),
    [
        ({"x_api_key": "sk-ant-" + _REST}, "Anthropic API key", "sk-ant-" + _REST),
        ({"authorization": "Bearer sk-ant-oat01-" + _REST}, "Claude login", "sk-ant-oat01-" + _REST),
        ({"authorization": "Bearer sk-" + _REST}, "OpenAI API key", "sk-" + _REST),
        ({"authorization": f"Bearer {_REST}"}, "token", _REST),
        ({"authorization": f"Bearer {_REST}", "chatgpt_account_id": "a-1"}, "ChatGPT login", _REST),
        ({"x_api_key": _REST}, "API key", _REST),
    ],
)
def test_the_kind_of_login_is_told_with_the_placeholder_of_its_value_alone(
    headers: dict[str, str], kind: str, value: str
) -> None:
    told = _told(**headers)
    assert told == f"{kind} <{len(value)}>"
    assert _REST not in told


def test_no_login_is_none_and_one_too_short_to_be_a_secret_gets_no_placeholder() -> None:
    assert _told() == ""
    assert _told(authorization="Bearer ") == ""
    assert _told(x_api_key="x") == "API key"
