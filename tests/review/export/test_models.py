import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit.events import Request
from wrapper.review.export import models


def asked(body: bytes, model: str = "") -> Request:
    return Request(at=1.0, number=1, method="POST", url="u", headers={}, body=body, model=model)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.invalid/v1/messages?beta=true", "anthropic"),
        ("https://api.invalid/v1/messages/count_tokens", "anthropic"),
        ("wss://api.invalid/backend-api/codex/responses", "openai"),
        ("http://api.invalid/v1/chat/completions/", "openai"),
        ("https://api.invalid/v1/models", ""),
        ("http://[", ""),
    ],
)
def test_the_interface_tells_the_provider(url: str, name: str) -> None:
    assert models.provider(url) == name


def test_the_model_is_the_one_policy_asked_for_else_the_bodys() -> None:
    assert models.model(asked(b'{"model": "m-1"}')) == "m-1"
    assert models.model(asked(b'{"model": "m-1"}', model="m-2")) == "m-2"
    assert models.model(asked(b'{"model": 5}')) == ""


@given(st.text(max_size=40) | st.sampled_from(["http://a:99999/", "//[::1", "http://a:b/"]), st.binary(max_size=40))
def test_no_address_and_no_body_raises(url: str, body: bytes) -> None:
    parts = models.split(url)
    assert parts.port is None or 0 <= parts.port <= 65_535
    assert isinstance(models.provider(url) + models.model(asked(body)), str)
