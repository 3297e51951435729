"""Attacks on promise 1 by way of a target: a known value percent-encoded as no encoder would, and as some do twice.

Pieces of a target are decoded one by one, so a value that holds a separator itself is the one to try.
"""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote_to_bytes

import pytest

from tests.gateway.wire import in_loop, wired

SLASHES = "wJbr/UtnFEq/K7Mx+NG/bPx/" + "RficYq/3zk+7Q/aa9dXe"
SEPARATORS = "Tr0ub&4dor/3=x?y;Zq," + "8Lm:pW@v"


def escaped(value: str, keep: str = "") -> str:
    return "".join(one if one in keep else f"%{ord(one):02x}" for one in value)


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "all letters, no separator": lambda value: escaped(value, "/&=?;,"),
    "all letters, no slash, twice": lambda value: quote(escaped(value, "/"), safe="/"),
    "twice": lambda value: quote(quote(value, safe=""), safe=""),
    "twice as a library does by default": lambda value: quote(quote(value)),
    "five times": lambda value: re.sub("%", "%25252525", quote(value, safe="")),
    "the first letter": lambda value: escaped(value[0]) + value[1:],
    "every other letter": lambda value: "".join(one if at % 2 else escaped(one) for at, one in enumerate(value)),
    "slash and plus only": lambda value: value.replace("+", "%2B").replace("/", "%2F"),
    "separators twice, letters once": lambda value: re.sub(
        "[^A-Za-z0-9%]", lambda one: quote(quote(one[0], safe="")), escaped(value, "/&=?;,+")
    ),
}


@pytest.mark.parametrize("value", [SLASHES, SEPARATORS], ids=["slashes", "separators"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["/v1/x?k={}&more=1", "/v1/x?a={}", "/v1/{}/files", "/v1/x?u=https%3A%2F%2Fa%2F{}"])
def test_no_value_leaves_in_a_target_however_it_is_escaped(value: str, way: str, target: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            placeholder = world.knows(value.encode())
            await world.ask(target.format(WAYS[way](value)), b"{}")
            [received] = world.provider.requests
            seen = received.target.encode()
            for _ in range(7):
                assert all(value[at : at + 7].encode() not in seen for at in range(len(value) - 6)), seen
                seen = unquote_to_bytes(seen)
            assert placeholder in received.target
            assert value.encode() not in world.recorded()

    scenario()


@pytest.mark.parametrize("way", WAYS)
def test_nor_in_a_body_or_a_header(way: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            for value in (SLASHES, SEPARATORS):
                placeholder = world.knows(value.encode())
                written = WAYS[way](value)
                await world.ask_json({"a": f"GET https://a.example/?k={written} 200"}, headers=[f"X-Url: /{written}"])
                received = world.provider.requests[-1]
                seen = received.raw
                for _ in range(7):
                    assert all(value[at : at + 7].encode() not in seen for at in range(len(value) - 6)), seen
                    seen = unquote_to_bytes(seen)
                assert placeholder in received.document["a"]
                assert placeholder in received.headers["x-url"]

    scenario()


@pytest.mark.parametrize(
    "target", ["/v1/a%2Fb%3Fc/%2525?x=%26%3D+y&z=%C3%A9%2520", "/v1/x?u=https%3A%2F%2Fa%2Fb%253Fc"]
)
def test_a_target_without_a_secret_arrives_as_it_was_written(target: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SLASHES.encode())
            await world.ask(target, b"{}")
            assert world.provider.requests[0].target == target

    scenario()
