from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.asking import Guard


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    asking = Guard(tmp_path / "ask")
    yield asking
    asking.close()
