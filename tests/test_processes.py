"""Processes of ours: deaf to the terminal, without foreign descriptors, and never a second copy of the wrapper."""

import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wrapper.processes import fork


def told(work: Callable[[], bytes]) -> bytes:
    """Run something in a fork and give what it returned."""
    read, write = os.pipe()

    def say() -> int:
        os.write(write, work())
        return 0

    process = fork("test-said", say, keep=[write])
    os.close(write)
    with os.fdopen(read, "rb") as said:
        data = said.read()
    assert process.wait() == 0
    return data


def test_its_result_is_its_exit_code() -> None:
    assert fork("test", lambda: 7, keep=[]).wait() == 7


def test_a_signal_that_ends_it_is_told_as_such() -> None:
    process = fork("test", lambda: signal.sigwait([signal.SIGUSR1]), keep=[])
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_it_raises_ends_it_with_1_and_nothing_of_the_caller_runs_twice(error: type[BaseException]) -> None:
    mine = os.getpid()

    def work() -> int:
        raise error

    try:
        process = fork("test", work, keep=[])
    finally:
        assert os.getpid() == mine
    assert process.wait() == 1


def test_it_holds_the_descriptors_it_is_given_and_no_others() -> None:
    kept, other = socket.socketpair()
    with kept, other:
        number = kept.fileno()
        read, write = os.pipe()

        def work() -> int:
            names = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 (one more is the folder itself)
            os.write(write, b" ".join(name.encode() for name in names))
            return 0

        process = fork("test", work, keep=[write, number])
        os.close(write)
        with os.fdopen(read, "rb") as said:
            names = {int(name) for name in said.read().split()}
        process.wait()
    assert {0, 1, 2, write, number} <= names
    assert len(names) == 6


def test_its_standard_input_and_output_are_nobodys() -> None:
    def ends() -> bytes:
        return b" ".join(os.readlink(f"/proc/self/fd/{number}".encode()) for number in (0, 1))  # noqa: PTH115

    assert told(ends) == b"/dev/null /dev/null"


def test_its_memory_cannot_be_read_by_others_of_the_same_user() -> None:
    """Promise 2: `/proc/PID/…` of a process that is not dumpable belongs to root."""
    assert told(lambda: Path("/proc/self/status").read_text().encode()) != b""
    uid = told(lambda: str(os.stat("/proc/self/environ").st_uid).encode())  # noqa: PTH116
    assert uid == b"0"
    assert told(lambda: Path("/proc/self/comm").read_bytes()) == b"test-said\n"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGHUP, signal.SIGTERM]
)
def test_the_keys_of_a_terminal_do_not_reach_it_from_its_first_instruction_on(number: signal.Signals) -> None:
    for _ in range(20):
        ours, theirs = socket.socketpair()
        process = fork("test", lambda: theirs.send(theirs.recv(1)) - 1, keep=[theirs.fileno()])  # noqa: B023
        theirs.close()
        os.kill(process.pid, number)
        with ours:
            ours.send(b"x")
            assert ours.recv(1) == b"x"
        assert process.wait() == 0


def test_what_was_loaded_before_is_never_searched_for_garbage_again_and_what_comes_later_is() -> None:
    def work() -> bytes:
        gc.collect()
        left = len(gc.get_objects())
        ring: list[object] = []
        ring.append(ring)
        del ring
        return b"%d %d %d" % (gc.isenabled(), left, gc.collect())

    before = len(gc.get_objects())
    enabled, left, collected = map(int, told(work).split())
    assert enabled
    assert left < before // 10
    assert collected >= 1
    assert gc.get_freeze_count() == 0, "the caller's own are not touched"


def test_the_caller_hears_signals_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fork("test", lambda: 0, keep=[]).wait()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_no_zombie_and_no_descriptor_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    process = fork("test", lambda: 0, keep=[])
    process.wait()
    assert not Path(f"/proc/{process.pid}").exists()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
