"""The kernel's calls, tried on the real kernel in a process of their own."""

import errno
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper import linux


def apart(work: Callable[[], object]) -> str:
    """Run something in a fork with namespaces of its own; give what it returned, or its error, as text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = str(work())
        except BaseException as error:  # noqa: BLE001 (nothing runs on in a copy of the test)
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    os.waitpid(pid, 0)
    return text


def alone() -> None:
    """Be in a user and a mount namespace of one's own, in which nothing reaches the host."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)


def test_a_namespace_can_be_left_and_joined_again() -> None:
    def work() -> bool:
        user = os.open("/proc/self/ns/user", os.O_RDONLY)
        before = os.readlink("/proc/self/ns/mnt")  # noqa: PTH115
        alone()
        assert os.readlink("/proc/self/ns/mnt") != before  # noqa: PTH115
        linux.setns(user, linux.CLONE_NEWUSER)
        return True

    assert apart(work) in (
        "True",
        "PermissionError: [Errno 1] Operation not permitted: 'setns'",
    )  # the second without root


def test_the_time_of_birth_stays_whatever_becomes_of_a_file_and_is_anothers_in_the_next(tmp_path: Path) -> None:
    def born() -> int:
        descriptor = os.open(tmp_path / "file", os.O_PATH)
        try:
            return linux.born(descriptor)
        finally:
            os.close(descriptor)

    before = time.time_ns()
    (tmp_path / "file").write_text("a")
    first = born()
    assert before - 20_000_000 <= first <= time.time_ns()  # files are stamped with a clock that ticks
    time.sleep(0.02)
    (tmp_path / "file").write_text("b")
    (tmp_path / "file").chmod(0o600)
    assert born() == first
    (tmp_path / "file").unlink()
    (tmp_path / "file").write_text("a")
    assert born() > first


def test_where_a_file_system_does_not_tell_when_a_file_was_made_it_is_0() -> None:
    descriptor = os.open("/proc/version", os.O_PATH)
    try:
        assert linux.born(descriptor) == 0
    finally:
        os.close(descriptor)


def test_a_read_only_bind_is_read_only_and_covers_what_is_mounted_below(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    def work() -> str:
        alone()
        linux.mount("tmpfs", str(tmp_path), linux.MS_RDONLY & 0, kind="tmpfs", data="mode=0700")
        (tmp_path / "made").mkdir()
        linux.bind_read_only(str(tmp_path / "made"))
        try:
            (tmp_path / "made/file").touch()
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "written"

    assert apart(work) == "EROFS"
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_flags_that_the_kernel_has_locked_are_kept(tmp_path: Path) -> None:
    """Else the remount is refused in a user namespace (mount_namespaces(7))."""
    nosuid = 2

    def work() -> int:
        alone()
        linux.mount("tmpfs", str(tmp_path), nosuid, kind="tmpfs")
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        linux.bind_read_only(str(tmp_path))
        return os.statvfs(tmp_path).f_flag & (os.ST_NOSUID | os.ST_RDONLY)

    assert apart(work) == str(int(os.ST_NOSUID | os.ST_RDONLY))


def test_what_is_unmounted_shows_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def work() -> list[list[str]]:
        alone()
        linux.mount("tmpfs", str(tmp_path), 0, kind="tmpfs")
        covered = os.listdir(tmp_path)  # noqa: PTH208
        linux.unmount(str(tmp_path))
        return [covered, os.listdir(tmp_path)]  # noqa: PTH208

    assert apart(work) == "[[], ['file']]"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: linux.mount("/nonexistent", "/nonexistent-too", linux.MS_BIND), "/nonexistent-too"),
        (lambda: linux.unmount("/nonexistent"), "/nonexistent"),
        (lambda: linux.setns(0, linux.CLONE_NEWNET), "setns"),
    ],
)
def test_a_refusal_carries_the_kernels_reason_and_what_it_was_about(call: Callable[[], None], name: str) -> None:
    said = apart(call)
    assert "Errno" in said
    assert said.endswith(f"'{name}'")


