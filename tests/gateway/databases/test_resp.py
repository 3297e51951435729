"""Redis' frames, in any chunking."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wrapper.gateway.databases.resp import Answers, BrokenError, Requests, Words, bulk, command

SECRET = b"a-secret-of-some-length"
MARK = b"MASKED-PASSWORD-7F3K9Q2X"
WORDS = st.one_of(st.sampled_from([b"AUTH", b"hello", b"GET", SECRET, b""]), st.binary(max_size=30))
LONG = b"x" * 100000


def swapped(words: Words) -> Words:
    return [one.replace(MARK, SECRET) for one in words]


def in_pieces(feed: Callable[[bytes], bytes], data: bytes, cuts: Sequence[int]) -> bytes:
    at = sorted(cut % (len(data) + 1) for cut in cuts)
    return b"".join(feed(data[begin:end]) for begin, end in zip([0, *at], [*at, len(data)], strict=True))


CUTS = st.lists(st.integers(0, 10**6), max_size=8)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=20), max_size=6), CUTS)
@example([[b"SET", b"k", LONG], [b"AUTH", MARK], [b"AUTH", LONG], [b"HELLO", *[b"x"] * 30]], [7, 9, 20, 50000])
def test_commands_go_on_as_they_were_but_for_log_ins(said: list[list[bytes]], cuts: list[int]) -> None:
    stream = b"".join(command(words) for words in said)
    wanted = b"".join(
        command(swapped(words) if words[0].upper() in {b"AUTH", b"HELLO"} and len(words) <= 16 else words)
        for words in said
    )
    assert in_pieces(Requests(swapped).feed, stream, cuts) == wanted


@given(CUTS)
def test_commands_in_lines_go_on_as_they_were_but_for_log_ins(cuts: list[int]) -> None:
    stream = b"PING\r\n\r\nauth %b\nSET k '%b'\r\nAUTH \"%b\"\r\nAUTH x\r\n" % (MARK, MARK, MARK)
    wanted = b"PING\r\n\r\n%bSET k '%b'\r\nAUTH \"%b\"\r\nAUTH x\r\n" % (command([b"auth", SECRET]), MARK, MARK)
    assert in_pieces(Requests(swapped).feed, stream, cuts) == wanted


@pytest.mark.parametrize(
    "said",
    [
        b"*2\n$4\r\nAUTH\r\n",
        b"*02\r\n",
        b"*+2\r\n",
        b"*-1\r\n",
        b"* 2\r\n",
        b"*2\r\r\n",
        b"*1\r\n$04\r\nAUTH\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n:4\r\n",
        b"*1\r\nAUTH\r\n",
        b"*1\r\n$4\r\nAUTHxx",
        b"*1\r\n$3\r\nGETx\n",
        b"*9999999999999\r\n",
        b"PING\0\r\n",
        b"x" * 70000,
        b"*" + b"1" * 70000,
    ],
)
def test_what_servers_may_read_in_another_way_ends_the_connection(said: bytes) -> None:
    """Promise 2: what is data to the server must not be a log-in here."""
    with pytest.raises(BrokenError):
        Requests(swapped).feed(said)


def test_a_value_that_is_long_is_not_held() -> None:
    """One of a gigabyte is announced; what has come of it has gone on."""
    requests, answers = Requests(swapped), Answers(SECRET, MARK, lambda _: None)
    head = b"*2\r\n$4\r\nAUTH\r\n$1000000000\r\n"
    assert requests.feed(head + LONG) == head + LONG
    assert answers.feed(b"$1000000000\r\n" + LONG) == b"$1000000000\r\n" + LONG
    assert len(requests._buffer) == len(answers._buffer) == 0


ANSWER = st.one_of(
    st.sampled_from([b"+OK\r\n", b":5\r\n", b"$-1\r\n", b"*-1\r\n", b"*2\r\n", b"%1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n",
                     b">2\r\n", b"~0\r\n", b"(123\r\n", b"|1\r\n", b"-ERR no\r\n"]),
    st.binary(max_size=60).map(bulk),
    st.binary(max_size=60).map(lambda value: bulk(b"txt:" + value, b"=")),
)  # fmt: skip


@given(st.lists(ANSWER, max_size=8), CUTS)
@example([bulk(LONG), b"+" + LONG + b"\r\n"], [9, 50000])
def test_answers_without_the_value_go_on_as_they_were(said: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(said)
    assert in_pieces(Answers(SECRET, MARK, lambda _: None).feed, stream, cuts) == stream


@given(CUTS)
def test_the_value_is_replaced_in_lines_and_short_values_with_the_right_length(cuts: list[int]) -> None:
    said = [bulk(SECRET), b"+is " + SECRET + b"\r\n", bulk(b"txt:" + SECRET, b"="), b"-ERR '" + SECRET + b"'\r\n"]
    wanted = [bulk(MARK), b"+is " + MARK + b"\r\n", bulk(b"txt:" + MARK, b"="), b"-ERR '" + MARK + b"'\r\n"]
    said += [bulk(SECRET[:20] + b"... (3 more bytes)"), b"+" + LONG + SECRET + LONG + b"\r\n", bulk(b"after")]
    wanted += [bulk(MARK + b"... (3 more bytes)"), b"+" + LONG + MARK + LONG + b"\r\n", bulk(b"after")]
    heard: list[bytes] = []
    assert in_pieces(Answers(SECRET, MARK, heard.append).feed, b"".join(said), cuts) == b"".join(wanted)
    assert len(heard) == 1


@pytest.mark.parametrize("value", [b"123456789", b"12", b"redis", b"OK"])
def test_numbers_and_counts_and_texts_with_a_common_word_are_left_as_they_are(value: bytes) -> None:
    """A password of a developer's own machine may be what stands everywhere; alone in a value it is replaced."""
    counts = b"".join(kind + b"123456789\r\n" for kind in (b":", b"*", b"%", b">", b"(", b","))
    said = b"+OK\r\n-ERR redis 12\r\n" + bulk(b"redis 12 OK") + counts
    answers = Answers(value, MARK, lambda _: None)
    assert answers.feed(said + bulk(value)) == said + bulk(MARK)


