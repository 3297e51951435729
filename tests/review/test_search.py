import itertools
import json
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.audit.recording import start_event
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.screen import Screen
from wrapper.review.search import Hit, search

_LETTERS = st.sampled_from(["a", "b", "n", "needle", " ", "\r\n", "字"])


def _output(*pieces: bytes, stream: str = "tty") -> list[events.AnyEvent]:
    return [events.Output(at=1_000.0 + number, stream=stream, data=piece) for number, piece in enumerate(pieces)]


def _hits(happened: Iterable[events.AnyEvent], text: str, *, size: tuple[int, int] = (20, 5), **how: bool) -> list[Hit]:
    columns, rows = size
    resize = events.Resize(at=999.0, rows=rows, columns=columns)
    records = [Record(number, event) for number, event in enumerate([resize, *happened])]
    return list(search(records, text, session="s-1", **how))


def _request(number: int, *said: str) -> events.Request:
    body = json.dumps({"messages": [{"role": "user", "content": one} for one in said]}).encode()
    return events.Request(at=1_000.0, number=number, method="POST", url="https://h/v1", headers={}, body=body)


def test_what_went_to_another_host_is_found_in_its_address_its_headers_and_its_body() -> None:
    body = json.dumps({"body": "a needle b"}).encode()
    comment = events.Sent(
        at=1_000.0, number=4, host="needle.invalid", port=443, method="POST", target="/x", headers={"a": "needle"},
        body=body, size=len(body), sha256="",
    )  # fmt: skip
    assert [hit.where for hit in _hits([comment, comment], "needle")] == [
        "sent #4 url",
        "sent #4 header a",
        "sent #4 body",
    ]


@pytest.mark.parametrize(
    "drawn",
    [
        b"a needle b",
        b"n\x1b[31mee\x1b[0mdle",
        b"xxxxxdle\x1b[1Gnee\x1b[3Dneedle",
        b"\x1b[3;5Hdle\x1b[3;2Hnee",
        b"filling the line nee" + b"dle",
        b"needle\x1b[2J\x1b[H",
        b"needle\r\x1b[K",
        b"needle\rAAAAAA",
        b"needle" + b"\r\n" * 50,
        b"\x1b[?1049hneedle\x1b[?1049l",
        b"n\x1b[3Ceedle\x1b[2G\x1b[3P",
        b"\xe2\x94\x82 some words nee    \xe2\x94\x82\r\n\xe2\x94\x82 dle and more     \xe2\x94\x82",
        b"nee\x1b]0;title\x07dle",
        b"needle\x1b[1000;1H\n\n\n\n\n\n",
        b"needle\x1b[M",
        b"needle\x1bc",
    ],
)
def test_what_stood_on_the_screen_is_found_however_it_was_drawn(drawn: bytes) -> None:
    (hit,) = _hits(_output(drawn), "needle")
    assert (hit.session, hit.sequence, hit.at, hit.where, hit.match) == ("s-1", 1, 1_000.0, "screen", "needle")
    assert hit.line == hit.before + hit.match + hit.after


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_text_that_comes_in_two_records_is_found(cut: int) -> None:
    drawn = b"a n\x1b[31meedle"
    assert len(_hits(_output(drawn[:cut], drawn[cut:]), "needle")) == 1


def test_words_that_a_program_wrapped_are_found_behind_its_border() -> None:
    drawn = "│ one two three │\r\n│   four five   │".encode()
    (hit,) = _hits(_output(drawn), "three four")
    assert hit.line == "one two three four five"


def test_a_no_break_space_is_a_space() -> None:
    assert len(_hits([*_output(b"\xe2\x9d\xaf\xc2\xa0look"), _request(1, "a\u00a0b")], "\u276f look")) == 1
    assert len(_hits([_request(1, "a\u00a0b")], "a b")) == 1


def test_what_never_stood_there_is_not_found() -> None:
    assert _hits(_output(b"nee", b"\x1b[2J\x1b[H", b"dle"), "needle") == []
    assert _hits(_output(b"\x1b]0;needle\x07\x1bPneedle\x1b\\"), "needle") == []


