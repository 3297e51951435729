"""Who changed what: what the witness of a served folder hears of the inside and of the host."""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine import until
from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, served
from tests.view.told import Told
from wrapper.view.contents import Mode
from wrapper.view.daemon import Daemon
from wrapper.view.nodes import Node


class _GitPasses(PlainJudge):
    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        if b".git" in path.split(b"/"):
            return Mode.PASS
        return super().by_name(path, is_folder=is_folder, is_own=is_own)


@pytest.fixture
def told(top: Path) -> Told:
    return Told(top / "told")


@pytest.fixture
def inside(top: Path) -> Iterator[Path]:
    with served(top / "real", _GitPasses(), told=top / "told") as folder:
        yield folder


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _of(told: Told, by: str) -> list[tuple[Any, ...]]:
    """Give action, path, target, ranges, before, after of all changes by one."""
    return [row[1:7] for row in told.rows("changed") if row[0] == by]


def test_a_file_that_is_made_and_written_is_told_as_created_then_modified(inside: Path, told: Told) -> None:
    (inside / "a").write_bytes(b"hello")
    assert _of(told, "agent") == [
        ("created", b"a", b"", (), "", ""),
        ("modified", b"a", b"", ((0, 5),), "", _digest(b"hello")),
    ]
    assert told.rows("appeared", after=0) == [(b"a",)]
    assert not _of(told, "host")


def test_hashes_are_of_what_is_shown_and_ranges_are_merged(inside: Path, real: Path, told: Told) -> None:
    (real / "a.env").write_bytes(b"A=" + SECRET + b"\nB=2\n")
    shown = b"A=" + PLACEHOLDER + b"\nB=2\n"
    with (inside / "a.env").open("r+b", buffering=0) as file:
        file.seek(len(shown))
        for piece in (b"C=3\n", b"D=4\n"):
            file.write(piece)
        file.seek(0)
        file.write(b"X")
    after = b"X" + shown[1:] + b"C=3\nD=4\n"
    ranges = ((0, 1), (len(shown), 8))
    assert _of(told, "agent") == [("modified", b"a.env", b"", ranges, _digest(shown), _digest(after))]
    assert told.rows("masked", after=0) == [(b"a.env",)]
    assert told.rows("restored", after=0) == [(b"a.env",)]


def test_the_process_that_wrote_is_named(inside: Path, told: Told) -> None:
    argv = ["sh", "-c", "echo $$; echo x > made"]
    pid = int(subprocess.run(argv, cwd=inside, capture_output=True, text=True, check=True).stdout)
    (name,) = {row[7] for row in told.rows("changed")}
    assert name == f"sh[{pid}]"


def test_what_is_moved_and_removed_is_told_in_order_with_what_was_written_before(inside: Path, told: Told) -> None:
    (inside / "old").write_bytes(b"old")
    (inside / "new").write_bytes(b"new")
    (inside / "new").rename(inside / "old")
    (inside / "old").unlink()
    assert [row[:3] for row in _of(told, "agent")] == [
        ("created", b"old", b""),
        ("created", b"new", b""),
        ("modified", b"new", b""),
        ("modified", b"old", b""),
        ("moved", b"new", b"old"),
        ("deleted", b"old", b""),
    ]
    moved, deleted = _of(told, "agent")[-2:]
    assert moved[4:] == (_digest(b"old"), _digest(b"new"))
    assert deleted[4:] == (_digest(b"new"), "")


def test_what_is_removed_as_soon_as_it_was_written_is_told_as_it_was_shown(inside: Path, told: Told) -> None:
    made, shown = b"A=" + SECRET + b"\n", b"A=" + PLACEHOLDER + b"\n"
    for name, data in (("secret", made), ("empty", b""), ("long", b"x" * 100_000), ("own.env", made)):
        (inside / name).write_bytes(data)
        (inside / name).unlink()
    for name, content in (("secret", shown), ("empty", b""), ("long", b"x" * 100_000), ("own.env", shown)):
        rows = [row for row in _of(told, "agent") if row[1] == name.encode()]
        assert rows[0] == ("created", name.encode(), b"", (), "", "")
        assert rows[-1] == ("deleted", name.encode(), b"", (), _digest(content), "")
        written = ((0, len(content) if content != shown else len(made)),)
        modified = [("modified", name.encode(), b"", written, "", _digest(content))] if content else []
        assert rows[1:-1] == modified
    assert told.rows("masked", after=0) == [(b"secret",), (b"own.env",)]


