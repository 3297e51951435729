"""Fixtures for all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.machine import ORDINARY, Machine

settings.register_profile("safe-agent", deadline=None)  # a busy machine is no failure; speed is for bench/
settings.load_profile("safe-agent")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine of the test's own."""
    made = Machine.make()
    yield made
    made.remove()


_USERS = {"root": None, "user": ORDINARY} if os.getuid() == 0 else {"user": None}


@pytest.fixture(params=list(_USERS.values()), ids=list(_USERS))
def anyones(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The same as root and as an ordinary user, for what the kernel treats differently."""
    made = Machine.make(request.param)
    yield made
    made.remove()
