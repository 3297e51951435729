"""Runs that were ended in the middle, really: by SIGKILL and by Ctrl-C, wherever they were; and what resumes them."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.corpus.conftest import Whole
from tests.corpus.corpora import Corpus, environment, table
from wrapper.corpus import engines
from wrapper.corpus.documents import pieces
from wrapper.corpus.engines import Progress
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.resuming import PARTS, Binding, begin, tasks
from wrapper.corpus.storage import Folder
from wrapper.errors import ProvenanceError

_RUN = """
import sys
from wrapper.corpus import engines
from wrapper.corpus.judging import Judging
from wrapper.corpus.policyfile import built_in
if __name__ == "__main__":
    source, pack, key, out = sys.argv[1:]
    judging = Judging(pack=pack, key=key, policy=built_in())
    print("begun", flush=True)
    engines.run([source], judging, out, workers=2, progress=lambda now: print(now.pieces, flush=True))
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_anywhere_is_resumed_to_the_same_result_and_judges_nothing_twice(
    ending: signal.Signals, corpus: Corpus, whole: Whole, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    after = random.randrange(1, 7)  # noqa: S311 (lines told: it is ended before the first piece is done, or between)
    _ended(corpus, out, ending, after)
    kept = {part.name: part.stat().st_mtime_ns for part in (out / PARTS).glob("[0-9]*")}
    told: list[Progress] = []
    outcome = engines.run([str(corpus.sources)], corpus.judging, str(out), workers=1, resume=True, progress=told.append)
    assert table(outcome).equals(whole.table), after
    assert outcome.resumed == told[0].pieces == len(kept) >= after - 2
    assert {part: (out / PARTS / part).stat().st_mtime_ns for part in kept} == kept  # not written again
    assert [path.name for path in (out / PARTS).iterdir() if path.name.startswith(".")] == []


def _ended(corpus: Corpus, out: Path, ending: signal.Signals, after: int) -> None:
    """Begin a run, and end it when it has told so many lines; nothing of it is left when this returns."""
    command = [sys.executable, "-c", _RUN, str(corpus.sources), corpus.judging.pack, corpus.judging.key, str(out)]
    started = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert started.stdout is not None
    lines = [started.stdout.readline() for _ in range(after + 1)]
    assert lines[0] == b"begun\n"
    if ending == signal.SIGINT:  # as a terminal does: to the whole group
        os.killpg(started.pid, ending)
    else:
        started.send_signal(ending)
    _, errors = started.communicate()  # ends when all that hold the pipes have ended: the workers, too
    assert started.returncode == -ending
    if ending == signal.SIGINT:
        assert b"spawn_main" not in errors, errors  # no worker complains
    else:  # nor here; Python itself does where we were killed before it had told a new worker what to be
        assert errors == b"" or errors.endswith(b"EOFError: Ran out of input\n"), errors


@pytest.mark.parametrize("change", ["policy", "index", "pack", "source", "new source", "order"])
def test_what_a_run_was_begun_with_must_not_have_changed(change: str, corpus: Corpus, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps({"id": "1", "text": "a"}) + "\n")
    other = tmp_path / "b.jsonl"
    other.write_text(json.dumps({"id": "2", "text": "b"}) + "\n")
    sources, binding = [str(source), str(other)], Binding(pack="1", key="2", policy="3", baseline="", index="whole")
    assert _begin(tmp_path, sources, binding) == set()
    assert _begin(tmp_path, sources, binding, resume=True) == set()  # the same is no change
    if change == "source":
        source.write_text(json.dumps({"id": "1", "text": "c"}) + "\n")
    elif change == "new source":
        third = tmp_path / "c.jsonl"
        third.write_text("{}\n")
        sources.append(str(third))
    elif change == "order":
        sources.reverse()
    else:
        binding = msgspec.structs.replace(binding, **{change: "other"})
    said = {"source": "a.jsonl` has changed", "new source": "c.jsonl` has come", "order": "another order"}
    with pytest.raises(ProvenanceError, match=said.get(change, f"another {change}")):
        _begin(tmp_path, sources, binding, resume=True)


def test_a_folder_that_holds_a_run_is_not_begun_anew(tmp_path: Path) -> None:
    binding = Binding(pack="1", key="2", policy="3", baseline="", index="whole")
    _begin(tmp_path, [], binding)
    with pytest.raises(ProvenanceError, match="holds a run already"):
        _begin(tmp_path, [], binding)


def test_a_damaged_run_file_is_refused_in_words(tmp_path: Path) -> None:
    binding = Binding(pack="1", key="2", policy="3", baseline="", index="whole")
    _begin(tmp_path, [], binding)
    (tmp_path / "out" / "run.json").write_bytes(b"{")
    with pytest.raises(ProvenanceError, match="cannot be read"):
        _begin(tmp_path, [], binding, resume=True)


def test_two_runs_at_once_in_one_folder_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with folder.held(), pytest.raises(ProvenanceError, match="another run"):
        engines.run([str(corpus.sources)], corpus.judging, str(tmp_path))


def test_a_run_of_nothing_has_an_outcome(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = engines.run([str(tmp_path / "empty")], corpus.judging, str(tmp_path / "out"))
    assert (outcome.documents, outcome.pieces, outcome.coverage) == (0, 0, (0,) * 10)


def _begin(folder: Path, sources: list[str], binding: Binding, *, resume: bool = False) -> set[str]:
    out = Folder(str(folder / "out"))
    out.make()
    return begin(out, binding, tasks(list(pieces(sources, built_in()))), resume=resume)
