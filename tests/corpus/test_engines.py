"""The engine of one machine, on a small corpus in several forms."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from tests.corpus.conftest import Whole
from tests.corpus.corpora import Corpus, environment, table
from wrapper.corpus import engines, local
from wrapper.corpus.documents import Form, Piece
from wrapper.corpus.engines import Progress
from wrapper.corpus.resuming import PARTS, Done, Task, tasks
from wrapper.corpus.storage import Folder
from wrapper.corpus.worker import Worker
from wrapper.errors import ProvenanceError
from wrapper.provenance.key import load_or_make


def test_what_an_agent_wrote_is_refused_and_nothing_else_is(corpus: Corpus, whole: Whole) -> None:
    refused = {row["id"] for row in whole.table.to_pylist() if row["decision"] == "refuse"}
    assert refused == corpus.tainted


def test_the_outcome_counts_what_the_parts_hold(corpus: Corpus, whole: Whole) -> None:
    rows, outcome = whole.table.to_pylist(), whole.outcome
    assert outcome.documents == len(rows) == sum(outcome.stages.values())
    assert outcome.size == sum(row["size"] for row in rows)
    for decision, count in (
        ("accept", outcome.accepted),
        ("refuse", outcome.refused),
        ("quarantine", outcome.quarantined),
    ):
        assert count == sum(row["decision"] == decision for row in rows)
    assert sum(outcome.coverage) == sum(bool(row["sessions"]) for row in rows)
    assert {count.source: count.documents for count in outcome.sources} == {
        source: sum(row["source"] == source for row in rows) for source in {row["source"] for row in rows}
    }
    assert {count.session: count.documents for count in outcome.sessions} == {
        f"session-{number}": sum(f"session-{number}" in row["sessions"] for row in rows) for number in range(6)
    }


def test_progress_ends_where_everything_is_done(whole: Whole) -> None:
    last = whole.told[-1]
    assert [one.pieces for one in whole.told] == list(range(last.all_pieces + 1))
    assert (last.size, last.documents, last.refused) == (last.total, whole.outcome.documents, whole.outcome.refused)


def test_a_piece_whose_worker_dies_is_judged_by_another(corpus: Corpus, whole: Whole, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.pieces == 1:  # both are busy or about to be
            killed.extend(_children())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    outcome = engines.run([str(corpus.sources)], corpus.judging, str(tmp_path / "out"), workers=2, progress=kill)
    assert len(killed) == 2
    assert table(outcome).equals(whole.table)
    assert not _children()


def test_a_piece_that_kills_two_workers_ends_the_run_and_is_named(corpus: Corpus, tmp_path: Path) -> None:
    ended = threading.Event()

    def kill_all() -> None:
        while not ended.wait(0.01):
            for pid in _children():
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_all)
    thread.start()
    try:
        with pytest.raises(ProvenanceError, match=r"2 workers died of `.*` \(signal 9\)") as raised:
            engines.run([str(corpus.sources / "plain.py")], corpus.judging, str(tmp_path / "out"), workers=1)
    finally:
        ended.set()
        thread.join()
    assert "--resume" in raised.value.hint


def test_a_pack_of_another_key_is_refused_in_words(corpus: Corpus, tmp_path: Path) -> None:
    load_or_make(tmp_path / "other.key")
    mixed = msgspec.structs.replace(corpus.judging, key=str(tmp_path / "other.key"))
    with pytest.raises(ProvenanceError, match="key"):
        engines.run([str(corpus.sources)], mixed, str(tmp_path / "out"), workers=1)


def test_a_full_disk_is_told_and_leaves_no_draft(corpus: Corpus, tmp_path: Path) -> None:
    said = _on_a_small_disk(_JUDGE, str(corpus.sources / "0.jsonl"), corpus.judging.pack, corpus.judging.key, tmp_path)
    assert said.splitlines() == [f"cannot write `{tmp_path}/parts/part`: No space left on device", "[]"]


def test_a_worker_reads_a_piece_and_writes_its_part(corpus: Corpus, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.below(PARTS).make()
    [task] = tasks([_piece(corpus.sources / "0.jsonl")])
    assert Worker(corpus.judging, folder).do(task) == Done(12, 3)
    assert folder.below(PARTS).names() == {task.part}


def test_an_engine_with_nothing_to_do_starts_nobody(corpus: Corpus, tmp_path: Path) -> None:
    def done(_task: Task, _done: Done) -> None:
        raise AssertionError

    local.judge_all([], corpus.judging, Folder(str(tmp_path)), 2, done)
    assert not _children()


_JUDGE = """
import os, sys
from wrapper.corpus.documents import Form, Piece
from wrapper.corpus.judging import Judging
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.resuming import Task
from wrapper.corpus.storage import Folder
from wrapper.corpus.worker import Worker
from wrapper.errors import ProvenanceError
from wrapper.provenance.key import load_or_make
source, pack, key, out = sys.argv[1:]
folder = Folder(out)
folder.below("parts").make()
with open(f"{out}/filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(1 << 12)):
            pass
    except OSError:
        pass
worker = Worker(Judging(pack=pack, key=key, policy=built_in()), folder)
try:
    worker.do(Task(0, Piece(source=source, location=source, form=Form.JSONL), "part"))
except ProvenanceError as error:
    print(error)
print(os.listdir(f"{out}/parts"))
"""


def _on_a_small_disk(script: str, source: str, pack: str, key: str, out: Path) -> str:
    """Run a script where `out` is a file system of 64 KiB."""
    small = ["--dev-bind", "/", "/", "--size", str(1 << 16), "--tmpfs", str(out)]
    command = ["bwrap", *small, sys.executable, "-c", script, source, pack, key, str(out)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _piece(path: Path) -> Piece:
    return Piece(source=str(path), location=str(path), form=Form.JSONL, size=path.stat().st_size)


def _children() -> list[int]:
    """Workers that this process started."""
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"spawn_main" in command:
                found.append(int(pid))
    return found
