import fcntl
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.audit import entries, ledger, ledgerscan, ledgerstate, notes, proofs, signatures
from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.errors import AuditError

_VECTORS = Path(__file__).parents[1] / "vectors" / "ledger-v1"


def beat(number: int, session: str = "s-1") -> entries.Beat:
    return entries.Beat(1_000.0 + number, session, 1, number, hashlib.sha256(b"%d" % number).hexdigest())


def written(folder: Path, count: int) -> ledger.Ledger:
    """Make a ledger of beats, each in an append of its own."""
    made = ledger.Ledger(folder, clock=lambda: 999.0)
    for number in range(count):
        made.append(beat(number))
    return made


def beats(folder: Path) -> list[int]:
    """Return the numbers of the beats that are proven."""
    return [entry.size for _, entry in ledger.read(folder).entries if isinstance(entry, entries.Beat)]


def left(view: ledger.View) -> list[entries.Recovered]:
    """Return what the ledger says of its own segments that were left."""
    return [entry for _, entry in view.entries if isinstance(entry, entries.Recovered) and not entry.session]


def log(folder: Path, number: int = 1) -> Path:
    return folder / f"{number:06}.alog"


def frames(data: bytes) -> tuple[bytes, list[bytes]]:
    """Split a segment into its header and its frames."""
    place = 14 + struct.unpack(">I", data[10:14])[0]
    header, found = data[:place], []
    while place < len(data):
        size = 16 + struct.unpack(">I", data[place : place + 4])[0]
        found.append(data[place : place + size])
        place += size
    return header, found


