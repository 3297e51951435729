from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.guard.duty import Desk

Desks = Callable[..., Desk]


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Desks]:
    """Make desks in the test's folder; their sockets are closed at its end."""
    made: list[Desk] = []

    def make(**more: Any) -> Desk:
        made.append(Desk.make(tmp_path, **more))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(desks: Desks) -> Desk:
    return desks()
