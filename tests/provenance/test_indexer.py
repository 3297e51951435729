"""The indexer beside a real recorder: it makes the index that the log would give, and never gets in a session's way."""

import contextlib
import ctypes
import gc
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from tests.audit.recording import Home, ended, home, start_event, warned
from tests.machine import until
from tests.provenance.talking import Talk, line
from wrapper import crew, linux
from wrapper.audit import events, reader, recorder
from wrapper.audit.client import RecorderClient
from wrapper.audit.deltas import Deltas
from wrapper.audit.entries import Indexed
from wrapper.audit.ledger import read
from wrapper.audit.ratchet import Ratchet
from wrapper.audit.reader import State
from wrapper.audit.segment import Segment
from wrapper.audit.writer import Limits
from wrapper.provenance import indexer
from wrapper.provenance.handing import Handing, Task
from wrapper.provenance.index import Index
from wrapper.provenance.indexer import serve
from wrapper.provenance.key import FILE, Key, load, load_or_make
from wrapper.provenance.model import Sheet
from wrapper.provenance.rebuilding import differs, rebuild

Work = Callable[[socket.socket, Task], int]
_PR_GET_DUMPABLE = 3
_SEGMENTS = Limits(size=4096)  # of a log: several in a session


@pytest.fixture
def user(tmp_path: Path) -> Home:
    return home(tmp_path)


def key_file(user: Home) -> Path:
    return user.config / "provenance.key"


@dataclass
class Session:
    """A session that is recorded and indexed. `said`: what its end says of the index."""

    client: RecorderClient
    pid: int
    _answer: int

    def tell(self, told: Sequence[events.Event]) -> None:
        """Have events recorded, as the session's processes do; they are on disk when it returns."""
        deltas = Deltas()
        for event in told:
            if isinstance(event, events.Request):
                short = deltas.shorten(event.number, event.body)
                event = msgspec.structs.replace(  # noqa: PLW2901 (the same event, as it is written)
                    event, body=short.body, base=short.base, prefix=short.prefix, suffix=short.suffix
                )
            self.client.append_durable(event)

    def end(self) -> str:
        """End it and return why the index is not whole."""
        self.client.close()
        with os.fdopen(self._answer, "rb") as answer:
            said = answer.read().decode()
        assert os.waitpid(self.pid, 0)[1] == 0
        return said

    def indexer(self) -> int:
        """Wait for the indexer's process and return its id."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        until(lambda: bool(children.read_text().split()))
        return int(children.read_text().split()[0])


@contextlib.contextmanager
def session(
    user: Home, name: str = "s-1", work: Work = serve, *, patience: float = 60.0, **bounds: int
) -> Iterator[Session]:
    """Record and index one session; the recorder is a process of its own."""
    ours, theirs = socket.socketpair()
    answer, said = os.pipe()
    recipients = user.keys.load_recipients()
    pid = os.fork()
    if pid == 0:
        linux.keep_only([theirs.fileno(), said])  # no other session's connection
        task = Task(name, str(user.config.parent), str(user.state), str(key_file(user)))
        handing = Handing(task, work, patience=patience, **bounds)
        code = recorder.serve([theirs], user.directory(name), recipients, limits=_SEGMENTS, listener=handing)
        os.write(said, handing.end().encode())
        os._exit(code)
    theirs.close()
    os.close(said)
    yield Session(RecorderClient(ours), pid, answer)


def indexed(user: Home) -> tuple[list[Sheet], tuple[str, ...]]:
    """Return the sheets, and what is wrong with the index."""
    index = Index.open(user.state, load_or_make(key_file(user)))
    return list(index.sheets()), tuple(fault.why for fault in index.faults)


def rebuilt(user: Home, name: str = "s-1") -> str:
    found = reader.find_session(user.state, name)
    records = reader.read_records(found.directory, user.keys.load_identity())
    return rebuild(name, records, found.state, user.state, load(key_file(user))).gap


def conversation() -> Talk:
    """A session with all that is captured."""
    talk = Talk()
    talk.asks("write it\n" + "\n".join(line() for _ in range(60)))
    talk.answers(f"I write:\n{line()}", {"file_path": "a.py", "content": "\n".join(line() for _ in range(9))})
    talk.changes("b.py", "", f"{line()}\n")
    talk.results(f"done\n{line()}")
    talk.answers("", {"file_path": "a.py", "old_string": line(), "new_string": line()})
    talk.changes("c.py", "", "x", by="host", known=False)
    talk.add(events.FilesRead(at=1_005.0, files=(("a.py", 1_004.0, 12),)))
    talk.results("done")
    talk.answers("All done: the parser checks what it reads.")
    return talk


def test_what_is_indexed_while_it_runs_is_what_its_log_gives_later(user: Home) -> None:
    with session(user) as running:
        running.tell([*conversation().events, warned("not of interest"), ended()])
        assert running.end() == ""
    live, faults = indexed(user)
    assert faults == ()
    assert len(live[0].lines) > 10
    assert {one.kind for sheet in live for one in sheet.emissions} == {"text", "input", "write", "host"}
    assert len(list(user.directory().glob("*.alog"))) > 1
    assert rebuilt(user) == ""
    again, faults = indexed(user)
    assert faults == ()
    for one, other in zip(live, again, strict=True):
        assert (one.emissions, one.reads, one.number) == (other.emissions, other.reads, other.number)
        for name in ("lines", "shapes", "words", "blobs"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert reader.verify(user.directory()).state is State.SEALED


def test_how_often_it_was_written_while_it_ran_makes_no_difference_to_what_its_log_gives(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many sheets, between which files get other names, or one: only the paths of programs' writes differ."""
    monkeypatch.setattr(indexer, "_SOON", 0.0)
    talk = conversation()
    talk.changes("draft.tmp", "", f"{line()}\n{line()}\n")
    talk.add(events.FileChange(at=1_006.0, path="draft.tmp", action="moved", target="final.py", by="agent"))
    talk.add(events.FilesRead(at=1_007.0, files=(("a.py", 1_004.0, 99), ("z.py", 1_006.5, 7))))
    talk.answers("That is it.", {"file_path": "e.py", "content": "\n".join(line() for _ in range(9))})
    with session(user) as running:
        for event in [*talk.events, ended()]:
            running.tell([event])
            time.sleep(0.02)
        assert running.end() == ""
    assert (len(indexed(user)[0]) > 3, indexed(user)[1]) == (True, ())
    found = reader.find_session(user.state, "s-1")
    log = partial(reader.read_records, found.directory, user.keys.load_identity())
    assert not differs("s-1", log(), found.state, user.state, load(key_file(user)))
    fewer = (record for record in log() if not isinstance(record.event, events.Response))
    assert differs("s-1", fewer, found.state, user.state, load(key_file(user)))
    assert Index.open(user.state, load(key_file(user))).anew == ()


