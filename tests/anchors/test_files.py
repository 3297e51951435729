import contextlib
import fcntl
import os
import stat
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.anchors.standing import Standing, no_proof
from wrapper.anchors.files import AppendedFile, split
from wrapper.audit import notes
from wrapper.audit.anchored import UnreachableError, check
from wrapper.audit.format import TamperedError

NOTE = notes.text(notes.Checkpoint("safe-agent.local/ab/1", 7, bytes(32))) + "\n— a.example AAAAAAAA\n"


@pytest.fixture
def anchor(tmp_path: Path) -> AppendedFile:
    return AppendedFile("file:notes", tmp_path / "notes")


def test_what_was_put_is_got_in_its_order(here: Standing, anchor: AppendedFile) -> None:
    first = here.ledger.note()
    receipt = anchor.put(first, no_proof)
    second = here.grow().ledger.note()
    again = anchor.put(second, no_proof)
    assert anchor.get() == [first, second]
    assert (receipt.size, receipt.root, receipt.detail) == (10, notes.parse(first).checkpoint.root, "byte 0")
    assert again.detail == f"byte {len(first.encode()) + 3}"
    assert check(here.view, anchor) == (1, 16, here.now)


def test_an_anchor_that_was_never_used_holds_nothing(here: Standing, anchor: AppendedFile) -> None:
    assert anchor.get() == []
    assert check(here.view, anchor) == (0, 0, 0.0)


def test_others_may_read_it_and_nobody_else_may_write_it(anchor: AppendedFile) -> None:
    anchor.put(NOTE, no_proof)
    assert stat.S_IMODE(anchor.path.stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize("left", range(1, len(NOTE.encode()) + 3))
def test_a_note_cut_off_at_any_byte_is_passed_over_now_and_after_the_next(anchor: AppendedFile, left: int) -> None:
    anchor.put(NOTE, no_proof)
    with anchor.path.open("ab") as file:
        file.write((NOTE.encode() + b"--\n")[:left])
    assert anchor.get() == [NOTE]
    before = anchor.path.read_bytes()
    anchor.put(NOTE, no_proof)
    assert anchor.path.read_bytes().startswith(before)
    whole = left == len(NOTE.encode()) + 2  # only the line feed of its end was missing
    assert anchor.get() == [NOTE] * (3 if whole else 2)
    anchor.put(NOTE, no_proof)
    assert anchor.get() == [NOTE] * (4 if whole else 3)


def test_a_file_of_something_else_is_named_with_the_line(anchor: AppendedFile) -> None:
    anchor.path.write_bytes(NOTE.encode() + b"--\nhello\n--\n")
    with pytest.raises(TamperedError, match="line 7 begins something that is no signed checkpoint"):
        anchor.get()


def test_another_writer_is_waited_for(anchor: AppendedFile) -> None:
    anchor.put(NOTE, no_proof)
    with anchor.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writing = threading.Thread(target=anchor.put, args=(NOTE, no_proof))
        writing.start()
        writing.join(0.1)
        assert len(anchor.get()) == 1
        fcntl.flock(other, fcntl.LOCK_UN)
        writing.join()
    assert len(anchor.get()) == 2


def test_a_lock_that_is_never_given_back_holds_nothing_up(
    anchor: AppendedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wrapper.anchors.files._SECONDS", 0.05)
    anchor.put(NOTE, no_proof)
    with anchor.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UnreachableError, match="temporarily unavailable"):
            anchor.put(NOTE, no_proof)


@pytest.mark.parametrize("content", [b"alias ll='ls -l'\n", b"x", b"safe-agent.txt/"])
def test_a_file_that_was_meant_for_something_else_stays_as_it_is(anchor: AppendedFile, content: bytes) -> None:
    anchor.path.write_bytes(content)
    with pytest.raises(TamperedError, match="line 1 begins something"):
        anchor.put(NOTE, no_proof)
    with pytest.raises(TamperedError, match="line 1 begins something"):
        anchor.get()
    assert anchor.path.read_bytes() == content


def test_a_changed_note_is_noticed(here: Standing, anchor: AppendedFile) -> None:
    anchor.put(here.ledger.note(), no_proof)
    anchor.path.write_text(anchor.path.read_text().replace("\n10\n", "\n11\n"))
    with pytest.raises(TamperedError, match="signature"):
        check(here.view, anchor)


@given(st.lists(st.sampled_from([NOTE.encode(), b"--\n", b"\n", b"(cut off here)\n", b"x", b"\xff"]), max_size=8))
def test_any_file_is_notes_or_is_refused(parts: list[bytes]) -> None:
    try:
        found = split(b"".join(parts), "file:x")
    except TamperedError as error:
        assert "begins something" in error.what
    else:
        assert all(notes.parse(note) for note in found)


def _is_note(data: bytes) -> bool:
    try:
        notes.parse(data.decode())
    except TamperedError:
        return False
    return True


@given(st.lists(st.sampled_from([NOTE.encode(), b"--\n", b"--", b"\n", b"(cut off here)\n", b"x"]), max_size=8))
def test_notes_end_where_a_line_says_so_and_nowhere_else(parts: list[bytes]) -> None:
    """Compared with the plain way, line by line."""
    data = NOTE.encode() + b"--\n" + b"".join(parts)
    texts, pending, is_good = [], b"", True
    for line in data.splitlines(keepends=True):
        pending += b"" if line == b"--\n" else line
        if line == b"--\n":
            is_cut = pending.endswith(b"(cut off here)\n")
            is_good &= is_cut or _is_note(pending)
            texts += [] if is_cut else [pending.decode()]
            pending = b""
    if is_good:
        assert split(data, "file:x") == texts
    else:
        with pytest.raises(TamperedError):
            split(data, "file:x")


@pytest.mark.parametrize("content", [b"\n", b"--\n(cut off here)\n", b"x"])
def test_whoever_may_write_to_the_share_makes_no_reader_take_more_memory_than_the_file_has(content: bytes) -> None:
    data = NOTE.encode() + b"--\n" + content * (1 << 20)
    tracemalloc.start()
    try:
        with contextlib.suppress(TamperedError):
            split(data, "file:x")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    anchor = AppendedFile("file:away", tmp_path / "away" / "notes")
    with pytest.raises(UnreachableError, match="`file:away`: No such file or directory"):
        anchor.put(NOTE, no_proof)
    with pytest.raises(UnreachableError, match="No such file or directory"):
        anchor.get()
    assert not (tmp_path / "away").exists()


@pytest.mark.parametrize("use", [lambda anchor: anchor.get(), lambda anchor: anchor.put(NOTE, no_proof)])
def test_a_pipe_holds_nothing_up(anchor: AppendedFile, use: object) -> None:
    os.mkfifo(anchor.path)
    with pytest.raises(UnreachableError, match="not a plain file"):
        use(anchor)  # type: ignore[operator]


def test_a_full_disk_is_said_and_the_file_goes_on_afterwards(
    anchor: AppendedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
        with pytest.raises(UnreachableError, match="No space left"):
            anchor.put(NOTE, no_proof)
    anchor.put(NOTE, no_proof)
    assert anchor.get() == [NOTE]