@pytest.mark.parametrize("size", range(1, len(SECRET)))
def test_a_value_that_comes_in_two_parts_of_a_very_long_line_leaves_no_end_behind(size: int) -> None:
    answers = Answers(SECRET, MARK, lambda _: None)
    line = b"+" + LONG + SECRET
    assert answers.feed(line[:-size]) + answers.feed(line[-size:] + b"\r\n") == b"+" + LONG + MARK + b"\r\n"


@pytest.mark.parametrize("length", range(0, 24, 3))
def test_an_error_that_repeats_a_command_loses_what_it_repeats(length: int) -> None:
    """A client decides by what it sends before the password how much of it a server of old repeats."""
    for error in (
        b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `%b`, \r\n" % SECRET[:length],
        b"-ERR unknown command 'AUTH', with args beginning with: '%b' \r\n" % SECRET[:length],
    ):
        shown = Answers(SECRET, MARK, lambda _: None).feed(error)
        assert shown == error[: error.index(b", with")] + b"\r\n"


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\n", b"$EOF:abc\r\n", b"$01\r\n", b"$60\r\n" + b"x" * 62, b"+a\n", b"x" * 70000]
)
def test_what_is_no_answer_ends_the_connection(said: bytes) -> None:
    with pytest.raises(BrokenError):
        Answers(SECRET, MARK, lambda _: None).feed(said)


@given(st.binary(max_size=200), CUTS)
def test_any_bytes_go_on_or_end_the_connection(said: bytes, cuts: list[int]) -> None:
    for feed in (Requests(swapped).feed, Answers(SECRET, MARK, lambda _: None).feed):
        try:
            out = in_pieces(feed, said, cuts)
        except BrokenError:
            continue
        assert said.startswith(out)
