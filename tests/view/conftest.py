"""What tests of the view share. One compiled rule database for all: compiling takes two seconds."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plan.conftest import engine_cache

__all__ = ["engine_cache"]


@pytest.fixture
def top() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="view-", dir="/var/tmp") as folder:
        (Path(folder) / "real").mkdir()
        yield Path(folder)


@pytest.fixture
def real(top: Path) -> Path:
    return top / "real"
