"""Fixtures for all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.devices import lack_of_fuse
from tests.machine import ORDINARY, Machine

settings.register_profile("safe-agent", deadline=None)  # a busy machine is no failure; speed is for bench/
settings.load_profile("safe-agent")

_LACK = lack_of_fuse()
_USERS = {"root": None, "user": ORDINARY} if os.getuid() == 0 else {"user": None}
_VIEWS = ("binds",) if _LACK else ("fuse", "binds")
collect_ignore_glob = ["attacks/test_view*.py"] if _LACK else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it where the default view was not tested at all: what has passed was passed by its fallback."""
    if _LACK:
        terminalreporter.section("THE FUSE VIEW WAS NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"{_LACK}: all sessions ran by bind mounts, and attacks/test_view*.py was left out")
        terminalreporter.line("run the tests where `safe-agent doctor` finds FUSE")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine of the test's own."""
    made = Machine.make()
    yield made
    made.remove()


@pytest.fixture(params=list(_USERS.values()), ids=list(_USERS))
def anyones(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The same as root and as an ordinary user, for what the kernel treats differently."""
    made = Machine.make(request.param)
    yield made
    made.remove()


@pytest.fixture(params=_VIEWS)
def shown(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The same by each adapter that shows the workspace."""
    made = Machine.make()
    made.show_by(request.param)
    yield made
    made.remove()


_BOTH = [pytest.param((uid, view), id=f"{name}-{view}") for name, uid in _USERS.items() for view in _VIEWS]


@pytest.fixture(params=_BOTH)
def anyones_shown(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The same as root and as an ordinary user, by each adapter."""
    uid, view = request.param
    made = Machine.make(uid)
    made.show_by(view)
    yield made
    made.remove()
