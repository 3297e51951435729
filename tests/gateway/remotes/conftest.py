"""One forge and one sshd for a module's tests; each works on branches of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.remotes.forge import Forge, SshServer, ssh_server


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    return Forge.make(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("sshd") / "s", forge) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
