import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import ended, start_event, warned
from wrapper.audit import events
from wrapper.errors import AuditError
from wrapper.review.timeline import each_read, row, text_lines, timeline


def _output(data: bytes, at: float = 1.0) -> events.Output:
    return events.Output(at=at, stream="tty", data=data)


def test_output_that_follows_output_is_one_row() -> None:
    rows = list(timeline([_output(b"one\r\nt"), _output(b"wo\r\n"), warned("x"), _output(b"three")]))
    assert [(r.kind, r.details) for r in rows] == [("output", ("one", "two")), ("warning", ()), ("output", ("three",))]


def test_equal_redactions_are_counted() -> None:
    event = events.Redacted(at=1.0, kind="K", placeholder="MASKED-K-00000000", place="request", where="#1", count=2)
    (only,) = timeline([event, event])
    assert only.text == "MASKED-K-00000000 in request #1 (4 times)"


def test_what_was_done_otherwise_with_a_value_is_another_row() -> None:
    event = events.Redacted(at=1.0, kind="K", placeholder="MASKED-K-00000000", place="request", where="#1")
    blocked = msgspec.structs.replace(event, action="blocked")
    assert [one.text for one in timeline([event, blocked, blocked])] == [
        "MASKED-K-00000000 in request #1",
        "MASKED-K-00000000 in request #1 (2 times), blocked: the request was not sent",
    ]


def test_no_events_are_no_rows() -> None:
    assert list(timeline([])) == []


def test_text_loses_colours_titles_and_what_was_overwritten() -> None:
    data = b"\x1b]0;title\x07\x1b[1;31mred\x1b[0m\r\n10%\r50%\r100%\r\n\r\n\x1b(Bplain\x1b7\r\n"
    assert text_lines(data) == ["red", "100%", "plain"]


def test_blanks_that_a_client_moves_over_are_blanks() -> None:
    drawn = b"\x1b[1mAccessing\x1b[1Cworkspace:\x1b[0m\x1b[3Gx\n\x1b[2Ca\x1b[999999999Cb\nold\x1b[1Gnew\x1b[G\n"
    assert text_lines(drawn) == ["Accessing workspace: x", "  a        b", "new"]


def test_a_string_sequence_without_an_end_hides_no_later_line() -> None:
    assert text_lines(b"\x1b]0;swallow\nvisible\n") == ["visible"]


