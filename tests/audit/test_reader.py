import io
import os
import shutil
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.audit.recording import Home, asked, ended, frames_of, home, put, recording, start_event, warned
from wrapper.audit import events, reader, seal, segment
from wrapper.audit import format as layout
from wrapper.audit.client import RecorderClient
from wrapper.audit.deltas import Deltas
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError


def test_verifying_needs_no_key(user: Home) -> None:
    directory = user.write(written=[start_event(), warned("x")])
    (directory / layout.KEY_FILE).unlink()
    proven = reader.verify(directory)
    assert (proven.state, proven.records, proven.decrypted) == (reader.State.SEALED, 2, False)


def test_a_sealed_log_is_signed_to_its_last_frame(user: Home) -> None:
    proven = reader.verify(user.write(written=[start_event(), warned("x")]), user.keys.load_identity())
    assert (proven.signed, proven.torn, proven.decrypted) == (proven.frames, 0, True)


def test_a_log_without_its_end_frame_is_open(user: Home) -> None:
    assert reader.verify(user.write(written=[warned("x")], seal=False)).state is reader.State.OPEN


def test_a_log_whose_recorder_lives_is_running_also_in_the_middle_of_a_frame(user: Home) -> None:
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(start_event())
        assert reader.verify(running.directory).state is reader.State.RUNNING
        assert reader.list_sessions(user.state)[0].state is reader.State.RUNNING
        with (running.directory / layout.LOG_FILE).open("ab") as torn:
            torn.write(b"\x00" * 5)
        assert reader.verify(running.directory).state is reader.State.RUNNING


def test_a_log_that_ends_inside_a_frame_is_truncated_and_what_was_good_is_read(user: Home) -> None:
    directory = user.write(written=[start_event(), warned("x"), warned("y")])
    log = directory / layout.LOG_FILE
    os.truncate(log, log.stat().st_size - 200)
    with pytest.raises(TruncatedError, match="ends inside frame 5"):
        reader.verify(directory)
    read = []
    with pytest.raises(TruncatedError):
        read += list(reader.open_session(directory, user.keys.load_identity()))
    seen = []
    records = reader.read_records(directory, user.keys.load_identity())
    with pytest.raises(TruncatedError):
        for record in records:
            seen.append(record.sequence)
    assert seen == [0, 2, 4]


def test_bodies_come_out_in_full_and_say_what_stood_in_an_earlier_one(user: Home) -> None:
    bodies = [b"x" * 5_000 + b"%d" % number * number + b"y" * 5_000 for number in range(5)]
    writer = Deltas()
    written = [asked(number, writer.shorten(number, body)) for number, body in enumerate(bodies, 1)]
    assert sum(len(event.body) for event in written) < 11_000
    read = list(reader.open_session(user.write(written=written), user.keys.load_identity()))
    assert [event.body for event in read if isinstance(event, events.Request)] == bodies
    assert [(event.base, event.prefix, event.suffix) for event in read if isinstance(event, events.Request)] == [
        (0, event.prefix, event.suffix) for event in written
    ]


def test_another_key_is_told_apart_from_damage(user: Home) -> None:
    directory = user.write()
    with pytest.raises(NoKeyError, match="not encrypted to the key"):
        reader.verify(directory, seal.Identity.generate())


def test_a_deleted_key_file_means_that_nobody_reads_it(user: Home) -> None:
    directory = user.write(written=[warned("x")])
    (directory / layout.KEY_FILE).unlink()
    with pytest.raises(NoKeyError, match="key file is gone"):
        list(reader.open_session(directory, user.keys.load_identity()))


def test_a_deleted_log_is_truncated(user: Home) -> None:
    directory = user.write()
    (directory / layout.LOG_FILE).unlink()
    with pytest.raises(TruncatedError, match="holds no log"):
        reader.verify(directory)


def test_a_log_that_is_a_folder_is_one_clear_error(user: Home) -> None:
    directory = user.write()
    (directory / layout.LOG_FILE).unlink()
    (directory / layout.LOG_FILE).mkdir()
    with pytest.raises(AuditError, match="cannot read"):
        reader.verify(directory)


def test_a_record_that_is_no_event_names_its_frame(user: Home) -> None:
    from wrapper.audit.writer import SessionWriter

    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer.append(b"\xc1 nonsense")
    writer.close()
    with pytest.raises(AuditError, match="frame 0: not an event"):
        list(reader.open_session(user.directory(), user.keys.load_identity()))
    assert reader.verify(user.directory(), user.keys.load_identity()).state is reader.State.SEALED