@given(st.lists(_LETTERS, max_size=30), st.lists(st.integers(0, 60), max_size=3))
def test_plain_output_is_found_wherever_it_is_cut(letters: list[str], cuts: list[int]) -> None:
    """The oracle: without movements and wrapping what stands on the screen is what was written."""
    written = "".join(letters)
    data = written.encode()
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    lines = {" ".join(line.split()) for line in written.split("\r\n") if "needle" in line}
    found = {" ".join(hit.line.split()) for hit in _hits(_output(*pieces), "needle", size=(400, 40))}
    assert bool(found) == bool(lines)
    assert lines <= found or len(pieces) > 1


_DRAWN = st.sampled_from(
    [
        b"nee",
        b"dle",
        b"needle",
        b"n",
        b"e",
        b"dl",
        b" ",
        b"\r\n",
        b"\r",
        b"\x1b[H",
        b"\x1b[3C",
        b"\x1b[2D",
        b"\x1b[A",
        b"\x1b[K",
    ]
    + [
        b"\x1b[2J",
        b"\x1b[P",
        b"\x1b[2@",
        b"\x1b[L",
        b"\x1b[M",
        b"\x1b[S",
        b"\x1bM",
        b"\x1b[1K",
        b"\x1b[31m",
        b"\x1b[2X",
    ]
    + [b"\x1b[?1049h", b"\x1b[?1049l", b"\x1bc", b"\x1b[2;3r", b"\x1b[4h", b"\x1b[4l", "字".encode(), b"\x1b[3b"]
)


@settings(max_examples=500)
@example([[b"needle", b"\x1b[?1049h", b"\x1b[?1049l"]])
@given(st.lists(st.lists(_DRAWN, max_size=12), max_size=4))
def test_whatever_stood_in_a_line_at_any_moment_is_found(records: list[list[bytes]]) -> None:
    """The oracle looks at the whole screen after every control, and after all letters between two of them."""
    oracle, stood = Screen(12, 4), False
    for record in records:
        for _, pieces in itertools.groupby(record, key=lambda piece: piece[:1] < b" " and piece):
            oracle.feed(b"".join(pieces))
            stood = stood or any("needle" in line for line in oracle.lines())
    found = _hits(_output(*map(b"".join, records)), "needle", size=(12, 4))
    assert found or not stood


def test_a_line_is_found_once_while_it_stands_and_when_it_is_painted_anew() -> None:
    frames = [b"\x1b[2;1H\x1b[2Ka needle here\x1b[3;1H\x1b[2K%d seconds" % number for number in range(30)]
    assert len(_hits(_output(*frames), "needle")) == 1
    again = [b"\x1b[2J\x1b[%d;1Ha needle here" % (1 + number % 4) for number in range(30)]
    assert len(_hits(_output(*again), "needle")) == 1
    counting = [b"\x1b[1;1H\x1b[2Kneedle %d" % number for number in range(30)]
    assert len(_hits(_output(*counting), "needle")) == 1


def test_other_lines_with_the_same_text_are_hits_of_their_own() -> None:
    assert len(_hits(_output(*(b"needle %d\r\n" % number for number in range(30))), "needle")) == 30
    assert len(_hits(_output(b"".join(b"needle %d\r\n" % number for number in range(30))), "needle")) == 30


def test_a_resize_in_the_middle_loses_nothing() -> None:
    happened = [
        *_output(b"a needle"),
        events.Resize(at=1.0, rows=0, columns=0),
        events.Resize(at=1.0, rows=1, columns=3),
    ]
    assert len(_hits([*happened, *_output(b"x")], "needle")) == 1


def test_a_conversation_that_is_sent_again_is_found_once() -> None:
    first, second = _request(1, "a needle", "b"), _request(2, "a needle", "b", "another\nneedle there")
    assert [(hit.sequence, hit.where, hit.line) for hit in _hits([first, second], "needle")] == [
        (1, "request #1 messages[0].content", "a needle"),
        (2, "request #2 messages[2].content", "needle there"),
    ]