def test_a_megabyte_of_escapes_takes_no_time() -> None:
    begun = time.monotonic()
    for hostile in (b"\x1b]", b"\x1b[", b"\x1b", b"\x1bP\x1b", b"\x1b[1"):
        text_lines(hostile * (1_000_000 // len(hostile)))
    assert time.monotonic() - begun < 5


def test_long_output_is_shortened_in_the_middle() -> None:
    details = row(_output(b"".join(b"%d\n" % n for n in range(100)))).details
    assert details[:2] == ("0", "1")
    assert details[6] == "… 88 more lines"
    assert details[-1] == "99"


@given(st.binary())
def test_any_output_gives_lines_without_escapes_or_breaks(data: bytes) -> None:
    assert all("\n" not in line and "\r" not in line for line in text_lines(data))


def _read(*files: tuple[str, float, int]) -> events.FilesRead:
    return events.FilesRead(at=9.0, files=files)


def _changed(**fields: object) -> str:
    return row(events.FileChange(at=1.0, path="a.py", action="modified", **fields)).text  # type: ignore[arg-type]


def test_a_change_says_who_made_it_and_with_what() -> None:
    assert _changed() == "modified a.py"
    assert _changed(by="host") == "modified a.py  by the host"
    assert _changed(by="agent", process="node[7]") == "modified a.py  by the agent (node[7])"
    assert _changed(by="agent", process="vi[7]", ranges=((0, 24),)) == "modified a.py  by the agent (vi[7]), 24 B"
    assert _changed(by="agent", ranges=((0, 24), (90, 1000))) == "modified a.py  by the agent, 1.0 KiB in 2 places"


def test_files_that_were_read_are_counted_once_with_what_was_read_in_the_end() -> None:
    many = [(f"src/{number}.py", 2.0 + number, 1024) for number in range(214)]
    batches = [_read(*many[:100]), _read(*many[50:]), _read((many[0][0], many[0][1], 3072))]
    (only,) = timeline(batches)
    assert (only.kind, only.text) == ("read", "214 files  216.0 KiB")
    assert row(_read(("a", 1.0, 1), ("b", 2.0, 2))).text == "a, b  3 B"


def test_reads_beside_something_else_stay_in_their_place() -> None:
    rows = list(timeline([_read(("a", 1.0, 1)), warned("x"), _read(("a", 1.0, 2))]))
    assert [(one.kind, one.text) for one in rows] == [("read", "a  1 B"), ("warning", "x"), ("read", "a  2 B")]


def test_each_read_names_every_file_once_when_it_was_first_read() -> None:
    story: list[events.AnyEvent] = [
        _read(("b", 2.0, 1), ("c", 3.0, 9)),
        warned("x"),
        _read(("a", 1.5, 4), ("b", 2.0, 7)),
    ]
    assert [(one.at, one.text) for one in each_read(story)] == [(1.5, "a  4 B"), (2.0, "b  7 B"), (3.0, "c  9 B")]


def test_each_read_of_a_log_that_goes_bad_gives_what_was_good_first() -> None:
    def story() -> Iterator[events.AnyEvent]:
        yield _read(("a", 1.0, 1))
        raise AuditError("bad")

    seen = []
    with pytest.raises(AuditError):
        for one in each_read(story()):
            seen.append(one.text)
    assert seen == ["a  1 B"]


def test_the_start_says_how_files_are_shown() -> None:
    assert "files: binds: no /dev/fuse" in row(start_event(view="binds: no /dev/fuse")).details
    assert not [line for line in row(start_event()).details if line.startswith("files")]


def _sent(**more: object) -> events.Sent:
    about: dict[str, object] = {
        "method": "POST",
        "headers": {},
        "body": b"hi",
        "size": 2,
        "sha256": "a" * 64,
        "port": 443,
    } | more
    return events.Sent(at=1.0, number=7, host="forge.invalid", target="/x?y=1", **about)  # type: ignore[arg-type]


def test_a_request_to_another_host_says_where_it_went_what_it_said_and_which_secret_worked() -> None:
    comment = row(_sent(body=b'{"body":\n"looks good"}', size=22, used=("github", "npm")))
    assert comment.text == "#7 22 B  POST https://forge.invalid/x?y=1  with github, npm"
    assert comment.details == ('{"body":', '"looks good"}')
    assert row(_sent(body=b"\x89PNG\x00")).details == ()
    assert row(_sent(body=b"a" * 5_000, size=5_000)).details == ("a" * 160,)
    part = row(_sent(offset=262_144, size=262_144, ended=False, port=8443)).text
    assert part == "#7 256.0 KiB from byte 262,144, goes on  POST https://forge.invalid:8443/x?y=1"


def test_an_answer_says_what_was_masked_and_which_login_stayed_outside() -> None:
    answer = events.Answered(
        at=1.0, number=7, status=200, size=12, complete=False, masked=("GITHUB-TOKEN",), captured=("claude",)
    )
    assert row(answer).text == "#7 200  12 B  masked GITHUB-TOKEN  login kept outside: claude  broken off"


def test_every_kind_of_event_has_a_row() -> None:
    samples: list[events.AnyEvent] = [
        start_event(),
        _output(b"x"),
        events.Typed(at=1.0, data=b"y"),
        events.Resize(at=1.0, rows=24, columns=80),
        events.Redacted(at=1.0, kind="K", placeholder="P", place="file", where=".env"),
        events.Request(at=1.0, number=1, method="GET", url="u", headers={}, body=b""),
        events.Response(at=1.0, number=1, status=200, headers={}, body=b""),
        events.Refused(at=1.0, number=1, method="GET", url="u", reason="r"),
        events.Judged(at=1.0, number=1, about="task", rule="r", action="denied"),
        events.Connection(at=1.0, host="h", port=443, allowed=True, rule="r"),
        _sent(),
        events.Answered(at=1.0, number=1, status=200, size=5),
        events.FileChange(at=1.0, path="a", action="moved", target="b"),
        _read(("a", 1.0, 5)),
        warned("w"),
        ended(),
    ]
    assert {type(sample) for sample in samples} == set(events.AnyEvent.__args__)
    assert all(row(sample).text for sample in samples)
