from pathlib import Path

import pytest

from tests.audit.recording import Home, ended, recording, start_event, warned
from wrapper.audit import events, reader, retention
from wrapper.audit.client import RecorderClient
from wrapper.audit.entries import Shredded
from wrapper.audit.format import KEY_FILE, NoKeyError
from wrapper.audit.ledger import Ledger, read
from wrapper.audit.reader import Session, State
from wrapper.audit.retention import due, key_files, retain, shred
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError

DAY = 86_400.0
NOW = 1_000_000_000.0


def written(user: Home, session: str = "s-1", days: float = 100, *, seal: bool = True) -> Session:
    """Write a session that was begun so many days before NOW."""
    story = [start_event(session), warned("x"), *([ended()] if seal else [])]
    user.write(session, story, seal=seal, created=NOW - days * DAY)
    return reader.find_session(user.state, session)


def ledger_of(user: Home) -> Ledger:
    return Ledger(user.state / "ledger", clock=lambda: NOW)


def shreddings(user: Home) -> list[tuple[str, str]]:
    entries = read(user.state / "ledger").entries
    return [(entry.session, entry.reason) for _, entry in entries if isinstance(entry, Shredded)]


def test_nobody_reads_a_shredded_session_and_it_still_verifies(user: Home) -> None:
    session = written(user)
    assert shred(session, ledger_of(user), "asked for", clock=lambda: NOW) == 1
    with pytest.raises(NoKeyError, match="its key file is gone"):
        list(reader.read_records(session.directory, user.keys.load_identity()))
    proven = reader.verify(session.directory)
    assert (proven.state, proven.records) == (State.SEALED, 3)
    assert shreddings(user) == [("s-1", "asked for")]


def test_the_keys_of_all_segments_go_and_nothing_else(user: Home) -> None:
    session = written(user)
    for name in ("000002.key.age", "1000000.key.age", "notes.txt", "000003.key.age.bak"):
        (session.directory / name).write_bytes(b"x")
    assert shred(session, ledger_of(user), "x") == 3
    assert sorted(path.name for path in session.directory.iterdir()) == [
        "000001.alog",
        "000003.key.age.bak",
        "notes.txt",
    ]


def test_a_log_of_several_segments_still_verifies_without_its_keys(user: Home) -> None:
    limits = Limits(size=1, seconds=1e9)
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=limits, clock=lambda: NOW - 100 * DAY)
    for event in (start_event(), warned("x"), ended()):
        writer.append(events.encode(event))
        writer.sync()
    writer.close()
    session = reader.find_session(user.state, "s-1")
    assert shred(session, ledger_of(user), "x") == len(reader.verify(session.directory).segments) > 1
    assert reader.verify(session.directory).state is State.SEALED


def test_due_is_what_was_begun_longer_ago_and_can_still_be_read(user: Home) -> None:
    sessions = [written(user, "old", 90.01), written(user, "young", 90), written(user, "killed", 200, seal=False)]
    sessions += [written(user, "shredded", 300)]
    (user.directory("shredded") / KEY_FILE).unlink()
    assert [one.id for one in due(sessions, NOW, 90)] == ["old", "killed"]
    assert due(sessions, NOW, 0) == ()


def test_what_was_begun_in_the_future_is_not_due(user: Home) -> None:
    assert due([written(user, days=-1_000)], NOW, 1) == ()


def test_a_session_whose_age_is_not_known_is_not_due(user: Home) -> None:
    written(user)
    (user.directory() / "000001.alog").write_bytes(b"damaged")
    (session,) = reader.list_sessions(user.state)
    assert (session.state, session.created) == (State.DAMAGED, 0.0)
    assert due([session], NOW, 1) == ()


def test_a_session_that_runs_is_never_touched(user: Home) -> None:
    with recording(user) as recorder:
        client = RecorderClient(recorder.connections[0])
        client.append_durable(start_event())
        session = reader.find_session(user.state, "s-1")
        assert due([session], session.created + 400 * DAY, 90) == ()
        stale = Session(session.id, session.directory, 1.0, State.SEALED, 0)
        assert due([stale], NOW, 90) == (stale,)
        with pytest.raises(AuditError, match="session s-1 runs: its keys stay"):
            shred(stale, ledger_of(user), "x")
        assert len(key_files(session.directory)) == 1
    assert shreddings(user) == []


def test_without_the_ledgers_word_no_key_is_deleted(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    session = written(user)

    def refuse(self: Ledger, *entries: object) -> None:
        raise AuditError("the disk is full")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(AuditError, match="the disk is full"):
        shred(session, ledger_of(user), "x")
    assert len(key_files(session.directory)) == 1


def test_killed_before_the_keys_are_gone_the_next_run_does_it(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    session = written(user)
    with monkeypatch.context() as stopped:
        stopped.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            shred(session, ledger_of(user), "x")
    assert due([session], NOW, 90) == (session,)
    assert shred(session, ledger_of(user), "x") == 1
    assert shreddings(user) == [("s-1", "x"), ("s-1", "x")]


def test_a_file_that_stays_is_named_and_the_session_stays_due(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    session = written(user)

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(AuditError, match=r"s-1 can still be read: `.*key\.age`: Operation not permitted"):
        shred(session, ledger_of(user), "x")
    assert due([session], NOW, 90) == (session,)


def test_a_shredded_session_is_not_said_twice(user: Home) -> None:
    session = written(user)
    shred(session, ledger_of(user), "x")
    assert shred(session, ledger_of(user), "x") == 0
    assert shreddings(user) == [("s-1", "x")]


def test_the_folders_names_are_brought_to_disk(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    session = written(user)
    seen: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        retention, "sync_folder", lambda folder: seen.append((folder, [path.name for path in folder.iterdir()]))
    )
    shred(session, ledger_of(user), "x")
    assert seen == [(session.directory, ["000001.alog"])]


def test_retaining_shreds_what_is_due_and_goes_on_after_a_failure(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, days in (("a", 100), ("b", 99), ("c", 98), ("young", 1)):
        written(user, name, days)
    real = Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.parent.name == "b":
            raise PermissionError(1, "Operation not permitted", str(path))
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    outcomes = retain(user.state, 30, clock=lambda: NOW)
    assert [(one.session.id, one.files, one.error is None) for one in outcomes] == [
        ("a", 1, True),
        ("b", 0, False),
        ("c", 1, True),
    ]
    assert shreddings(user) == [(name, "kept for 30 days") for name in "abc"]


def test_kept_for_ever_nothing_is_looked_at(tmp_path: Path) -> None:
    assert retain(tmp_path / "none", 0) == []
    assert list(tmp_path.iterdir()) == []