def test_a_session_that_brings_nothing_starts_nothing_and_the_ledger_says_so(user: Home) -> None:
    def refused(_connection: socket.socket, _task: Task) -> int:
        raise AssertionError("it was started")

    with session(user, work=refused) as running:
        masked = events.FileChange(at=1.0, path=".env", action="masked")
        running.tell([start_event(), masked, ended()])
        assert running.end() == ""
    told = [entry for _, entry in read(user.state / "ledger").entries if isinstance(entry, Indexed)]
    assert [(entry.session, entry.sheets, entry.workspace) for entry in told] == [("s-1", 0, "")]
    assert not (user.state / "provenance").exists()
    assert not key_file(user).exists()
    assert indexed(user) == ([], ())


@pytest.mark.parametrize("wanted", [True, False])
def test_policy_says_whether_there_is_an_index(tmp_path: Path, *, wanted: bool) -> None:
    looked = SimpleNamespace(
        policy=SimpleNamespace(provenance=SimpleNamespace(capture=wanted)),
        facts=SimpleNamespace(workspace="/work"),
        places=SimpleNamespace(state=tmp_path / "state", config=tmp_path / "config"),
    )
    task = crew._task(tmp_path / "s-1", looked)  # type: ignore[arg-type]
    expected = Task("s-1", "/work", str(tmp_path / "state"), str(tmp_path / "config" / FILE), ())
    assert task == (expected if wanted else None)


def test_two_sessions_in_one_workspace_are_indexed_at_once(user: Home) -> None:
    with session(user, "s-1") as one, session(user, "s-2") as other:
        for event in conversation().events:
            one.tell([event])
            other.tell([event])
        assert (one.end(), other.end()) == ("", "")
    sheets, faults = indexed(user)
    assert (faults, {sheet.session for sheet in sheets}) == ((), {"s-1", "s-2"})
    assert len(list((user.state / "provenance").iterdir())) == 1


def test_an_indexer_that_is_killed_ends_no_session_and_the_log_gives_its_index(user: Home) -> None:
    talk = conversation()
    with session(user) as running:
        running.tell(talk.events[:4])
        os.kill(running.indexer(), signal.SIGKILL)
        running.tell([*talk.events[4:], ended()])
        assert running.end() == "its process ended"
    assert reader.verify(user.directory()).state is State.SEALED
    assert indexed(user)[1] == ("there is no index of it: it was not captured",)
    assert rebuilt(user) == ""
    sheets, faults = indexed(user)
    assert (faults, bool(sheets)) == ((), True)


