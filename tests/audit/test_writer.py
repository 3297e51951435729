import errno
import fcntl
import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.recording import Home, frames_of, home, start_event, warned
from wrapper.audit import events, reader, segment
from wrapper.audit import format as layout
from wrapper.audit.format import Position
from wrapper.audit.ratchet import Ratchet, erase
from wrapper.audit.refusals import hint
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError


def test_a_written_log_reads_back_and_is_sealed(user: Home) -> None:
    written = [start_event(), warned("one"), warned("two")]
    directory = user.write(written=written)
    assert list(reader.open_session(directory, user.keys.load_identity())) == written
    assert reader.verify(directory).state is reader.State.SEALED


def test_folder_and_files_are_their_owners_only(user: Home) -> None:
    directory = user.write()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [directory, *directory.iterdir()]}
    assert modes == {"s-1": 0o700, layout.KEY_FILE: 0o600, layout.LOG_FILE: 0o600}


def test_the_stock_age_opens_the_key_file(user: Home) -> None:
    directory = user.write()
    key_file = directory / layout.KEY_FILE
    opened = subprocess.run(
        ["age", "-d", "-i", user.keys.identity_path, key_file],
        capture_output=True,
        check=True,
        env={"PATH": os.defpath},
    )
    header, _ = frames_of(directory)
    assert (
        layout.commitment(opened.stdout).hex() == layout.decode_header(header[layout.PREFIX_SIZE :], 2).key_commitment
    )


def test_no_plaintext_stands_in_the_files(user: Home) -> None:
    directory = user.write(written=[start_event(), warned("a quite recognisable text")])
    on_disk = b"".join(path.read_bytes() for path in directory.iterdir())
    assert b"recognisable" not in on_disk
    assert b"claude" not in on_disk


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.binary(max_size=5000), st.booleans()), max_size=200))
def test_any_records_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[bytes, bool]]
) -> None:
    user = home(tmp_path_factory.mktemp("user"))
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    written = [events.Output(at=1.0, stream="tty", data=data) for data, _ in records]
    for event, (_, synced) in zip(written, records, strict=True):
        writer.append(events.encode(event))
        if synced:
            writer.sync()
    writer.close()
    assert list(reader.open_session(user.directory(), user.keys.load_identity())) == written
    assert reader.verify(user.directory()).state is reader.State.SEALED


