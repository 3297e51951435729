"""wrapper.terminal.flow: back-pressure, order, holding back."""

import hashlib
import os
import random
import select
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.terminal.driver import Mask
from wrapper.errors import SessionError
from wrapper.terminal.flow import Flow, Outlet, take


def drain_into(outlet: Outlet, reader: int) -> bytes:
    """Let the outlet write out what it keeps while the reader reads."""
    read = b""
    while outlet.waiting or select.select([reader], [], [], 0)[0]:
        outlet.drain()
        if select.select([reader], [], [], 0)[0]:
            read += os.read(reader, 1000)
    return read


@given(st.lists(st.binary(max_size=30000), max_size=12))
def test_a_slow_reader_gets_every_byte_in_order(pieces: list[bytes]) -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    for piece in pieces:
        outlet.write(piece)
    assert drain_into(outlet, reader) == b"".join(pieces)
    outlet.close()
    os.close(writer)
    os.close(reader)


def test_an_outlet_that_is_not_read_gets_full_instead_of_blocking() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    start = time.monotonic()
    outlet.write(bytes(500_000))
    assert outlet.full
    assert time.monotonic() - start < 1
    outlet.close()
    os.close(writer)
    os.close(reader)


def test_the_shared_open_file_stays_blocking() -> None:
    reader, writer = os.pipe()
    Outlet(writer).close()
    assert os.get_blocking(writer)
    os.close(writer)
    os.close(reader)


def test_a_reader_that_went_breaks_the_outlet_quietly() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    os.close(reader)
    outlet.write(b"for nobody")
    assert outlet.broken
    outlet.close()
    os.close(writer)


def test_a_full_disk_is_an_error_and_not_a_quiet_loss() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(full)
    with pytest.raises(SessionError, match="No space left"):
        for _ in range(2):
            outlet.write(b"x")
            outlet.drain()
    outlet.close()
    os.close(full)


def test_a_socket_is_written_without_waiting() -> None:
    ours, theirs = socket.socketpair()
    outlet = Outlet(ours.fileno())
    outlet.write(bytes(1_000_000))
    assert outlet.full
    assert len(drain_into(outlet, theirs.fileno())) == 1_000_000
    theirs.close()
    outlet.write(b"x")
    assert outlet.broken
    outlet.close()
    ours.close()


def test_a_file_is_appended_to_where_it_stands(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "out")  # noqa: PTH118
    shared = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(shared, b"before ")
    outlet = Outlet(shared)
    outlet.write(b"ours ")
    outlet.close()
    os.write(shared, b"after")
    os.close(shared)
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == b"before ours after"


def test_take_tells_nothing_now_from_the_end() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    assert take(reader) is None
    os.write(writer, b"x")
    assert take(reader) == b"x"
    os.close(writer)
    assert take(reader) == b""
    os.close(reader)


@given(st.integers(0, 10**6))
def test_a_value_cut_anywhere_is_masked_and_the_rest_unharmed(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's data
    data = b"".join(chance.choice([b"open sesame", b"open ses", b"noise ", b"o"]) for _ in range(50))
    source, feeder = os.pipe()
    os.set_blocking(source, False)
    reader, writer = os.pipe()
    recorded = b""

    def record(_stream: str, shown: bytes) -> None:
        nonlocal recorded
        recorded += shown

    flow = Flow("stdout", source, Outlet(writer), Mask(b"open sesame"), record)
    while data:
        cut = chance.randrange(1, 12)
        os.write(feeder, data[:cut])
        data = data[cut:]
        flow.pump()
    os.close(feeder)
    flow.pump()
    shown = drain_into(flow.outlet, reader)
    flow.close()
    os.close(writer)
    os.close(reader)
    assert shown == recorded
    assert b"open sesame" not in shown
    assert flow.ended


def test_what_is_recorded_comes_before_what_is_shown() -> None:
    source, feeder = os.pipe()
    os.set_blocking(source, False)
    reader, writer = os.pipe()

    def refuse(_stream: str, _data: bytes) -> None:
        raise OSError("the log is full")

    flow = Flow("tty", source, Outlet(writer), Mask(b""), refuse)
    os.write(feeder, b"never to be seen")
    with pytest.raises(OSError, match="log is full"):
        flow.pump()
    assert not select.select([reader], [], [], 0)[0]
    flow.close()
    for fd in (feeder, reader, writer):
        os.close(fd)


def test_what_came_while_nobody_looked_is_no_later_than_what_it_belongs_to() -> None:
    """Whoever is not given the processor for a while finds the time over and a secret's rest in the pipe."""
    source, feeder = os.pipe()
    os.set_blocking(source, False)
    reader, writer = os.pipe()
    flow = Flow("tty", source, Outlet(writer), Mask(b"open sesame"), lambda _stream, _data: None)
    os.write(feeder, b"say open")
    flow.pump()
    os.write(feeder, b" sesame")
    assert flow.come_due()
    assert os.read(reader, 100) == b"say MASKED"
    os.write(feeder, b", open")
    flow.pump()
    assert not flow.come_due()
    assert os.read(reader, 100) == b", open"
    os.close(feeder)
    assert not flow.come_due()
    assert flow.ended
    flow.close()
    for fd in (reader, writer):
        os.close(fd)


def test_a_second_of_silence_and_the_end_are_told_with_no_data() -> None:
    source, feeder = os.pipe()
    os.set_blocking(source, False)
    reader, writer = os.pipe()
    told: list[bytes] = []
    flow = Flow("tty", source, Outlet(writer), Mask(b"open sesame"), lambda _stream, data: told.append(data))
    os.write(feeder, b"say open")
    flow.pump()
    held_until = flow.flush_at
    flow.flush()
    assert told == [b"say ", b"open"]
    assert held_until is not None
    assert flow.flush_at is not None
    assert flow.flush_at - held_until > 0.5  # the first is soon, for the screen; the second only for the log
    flow.flush()
    assert told == [b"say ", b"open", b""]
    assert flow.flush_at is None
    os.write(feeder, b"open s")
    os.close(feeder)
    flow.pump()
    flow.pump()
    assert told[3:] == [b"open s", b""]
    assert flow.ended
    flow.close()
    for fd in (reader, writer):
        os.close(fd)


def test_ten_megabytes_keep_their_hash() -> None:
    data = os.urandom(1_000_000) * 10
    source, feeder = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(feeder, False)
    reader, writer = os.pipe()
    flow = Flow("stdout", source, Outlet(writer), Mask(b""), lambda _stream, _data: None)
    digest, sent, received = hashlib.sha256(), 0, 0
    while received < len(data):
        if sent < len(data) and select.select([], [feeder], [], 0)[1]:
            sent += os.write(feeder, data[sent : sent + 65536])
        if flow.readable:
            flow.pump()
        flow.outlet.drain()
        if select.select([reader], [], [], 0)[0]:
            piece = os.read(reader, 30000)
            received += len(piece)
            digest.update(piece)
    flow.close()
    for fd in (feeder, reader, writer):
        os.close(fd)
    assert digest.digest() == hashlib.sha256(data).digest()
