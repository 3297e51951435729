import pytest
from aiohttp.test_utils import make_mocked_request

from wrapper.gateway.arrival import opens_socket

HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize("more", [{}, {"Upgrade": "WebSocket"}, {"Content-Length": "0"}])
def test_a_handshake_opens_a_socket(more: dict[str, str]) -> None:
    assert opens_socket(make_mocked_request("GET", "/v1/responses", HANDSHAKE | more))


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("POST", {}),
        ("GET", {"Upgrade": "h2c"}),
        ("GET", {"Upgrade": "websocket, h2c"}),
        ("GET", {"Content-Length": "5"}),
        ("GET", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_nothing_else_opens_one(method: str, more: dict[str, str]) -> None:
    assert not opens_socket(make_mocked_request(method, "/v1/responses", HANDSHAKE | more))
    assert not opens_socket(make_mocked_request("GET", "/v1/responses", {}))
