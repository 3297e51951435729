"""One compiled rule database for all tests of the plan: compiling takes two seconds."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that `redactors.load` keeps its database in."""
    return tmp_path_factory.mktemp("engine")