def test_an_epoch_ends_after_64_records_or_256_kibibytes(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    for _ in range(130):
        writer.append(events.encode(warned("x")))
    writer.append(events.encode(events.Output(at=1.0, stream="tty", data=os.urandom(1 << 18))))
    writer.close()
    kinds = "".join(str(frame[4]) for frame in frames_of(user.directory())[1])
    assert kinds == "1" * 64 + "2" + "1" * 64 + "2" + "1" * 3 + "2" + "3"


def test_equal_records_never_look_equal(user: Home) -> None:
    _, frames = frames_of(user.write(written=[warned("same")] * 5))
    bodies = [frame[layout.FRAME_SIZE :] for frame in frames if frame[4] == layout.DATA]
    assert len(set(bodies)) == 5


def test_a_second_writer_is_refused(user: Home) -> None:
    directory = user.write(written=[warned("first")])
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(AuditError, match="exists already"):
        SessionWriter(directory, user.keys.load_recipients())
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_session_id_that_readers_refuse_is_refused_by_the_writer(user: Home) -> None:
    with pytest.raises(AuditError, match="cannot be the id"):
        SessionWriter(user.directory("bad name"), user.keys.load_recipients())


def test_a_recipient_that_is_none_is_refused_before_anything_is_written(user: Home) -> None:
    with pytest.raises(AuditError):
        SessionWriter(user.directory(), ["age1nonsense"])
    assert not (user.directory() / layout.LOG_FILE).exists()


def test_a_state_folder_that_is_a_file_is_one_clear_error(user: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="cannot start the log"):
        SessionWriter(tmp_path / "file" / "s-1", user.keys.load_recipients())


def test_nothing_can_be_written_after_the_end(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer.close()
    with pytest.raises(AuditError, match="sealed"):
        writer.append(b"late")


def test_after_a_failed_write_every_call_fails(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer._segment.close()
    full = writer._segment._log = os.open("/dev/full", os.O_WRONLY)
    writer.append(events.encode(warned("x")))
    for call in (writer.sync, writer.sync, writer.close):
        with pytest.raises(AuditError, match="No space left"):
            call()
    with pytest.raises(AuditError, match="No space left"):
        writer.append(b"x")
    os.close(full)


def test_a_segment_ends_when_it_is_large_and_the_next_one_follows_it(user: Home) -> None:
    ended: list[Position] = []
    written = [events.Output(at=float(number), stream="tty", data=os.urandom(4_000)) for number in range(40)]
    writer = SessionWriter(
        user.directory(), user.keys.load_recipients(), limits=Limits(size=20_000), on_rotated=ended.append
    )
    for event in written:
        writer.append(events.encode(event))
        writer.sync()
    writer.close()
    assert [position.segment for position in ended] == list(range(1, len(ended) + 1))
    assert len(ended) > 3
    names = sorted(path.name for path in user.directory().iterdir())
    assert names == sorted(name for number in range(1, len(ended) + 2) for name in layout.segment_names(number))
    records = list(reader.read_records(user.directory(), user.keys.load_identity()))
    assert [record.event for record in records] == written
    assert [record.sequence for record in records] == sorted({record.sequence for record in records})
    wanted = {position.segment: {position.size: None} for position in ended}
    proven = reader.verify(user.directory(), wanted=wanted)
    assert proven.state is reader.State.SEALED
    assert proven.roots == {(position.segment, position.size): position.root for position in ended}


def test_a_segment_ends_when_it_is_old(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=Limits(seconds=0.0))
    for text in ("one", "two"):
        writer.append(events.encode(warned(text)))
        writer.sync()
    assert writer.position.segment == 3
    writer.close()
    assert [event.text for event in reader.open_session(user.directory(), user.keys.load_identity())] == ["one", "two"]  # type: ignore[union-attr]


def test_an_idle_log_that_is_old_is_not_rotated_for_nothing(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=Limits(seconds=0.0))
    for _ in range(5):
        writer.sync()
    assert writer.position.segment == 1
    writer.close()


def test_text_is_compressed_and_what_cannot_be_is_not(user: Home) -> None:
    text, noise = events.Output(at=1.0, stream="tty", data=b"line\n" * 9_000), os.urandom(45_000)
    directory = user.write(written=[text, events.Output(at=1.0, stream="tty", data=noise)])
    flags = [frame[5] for frame in frames_of(directory)[1] if frame[4] == layout.DATA]
    assert flags == [layout.COMPRESSED, 0]
    assert (directory / layout.LOG_FILE).stat().st_size < 50_000
    assert next(reader.open_session(directory, user.keys.load_identity())) == text


def test_an_erased_secret_is_zeros() -> None:
    secret = hashlib.sha256(b"one of its own").digest()
    erase(secret)
    assert secret == bytes(32)


@given(st.lists(st.integers(0, 5), max_size=5), st.sampled_from((1, 2)))
def test_a_skipped_key_is_the_same_as_one_taken(records: list[int], version: int) -> None:
    taking, skipping = Ratchet(b"k" * 32, version), Ratchet(b"k" * 32, version)
    for count in records:
        taking.next_epoch()
        skipping.next_epoch()
        for _ in range(count):
            taking.next_key()
        skipping.skip(count)
        assert taking.next_key() == skipping.next_key()


def test_no_key_leads_to_another() -> None:
    ratchet, keys = Ratchet(b"k" * 32, 2), []
    for _ in range(3):
        ratchet.next_epoch()
        keys += [ratchet.next_key() for _ in range(3)]
    assert len(set(keys)) == 9
    stolen = Ratchet(bytes(ratchet._chain), 2)
    later = []
    for _ in range(50):
        stolen.next_epoch()
        later += [stolen.next_key() for _ in range(20)]
    assert not set(keys) & set(later)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_begun_leaves_nothing(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "sync_folder", _full)
    with pytest.raises(AuditError, match="cannot start the log: No space left on device") as raised:
        user.write("s-1")
    assert str(user.state / "sessions") in raised.value.hint
    assert list(user.directory().iterdir()) == []


def test_a_segment_that_cannot_be_begun_leaves_a_log_that_is_open_and_not_cut(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=Limits(size=2_000))
    writer.append(os.urandom(3_000))
    writer.sync()
    writer.append(b"two")
    monkeypatch.setattr(segment, "sync_folder", _full)
    with pytest.raises(AuditError, match="No space left"):
        writer.sync()
    writer._segment.close()
    assert {path.name for path in user.directory().iterdir()} == {layout.KEY_FILE, layout.LOG_FILE}
    proven = reader.verify(user.directory())
    assert (proven.state, proven.torn, proven.records) == (reader.State.OPEN, 0, 2)
    assert proven.reason == "it goes on in segment 2, which is not there"


def test_a_folder_in_which_nothing_can_be_locked_holds_no_log(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock nobody could tell a session that runs from one that was killed."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(AuditError, match="No locks available") as raised:
        user.write("s-1")
    assert "point XDG_STATE_HOME to a disk of this machine" in raised.value.hint
    assert list(user.directory().iterdir()) == []


@pytest.mark.parametrize("name", [layout.KEY_FILE, layout.LOG_FILE])
def test_a_file_that_was_there_stays_as_it_was(user: Home, name: str) -> None:
    user.directory().mkdir(parents=True)
    (user.directory() / name).write_bytes(b"somebody else's")
    with pytest.raises(AuditError, match="exists already"):
        user.write("s-1")
    assert {path.name: path.read_bytes() for path in user.directory().iterdir()} == {name: b"somebody else's"}


def test_a_log_without_a_name_is_not_on_disk(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer.append(b"one")
    writer.sync()
    (user.directory() / layout.LOG_FILE).unlink()
    writer.append(b"two")
    with pytest.raises(AuditError, match="the log was deleted while the session ran"):
        writer.sync()
    with pytest.raises(AuditError, match="the log was deleted"):
        writer.append(b"three")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "free space for `/state`"),
        (errno.EDQUOT, "free space for `/state`"),
        (errno.EFBIG, "ulimit -f"),
        (errno.ENOLCK, "XDG_STATE_HOME"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EAGAIN, "end other processes"),
        (errno.EROFS, "see that `/state` can be written"),
    ],
)
def test_what_to_do_about_a_refusal_is_said(number: int, said: str) -> None:
    assert said in hint(OSError(number, "refused"), Path("/state"))
