"""The indexer: a process beside the recorder that captures a session while it runs, and writes its sheets.

It has no part in any promise: whatever goes wrong with it, the session goes on, the index tells that it is not whole,
and can be made anew from the log. Rules of this file:
1. A sheet is written when enough has come, or some time after the first of what waits; in a long session less often.
   The ledger hears of each.
2. The end comes as a word of the recorder's. Where the connection just ends, the recorder was killed: what is there is
   written, and no sheet says that it is the last.
3. It gives way to the session: it interrupts no process that wakes up (SCHED_BATCH, sched(7)), and is nicer than the
   others. Not as nice as can be: on a busy machine a session's end would wait for it in vain.
"""

import contextlib
import os
import select
import socket
import time
from pathlib import Path
from typing import Final

import msgspec

from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.deltas import Bodies
from wrapper.audit.events import Request, decode
from wrapper.audit.ledger import Ledger
from wrapper.audit.reader import Record
from wrapper.errors import AuditError, SafeAgentError
from wrapper.provenance.handing import DONE, END, GAP, HEAD, LONGEST_ANSWER, Task
from wrapper.provenance.key import load_or_make
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id
from wrapper.provenance.writing import Writing

_NICE: Final = 5
_SOON: Final = 30.0  # seconds from the first of what waits to its sheet; each next one takes longer to come
_LATEST: Final = 240.0
_RECEIVE: Final = 1 << 18
_BROKEN: Final = "a request builds on one that is not known"


def serve(connection: socket.socket, task: Task) -> int:
    """Index one session until its end is told, or the connection ends. Returns the exit code; closes `connection`."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(_NICE)
    code, said = 0, DONE
    try:
        _Indexer(task).run(connection)
    except (SafeAgentError, OSError) as error:
        code, said = 1, str(error)
    except Exception as error:  # noqa: BLE001 (a mistake in here ends an index, never a session)
        code, said = 1, f"{type(error).__name__}: {error}"
    with contextlib.suppress(OSError):
        connection.sendall(said.encode()[:LONGEST_ANSWER])
    connection.close()
    return code


class _Indexer:
    def __init__(self, task: Task) -> None:
        key = load_or_make(Path(task.key))
        state = Path(task.state)
        store = Store(state / FOLDER / workspace_id(key, Path(task.workspace)), key)
        self._writing = Writing(task.session, store, key, task.commits)
        self._ledger = Ledger(state / LEDGER)
        self._bodies = Bodies()
        self._buffer = bytearray()
        self._pause = _SOON
        self._due = 0.0

    def run(self, connection: socket.socket) -> None:
        """Take messages until the end. Raises SafeAgentError and OSError where the index cannot be written."""
        while True:
            readable, _, _ = select.select([connection], [], [], self._patience())
            if readable:
                data = connection.recv(_RECEIVE)
                self._buffer += data
                if self._take() or not data:
                    return self._flush(ends=bool(data))
            if self._writing.is_large or (self._due and time.monotonic() >= self._due):
                self._flush()

    def _patience(self) -> float | None:
        if self._writing.is_waiting and not self._due:
            self._due = time.monotonic() + self._pause
        return max(0.0, self._due - time.monotonic()) if self._due else None

    def _take(self) -> bool:
        """Take the messages that are whole; say whether the last one was the end."""
        while len(self._buffer) >= HEAD.size:
            length, kind, sequence = HEAD.unpack_from(self._buffer)
            if len(self._buffer) < HEAD.size + length:
                break
            payload = bytes(self._buffer[HEAD.size : HEAD.size + length])
            del self._buffer[: HEAD.size + length]
            if kind == END:
                return True
            if kind == GAP:
                self._writing.lost(payload.decode())
            else:
                self._feed(sequence, payload)
        return False

    def _feed(self, sequence: int, payload: bytes) -> None:
        event = decode(payload)
        if isinstance(event, Request):
            try:
                event = msgspec.structs.replace(event, base=0, body=self._bodies.whole(event))
            except AuditError:
                self._writing.lost(_BROKEN)
        self._writing.feed(Record(sequence, event))

    def _flush(self, *, ends: bool = False) -> None:
        self._writing.flush(ends=ends)
        self._ledger.append(self._writing.indexed(time.time()))
        self._due = 0.0
        self._pause = min(2 * self._pause, _LATEST)
