"""One compiled rule database for all tests of the plan."""

from pathlib import Path

import pytest

from tests import compiled


@pytest.fixture(scope="session")
def engine_cache() -> Path:
    """Give the folder that `redactors.load` keeps its database in."""
    return compiled.rules()
