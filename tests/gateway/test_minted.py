"""Tokens that a command prints: one at a time, for some minutes, and nothing where there is none."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.gateway.wire import FixedCredential, in_loop
from wrapper.errors import StateError
from wrapper.gateway.minted import Minted


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def counting() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"token-{number}"


@in_loop
async def test_one_command_serves_all_requests_of_some_minutes() -> None:
    clock, tokens = Clock(), counting()
    minted = Minted(FixedCredential({"x-other": "1"}), lambda: next(tokens), clock=clock)
    found = await asyncio.gather(*(minted.headers({"authorization": "Bearer of-the-inside"}) for _ in range(20)))
    assert found == [{"x-other": "1", "authorization": "Bearer token-1"}] * 20
    clock.now += 200
    assert (await minted.headers({}))["authorization"] == "Bearer token-1"
    clock.now += 50
    assert (await minted.headers({}))["authorization"] == "Bearer token-2"
    await minted.close()


@in_loop
async def test_where_there_is_none_each_request_hears_why_and_the_next_asks_again() -> None:
    tokens = counting()
    fails = True

    def mint() -> str:
        if fails:
            raise StateError("not logged in", hint="log in")
        return next(tokens)

    minted = Minted(FixedCredential(), mint)
    for _ in range(2):
        with pytest.raises(StateError, match="not logged in"):
            await minted.headers({})
    fails = False
    assert await minted.headers({}) == {"authorization": "Bearer token-1"}
