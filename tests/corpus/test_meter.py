import io

from wrapper.corpus.engines import Progress
from wrapper.corpus.meter import Meter, line


def far(size: int) -> Progress:
    return Progress(pieces=1, all_pieces=4, size=size, total=4_000_000_000, documents=1200, refused=3)


def test_the_line_says_what_is_done_how_fast_and_how_long_yet() -> None:
    assert line(far(1_000_000_000), 500_000_000, 10.0) == (
        "judged 953.7 MiB of 3.7 GiB, 1,200 documents, 3 refused, 50.0 MB/s, 1m00s left"
    )
    assert line(far(0), 0, 10.0).endswith("3 refused")  # no rate where nothing was read yet
    assert line(far(10), 10, 0.1).endswith("3 refused")


def test_nothing_is_drawn_where_nobody_looks_and_what_is_drawn_goes_away() -> None:
    for is_shown in (False, True):
        stream = io.StringIO()
        meter = Meter(stream, is_shown=is_shown)
        while is_shown and not stream.getvalue():
            meter(far(10))
        meter(far(10))
        meter.clear()
        assert ("judged" in stream.getvalue()) == is_shown
        assert not stream.getvalue() or stream.getvalue().endswith("\r\x1b[K")
