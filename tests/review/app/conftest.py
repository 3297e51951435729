from pathlib import Path

import pytest

from tests.audit.recording import Home, home


@pytest.fixture
def user(tmp_path: Path) -> Home:
    return home(tmp_path)