def test_what_cannot_be_judged_when_it_is_gone_is_told_without_its_content_and_all_behind_it(
    inside: Path, told: Told
) -> None:
    for data in (b"judge, fail", b"fine"):
        (inside / "a").write_bytes(data)
        (inside / "a").unlink()
    assert [(row[0], *row[3:]) for row in _of(told, "agent")] == [
        ("created", (), "", ""),
        ("modified", ((0, 11),), "", ""),
        ("deleted", (), "", ""),
        ("created", (), "", ""),
        ("modified", ((0, 4),), "", _digest(b"fine")),
        ("deleted", (), _digest(b"fine"), ""),
    ]


def test_what_is_removed_while_it_is_open_is_masked_once_it_rests(inside: Path) -> None:
    with (inside / "gone").open("w+b", buffering=0) as file:
        file.write(b"A=" + SECRET + b"\n")
        (inside / "gone").unlink()
        end = time.monotonic() + 3
        while SECRET in os.pread(file.fileno(), 100, 0):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert os.pread(file.fileno(), 100, 0) == b"A=" + PLACEHOLDER + b"\n"


def test_what_is_written_after_the_name_is_gone_is_told_too(inside: Path, told: Told) -> None:
    with (inside / "gone").open("w+b", buffering=0) as file:
        file.write(b"one")
        (inside / "gone").unlink()
        file.write(b"two")
    actions = [row[0] for row in _of(told, "agent")]
    assert actions[:3] == ["created", "modified", "deleted"]


_ASKING = """
import os, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.write(1, b"asking")
while True: os.isatty(file)
"""


@contextlib.contextmanager
def _asking(inside: Path) -> Iterator[None]:
    asking = subprocess.Popen([sys.executable, "-c", _ASKING, "asked"], cwd=inside, stdout=subprocess.PIPE)
    assert asking.stdout is not None
    try:
        assert asking.stdout.read(6) == b"asking"
        time.sleep(0.5)
        yield
    finally:
        asking.kill()
        asking.wait()
        asking.stdout.close()


def test_while_the_inside_asks_without_end_all_is_told_a_little_later(inside: Path, told: Told) -> None:
    with _asking(inside):
        (inside / "plain").write_bytes(b"text")
        rows = [row[1:7] for row in told.rows("changed", after=2.5)]
    assert ("modified", b"plain", b"", ((0, 4),), "", _digest(b"text")) in rows


