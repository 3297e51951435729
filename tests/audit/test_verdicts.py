import shutil

import pytest

from tests.audit.recording import Home, frames_of, put, warned
from wrapper.audit import ledger, reader, verdicts
from wrapper.audit.bookkeeping import Bookkeeping
from wrapper.audit.format import Position
from wrapper.audit.verdicts import Verdict


def _written(user: Home, session: str = "s-1", *, seal: bool = True, count: int = 4) -> Position:
    """Write a session of which the ledger heard at its begin, in its middle and, where it is sealed, at its end."""
    directory = user.write(session, [warned(f"{number}") for number in range(count)], seal=seal)
    books = Bookkeeping(user.state, session)
    proven = reader.verify(directory, wanted={1: {2: None, count * 2 + seal: None}})
    books.opened(proven.segments[0][0])
    books.beat(Position(1, 2, proven.roots[1, 2]))
    last = Position(1, proven.frames, proven.roots[1, proven.frames])
    if seal:
        books.closed(last)
    else:
        books.beat(last)
    return last


def _judged(user: Home, session: str = "s-1") -> Verdict:
    told = verdicts.by_session(ledger.read(user.state / "ledger").entries)
    found = reader.find_session(user.state, session)
    return verdicts.judge(found, user.keys.load_identity(), told)


def test_a_session_as_the_ledger_saw_it_is_sealed(user: Home) -> None:
    _written(user)
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code, verdict.reason, verdict.decrypted) == ("sealed", 0, "", True)
    assert verdict.told is not None


def test_a_log_cut_between_two_frames_is_truncated_where_the_ledger_saw_more(user: Home) -> None:
    _written(user, seal=False)
    header, frames = frames_of(user.directory())
    for kept in range(len(frames)):
        put(user.directory(), header, frames[:kept])
        verdict = _judged(user)
        assert (verdict.verdict, verdict.exit_code) == ("truncated", 11), kept
        assert f"{kept} are there" in verdict.reason


def test_a_sealed_log_without_its_end_is_truncated(user: Home) -> None:
    _written(user)
    header, frames = frames_of(user.directory())
    for kept in range(len(frames)):
        put(user.directory(), header, frames[:kept])
        assert _judged(user).verdict == "truncated", kept


def test_a_session_replaced_as_a_whole_is_forked(user: Home) -> None:
    _written(user)
    shutil.rmtree(user.directory())
    user.write("s-1", [warned(f"{number}") for number in range(4)])
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("forked", 14)
    assert "another log begin as segment 1" in verdict.reason


def test_a_log_written_anew_behind_its_header_is_forked(user: Home) -> None:
    # as by a thief who took the first signing key out of the recorder's memory
    _written(user)
    books = Bookkeeping(user.state, "s-1")
    books.beat(Position(1, 4, "ab" * 32))
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("forked", 14)
    assert "not those that the ledger saw" in verdict.reason


def test_a_log_that_grew_after_it_was_stated_as_left_is_forked(user: Home) -> None:
    directory = user.write("s-1", [warned("one"), warned("two")])
    header, frames = frames_of(directory)
    put(directory, header, frames[:2])
    (user.state / "running").mkdir(parents=True)
    (user.state / "running/s-1").touch()
    Bookkeeping(user.state, "next").recover_others()
    assert _judged(user).verdict == "open"
    put(directory, header, frames)
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("forked", 14)
    assert "after its recorder had died" in verdict.reason


def test_a_session_that_the_ledger_does_not_know_is_said_to_be_so(user: Home) -> None:
    _written(user)
    user.write("s-2", [warned("invented")])
    verdict = _judged(user, "s-2")
    assert (verdict.verdict, verdict.reason) == ("sealed", "the ledger of this machine does not know it")
    assert verdict.told is None


def test_a_session_that_is_gone_is_named(user: Home) -> None:
    _written(user, "s-1")
    _written(user, "s-2")
    shutil.rmtree(user.directory("s-1"))
    told = verdicts.by_session(ledger.read(user.state / "ledger").entries)
    missing = verdicts.gone(told, reader.list_sessions(user.state))
    assert [(one.session, one.verdict, one.exit_code) for one in missing] == [("s-1", "truncated", 11)]


def test_without_a_ledger_the_log_alone_decides(user: Home) -> None:
    user.write("s-1", [warned("x")])
    found = reader.find_session(user.state, "s-1")
    assert verdicts.judge(found, None, None).reason == ""
    assert verdicts.judge(found, None, None).verdict == "sealed"


@pytest.mark.parametrize("count", [1, 7])
def test_a_segment_that_the_ledger_saw_and_that_is_gone_is_truncation(user: Home, count: int) -> None:
    _written(user, count=count)
    Bookkeeping(user.state, "s-1").beat(Position(2, 3, "ab" * 32))
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("truncated", 11)
    assert "segment 2" in verdict.reason
