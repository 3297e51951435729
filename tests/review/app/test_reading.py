from collections.abc import Iterator

import pytest

from tests.audit.recording import ended, start_event, warned
from tests.review.app.scenes import STORY, asks
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.app import reading
from wrapper.review.app.reading import Pass, Terminal, entries, whole


def _records(*written: events.AnyEvent) -> Iterator[Record]:
    return (Record(number, event) for number, event in enumerate(written))


def _story() -> Iterator[Record]:
    return _records(*STORY)  # type: ignore[arg-type]  # all of them are


def test_moments_are_numbered_in_the_order_of_the_story() -> None:
    found = list(entries(_story()))
    assert [entry.number for entry in found] == list(range(len(found)))
    assert [whole(_story(), entry.number) for entry in found] == [entry.moment for entry in found]


def test_there_is_no_moment_behind_the_last() -> None:
    assert whole(_story(), 1_000) is None


def test_what_is_kept_of_long_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONG", 2_000)
    monkeypatch.setattr(reading, "ROOM", 5_000)
    asked = [asks(number, f"{number}\n" + "a word\n" * 200) for number in range(1, 9)]
    found = [entry for entry in entries(_records(start_event(), *asked)) if entry.moment.kind == "prompt"]
    assert sum(len(line) for entry in found for line in entry.moment.lines) <= 5_000
    assert [entry.cut for entry in found] == sorted(entry.cut for entry in found)
    assert found[-1].cut
    assert found[-1].moment.lines == ()
    assert len(found[-1].moment.title) < 600


def test_each_page_has_its_own_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 4)
    monkeypatch.setattr(reading, "ROOM", 2_000)
    asked = [asks(number, f"{number}\n" + "a word\n" * 200) for number in range(1, 9)]
    cut = [entry.cut for entry in entries(_records(*asked)) if entry.moment.kind == "prompt"]
    assert True in cut
    assert False in cut[cut.index(True) :]


def test_a_pass_gives_page_after_page_and_counts_what_was_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    masked = events.Redacted(at=1.0, kind="X", placeholder="MASKED-X-00000000", place="file", where="a", count=7)
    through = Pass(_records(start_event(), *(warned(str(n)) for n in range(4)), masked, ended()), 0)
    pages = []
    while True:
        pages.append([entry.number for entry in through.page(lambda: None)])
        if not through.goes_on():
            break
    assert pages == [[0, 1, 2], [3, 4, 5], [6]]
    assert through.masked == 7


def test_a_pass_that_nobody_wants_ends_where_it_is_told_to() -> None:
    read: list[int] = []

    def records() -> Iterator[Record]:
        for record in _records(*(warned(str(number)) for number in range(9))):
            read.append(record.sequence)
            yield record

    def check() -> None:
        if len(read) == 3:
            raise AuditError("enough")

    with pytest.raises(AuditError, match="enough"):
        list(Pass(records(), 0).page(check))
    assert read == [0, 1, 2]


def test_the_screen_at_a_record_has_all_up_to_it_and_nothing_later() -> None:
    assert Terminal().at(_story(), 1) == ()
    assert Terminal().at(_story(), 2)[:2] == ("hello", "there")
    assert Terminal().at(_story(), 4)[:2] == ("hello", "there")
    assert Terminal().at(_story(), 8)[0] == "another screen"
    assert len(Terminal().at(_story(), 8)) == 24


def test_plain_output_begins_each_line_at_its_left_edge() -> None:
    shown = Terminal().at(_records(events.Output(at=1.0, stream="stdout", data=b"one\ntwo\n")), 0)
    assert shown[:2] == ("one", "two")


def test_a_screen_that_was_kept_leads_to_the_same_as_drawing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_APART", 10)
    monkeypatch.setattr(reading, "_MOST_KEPT", 4)
    sizes = {7: events.Resize(at=1.0, rows=5, columns=20), 21: events.Resize(at=1.0, rows=9, columns=30)}
    written = [
        sizes.get(n) or events.Output(at=1.0, stream="tty", data=b"\x1b[3%dmline %d\r\n\x1b[A" % (n % 8, n) * 3)
        for n in range(40)
    ]
    kept = Terminal()
    for sequence in (39, 3, 20, 22, 21, 0, 39, 8, 7):
        assert kept.at(_records(*written), sequence) == Terminal().at(_records(*written), sequence), sequence
    assert 0 < len(kept._kept) <= 4
