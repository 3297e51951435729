import shutil

import pytest

from tests.audit.recording import Home, frames_of, put, warned
from wrapper.audit import format as layout
from wrapper.audit import ledger, reader, verdicts
from wrapper.audit.bookkeeping import Bookkeeping
from wrapper.audit.entries import Beat, Closed, Opened, Recovered, Shredded
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


def test_a_log_that_could_not_be_read_when_it_was_stated_as_left_is_judged_by_what_is_known_besides(user: Home) -> None:
    _written(user, seal=False)
    nothing = Recovered(1_000.0, "s-1", 1, 0, "ab" * 32, 0, why="cannot be read: Input/output error")
    ledger.Ledger(user.state / "ledger").append(nothing)
    assert _judged(user).verdict == "open"
    (user.state / "running/s-1").unlink()
    (user.state / "running/s-1").touch()
    Bookkeeping(user.state, "next").recover_others()
    header, frames = frames_of(user.directory())
    put(user.directory(), header, [*frames, frames[0]])
    assert _judged(user).verdict == "tampered"


def test_a_session_that_the_ledger_does_not_know_is_said_to_be_so(user: Home) -> None:
    _written(user)
    user.write("s-2", [warned("invented")])
    verdict = _judged(user, "s-2")
    assert (verdict.verdict, verdict.reason) == ("sealed", "the ledger of this machine does not know it")
    assert verdict.told is None


def test_what_the_ledger_lacks_and_what_retention_did_is_said_of_a_sealed_log(user: Home) -> None:
    directory = user.write("s-1", [warned("x")])
    Bookkeeping(user.state, "s-1").opened(reader.verify(directory).segments[0][0])
    verdict = _judged(user)
    assert (verdict.verdict, verdict.reason) == ("sealed", "the ledger was not told of its end")
    ledger.Ledger(user.state / "ledger").append(Shredded(1_000.0, "s-1", "old"))
    assert _judged(user).reason == "the ledger was not told of its end; its keys were deleted by retention"


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


def _torn(user: Home, torn: bytes) -> None:
    """Leave the log as a recorder does that is killed in a write: the frame is torn, and nobody holds the mark."""
    _written(user, seal=False)
    with (user.directory() / layout.LOG_FILE).open("ab") as log:
        log.write(torn)
    (user.state / "running/s-1").unlink()
    (user.state / "running/s-1").touch()


def test_a_log_that_its_recorder_left_torn_is_open_once_the_ledger_says_so(user: Home) -> None:
    _torn(user, b"half a frame")
    assert _judged(user).verdict == "truncated"
    Bookkeeping(user.state, "next").recover_others()
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("open", 10)
    assert "12 bytes of it left, as its recorder left it" in verdict.reason


def test_a_log_that_was_cut_after_the_ledger_said_how_it_was_left_is_truncated(user: Home) -> None:
    torn = b"half a frame"
    _torn(user, torn)
    Bookkeeping(user.state, "next").recover_others()
    whole = (user.directory() / layout.LOG_FILE).read_bytes()
    end = len(whole) - len(torn)
    for size in (*range(end - 20, end), *range(end + 1, len(whole))):
        (user.directory() / layout.LOG_FILE).write_bytes(whole[:size])
        assert _judged(user).verdict == "truncated", size
    (user.directory() / layout.LOG_FILE).write_bytes(whole + b"x")
    assert _judged(user).verdict == "truncated"


# Who has the account after the session can add entries to the ledger that are as well signed as any. An anchor holds
# what stood there before; entries that contradict it must not win.


def _told_all(user: Home) -> None:
    """Tell the ledger all that it hears of the log that is there now: its begin, each step, its end."""
    frames = reader.verify(user.directory()).frames
    proven = reader.verify(user.directory(), wanted={1: dict.fromkeys(range(1, frames + 1))})
    steps = [Beat(1_000.0, "s-1", 1, size, proven.roots[1, size]) for size in range(1, frames)]
    end = Closed(1_000.0, "s-1", 1, frames, proven.roots[1, frames])
    ledger.Ledger(user.state / "ledger").append(Opened(1_000.0, "s-1", 1, proven.segments[0][0]), *steps, end)


def test_a_session_invented_later_stays_forked_though_the_ledger_is_told_of_it_as_of_the_first(user: Home) -> None:
    """The invention has as many frames, so that each entry about it is of a size that the ledger knows already."""
    user.write("s-1", [warned("what was done"), warned("and more")])
    _told_all(user)
    assert _judged(user).verdict == "sealed"
    shutil.rmtree(user.directory())
    user.write("s-1", [warned("nothing at all"), warned("was done")])
    assert _judged(user).verdict == "forked"
    _told_all(user)
    verdict = _judged(user)
    assert (verdict.verdict, verdict.exit_code) == ("forked", 14)


def test_a_session_whose_begin_alone_was_told_is_not_replaced_by_telling_of_another_begin(user: Home) -> None:
    """It was killed before its first beat, so the hash of its header is all that is known of it."""
    user.write("s-1", [warned("what was done")], seal=False)
    Bookkeeping(user.state, "s-1").opened(reader.verify(user.directory()).segments[0][0])
    shutil.rmtree(user.directory())
    user.write("s-1", [warned("nothing at all")])
    _told_all(user)
    assert _judged(user).verdict == "forked"


def test_frames_that_were_added_behind_a_killed_recorder_are_not_made_good_by_stating_it_as_left_again(
    user: Home,
) -> None:
    user.write("s-1", [warned("one"), warned("two")], seal=False)
    header, frames = frames_of(user.directory())
    put(user.directory(), header, frames[:2])
    (user.state / "running").mkdir(parents=True)
    for frames_there in (2, 4):
        put(user.directory(), header, frames[:frames_there])
        (user.state / "running/s-1").touch()
        Bookkeeping(user.state, "next").recover_others()
    left = [one for _, one in ledger.read(user.state / "ledger").entries if isinstance(one, Recovered)]
    assert [one.size for one in left] == [2, 4]
    assert _judged(user).verdict == "forked"


def test_the_end_of_a_session_is_where_the_ledger_was_told_of_it_first(user: Home) -> None:
    """An anchor covers what was known then; saying it again must not move it behind the anchor."""
    user.write("s-1", [warned("one")])
    _told_all(user)
    first = _judged(user).told
    ledger.Ledger(user.state / "ledger").append(*[one for _, one in ledger.read(user.state / "ledger").entries])
    assert _judged(user).told == first
