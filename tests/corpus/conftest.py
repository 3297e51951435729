"""One corpus, and one run over it by two local workers, for all tests of engines."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.corpus.corpora import Corpus, make, table
from wrapper.corpus import engines
from wrapper.corpus.engines import Outcome, Progress


class Whole:
    """A run that nothing disturbed, and what it told."""

    def __init__(self, corpus: Corpus, out: Path) -> None:
        self.told: list[Progress] = []
        self.outcome: Outcome = engines.run(
            [str(corpus.sources)], corpus.judging, str(out), workers=2, progress=self.told.append
        )
        self.table: pa.Table = table(self.outcome)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def whole(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(corpus, tmp_path_factory.mktemp("whole") / "out")