def test_while_the_inside_asks_without_end_secrets_in_files_of_credentials_are_masked_at_once(
    top: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wrapper.view.daemon._LATEST", 1e9)
    with served(top / "real", told=top / "told") as inside, _asking(inside):
        (inside / "own.env").write_bytes(b"A=" + SECRET + b"\n")
        assert told.rows("masked", after=1.5) == [(b"own.env",)]
        assert (inside / "own.env").read_bytes() == b"A=" + PLACEHOLDER + b"\n"


def test_folders_and_links_are_told_like_files(inside: Path, told: Told) -> None:
    (inside / "folder").mkdir()
    (inside / "link").symlink_to("folder")
    (inside / "folder").rename(inside / "moved")
    (inside / "moved").rmdir()
    assert [row[:3] for row in _of(told, "agent")] == [
        ("created", b"folder", b""),
        ("created", b"link", b""),
        ("moved", b"folder", b"moved"),
        ("deleted", b"moved", b""),
    ]


def test_what_is_copied_moved_with_its_folder_or_linked_is_told_by_its_content(inside: Path, told: Told) -> None:
    (inside / "a").write_bytes(b"hello\n")
    with (inside / "a").open("rb") as one, (inside / "copy").open("wb") as other:
        os.copy_file_range(one.fileno(), other.fileno(), 6)
    (inside / "one").mkdir()
    (inside / "one" / "b").write_bytes(b"moved\n")
    (inside / "one").rename(inside / "two")
    os.link(inside / "a", inside / "link")
    rows = _of(told, "agent")
    assert ("created", b"link", b"", (), "", _digest(b"hello\n")) in rows
    assert {row[1]: row[5] for row in rows if row[0] == "modified"} == {
        b"a": _digest(b"hello\n"),
        b"copy": _digest(b"hello\n"),
        b"two/b": _digest(b"moved\n"),
    }


def test_what_the_host_does_is_told_as_the_hosts(inside: Path, real: Path, told: Told) -> None:
    (real / "there").write_bytes(b"1")
    assert (inside / "there").read_bytes() == b"1"
    time.sleep(0.05)
    (real / "made").write_bytes(b"2")
    time.sleep(0.3)
    (real / "made").write_bytes(b"3")
    time.sleep(0.3)
    (real / "made").rename(real / "moved")
    (real / "moved").unlink()
    rows = [row[:3] for row in _of(told, "host")]
    assert rows[-4:] == [
        ("modified", b"made", b""),
        ("modified", b"made", b""),
        ("moved", b"made", b"moved"),
        ("deleted", b"moved", b""),
    ]
    assert ("created", b"made", b"") in rows
    assert not _of(told, "agent")


def test_nothing_that_the_inside_does_is_told_as_the_hosts(inside: Path, told: Told) -> None:
    for number in range(100):
        (inside / f"f{number}").write_bytes(PLACEHOLDER)
        (inside / f"f{number}").rename(inside / f"g{number}")
        (inside / f"g{number}").chmod(0o600)
        os.utime(inside / f"g{number}", (1, 1))
        with (inside / f"g{number}").open("ab") as file:
            file.write(b"more")
        if number % 2:
            (inside / f"g{number}").unlink()
    assert not _of(told, "host")
    assert len([row for row in _of(told, "agent") if row[0] == "moved"]) == 100


def test_what_both_do_to_one_file_is_told_of_both(inside: Path, real: Path, told: Told) -> None:
    (real / "a").write_bytes(b"1")
    assert (inside / "a").read_bytes() == b"1"
    (inside / "a").write_bytes(b"22")
    time.sleep(0.3)
    (real / "a").write_bytes(b"333")
    assert [row[0] for row in _of(told, "agent")] == ["modified"]
    assert ("modified", b"a", b"", (), "", "") in _of(told, "host")


def test_reads_are_told_with_all_bytes_of_a_file(inside: Path, real: Path, told: Told) -> None:
    (real / "a").write_bytes(b"x" * 5000)
    begun = time.time()
    assert len((inside / "a").read_bytes()) == 5000
    assert (inside / "a").read_bytes()
    ((path, first, size),) = told.rows("read", after=1.3)
    assert (path, size) == (b"a", 5000)
    assert begun - 1 < first < time.time()


def test_a_large_file_is_told_without_hashes(inside: Path, told: Told) -> None:
    (inside / "a").write_bytes(b"x" * (9 << 20))
    (row,) = [row for row in _of(told, "agent") if row[0] == "modified"]
    assert row[3:] == (((0, 9 << 20),), "", "")


def test_many_ranges_become_one_over_all(inside: Path, told: Told) -> None:
    with (inside / "a").open("wb", buffering=0) as file:
        for at in range(0, 2000, 10):
            file.seek(at)
            file.write(b"x")
    (row,) = [row for row in _of(told, "agent") if row[0] == "modified"]
    assert row[3] == ((0, 1991),)


def test_gits_own_files_are_not_told_but_that_refs_moved_is(inside: Path, told: Told) -> None:
    (inside / ".git" / "refs" / "heads").mkdir(parents=True)
    (inside / ".git" / "COMMIT_EDITMSG").write_bytes(b"x")
    (inside / ".git" / "refs" / "heads" / "main.lock").write_bytes(b"x")
    (inside / ".git" / "refs" / "heads" / "main.lock").rename(inside / ".git" / "refs" / "heads" / "main")
    (inside / ".git" / "refs" / "heads" / "main").unlink()
    assert [row[1] for row in _of(told, "agent")] in ([], [b".git"])
    assert told.rows("refs_moved", after=0) == [(b".git/refs/heads/main",)] * 2


def test_a_file_that_never_rests_is_told_every_two_seconds(inside: Path, told: Told) -> None:
    with (inside / "a").open("wb", buffering=0) as file:
        end = time.monotonic() + 2.6
        while time.monotonic() < end:
            file.write(b"x")
            time.sleep(0.02)
        assert [row[0] for row in told.rows("changed", after=0) if row[1] == "modified"] == ["agent"]


def test_what_fails_after_the_answer_harms_neither_the_request_nor_what_is_told_of_others(top: Path) -> None:
    def break_it(daemon: Daemon) -> None:
        made = daemon._parts.resting.made

        def fail(node: Node, path: bytes, process: str) -> None:
            if path == b"bad":
                raise ValueError("asked to")
            made(node, path, process)

        daemon._parts.resting.made = fail  # type: ignore[method-assign]
        (top / "broken").touch()

    told = Told(top / "told")
    with served(top / "real", told=top / "told", beside=break_it) as inside:
        until((top / "broken").exists)
        (inside / "bad").write_bytes(b"x")
        (inside / "good").write_bytes(b"y")
        assert (inside / "bad").read_bytes() == b"x"
        (inside / "bad").unlink()
        paths = {(row[0], row[1]) for row in _of(told, "agent")}
    assert {("created", b"good"), ("modified", b"good"), ("deleted", b"bad")} <= paths
    assert ("created", b"bad") not in paths


def test_a_process_that_ends_with_its_answer_is_named(inside: Path, told: Told) -> None:
    """Its name is read before it has the answer: it may be gone when the rest is noted."""
    for number in range(20):
        subprocess.run(["sh", "-c", f": > {number}; rm {number}"], cwd=inside, check=True)
    names = {row[7].partition("[")[0] for row in told.rows("changed")}
    assert names == {"sh", "rm"}