def in_process(work: Callable[[], object]) -> int:
    """Run `work` in a process of its own, and return its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


# --- what is appended is there -------------------------------------------------------------------------------------


def test_entries_come_back_in_order_with_the_numbers_of_their_frames(tmp_path: Path) -> None:
    made = ledger.Ledger(tmp_path / "ledger")
    begun = entries.Opened(1.0, "s-1", 1, "ab" * 32)
    position = made.append(begun, beat(1))
    made.append(entries.Closed(3.0, "s-1", 1, 12, "cd" * 32))
    view = ledger.read(tmp_path / "ledger")
    assert view.entries == ((0, begun), (1, beat(1)), (3, entries.Closed(3.0, "s-1", 1, 12, "cd" * 32)))
    assert (position.segment, position.size) == (1, 3)
    assert (view.size, view.warnings) == (5, ())
    assert proofs.root(view.leaves[0][:3]) == position.root


@pytest.mark.parametrize(
    "entry",
    [
        entries.Opened(1.0, "s-1", 1, "ab" * 32),
        entries.Beat(1.0, "s-1", 1, 5, "ab" * 32),
        entries.Rotated(1.0, "s-1", 1, 5, "ab" * 32, 2),
        entries.Closed(1.0, "s-1", 1, 5, "ab" * 32),
        entries.Recovered(1.0, "s-1", 1, 5, "ab" * 32, 17),
        entries.Reading(1.0, "s-1", "show", "ada"),
        entries.Shredded(1.0, "s-1", "older than 90 days"),
        entries.Anchored(1.0, "git:/srv/anchors", 5, "ab" * 32),
        entries.Indexed(1.0, "s-1", "cd" * 16, 2, "ab" * 32),
        entries.Approved(1.0, "ab" * 32, "rejected", "ada", 12, "no licence"),
        entries.Published(1.0, "ab" * 32, "ada"),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_every_kind_of_entry_is_kept(tmp_path: Path, entry: entries.Entry) -> None:
    ledger.Ledger(tmp_path).append(entry)
    assert ledger.read(tmp_path).entries == ((0, entry),)


def test_processes_that_append_at_once_all_get_their_entries_into_one_segment(tmp_path: Path) -> None:
    def work(worker: int) -> None:
        own = ledger.Ledger(tmp_path / "ledger")
        for number in range(25):
            own.append(beat(worker * 100 + number))

    pids = [in_process(lambda worker=worker: work(worker)) for worker in range(4)]  # type: ignore[misc]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    view = ledger.read(tmp_path / "ledger")
    assert sorted(beats(tmp_path / "ledger")) == [worker * 100 + number for worker in range(4) for number in range(25)]
    assert (len(view.segments), view.warnings) == (1, ())


def test_a_reader_beside_a_writer_sees_whole_appends_only(tmp_path: Path) -> None:
    written(tmp_path, 1)
    pid = in_process(lambda: [ledger.Ledger(tmp_path).append(beat(n), beat(n)) for n in range(1, 60)])
    seen = []
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        view = ledger.read(tmp_path)
        assert view.warnings == ()
        seen.append(len(view.entries))
    assert all(count % 2 == 1 for count in seen)
    assert seen == sorted(seen)


def test_a_writer_does_not_wait_for_a_reader_that_proves_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = written(tmp_path, 2)
    prove = ledgerscan.Opened.prove

    def slowly(self: ledgerscan.Opened) -> ledgerscan.Found:
        made.append(beat(2))
        return prove(self)

    monkeypatch.setattr(ledgerscan, "_PATIENCE", 0.05)
    monkeypatch.setattr(ledgerscan.Opened, "prove", slowly)
    view = ledger.read(tmp_path)
    assert (len(view.entries), view.warnings) == (2, ())
    monkeypatch.undo()
    assert beats(tmp_path) == [0, 1, 2]


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path) -> None:
    times = iter([5_000.0, 10.0, -4.0, float(1 << 60), 0.0])
    for number in range(4):
        ledger.Ledger(tmp_path, clock=lambda: next(times)).append(beat(-number if number < 0 else number))
    assert beats(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize("now", [-1.0, 1e18])
def test_a_clock_that_is_far_off_does_not_stop_the_ledger(tmp_path: Path, now: float) -> None:
    made = ledger.Ledger(tmp_path, clock=lambda: now)
    made.append(beat(0))
    (tmp_path / "state").unlink()
    made.append(beat(1))
    assert beats(tmp_path) == [0, 1]


@pytest.mark.parametrize(
    "entry",
    [
        entries.Opened(1.0, "../etc", 1, "ab" * 32),
        entries.Opened(1.0, "s-1\x1b[2J", 1, "ab" * 32),
        entries.Opened(1.0, "s-1", 1, "not hex"),
        entries.Opened(1.0, "s-1", -1, "ab" * 32),
        entries.Opened(float("nan"), "s-1", 1, "ab" * 32),
        entries.Reading(1.0, "s-1", "show", "\udcff"),
        entries.Shredded(1.0, "s-1", "x" * (1 << 17)),
    ],
)
def test_an_entry_that_could_not_be_read_back_is_refused_and_nothing_is_written(
    tmp_path: Path, entry: entries.Entry
) -> None:
    with pytest.raises(AuditError, match="ledger"):
        ledger.Ledger(tmp_path / "ledger").append(beat(0), entry)
    assert not (tmp_path / "ledger").exists()


def test_nothing_of_the_ledger_is_open_to_other_users(tmp_path: Path) -> None:
    written(tmp_path / "ledger", 2).note()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "ledger", *(tmp_path / "ledger").iterdir()]}
    assert modes == {"ledger": 0o700, "000001.alog": 0o600, "state": 0o600, "note.key": 0o600, "note.pub": 0o644}


def test_an_entry_of_a_later_version_is_not_taken_for_damage(tmp_path: Path) -> None:
    later = msgspec.msgpack.encode({"type": "teleported", "at": 1.0})
    with pytest.raises(AuditError, match="not one that this safe-agent knows") as raised:
        entries.decode(7, later)
    assert not isinstance(raised.value, TamperedError)
    more = msgspec.msgpack.encode({"type": "shredded", "at": 1.0, "session": "s", "reason": "old", "by": "ada"})
    assert entries.decode(7, more) == entries.Shredded(1.0, "s", "old")


def test_an_older_version_that_goes_on_does_not_hide_what_a_later_one_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = written(tmp_path, 1)
    monkeypatch.setattr(entries, "encode", lambda entry: msgspec.msgpack.encode({"type": "teleported", "at": 1.0}))
    made.append(beat(1))
    monkeypatch.undo()
    (tmp_path / "state").unlink()
    made.append(beat(2))
    with pytest.raises(AuditError, match="frame 2: the entry is not one that this safe-agent knows"):
        ledger.read(tmp_path)
    assert len(ledgerscan.prove(tmp_path, 1, limit=4).leaves) == 4
    assert left_of_log(tmp_path, 2)[0].size == 4


@given(st.binary())
def test_other_bytes_are_no_entry(data: bytes) -> None:
    try:
        entries.decode(0, data)
    except AuditError:
        return
    assert msgspec.msgpack.decode(data)["type"]


def test_an_entry_that_nests_without_end_is_none() -> None:
    with pytest.raises(TamperedError, match="frame 3: holds no entry"):
        entries.decode(3, b"\x82\xa4type\xa4beat\xa3new" + b"\x91" * 100_000 + b"\x01")


# --- checkpoints ---------------------------------------------------------------------------------------------------


def test_the_note_is_the_signed_state_of_the_ledger(tmp_path: Path) -> None:
    note = notes.parse(written(tmp_path, 3).note())
    view = ledger.read(tmp_path)
    assert (note.checkpoint.origin, note.checkpoint.size, note.checkpoint.root) == (view.origin, view.size, view.root)
    notes.verify(note, view.vkey)
    assert view.vkey == (tmp_path / "note.pub").read_text().strip()


def test_the_origin_names_the_key_and_the_segment(tmp_path: Path) -> None:
    written(tmp_path, 1)
    key = notes.NoteKey.parse((tmp_path / "note.key").read_text())
    own = hashlib.sha256(key.public).hexdigest()[:16]
    assert ledger.read(tmp_path).origin == f"safe-agent.local/{own}/1"
    assert key.name == f"safe-agent.local/{own}"


def test_each_later_checkpoint_is_consistent_with_each_earlier(tmp_path: Path) -> None:
    made = ledger.Ledger(tmp_path)
    signed = []
    for number in range(9):
        made.append(*[beat(number)] * (number % 3 + 1))
        signed.append(notes.parse(made.note()).checkpoint)
    leaves = ledger.read(tmp_path).leaves[0]
    for at, old in enumerate(signed):
        for new in signed[at:]:
            path = proofs.consistency(leaves[: new.size], old.size)
            assert proofs.check_consistency(old.size, old.root, new.size, new.root, path)


def test_the_key_that_signed_is_nowhere_on_disk_after_the_append(tmp_path: Path) -> None:
    made = written(tmp_path, 1)
    for number in range(1, 6):
        state = ledgerstate.load(tmp_path).state
        assert state is not None
        made.append(beat(number))
        assert all(state.key not in path.read_bytes() for path in tmp_path.iterdir())


def test_the_state_is_written_over_the_same_blocks(tmp_path: Path) -> None:
    made = written(tmp_path, 1)
    before = (tmp_path / "state").stat()
    for number in range(1, 6):
        made.append(beat(number))
    after = (tmp_path / "state").stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)


def test_a_new_note_key_is_a_new_origin_and_the_ledger_says_so(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    first = ledger.read(tmp_path).origin
    (tmp_path / "note.key").unlink()
    note = notes.parse(made.note())
    view = ledger.read(tmp_path)
    assert view.origin.split("/")[1] != first.split("/")[1]
    assert note.checkpoint.origin == view.origin
    notes.verify(note, view.vkey)
    assert view.segments[0].vkey == ""
    assert [entry.why for entry in left(view)] == ["its note key is another than before"]


def test_a_damaged_note_key_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    (tmp_path / "note.key").write_text("something else\n")
    notes.verify(notes.parse(made.note()), ledger.read(tmp_path).vkey)
    assert (tmp_path / "note.key.damaged").read_text() == "something else\n"
    assert beats(tmp_path) == [0, 1]


# --- where there is none -------------------------------------------------------------------------------------------


def test_a_ledger_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(AuditError, match=f"^there is no ledger in `{folder}`$"):
            ledger.read(folder)
        with pytest.raises(AuditError, match=f"^there is no ledger in `{folder}`$"):
            ledger.Ledger(folder).note()
    assert not (tmp_path / "none").exists()


def test_a_place_that_cannot_hold_a_ledger_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match=r"^cannot write the ledger: Not a directory$") as raised:
        ledger.Ledger(tmp_path / "file" / "ledger").append(beat(0))
    assert raised.value.hint == f"see that `{tmp_path}/file/ledger` can be written"


def test_a_ledger_that_another_process_keeps_is_given_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 1)
    monkeypatch.setattr(ledgerscan, "_PATIENCE", 0.05)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for use in (lambda: ledger.Ledger(tmp_path).append(beat(1)), lambda: ledger.read(tmp_path)):
        with pytest.raises(AuditError, match="another process has held the ledger") as raised:
            use()
        assert raised.value.hint == f"see which one: `fuser {tmp_path}`"
    os.close(descriptor)
    ledger.Ledger(tmp_path).append(beat(1))
    assert beats(tmp_path) == [0, 1]


def test_reading_changes_nothing_on_disk(tmp_path: Path) -> None:
    written(tmp_path, 3)

    def content() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}

    before = content()
    ledger.read(tmp_path)
    assert content() == before


# --- what was changed ----------------------------------------------------------------------------------------------


def test_every_changed_byte_of_the_log_is_noticed(tmp_path: Path) -> None:
    written(tmp_path, 2)
    good = log(tmp_path).read_bytes()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        log(tmp_path).write_bytes(bad)
        with pytest.raises(AuditError):
            ledger.read(tmp_path)


def test_every_cut_is_noticed_and_the_first_missing_frame_is_named(tmp_path: Path) -> None:
    written(tmp_path, 2)
    good = log(tmp_path).read_bytes()
    header, found = frames(good)
    borders = [len(header) + sum(map(len, found[:count])) for count in range(len(found) + 1)]
    for size in range(len(good)):
        log(tmp_path).write_bytes(good[:size])
        whole = sum(size >= border for border in borders[1:])  # frames that are still there
        proven = whole // 2 * 2  # each checkpoint is the second of a pair
        expected = f"frame {proven} is missing" if size >= len(header) else "ends inside its header"
        with pytest.raises(TruncatedError, match=expected):
            ledger.read(tmp_path)


@pytest.mark.parametrize("change", ["drop", "swap", "repeat"])
def test_frames_that_are_dropped_swapped_or_repeated_are_noticed(tmp_path: Path, change: str) -> None:
    written(tmp_path, 4)
    header, found = frames(log(tmp_path).read_bytes())
    for at in range(len(found) - 1):
        changed = {
            "drop": found[:at] + found[at + 1 :],
            "swap": [*found[:at], found[at + 1], found[at], *found[at + 2 :]],
            "repeat": [*found[: at + 1], *found[at:]],
        }[change]
        log(tmp_path).write_bytes(header + b"".join(changed))
        with pytest.raises(TamperedError):
            ledger.read(tmp_path)


def test_a_segment_of_another_ledger_is_noticed(tmp_path: Path) -> None:
    for name in ("own", "foreign"):
        written(tmp_path / name, 3)
    shutil.copy(log(tmp_path / "foreign"), log(tmp_path / "own"))
    with pytest.raises(TamperedError, match="segment 1 of the ledger is another than the one that was acknowledged"):
        ledger.read(tmp_path / "own")


def test_an_entry_that_somebody_added_without_the_key_does_not_count(tmp_path: Path) -> None:
    written(tmp_path, 2)
    record = entries.encode(beat(666))
    head = layout.encode_frame_header(len(record), layout.DATA, 2, 4, layout.PLAIN)
    with log(tmp_path).open("ab") as file:
        file.write(head + record)
    view = ledger.read(tmp_path)
    assert beats(tmp_path) == [0, 1]
    assert view.warnings == (
        f"the last {16 + len(record)} bytes of segment 1 are under no checkpoint and do not count",
    )
    (tmp_path / "state").unlink()
    assert beats(tmp_path) == [0, 1]


def test_a_forged_checkpoint_does_not_make_an_entry_count(tmp_path: Path) -> None:
    written(tmp_path, 2)
    _, found = frames(log(tmp_path).read_bytes())
    record = entries.encode(beat(666))
    head = layout.encode_frame_header(len(record), layout.DATA, 2, 4, layout.PLAIN)
    tree = layout.Tree()
    for frame in [*found, head + record]:
        tree.add(layout.leaf_hash(frame[:16], frame[16:]))
    forged = layout.encode_frame_header(128, layout.CHECKPOINT, 2, 5) + tree.root() + bytes(96)
    with log(tmp_path).open("ab") as file:
        file.write(head + record + forged)
    assert beats(tmp_path) == [0, 1]
    assert "the checkpoint's signature is not valid" in ledger.read(tmp_path).warnings[-1]
    (tmp_path / "state").unlink()
    with pytest.raises(TamperedError, match="frame 5: the checkpoint's signature is not valid"):
        ledger.read(tmp_path)


def test_an_earlier_copy_of_the_log_is_noticed(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    earlier = log(tmp_path).read_bytes()
    made.append(beat(2))
    log(tmp_path).write_bytes(earlier)
    with pytest.raises(TruncatedError, match="frame 4 is missing"):
        ledger.read(tmp_path)


def test_a_deleted_log_is_noticed(tmp_path: Path) -> None:
    written(tmp_path, 2)
    log(tmp_path).unlink()
    with pytest.raises(TruncatedError, match="segment 1 of the ledger is missing"):
        ledger.read(tmp_path)


def _three_segments(folder: Path) -> None:
    made = written(folder, 2)
    for number in (2, 3):
        (folder / "state").unlink()
        made.append(beat(number))
    assert [entry.segment for entry in left(ledger.read(folder))] == [1, 2]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_deleted_segment_is_noticed(tmp_path: Path, number: int) -> None:
    _three_segments(tmp_path)
    log(tmp_path, number).unlink()
    with pytest.raises(TruncatedError, match=f"segment {number} of the ledger is missing"):
        ledger.read(tmp_path)


def test_swapped_segments_are_noticed(tmp_path: Path) -> None:
    _three_segments(tmp_path)
    second = log(tmp_path, 2).read_bytes()
    shutil.copy(log(tmp_path, 3), log(tmp_path, 2))
    log(tmp_path, 3).write_bytes(second)
    with pytest.raises(TamperedError):
        ledger.read(tmp_path)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_segment_is_proven_also_those_that_were_left(tmp_path: Path, number: int) -> None:
    _three_segments(tmp_path)
    good = log(tmp_path, number).read_bytes()
    header, found = frames(good)
    for at in (len(header) + 20, len(header) + len(found[0]) + 20, len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 1
        log(tmp_path, number).write_bytes(bad)
        with pytest.raises(TamperedError):
            ledger.read(tmp_path)
    log(tmp_path, number).write_bytes(good[: -len(found[-1])])
    with pytest.raises(TruncatedError):
        ledger.read(tmp_path)


def test_a_bad_signature_is_named_also_where_many_are_checked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 10)
    monkeypatch.setattr(signatures, "_BATCH", 3)
    assert beats(tmp_path) == [*range(10)]
    header, found = frames(log(tmp_path).read_bytes())
    for at in (1, 9, 19):
        bad = [*found[:at], found[at][:-1] + bytes([found[at][-1] ^ 1]), *found[at + 1 :]]
        log(tmp_path).write_bytes(header + b"".join(bad))
        with pytest.raises(TamperedError, match=f"frame {at}: the checkpoint's signature is not valid"):
            ledger.read(tmp_path)


# --- going on after it -----------------------------------------------------------------------------------------------


def test_a_ledger_that_was_cut_goes_on_and_says_so_for_ever(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    header, found = frames(log(tmp_path).read_bytes())
    log(tmp_path).write_bytes(header + b"".join(found[:3]))
    made.append(beat(9))
    for number in (10, 11):
        view = ledger.read(tmp_path)
        assert [(e.segment, e.size, e.torn, e.missing) for e in left(view)] == [(1, 2, len(found[2]), 4)]
        assert view.missing == 4
        lost = f"4 frames are missing, {len(found[2])} bytes behind it do not count"
        assert view.warnings == (f"frame 2: segment 1 was left after 2 frames: its log was cut, {lost}",)
        made.append(beat(number))
    assert beats(tmp_path) == [0, 9, 10, 11]


def test_a_log_whose_header_was_cut_does_not_stop_appending_but_reading(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    log(tmp_path).write_bytes(log(tmp_path).read_bytes()[:40])
    made.append(beat(9))
    made.append(beat(10))
    with pytest.raises(TruncatedError, match="segment 1 of the ledger ends inside its header"):
        ledger.read(tmp_path)
    assert len(frames(log(tmp_path, 2).read_bytes())[1]) == 5


def test_a_deleted_log_does_not_stop_appending_but_reading(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    log(tmp_path).unlink()
    made.append(beat(9))
    assert log(tmp_path, 2).exists()
    with pytest.raises(TruncatedError, match="segment 1 of the ledger is missing"):
        ledger.read(tmp_path)


def test_a_ledger_of_which_only_the_note_key_is_left_says_so(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    log(tmp_path).unlink()
    (tmp_path / "state").unlink()
    with pytest.raises(AuditError, match="there is no ledger"):
        ledger.read(tmp_path)
    made.append(beat(9))
    assert [(entry.segment, entry.why) for entry in left(ledger.read(tmp_path))] == [(0, "its log is missing")]


def test_a_missing_state_is_named_and_the_ledger_goes_on(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    (tmp_path / "state").unlink()
    assert ledger.read(tmp_path).warnings == (
        "the state file is missing: it would not be noticed if the end of the ledger were cut off",
    )
    made.append(beat(3))
    view = ledger.read(tmp_path)
    assert view.missing == 0
    assert [(e.segment, e.size, e.torn, e.missing, e.why) for e in left(view)] == [
        (1, 6, 0, 0, "the state file is missing")
    ]
    assert view.warnings == ("frame 6: segment 1 was left after 6 frames: the state file is missing",)
    assert beats(tmp_path) == [0, 1, 2, 3]
    assert [sequence for sequence, _ in view.entries] == [0, 2, 4, 6, 7]


@pytest.mark.parametrize("content", [b"", b"x", bytes(8192), b"\xff" * 8192, os.urandom(8192)])
def test_a_damaged_state_is_named_and_the_ledger_goes_on(tmp_path: Path, content: bytes) -> None:
    made = written(tmp_path, 3)
    (tmp_path / "state").write_bytes(content)
    assert ledger.read(tmp_path).warnings[0].startswith("the state file is damaged")
    made.append(beat(3))
    made.append(beat(4))
    assert beats(tmp_path) == [0, 1, 2, 3, 4]
    assert [entry.why for entry in left(ledger.read(tmp_path))] == ["the state file is damaged"]


def test_every_changed_byte_of_the_state_is_survived(tmp_path: Path) -> None:
    written(tmp_path / "good", 2)
    state = (tmp_path / "good" / "state").read_bytes()
    used = [at for at in range(len(state)) if state[at]]
    for at in used[::7]:
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        bad = bytearray(state)
        bad[at] ^= 0xFF
        (tmp_path / "bad" / "state").write_bytes(bad)
        ledger.Ledger(tmp_path / "bad").append(beat(2))
        assert beats(tmp_path / "bad") == [0, 1, 2]
        shutil.rmtree(tmp_path / "bad")


def test_a_state_that_was_written_in_half_leaves_the_one_before(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    before, old = (tmp_path / "state").read_bytes(), log(tmp_path).read_bytes()
    made.append(beat(2))
    after = (tmp_path / "state").read_bytes()
    slot = 0 if before[4096:4100] != bytes(4) else 4096  # the one that was written now
    for size in (1, 4, 100, 200):
        torn = bytearray(before)
        torn[slot : slot + size] = after[slot : slot + size]
        (tmp_path / "state").write_bytes(torn)
        loaded = ledgerstate.load(tmp_path).state
        assert loaded is not None
        assert loaded.end == len(old)


def test_an_old_state_that_was_put_back_is_named_and_hides_nothing(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    old = (tmp_path / "state").read_bytes()
    made.append(beat(2))
    (tmp_path / "state").write_bytes(old)
    assert ledger.read(tmp_path).warnings == (
        "the ledger goes on behind what its state knows: a writer was killed, or an old state was put back",
    )
    made.append(beat(3))
    assert beats(tmp_path) == [0, 1, 2, 3]
    assert [(e.size, e.why) for e in left(ledger.read(tmp_path))] == [
        (6, "its log goes on behind what its state knows")
    ]


def test_a_log_replaced_by_one_of_the_same_length_is_not_gone_on_with(tmp_path: Path) -> None:
    made = written(tmp_path / "own", 2)
    written(tmp_path / "foreign", 2)
    shutil.copy(log(tmp_path / "foreign"), log(tmp_path / "own"))
    made.append(beat(2))
    assert len(left_of_log(tmp_path / "own", 2)) == 1


def left_of_log(folder: Path, number: int) -> list[entries.Recovered]:
    """Return what a segment alone says of the one before."""
    found = ledgerscan.prove(folder, number)
    decoded = [entries.decode(sequence, data) for sequence, data in found.records]
    return [entry for entry in decoded if isinstance(entry, entries.Recovered)]


def test_garbage_behind_the_last_checkpoint_is_stated_and_does_not_count(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    for junk in (b"\0" * 500, b"junk"):
        with max(tmp_path.glob("*.alog")).open("ab") as file:
            file.write(junk)
        made.append(beat(2))
    view = ledger.read(tmp_path)
    assert [entry.torn for entry in left(view)] == [500, 4]
    assert beats(tmp_path) == [0, 1, 2, 2]


@contextmanager
def nothing_written_over(folder: Path) -> Iterator[None]:
    """Check that whatever stood in a log stands there still."""
    before = {path: path.read_bytes() for path in folder.glob("*.alog")}
    yield
    assert all(path.read_bytes().startswith(data) for path, data in before.items())


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_happens_to_the_files_appending_works_and_overwrites_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    made = written(folder, 2)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(folder.iterdir())))
        content = path.read_bytes()
        at = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:at] + data.draw(st.binary(max_size=40)))
        with nothing_written_over(folder):
            made.append(beat(5))
            made.append(beat(6))
        try:
            assert beats(folder)[-2:] == [5, 6]
        except AuditError as error:
            assert error.what
        notes.parse(made.note())


# --- a second implementation ---------------------------------------------------------------------------------------


def read_as_documented(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of a ledger after `docs/ledger.md` alone; fails an assertion where it is not as documented."""

    def sha(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) < 2:
            return leaves[0] if leaves else sha(b"")
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return sha(b"\x01" + root(leaves[:split]) + root(leaves[split:]))

    logs = [path.read_bytes() for path in sorted(folder.glob("??????.alog"))]
    headers = [json.loads(data[14 : 14 + struct.unpack(">I", data[10:14])[0]]) for data in logs]
    found: list[dict[str, Any]] = []
    for number, (data, header) in enumerate(zip(logs, headers, strict=True), 1):
        place = 14 + struct.unpack(">I", data[10:14])[0]
        assert data[:10] == b"SAFEALOG\x00\x02"
        assert (header["segment"], header["recipients"]) == (number, [])
        digest, key, epoch, leaves, waiting = sha(data[:place]), header["verification_key"], 0, [], []  # type: ignore[var-annotated]
        follower = headers[number] if number < len(headers) else None
        while place < len(data) and not (follower and len(leaves) == follower["first"] - header["first"]):
            head = data[place : place + 16]
            size, kind, flags, modulo, sequence = struct.unpack(">IBBHQ", head)
            body = data[place + 16 : place + 16 + size]
            assert (modulo, sequence) == (epoch % 65536, header["first"] + len(leaves))
            if kind == 1:
                assert flags == 2
                waiting.append(msgspec.msgpack.decode(body))
            else:
                assert (kind, flags, body[:32]) == (2, 0, root(leaves))
                message = b"safe-agent alog v1 checkpoint\0" + digest + head + body[:64]
                Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(body[64:], message)
                key, epoch, found = body[32:64].hex(), epoch + 1, found + waiting
                waiting = []
            leaves.append(sha(b"\0" + head + body))
            place += 16 + size
        if follower:
            assert follower["previous"] == root(leaves).hex()
    return found


