"""The same judging on Ray: a real cluster of two workers, started once for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.corpus.conftest import Whole
from tests.corpus.corpora import Corpus, table
from wrapper.corpus import cluster, engines
from wrapper.corpus.documents import pieces
from wrapper.corpus.resuming import PARTS, tasks
from wrapper.corpus.sending import Sent, arrived, sent
from wrapper.corpus.storage import Folder
from wrapper.errors import ProvenanceError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of its own settings


@pytest.fixture(scope="module")
def _ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster of this machine, as `--engine ray` starts it; it knows nothing of this machine's environment."""
    kept = dict(os.environ)
    home = str(tmp_path_factory.mktemp("home"))
    os.environ.clear()
    os.environ.update({"PATH": kept["PATH"], "HOME": home})
    try:
        with cluster.connected("local", 2):
            yield
        assert not list(Path(home).iterdir())  # not even a token
    finally:
        os.environ.clear()
        os.environ.update(kept)


@pytest.mark.usefixtures("_ray")
def test_ray_gives_the_same_verdicts_as_the_local_engine(corpus: Corpus, whole: Whole, tmp_path: Path) -> None:
    told: list[engines.Progress] = []
    outcome = engines.run(
        [str(corpus.sources)], corpus.judging, str(tmp_path / "out"), engine="ray", workers=2, progress=told.append
    )
    assert table(outcome).equals(whole.table)
    assert msgspec.structs.replace(outcome, parts="") == msgspec.structs.replace(whole.outcome, parts="")
    assert [one.pieces for one in told] == list(range(outcome.pieces + 1))


@pytest.mark.usefixtures("_ray")
def test_the_plan_is_one_pass_without_a_shuffle(corpus: Corpus, tmp_path: Path) -> None:
    everything = tasks(list(pieces([str(corpus.sources)], corpus.judging.policy)))
    plan = cluster.planned(everything, corpus.judging, Folder(str(tmp_path)), 2)
    assert _operators(plan) == ["FromItems", "MapBatches"]
    assert _operators(plan.random_shuffle())[-1] == "RandomShuffle"  # it would be seen


@pytest.mark.usefixtures("_ray")
def test_what_a_worker_refuses_on_ray_is_told_as_it_is_locally(corpus: Corpus, tmp_path: Path) -> None:
    missing = msgspec.structs.replace(corpus.judging, key=str(tmp_path / "no.key"))
    folder = Folder(str(tmp_path))
    folder.below(PARTS).make()
    everything = tasks(list(pieces([str(corpus.sources / "plain.py")], corpus.judging.policy)))
    with pytest.raises(ProvenanceError, match=r"`.*no\.key` is missing"):
        cluster.judge_all(everything, missing, folder, 2, "local", lambda task, done: None)


def test_a_machine_without_the_file_fetches_it_once(tmp_path: Path) -> None:
    original = tmp_path / "pack"
    original.write_bytes(b"what all need")
    stored: list[bytes] = []
    asked: list[int] = []

    def put(piece: bytes) -> int:
        stored.append(piece)
        return len(stored) - 1

    def get(number: int) -> bytes:
        asked.append(number)
        return stored[number]

    file = sent(str(original), put)
    assert arrived(file, get, tmp_path / "cache") == str(original)
    assert asked == []
    original.unlink()
    first, second = (arrived(file, get, tmp_path / "cache") for _ in range(2))
    assert first == second
    assert Path(first).read_bytes() == b"what all need"
    assert asked == [0]


def test_a_file_that_arrives_damaged_is_not_used(tmp_path: Path) -> None:
    original = tmp_path / "pack"
    original.write_bytes(b"what all need")
    file = Sent(str(original), sent(str(original), None).digest, [0])
    original.unlink()
    with pytest.raises(ProvenanceError, match="did not arrive"):
        arrived(file, lambda number: b"something else", tmp_path / "cache")


def _operators(dataset: Any) -> list[str]:
    """Names of a plan's operators, in order."""
    names, operator = [], dataset._logical_plan.dag
    while operator is not None:
        names.append(operator.name.partition("(")[0])
        operator = next(iter(operator.input_dependencies), None)
    return names[::-1]