def test_a_process_that_is_not_dumpable_keeps_its_proc_files_from_others() -> None:
    def work() -> tuple[int, ...]:
        if os.getuid() == 0:
            os.setuid(12345)
        owners = []
        for dumpable in (True, False):
            linux.set_dumpable(dumpable=dumpable)
            owners.append(os.stat("/proc/self/environ").st_uid)  # noqa: PTH116
        return tuple(owners)

    assert apart(work) == f"({os.getuid() or 12345}, 0)"


def test_a_child_is_told_of_its_parents_end() -> None:
    read, write = os.pipe()
    middle = os.fork()
    if middle == 0:
        ready, now = os.pipe()
        if os.fork() == 0:
            linux.set_parent_death_signal(signal.SIGKILL)
            os.write(now, b"x")
            signal.pause()
        os.read(ready, 1)
        os._exit(0)
    os.close(write)
    os.waitpid(middle, 0)
    with os.fdopen(read, "rb") as both:  # ends when both are gone
        assert both.read() == b""


def test_orphans_come_to_the_process_that_adopts_them() -> None:
    def work() -> bool:
        linux.adopt_orphans()
        read, write = os.pipe()
        middle = os.fork()
        if middle == 0:
            orphan = os.fork()
            if orphan == 0:
                signal.pause()
            os.write(write, str(orphan).encode())
            os._exit(0)
        os.waitpid(middle, 0)
        orphan = int(os.read(read, 20))
        os.kill(orphan, signal.SIGKILL)
        return os.waitpid(orphan, 0)[0] == orphan

    assert apart(work) == "True"


def test_a_name_is_cut_to_what_the_kernel_keeps() -> None:
    def work() -> str:
        linux.set_process_name("a-name-that-is-too-long")
        return Path("/proc/self/comm").read_text().strip()

    assert apart(work) == "a-name-that-is-"


@given(count=st.integers(0, 20), most=st.integers(0, 20), message=st.binary(min_size=1, max_size=4096))
def test_descriptors_arrive_as_many_as_were_asked_for_and_are_not_inherited(
    count: int, most: int, message: bytes
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        linux.send_descriptors(ours, message, [0] * count)
        received, descriptors = linux.receive_descriptors(theirs, most)
        for descriptor in descriptors:
            assert not os.get_inheritable(descriptor)
            os.close(descriptor)
    assert received == message
    assert min(count, most) <= len(descriptors) <= count  # the kernel rounds the room for them up


def test_the_other_sides_end_is_an_empty_message() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        assert linux.receive_descriptors(theirs, 3) == (b"", [])


@given(kept=st.sets(st.integers(3, 40), max_size=5))
def test_every_descriptor_but_those_named_is_closed(kept: set[int]) -> None:
    def work() -> list[int]:
        for number in range(3, 60):
            os.dup2(2, number)
        linux.keep_only(sorted(kept))
        found = []
        for number in range(100):
            try:
                os.fstat(number)
            except OSError:
                continue
            found.append(number)
        return found

    def told() -> str:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(write, 2)
                os.write(2, str(work()).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as said:
            text = said.read()
        os.waitpid(pid, 0)
        return text

    assert told() == str([0, 1, 2, *sorted(kept)])


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2), ()])
def test_closed_standard_descriptors_are_given_something(closed: tuple[int, ...]) -> None:
    """Else the first socket of ours gets such a number, and is taken for the user's terminal."""

    def work() -> int:
        keep = os.dup2(2, 50)
        for number in closed:
            os.close(number)
        linux.fill_standard_descriptors()
        opened = os.open(os.devnull, os.O_RDONLY)
        return int(opened > 2 and all(os.fstat(number) for number in (0, 1, 2)) and keep == 50)

    assert apart(work) == "1"


def test_an_inotify_instance_that_can_be_had_leaves_nothing() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    linux.try_inotify()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