def test_answers_are_searched_over_the_pieces_of_their_stream() -> None:
    pieces = [{"type": "content_block_delta", "index": 0, "delta": {"text": text}} for text in ("nee", "dle")]
    body = b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)
    answer = events.Response(at=1.0, number=7, status=200, headers={"x-trace": "needle-1"}, body=body)
    assert [hit.where for hit in _hits([answer], "needle")] == ["response #7 header x-trace", "response #7 delta.text"]


def test_what_json_escaped_is_found_as_it_was() -> None:
    assert len(_hits([_request(1, 'echo "é\t\u2028"')], 'echo "é')) == 1


@pytest.mark.parametrize(
    ("event", "where"),
    [
        (start_event(argv=("needle",)), "command"),
        (start_event(workspace="/needle"), "workspace"),
        (events.Typed(at=1.0, data=b"a needle\r"), "typed"),
        (events.FileChange(at=1.0, path="src/needle.py", action="modified"), "file"),
        (events.FileChange(at=1.0, path="a", action="moved", target="needle"), "file"),
        (events.FilesRead(at=1.0, files=(("needle", 1.0, 1),)), "read"),
        (events.Connection(at=1.0, host="needle.example", port=443, allowed=False, rule=""), "network"),
        (events.Warned(at=1.0, text="needle"), "warning"),
        (events.Refused(at=1.0, number=1, method="GET", url="needle", reason=""), "refused"),
        (events.Judged(at=1.0, number=1, about="task", rule="r", action="allowed", reason="needle"), "judged"),
        (events.SessionEnd(at=1.0, exit_code=1, reason="needle"), "end"),
        (events.Redacted(at=1.0, kind="K", placeholder="P", place="file", where="needle"), "redacted"),
    ],
)
def test_every_kind_of_event_is_searched(event: events.AnyEvent, where: str) -> None:
    assert [hit.where for hit in _hits([event], "needle")] == [where]


def test_output_for_no_terminal_is_searched_by_lines() -> None:
    happened = _output(b"one\ntwo nee", b"dle\nthree\nlast needle", stream="stdout")
    assert [(hit.where, hit.line) for hit in _hits(happened, "needle")] == [
        ("stdout", "two needle"),
        ("stdout", "last needle"),
    ]


def test_small_and_capital_letters_and_expressions() -> None:
    assert len(_hits(_output(b"NEEdle"), "needle")) == 0
    assert len(_hits(_output(b"NEEdle"), "needle", ignore_case=True)) == 1
    assert [hit.match for hit in _hits(_output(b"a1 b22"), "[0-9]{2}", expression=True)] == ["22"]
    assert len(_hits(_output(b"a.b"), "a.b")) == 1
    assert len(_hits(_output(b"axb"), "a.b")) == 0


@pytest.mark.parametrize(("text", "expression"), [("", False), ("(", True)])
def test_what_cannot_be_searched_for_is_one_clear_error(text: str, *, expression: bool) -> None:
    with pytest.raises(AuditError, match=r"nothing to search for|not a regular expression"):
        _hits([], text, expression=expression)


def test_a_long_line_is_shown_around_the_match() -> None:
    (hit,) = _hits([_request(1, "x" * 5_000 + "needle" + "y" * 5_000)], "needle")
    assert (len(hit.before), hit.match, len(hit.after)) == (200, "needle", 200)


def test_memory_does_not_grow_with_the_log() -> None:
    piece = b"\x1b[31mneedle\x1b[0m and some more text %d\r\n"

    def many(count: int) -> Iterable[Record]:
        for number in range(count):
            yield Record(number, events.Output(at=1.0, stream="tty", data=piece % (number % 500) * 20))

    peaks = []
    for count in (100, 1_000):
        tracemalloc.start()
        assert sum(1 for _ in search(many(count), "needle")) > 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 2
