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

    assert _peak(write) < 150 << 20
    return user


def _peak(work: Callable[[], object]) -> int:
    """Return how many bytes of memory a process had at most that did `work` and nothing else; 1 MiB where it failed."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            Path("/proc/self/clear_refs").write_text("5")  # its own peak, not that of the process it came from
            work()
            code = 0
        finally:
            peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
            os._exit(code or min(254, int(peak.split()[1]) >> 10))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) << 20


def test_it_is_verified_and_decrypted_in_little_memory(large: Home) -> None:
    identity = large.keys.load_identity()

    def verify() -> None:
        proven = reader.verify(large.directory(), identity)
        assert proven.state is reader.State.SEALED
        assert proven.records == _COUNT + 1
        assert len(proven.segments) > 3

    assert 1 << 20 < _peak(verify) < 150 << 20


def test_its_records_are_read_in_little_memory(large: Home) -> None:
    identity = large.keys.load_identity()

    def read() -> None:
        size = sum(
            len(event.data)
            for event in reader.open_session(large.directory(), identity)
            if isinstance(event, events.Output)
        )
        assert size > 2_000_000_000

    assert 1 << 20 < _peak(read) < 150 << 20


def test_its_outline_is_there_at_once(large: Home) -> None:
    begun = time.process_time()
    start, end = reader.outline(large.directory(), large.keys.load_identity())
    assert time.process_time() - begun < 0.5
    assert start == start_event()
    assert end is None
