"""A session of two gigabytes: everything streams, memory stays flat, and the log is rotated on the way."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.recording import Home, home, start_event
from wrapper.audit import events, reader
from wrapper.audit.writer import Limits, SessionWriter

_PIECE = 1 << 20
_COUNT = 2048


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Home:
    user = home(tmp_path_factory.mktemp("large"))
    line = b"what a terminal shows, again and again, for a whole long day\r\n"
    noise = os.urandom(_PIECE // 64)

    def write() -> None:
        writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=Limits(size=8 << 20))
        writer.append(events.encode(start_event()))
        text = line * (_PIECE // len(line))
        for number in range(_COUNT):
            data = noise + number.to_bytes(4, "big") + text
            writer.append(events.encode(events.Output(at=float(number), stream="tty", data=data)))
        writer.close()

    assert _peak(write) < 100 << 20
    return user


def _peak(work: Callable[[], object]) -> int:
    """Return how many bytes of memory a process took to do `work`, at most; 1 MiB where it failed."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            Path("/proc/self/clear_refs").write_text("5")  # its own peak, not that of the process it came from
            before = _status("VmRSS")
            work()
            code = max(2, min(254, (_status("VmHWM") - before) >> 10))
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) << 20


def _status(name: str) -> int:
    """Return a number of KiB out of the process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def test_it_is_verified_and_decrypted_in_little_memory(large: Home) -> None:
    identity = large.keys.load_identity()

    def verify() -> None:
        proven = reader.verify(large.directory(), identity)
        assert proven.state is reader.State.SEALED
        assert proven.records == _COUNT + 1
        assert len(proven.segments) > 3

    assert 1 << 20 < _peak(verify) < 100 << 20


def test_its_records_are_read_in_little_memory(large: Home) -> None:
    identity = large.keys.load_identity()

    def read() -> None:
        size = sum(
            len(event.data)
            for event in reader.open_session(large.directory(), identity)
            if isinstance(event, events.Output)
        )
        assert size > 2_000_000_000

    assert 1 << 20 < _peak(read) < 100 << 20


def test_its_outline_is_there_at_once(large: Home) -> None:
    begun = time.process_time()
    start, end = reader.outline(large.directory(), large.keys.load_identity())
    assert time.process_time() - begun < 0.5
    assert start == start_event()
    assert end is None
