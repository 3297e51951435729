"""A writer of the ledger is killed, or the disk fails it, at every single system call of an append (strace(1) does it).

After each: what was acknowledged is proven, what is there can be read without an error, and the ledger goes on.
"""

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.tracing import FILE_CALLS, INTERPRETER, REFUSED, places, traced
from wrapper.audit import entries, ledger
from wrapper.errors import AuditError

_NEW = 77


def _beat(number: int) -> entries.Beat:
    return entries.Beat(1_000.0 + number, "s-1", 1, number, "ab" * 32)


def _beats(folder: Path) -> list[int]:
    return [entry.size for _, entry in ledger.read(folder).entries if isinstance(entry, entries.Beat)]


def _new(folder: Path) -> list[int]:
    """No ledger yet."""
    del folder
    return []


def _running(folder: Path) -> list[int]:
    """A ledger that only has to be gone on with."""
    made = ledger.Ledger(folder)
    for number in range(2):
        made.append(_beat(number))
    return [0, 1]


def _left(folder: Path) -> list[int]:
    """A ledger that has to begin a new segment."""
    acknowledged = _running(folder)
    with (folder / "000001.alog").open("ab") as log:
        log.write(b"torn")
    return acknowledged


def _append(folder: Path) -> None:
    ledger.Ledger(folder).append(_beat(_NEW))


def _note(folder: Path) -> None:
    ledger.Ledger(folder).note()


def _goes_on(folder: Path, acknowledged: list[int], *, maybe: int = _NEW) -> None:
    """Check that all acknowledged entries are proven, now and after the next append, and at most `maybe` besides."""
    if acknowledged:
        assert [number for number in _beats(folder) if number != maybe] == acknowledged
    ledger.Ledger(folder).append(_beat(5))
    ledger.Ledger(folder).append(_beat(6))
    proven = _beats(folder)
    assert [number for number in proven if number != maybe] == [*acknowledged, 5, 6]
    assert proven.count(maybe) <= 1


_SITUATIONS = [(_new, _append), (_running, _append), (_left, _append), (_running, _note), (_left, _note)]


@pytest.mark.parametrize(("before", "work"), _SITUATIONS, ids=lambda value: value.__name__.strip("_"))
def test_a_writer_killed_at_any_system_call_leaves_what_was_acknowledged(
    tmp_path: Path, before: Callable[[Path], list[int]], work: Callable[[Path], None]
) -> None:
    good, bad, trace = tmp_path / "good", tmp_path / "bad", tmp_path / "trace"
    good.mkdir()
    acknowledged = before(good)
    shutil.copytree(good, bad)
    whole = traced(lambda: work(bad), trace)
    assert whole.code == 0
    assert {"flock"} <= set(whole.calls)
    for call, number in places(whole.calls):
        if call in INTERPRETER:
            continue
        shutil.rmtree(bad)
        shutil.copytree(good, bad)
        killed = traced(lambda: work(bad), trace, "-e", f"inject={call}:signal=KILL:when={number}")
        assert killed.code == -signal.SIGKILL, (call, number, whole.calls, killed.calls)
        _goes_on(bad, acknowledged)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize(("before", "work"), _SITUATIONS, ids=lambda value: value.__name__.strip("_"))
def test_a_disk_that_fails_at_any_system_call_is_refused_and_leaves_what_was_acknowledged(
    tmp_path: Path, before: Callable[[Path], list[int]], work: Callable[[Path], None], error: str
) -> None:
    good, bad, trace = tmp_path / "good", tmp_path / "bad", tmp_path / "trace"
    good.mkdir()
    acknowledged = before(good)
    shutil.copytree(good, bad)
    whole = traced(lambda: work(bad), trace)
    refused = 0
    for call, number in places(whole.calls):
        if call not in FILE_CALLS:
            continue
        shutil.rmtree(bad)
        shutil.copytree(good, bad)
        failed = traced(lambda: work(bad), trace, "-e", f"inject={call}:error={error}:when={number}")
        assert failed.code in (0, REFUSED), (call, number)
        refused += failed.code == REFUSED
        _goes_on(bad, acknowledged)
    assert refused > 5


def test_an_append_of_which_any_part_reaches_the_disk_is_refused_and_stated(tmp_path: Path) -> None:
    """The limit on a file's size stops a write in the middle, as a full disk does."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    acknowledged = _running(good)
    size = (good / "000001.alog").stat().st_size
    for reached in range(1, 270, 13):
        shutil.copytree(good, bad)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + reached, resource.RLIM_INFINITY))
                _append(bad)
            except AuditError as error:
                is_said = error.what == "cannot write the ledger: File too large" and "free space" in error.hint
                code = REFUSED if is_said else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == REFUSED
        assert (bad / "000001.alog").stat().st_size == size + reached
        _goes_on(bad, acknowledged)
        recovered = next(entry for _, entry in ledger.read(bad).entries if isinstance(entry, entries.Recovered))
        assert (recovered.torn, recovered.missing) == (reached, 0)
        shutil.rmtree(bad)
