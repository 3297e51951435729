import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.sse import EventParser, ServerSentEvent

PIECES = st.lists(
    st.sampled_from([b"data: x", b"data:y", b"event: e", b": ping", b"id", b"\n", b"\r\n", b"\r", b"\xff\x00", b"M"]),
    max_size=25,
).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


def parsed(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    parser = EventParser()
    raw = [event.raw for chunk in chunks for event in parser.feed(chunk)]
    return raw, parser.rest()


@given(PIECES, st.lists(st.integers(0, 10_000), max_size=12))
def test_the_same_events_come_out_however_the_stream_is_cut(data: bytes, places: list[int]) -> None:
    whole, whole_rest = parsed([data])
    some, rest = parsed(cut(data, places))
    assert b"".join(some) + rest == b"".join(whole) + whole_rest == data
    assert some[: len(whole)] == whole
    bytewise, _ = parsed([data[place : place + 1] for place in range(len(data))])
    assert bytewise == whole


def test_an_event_is_given_out_with_its_last_byte() -> None:
    parser = EventParser()
    assert parser.feed(b"event: a\ndata: 1\n") == []
    assert parser.feed(b"\n") == [ServerSentEvent(b"event: a\ndata: 1\n\n")]


def test_an_event_with_crlf_is_given_out_with_its_last_byte() -> None:
    parser = EventParser()
    assert parser.feed(b"data: 1\r\n\r") == []
    assert parser.feed(b"\n") == [ServerSentEvent(b"data: 1\r\n\r\n")]


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\r\ndata: b\r\n\r\n", b"a\nb"),
        (b": comment\n\n", b""),
        (b"data\n\n", b""),
        (b"data:  two\n\n", b" two"),
        (b"\xef\xbb\xbfdata: first\n\n", b"first"),
        (b"event: data\nid: 1\n\n", b""),
    ],
)
def test_data_is_read_as_the_standard_says(raw: bytes, data: bytes) -> None:
    assert ServerSentEvent(raw).data == data


def test_new_data_leaves_all_other_lines_as_they_were() -> None:
    event = ServerSentEvent(b"event: e\r\n: note\r\ndata: old\r\ndata: more\r\nid:7\r\n\r\n")
    assert event.with_data(b"new").raw == b"event: e\r\n: note\r\ndata: new\r\nid:7\r\n\r\n"


LINES = st.lists(
    st.sampled_from(["data: a", "data:b", "data:  c", "data", "event: e", "event:f", ": note", "id: 1", "data : no"])
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["new", "", '{"a":"\\n"}']))
def test_data_is_read_and_replaced_in_any_order_of_lines(lines: list[str], ending: str, new: str) -> None:
    event = ServerSentEvent("".join(line + ending for line in [*lines, ""]).encode())
    places = [at for at, line in enumerate(lines) if line.partition(":")[0] == "data"]
    assert event.data.decode() == "\n".join(lines[at].partition(":")[2].removeprefix(" ") for at in places)
    changed = event.with_data(new.encode())
    others = [line for at, line in enumerate(lines) if at not in places[1:]]
    if places:
        assert changed.data == new.encode()
        kept = [line if line.partition(":")[0] != "data" else None for line in others]
        got = changed.raw.decode().split(ending)[:-2]
        assert [line if not line.startswith("data:") else None for line in got] == kept
    else:
        assert changed == event


def test_an_endless_event_is_an_error() -> None:
    parser = EventParser(limit=20)
    assert parser.feed(b"data: no end ") == []
    with pytest.raises(ValueError, match="longer than 20 bytes"):
        parser.feed(b"data: no end ")
