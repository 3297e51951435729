"""Corpora, and results, in a store: a local S3-compatible server that counts what is fetched of it."""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.corpus.conftest import Whole
from tests.corpus.corpora import Corpus
from wrapper.corpus import engines
from wrapper.corpus.documents import pieces, read
from wrapper.corpus.policyfile import built_in, parse
from wrapper.corpus.storage import Folder, Storage, filesystem, shown
from wrapper.corpus.summary import verdicts
from wrapper.errors import ProvenanceError

_SECRET = "not" + "-a-real-" + "secret-0123456789"


class Store:
    """A server, and the bytes of each answer to a GET."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str, int]] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        def counting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if environ["REQUEST_METHOD"] == "GET":
                length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                self.fetched.append((environ["PATH_INFO"], length))
            return start(status, headers, *rest)

        answer: Iterable[bytes] = self._app(environ, counting)
        return answer

    def end(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test's own, and nothing of the machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", _SECRET),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(store: Store, request: pytest.FixtureRequest) -> str:
    """An empty bucket, as an address."""
    name = f"bucket-{abs(hash(request.node.name))}"
    filesystem("s3://", Storage(endpoint=store.endpoint))[0].mkdir(name)
    return f"s3://{name}"


def test_a_corpus_in_a_store_is_judged_as_the_same_one_on_disk_and_results_go_to_the_store(
    store: Store, bucket: str, corpus: Corpus, whole: Whole
) -> None:
    storage = Storage(endpoint=store.endpoint)
    files, path = filesystem(f"{bucket}/corpus", storage)
    files.put(f"{corpus.sources}/", f"{path}/", recursive=True)
    outcome = engines.run([f"{bucket}/corpus"], corpus.judging, f"{bucket}/out", workers=1, storage=storage)
    parts = Folder(outcome.parts, storage)
    found = pa.Table.from_batches(verdicts(parts, sorted(parts.names()))).drop_columns(["source", "id"])
    order = [("sha256", "ascending"), ("row", "ascending")]
    assert found.sort_by(order).equals(whole.table.drop_columns(["source", "id"]).sort_by(order))
    assert (outcome.parts, outcome.refused) == (f"{bucket}/out/parts", whole.outcome.refused)
    again = engines.run([f"{bucket}/corpus"], corpus.judging, f"{bucket}/out", storage=storage, resume=True)
    assert (again.resumed, again.refused) == (again.pieces, outcome.refused)
    run = Folder(f"{bucket}/out", storage).read("run.json") or b""
    assert bucket.encode() in run
    assert _SECRET.encode() not in run


def test_of_a_parquet_file_only_the_columns_that_are_wanted_are_fetched(
    store: Store, bucket: str, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).bytes(24 << 20)
    wanted = [f"text of row {row}" for row in range(48)]
    rows = {
        "id": [f"d{row}" for row in range(48)],
        "embedding": [noise[row << 19 : (row + 1) << 19] for row in range(48)],
        "text": wanted,
    }
    pq.write_table(pa.table(rows), tmp_path / "wide.parquet", row_group_size=48, compression="none")
    storage = Storage(endpoint=store.endpoint)
    files, path = filesystem(f"{bucket}/wide.parquet", storage)
    files.put_file(str(tmp_path / "wide.parquet"), path)
    before = len(store.fetched)
    [piece] = pieces([f"{bucket}/wide.parquet"], built_in(), storage)
    policy = parse(b'version = 1\n[columns]\ntext = ["text"]', "f")
    texts = [text for batch in read(piece, policy, storage) for text in batch.column("text").to_pylist()]
    assert texts == [text.encode() for text in wanted]
    fetched = [size for name, size in store.fetched[before:] if name.endswith("wide.parquet")]
    assert fetched
    assert sum(fetched) < piece.size / 2


def test_what_a_store_refuses_is_told_without_credentials(store: Store, bucket: str, corpus: Corpus) -> None:
    storage = Storage(endpoint=store.endpoint)
    with pytest.raises(ProvenanceError) as raised:
        engines.run([str(corpus.sources)], corpus.judging, f"{bucket}-that-is-not-there/out", storage=storage)
    said = f"{raised.value.what} {raised.value.hint}"
    assert "that-is-not-there" in said
    assert _SECRET not in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://user:word@bucket/a", "s3://bucket/a"),
        ("https://host/a.jsonl?X-Amz-Signature=abc", "https://host/a.jsonl"),
        ("a/b.jsonl", "a/b.jsonl"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(address: str, said: str) -> None:
    assert shown(address) == said


def test_a_local_folder_keeps_no_file_that_was_not_finished(tmp_path: Path) -> None:
    folder = Folder(f"file://{tmp_path}/out")
    folder.make()
    with pytest.raises(RuntimeError), folder.draft("a") as draft:
        draft.write_bytes(b"half")
        raise RuntimeError
    assert folder.names() == set()
    folder.write("a", b"whole")
    assert (folder.names(), folder.read("a"), folder.read("b")) == ({"a"}, b"whole", None)
    shutil.rmtree(tmp_path / "out")
    assert folder.names() == set()
