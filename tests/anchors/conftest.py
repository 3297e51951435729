from pathlib import Path

import pytest

from tests.anchors.standing import Standing


@pytest.fixture
def here(tmp_path: Path) -> Standing:
    """A machine whose ledger has ten frames."""
    (tmp_path / "state").mkdir()
    return Standing(tmp_path / "state").grow(5)