_EXPECTED = json.loads((_VECTORS / "vectors.json").read_text())
_ERRORS = {"tampered": TamperedError, "truncated": TruncatedError}


@pytest.mark.parametrize("name", [name for name, case in _EXPECTED.items() if case["verdict"] == "proven"])
def test_the_good_vectors_read_as_they_were_written(name: str) -> None:
    case, view = _EXPECTED[name], ledger.read(_VECTORS / name)
    assert [[sequence, msgspec.to_builtins(entry)] for sequence, entry in view.entries] == case["entries"]
    assert (view.size, view.root.hex(), view.origin) == (case["size"], case["root"], case["origin"])
    assert list(view.warnings) == case["warnings"]
    assert view.vkey.startswith(view.origin.rpartition("/")[0] + "+")


@pytest.mark.parametrize("name", [name for name, case in _EXPECTED.items() if case["verdict"] != "proven"])
def test_the_bad_vectors_fail_for_the_stated_reason(name: str) -> None:
    with pytest.raises(AuditError) as raised:
        ledger.read(_VECTORS / name)
    assert type(raised.value) is _ERRORS[_EXPECTED[name]["verdict"]]
    assert raised.value.what == _EXPECTED[name]["reason"]


def test_every_vector_on_disk_is_tested() -> None:
    assert {path.name for path in _VECTORS.iterdir() if path.is_dir()} == set(_EXPECTED)


@pytest.mark.parametrize("name", ["good", "every", "left-after-a-kill", "left-after-a-cut"])
def test_a_second_implementation_reads_the_good_vectors(name: str) -> None:
    assert read_as_documented(_VECTORS / name) == [entry for _, entry in _EXPECTED[name]["entries"]]


def test_a_second_implementation_reads_what_is_written(tmp_path: Path) -> None:
    _three_segments(tmp_path)
    with log(tmp_path, 3).open("ab") as file:
        file.write(b"torn")
    ledger.Ledger(tmp_path).append(beat(4))
    read = [msgspec.to_builtins(entry) for _, entry in ledger.read(tmp_path).entries]
    assert len(read) == 8
    assert read_as_documented(tmp_path) == read
