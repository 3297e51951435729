import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.recording import warned
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.review.replay import FASTEST, SLOWEST, Player, Step, Tape, pauses, steps
from wrapper.review.search import pattern


def _records(*happened: events.AnyEvent) -> list[Record]:
    return [Record(number, event) for number, event in enumerate(happened)]


def _output(at: float, data: bytes, stream: str = "tty") -> events.Output:
    return events.Output(at=at, stream=stream, data=data)


def _player(*happened: events.AnyEvent, idle: float = math.inf) -> Player:
    return Player(Tape(steps(_records(*happened), idle)))


_LETTERS = [_output(float(number), bytes([65 + number % 26])) for number in range(1_000)]


def test_steps_have_the_times_and_numbers_of_the_log() -> None:
    happened: list[events.AnyEvent] = [
        events.Resize(at=10.0, rows=5, columns=9),
        warned("x"),
        _output(11.5, b"a"),
        _output(12.0, b"b\n", "stdout"),
    ]
    assert list(steps(_records(*happened))) == [
        Step(0.0, 0, b"", 9, 5),
        Step(1.5, 2, b"a"),
        Step(2.0, 3, b"b\r\n"),
    ]


def test_pauses_are_shortened_and_a_clock_set_back_is_none() -> None:
    happened = [_output(at, b"x") for at in (0.0, 100.0, 50.0, 51.0)]
    assert [step.time for step in steps(_records(*happened), idle=2)] == [0, 2, 2, 3]
    odd = [_output(at, b"x") for at in (math.nan, 1.0, math.inf, 2.0, -math.inf, 3.0)]
    assert [step.time for step in steps(_records(*odd))] == [0, 0, 0, 1, 1, 2]


def test_what_was_painted_without_a_rest_is_spread_over_its_time() -> None:
    done = b"\x1b[?2026l"
    happened = [_output(0.0, b"x"), _output(4.0, b"one" + done + b"two" + done)]
    assert list(steps(_records(*happened)))[1:] == [Step(2.0, 1, b"one" + done), Step(4.0, 1, b"two" + done)]


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=1_000), st.data())
def test_a_tape_gives_every_step_again(pieces: list[bytes], data: st.DataObject) -> None:
    made = [Step(float(number), number, piece) for number, piece in enumerate(pieces)]
    tape = Tape(iter(made))
    for number in data.draw(st.lists(st.integers(0, len(made) + 5), max_size=20)):
        assert tape.step(number) == (made[number] if number < len(made) else None)


def test_time_passes_at_the_speed_that_was_asked_for() -> None:
    player = _player(*_LETTERS[:10])
    player.advance(0.0)
    assert (player.screen.lines()[0], player.wait()) == ("A", 1.0)
    player.faster(2)
    assert player.wait() == 0.5
    player.advance(2.0)
    assert player.screen.lines()[0] == "ABCDE"
    for _ in range(20):
        player.faster(2)
    assert player.speed == FASTEST
    for _ in range(20):
        player.faster(1 / 2)
    assert player.speed == SLOWEST
    player.faster(math.nan)
    assert player.speed == SLOWEST


def test_a_pause_stands_still_and_steps_go_one_by_one() -> None:
    player = _player(*_LETTERS[:5])
    player.advance(0.0)
    player.paused = True
    player.advance(100.0)
    assert (player.screen.lines()[0], player.wait()) == ("A", None)
    player.single()
    assert (player.screen.lines()[0], player.clock, player.sequence) == ("AB", 1.0, 1)


@settings(max_examples=40)
@given(st.lists(st.floats(-400, 400), max_size=5))
def test_wherever_one_seeks_the_screen_is_that_of_the_moment(jumps: list[float]) -> None:
    player = _player(*_LETTERS)
    player.advance(0.0)
    for jump in jumps:
        player.seek(jump)
        fresh = _player(*_LETTERS)
        fresh.advance(0.0)
        fresh.seek(player.clock)
        assert (player.screen.lines(), player.number) == (fresh.screen.lines(), fresh.number)


def test_going_back_in_a_long_session_begins_at_a_screen_that_was_kept() -> None:
    long = [
        _output(float(number), b"line %d" % number + b"\x1b]0;" + b"x" * 60_000 + b"\x07\r\n") for number in range(60)
    ]
    player = _player(*long)
    player.seek(1_000.0)
    assert len(player._kept) > 2
    player.seek(-20.0)
    assert f"line {player.number - 1}" in player.screen.lines()


def test_it_goes_to_the_moment_when_a_record_had_been_written() -> None:
    player = _player(*_LETTERS[:20])
    player.go_to(4)
    assert (player.screen.lines()[0], player.paused) == ("ABCDE", True)
    player.go_to(1)
    assert player.screen.lines()[0] == "AB"
    player.go_to(10**18)
    assert player.ended


def test_it_goes_to_the_first_moment_when_a_text_stood_on_the_screen() -> None:
    player = _player(_output(0.0, b"nee"), _output(1.0, b"dle"), _output(2.0, b"\x1b[2J"))
    assert player.find(pattern("needle"))
    assert (player.screen.lines()[0], player.sequence) == ("needle", 1)
    assert not player.find(pattern("never"))


def test_what_cannot_be_drawn_at_once_comes_later() -> None:
    player = _player(*(_output(float(number), b"x" * 1_000 + b"\r\n") for number in range(1_000)))
    player.advance(10_000.0)
    assert 0 < player.number < 1_000
    assert player.wait() == pytest.approx(0, abs=1.1)
    while not player.ended:
        player.advance(0.1 + (player.wait() or 0))
    assert player.number == 1_000


def test_the_pauses_of_a_session_are_found() -> None:
    happened = [_output(0.0, b"a"), _output(0.1, b"b"), _output(9.0, b"c"), _output(9.1, b"d")]
    assert [player.screen.lines()[0] for player in pauses(_player(*happened), 2.0)] == ["ab", "abcd"]


def test_a_session_that_showed_nothing_has_ended() -> None:
    assert _player(warned("x")).ended