def test_sessions_are_listed_by_their_time_and_not_their_name(user: Home) -> None:
    for session, created in (("b", 30.0), ("a", 20.0), ("c", 10.0)):
        user.write(session, created=created)
    assert [session.id for session in reader.list_sessions(user.state)] == ["c", "a", "b"]
    assert reader.find_session(user.state, "last").id == "b"


def test_no_state_folder_means_no_sessions(tmp_path: Path) -> None:
    assert reader.list_sessions(tmp_path / "nowhere") == ()
    with pytest.raises(AuditError, match="no session yet"):
        reader.find_session(tmp_path / "nowhere", "last")


def test_a_session_is_found_by_the_beginning_of_its_id(user: Home) -> None:
    for session in ("2025-aa", "2025-ab", "2025"):
        user.write(session)
    assert reader.find_session(user.state, "2025-aa").id == "2025-aa"
    assert reader.find_session(user.state, "2025").id == "2025"
    with pytest.raises(AuditError, match="begins 2 sessions: 2025-aa, 2025-ab"):
        reader.find_session(user.state, "2025-")
    for name in ("x", "", "../s-1", "."):
        with pytest.raises(AuditError, match="no session begins"):
            reader.find_session(user.state, name)


def test_a_session_elsewhere_is_found_by_the_path_to_its_folder(user: Home, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere" / "s-1"
    shutil.copytree(user.write(), copied)
    found = reader.find_session(user.state, str(copied))
    assert (found.id, found.directory, found.state) == ("s-1", copied, reader.State.SEALED)


def test_a_damaged_session_is_listed_and_hides_no_other(user: Home) -> None:
    user.write("good")
    user.write("bad")
    (user.directory("bad") / layout.LOG_FILE).write_bytes(b"something else, long enough")
    (user.directory("cut") / "recovery").mkdir(parents=True)
    states = {session.id: session.state for session in reader.list_sessions(user.state)}
    assert states == {"good": reader.State.SEALED, "bad": reader.State.DAMAGED, "cut": reader.State.DAMAGED}


def test_a_start_that_was_killed_before_its_log_began_is_no_session(user: Home) -> None:
    for made in ("view", "login", "inside"):
        (user.directory("killed") / made).mkdir(parents=True)
    (user.directory("killed") / layout.KEY_FILE).touch()
    user.directory("sooner").mkdir()
    assert reader.list_sessions(user.state) == ()
    (user.directory("killed") / layout.LOG_FILE).touch()
    assert [session.state for session in reader.list_sessions(user.state)] == [reader.State.DAMAGED]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 40), st.booleans())
def test_an_outline_has_start_and_end_whatever_lies_between(
    tmp_path_factory: pytest.TempPathFactory,
    between: int,
    sealed: bool,  # noqa: FBT001 (hypothesis fills positional arguments only)
) -> None:
    user = home(tmp_path_factory.mktemp("user"))
    written: list[events.Event] = [start_event(), *(warned(str(n)) for n in range(between)), ended(3)]
    directory = user.write(written=written, seal=sealed)
    assert reader.outline(directory, user.keys.load_identity()) == reader.Outline(start_event(), ended(3))


def test_an_outline_has_the_end_also_where_the_last_segment_is_empty(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=Limits(size=1))
    for event in (start_event(), ended(4)):
        writer.append(events.encode(event))
        writer.sync()
    writer.close()
    assert len(list(user.directory().glob("*.alog"))) == 3
    outline = reader.outline(user.directory(), user.keys.load_identity())
    assert (outline.start, outline.end) == (start_event(), ended(4))


def test_an_outline_of_a_log_without_start_or_end_is_empty(user: Home) -> None:
    assert reader.outline(user.write(), user.keys.load_identity()) == (None, None)
    directory = user.write("s-2", [warned("x")] * 20, seal=False)
    assert reader.outline(directory, user.keys.load_identity()) == (None, None)


def test_reading_changes_nothing_on_disk(user: Home) -> None:
    directory = user.write(written=[start_event(), ended()])
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir()}
    reader.verify(directory, user.keys.load_identity())
    reader.list_sessions(user.state)
    list(reader.open_session(directory, user.keys.load_identity()))
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir()} == before