def test_where_everything_is_killed_the_index_says_that_it_does_not_end(user: Home) -> None:
    talk = conversation()
    with session(user) as running:
        running.tell(talk.events)
        pidfd = os.pidfd_open(running.indexer())
        os.kill(running.pid, signal.SIGKILL)
        os.waitpid(running.pid, 0)
        until(lambda: _is_over(pidfd))  # it writes what it has, and goes
        running.client.close()
    sheets, faults = indexed(user)
    assert faults == ("its index does not end: the session runs, or was killed",)
    assert len(sheets[0].lines) > 10
    assert "killed" in rebuilt(user)
    assert indexed(user)[1] == (
        "not all of it was captured: its recorder was killed, so its last moments may be in no log",
    )


def test_an_indexer_that_lags_holds_nobody_up_and_the_end_does_not_wait_for_ever(user: Home) -> None:
    def stuck(_connection: socket.socket, _task: Task) -> int:
        signal.pause()
        return 0

    with session(user, work=stuck, patience=0.1) as running:
        running.tell([*conversation().events, ended()])
        pid = running.indexer()
        assert running.end() == "it was not ready in time"
    assert not Path(f"/proc/{pid}").exists()
    assert reader.verify(user.directory()).state is State.SEALED


def test_more_than_may_wait_is_a_gap_and_what_came_before_is_indexed(user: Home) -> None:
    def late(connection: socket.socket, task: Task) -> int:
        until(lambda: not Path(f"{task.state}/hold").exists())
        return serve(connection, task)

    user.state.mkdir(exist_ok=True)
    (user.state / "hold").touch()
    talk = conversation()
    with session(user, work=late, most=1 << 20) as running:
        running.tell(talk.events)
        large = Talk()
        large.asks("x")
        large.answers("\n".join(line() for _ in range(16_000)))
        running.tell([large.events[-1], large.events[-1]])
        (user.state / "hold").unlink()
        assert running.end() == "more came than could be indexed in time"
    sheets, faults = indexed(user)
    assert faults == ("not all of it was captured: more came than could be indexed in time",)
    assert len(sheets[0].lines) > 10
    assert rebuilt(user) == ""
    assert indexed(user)[1] == ()


@pytest.mark.parametrize("trouble", ["key", "folder", "disk"])
def test_where_nothing_can_be_written_the_session_goes_on_and_the_end_says_why(user: Home, trouble: str) -> None:
    load_or_make(key_file(user))

    def no_room(connection: socket.socket, task: Task) -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        return serve(connection, task)

    if trouble == "key":
        key_file(user).chmod(0o644)
    if trouble == "folder":
        user.state.mkdir(exist_ok=True)
        (user.state / "provenance").write_text("in the way")
    with session(user, work=no_room if trouble == "disk" else serve) as running:
        running.tell([*conversation().events, ended()])
        said = running.end()
    why = {"key": "open to other users", "folder": "cannot write the index", "disk": "File too large"}
    assert why[trouble] in said
    assert reader.verify(user.directory()).state is State.SEALED
    key_file(user).chmod(0o600)
    if trouble == "folder":
        (user.state / "provenance").unlink()
    assert indexed(user)[1] == ("there is no index of it: it was not captured",)


def test_the_indexer_holds_no_key_of_the_log_no_connection_and_no_lock(user: Home) -> None:
    def telling(connection: socket.socket, _task: Task) -> int:
        gc.unfreeze()  # what is frozen at the fork (`processes.fork`) is not among the objects
        ratchets = [one for one in gc.get_objects() if type(one) is Ratchet]
        segments = [one for one in gc.get_objects() if type(one) is Segment]
        keys = [one for one in ratchets if one._chain or one._secret]
        links = {os.path.realpath(path) for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2}
        sockets = [link for link in links if "socket:" in link]
        files = [link for link in links if "/sessions/" in link]
        dumpable = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
        signers = [one for one in segments if hasattr(one, "_signer")]
        counts = (len(ratchets) > 0, len(keys), len(segments) > 0, len(signers), len(sockets), len(files), dumpable)
        connection.sendall(repr(counts).encode())
        return 0

    with session(user, work=telling) as running:
        running.tell([*conversation().events, ended()])
        assert running.end() == repr((True, 0, True, 0, 1, 0, 0))
    assert reader.verify(user.directory()).state is State.SEALED


def _is_over(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])


def test_a_key_is_made_at_first_use_and_stays(user: Home) -> None:
    for name in ("s-1", "s-2"):
        with session(user, name) as running:
            running.tell([*conversation().events, ended()])
            assert running.end() == ""
    found: Key = load(key_file(user))
    assert {sheet.session for sheet in Index.open(user.state, found).sheets()} == {"s-1", "s-2"}
