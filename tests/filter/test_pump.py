"""Bytes move as they come: whole lines at once, half lines when they are over, and all of them at the end."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from wrapper.filter.pump import pump, write


class Holding:
    """Holds what stands behind the last line end, or behind `#`, as a redactor may."""

    def __init__(self) -> None:
        self.rest = b""

    @property
    def held(self) -> bool:
        return bool(self.rest)

    def feed(self, data: bytes) -> bytes:
        text = self.rest + data
        end = text.find(b"#") if b"#" in text else text.rfind(b"\n") + 1
        self.rest = text[end:]
        return text[:end]

    def flush(self) -> bytes:
        text, self.rest = self.rest, b""
        return text


class Pipe:
    """A pump in a thread of its own: `give` and `got` are its two ends."""

    def __init__(self) -> None:
        source, self._give = os.pipe()
        self._take, sink = os.pipe()
        self._ends = [source, sink, self._take]
        self.stream = Holding()
        self.thread = threading.Thread(target=pump, args=(source, sink, self.stream))
        self.thread.start()

    def give(self, data: bytes) -> None:
        os.write(self._give, data)

    def got(self) -> tuple[bytes, float]:
        """Give the next bytes, and how long they took."""
        begin = time.monotonic()
        return os.read(self._take, 65536), time.monotonic() - begin

    def end(self) -> None:
        if self._give >= 0:
            os.close(self._give)
            self._give = -1
        self.thread.join(5)

    def close(self) -> None:
        self.end()
        for end in self._ends:
            os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_line_comes_out_when_it_went_in(pipe: Pipe) -> None:
    pipe.give(b"a line\n")
    assert pipe.got()[0] == b"a line\n"


def test_what_a_whole_line_leaves_held_comes_out_soon(pipe: Pipe) -> None:
    pipe.give(b"a #line\n")
    assert pipe.got()[0] == b"a "
    data, took = pipe.got()
    assert data == b"#line\n"
    assert took < 0.5


def test_half_a_token_waits_for_its_other_half(pipe: Pipe) -> None:
    pipe.give(b"half a tok")
    time.sleep(0.1)
    pipe.give(b"en\n")
    assert pipe.got()[0] == b"half a token\n"


def test_a_line_that_is_never_over_comes_out_at_last(pipe: Pipe) -> None:
    pipe.give(b"password? ")
    data, took = pipe.got()
    assert data == b"password? "
    assert 0.5 < took < 5


def test_a_key_block_that_is_not_over_waits_although_its_lines_are(pipe: Pipe) -> None:
    pipe.give(b"#-----BEGIN X-----\nhalf\n")
    time.sleep(0.2)
    pipe.give(b"a key\n-----END X-----\n")
    data, took = pipe.got()
    assert data == b"#-----BEGIN X-----\nhalf\na key\n-----END X-----\n"
    assert took < 0.5


def test_the_end_of_the_input_is_the_end_and_what_is_held_stays_with_the_stream(pipe: Pipe) -> None:
    pipe.give(b"last")
    pipe.end()
    assert not pipe.thread.is_alive()
    assert pipe.stream.flush() == b"last"


def test_a_slow_reader_loses_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = os.urandom(1 << 20)
    got: list[bytes] = []

    def read() -> None:
        while part := os.read(reading, 4096):
            got.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    write(writing, data)
    os.close(writing)
    reader.join(10)
    os.close(reading)
    assert b"".join(got) == data


def test_a_source_that_does_not_block_is_waited_for() -> None:
    source, give = os.pipe()
    take, sink = os.pipe()
    os.set_blocking(source, False)

    def late() -> None:
        os.write(give, b"late\n")
        os.close(give)

    threading.Timer(0.1, late).start()
    pump(source, sink, Holding())
    assert os.read(take, 100) == b"late\n"
    for end in (source, take, sink):
        os.close(end)


def test_a_reader_that_went_away_is_told() -> None:
    source, give = os.pipe()
    take, sink = os.pipe()
    os.close(take)
    os.write(give, b"line\n")
    with pytest.raises(BrokenPipeError):
        pump(source, sink, Holding())
    for end in (source, give, sink):
        os.close(end)