def test_a_frame_that_claims_gigabytes_takes_no_memory(user: Home) -> None:
    directory = user.write(written=[warned("x")], seal=False)
    header, frames = frames_of(directory)
    put(directory, header, [*frames, layout.encode_frame_header(layout.MAX_RECORD, layout.DATA, 1, len(frames))])
    with pytest.raises(TruncatedError):
        reader.verify(directory)
    put(directory, header, [*frames, b"\xff\xff\xff\xff" + b"\x01" + bytes(11)])
    with pytest.raises(TamperedError):
        reader.verify(directory)


class _Fuzzed:
    """One log on disk whose frames are replaced again and again."""

    def __init__(self, folder: Path) -> None:
        self.user = home(folder)
        self.directory = self.user.write(written=[start_event(), warned("x"), ended()])
        self.header, self.frames = frames_of(self.directory)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> _Fuzzed:
    return _Fuzzed(tmp_path_factory.mktemp("fuzzed"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
@example(b"")
def test_any_bytes_for_frames_are_an_open_log_or_an_audit_error(fuzzed: _Fuzzed, data: bytes) -> None:
    put(fuzzed.directory, fuzzed.header, [data])
    for identity in (None, fuzzed.user.keys.load_identity()):
        try:
            proven = reader.verify(fuzzed.directory, identity)
        except AuditError:
            continue
        assert (proven.state, proven.frames) == (reader.State.OPEN, 0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_frames_put_together_anew_are_never_sealed(fuzzed: _Fuzzed, data: st.DataObject) -> None:
    place = st.integers(0, len(fuzzed.frames) - 1)
    chosen = data.draw(st.lists(place, max_size=9))
    put(fuzzed.directory, fuzzed.header, [fuzzed.frames[number] for number in chosen])
    try:
        proven = reader.verify(fuzzed.directory)
    except AuditError:
        return
    assert chosen == list(range(len(chosen)))
    assert (proven.state is reader.State.SEALED) == (len(chosen) == len(fuzzed.frames))


def test_a_header_is_read_from_any_stream(fuzzed: _Fuzzed) -> None:
    from wrapper.audit.scan import read_header

    header, digest, _ = read_header(io.BytesIO(fuzzed.header))
    assert (header.session, digest) == ("s-1", layout.header_hash(fuzzed.header))


def test_an_end_that_names_a_next_key_is_tampering_though_it_is_signed(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else somebody who knows that key could go on behind the end."""
    monkeypatch.setattr(segment, "_NO_KEY", os.urandom(32))
    with pytest.raises(TamperedError, match="names a wrong next key"):
        reader.verify(user.write(written=[warned("one")]))


def test_a_checkpoint_that_names_no_next_key_is_tampering_though_it_is_signed(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    monkeypatch.setattr(segment, "_public", lambda _key: bytes(32))
    writer.append(events.encode(warned("one")))
    writer.sync()
    with pytest.raises(TamperedError, match="names a wrong next key"):
        reader.verify(user.directory())


@pytest.mark.parametrize("size", [layout.MAX_RECORD + 1, None])
def test_a_record_that_unpacks_to_more_than_a_record_may_be_is_not_unpacked(
    user: Home, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    """A frame of some kilobytes must not fill the memory of who reads it; nor one that does not say its size."""
    if size is None:
        packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        packed = packer.compress(b"x") + packer.flush()
    else:
        packed = zstandard.ZstdCompressor().compress(bytes(size))
    monkeypatch.setattr(segment.Segment, "_compressed", lambda _self, _record: (layout.COMPRESSED, packed))
    directory = user.write(written=[warned("one")])
    with pytest.raises(TamperedError, match="claims to be larger than a record may be"):
        reader.verify(directory, user.keys.load_identity())
    assert reader.verify(directory).state is reader.State.SEALED


def test_a_log_that_is_not_encrypted_is_none_of_a_session(user: Home) -> None:
    """As that of a ledger, whose records anybody could write."""
    plain = layout.LogHeader(
        session="s-1",
        segment=1,
        created=1_000.0,
        recipients=(),
        key_file="",
        key_commitment="",
        verification_key="ab" * 32,
    )
    user.directory().mkdir(parents=True)
    (user.directory() / layout.LOG_FILE).write_bytes(layout.encode_header(plain))
    with pytest.raises(TamperedError, match="the log is not encrypted"):
        reader.verify(user.directory())
