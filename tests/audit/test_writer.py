import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.recording import Home, frames_of, home, start_event, warned
from wrapper.audit import events, reader
from wrapper.audit import format as layout
from wrapper.audit.writer import SessionWriter
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
    assert layout.commitment(opened.stdout).hex() == layout.decode_header(header[layout.PREFIX_SIZE :]).key_commitment


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


def test_an_epoch_ends_after_64_records_or_a_mebibyte(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    for _ in range(130):
        writer.append(events.encode(warned("x")))
    writer.append(events.encode(events.Output(at=1.0, stream="tty", data=bytes(2 << 20))))
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
    os.close(writer._log)
    full = os.open("/dev/full", os.O_WRONLY)
    writer._log = full
    writer.append(events.encode(warned("x")))
    for call in (writer.sync, writer.sync, writer.close):
        with pytest.raises(AuditError, match="No space left"):
            call()
    with pytest.raises(AuditError, match="No space left"):
        writer.append(b"x")
    os.close(full)


def test_the_writers_memory_after_an_epoch_opens_nothing_before_it(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer.append(events.encode(warned("before")))
    writer.sync()
    stolen = writer._ratchet._chain
    writer.close()
    key = layout.Ratchet(stolen)
    header, frames = frames_of(user.directory())
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head, body = frames[0][: layout.FRAME_SIZE], frames[0][layout.FRAME_SIZE :]
    for _ in range(100):
        with pytest.raises(InvalidTag):
            AESGCM(key.next_key()).decrypt(layout.nonce(0), body, head + layout.header_hash(header))
