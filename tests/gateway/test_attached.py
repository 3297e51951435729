"""What is attached as base64 is looked into; where a finding stands, and what it costs where nothing is attached."""

import base64
import gzip
import json
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Finding
from redactors.finding import Confidence
from redactors.known import KnownValues
from wrapper.gateway.attached import PACKED, Attached, place_of

SECRET = b"the needle"


class Searching:
    """Finds one word, for certain or not; `searched` are the texts."""

    known: KnownValues | None = None

    def __init__(self, rule: str = "rule", confidence: Confidence = Confidence.CERTAIN) -> None:
        self._rule, self._confidence = rule, confidence
        self.searched: list[bytes] = []

    def find(self, data: bytes) -> Sequence[Finding]:
        self.searched.append(data)
        at = data.find(SECRET)
        return [] if at < 0 else [Finding(at, at + len(SECRET), "KIND", self._confidence, self._rule, SECRET)]


def written(content: bytes, *, wrapped: bool = False, field: str = "data") -> bytes:
    letters = base64.encodebytes(content) if wrapped else base64.b64encode(content)
    return json.dumps({"a": [1, {field: letters.decode()}], "b": "c"}).encode()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


TEXT = b"a line of text\n" * 30 + SECRET + b"\n"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("content", [packed(TEXT), TEXT, b"\xef\xbb\xbf" + TEXT], ids=["gzip", "text", "marked"])
def test_a_finding_stands_at_one_letter_of_the_base64(content: bytes, wrapped: bool) -> None:  # noqa: FBT001
    data = written(content, wrapped=wrapped)
    [found] = Attached(Searching()).find(data)
    assert (found.kind, found.value, found.rule) == ("KIND", SECRET, PACKED + "rule")
    assert found.end == found.start + 1
    assert place_of(data, found.start) == "a[1].data"


@pytest.mark.parametrize(
    "data",
    [
        written(b"\x89PNG\r\n\x1a\n" + TEXT),
        written(TEXT, field="text"),
        b'"' + b"x" * 40 + base64.b64encode(packed(TEXT)) + b'"',  # no beginning: something goes on
        written(b"short"),
        b'{"data":',
        b'{"data":"',
        b"H4sI",
        b";base64,",
    ],
)
def test_what_is_none_is_left_alone(data: bytes) -> None:
    searching = Searching()
    assert Attached(searching).find(data) == []
    assert searching.searched == [data]


def test_what_is_only_likely_and_what_is_found_in_base64_anyway_counts_not() -> None:
    assert Attached(Searching(confidence=Confidence.LIKELY)).find(written(packed(TEXT))) == []
    assert Attached(Searching("known:raw")).find(written(TEXT)) == []
    assert Attached(Searching("known:raw")).find(written(packed(TEXT))) != []


def test_what_was_found_in_the_letters_keeps_its_place() -> None:
    data = written(packed(TEXT))
    start = data.index(b"H4sI")

    class Both(Searching):
        def find(self, data: bytes) -> Sequence[Finding]:
            is_outer = data.startswith(b"{")
            taken = Finding(start, start + 9, "OTHER", Confidence.CERTAIN, "known:base64", b"x")
            return [taken] if is_outer else super().find(data)

    outer, inner = Attached(Both()).find(data)
    assert (outer.kind, inner.kind) == ("OTHER", "KIND")
    assert outer.end <= inner.start < len(data)


def test_what_is_found_behind_base64_in_a_text_stays_found() -> None:
    """Words go on like letters of base64, but for the length of its lines."""
    letters = next(one for one in (base64.b64encode(packed(TEXT + bytes(at))) for at in range(9)) if one[-1:] != b"=")
    data = b'{"content":"$ base64 notes\\n' + letters + b'\\nhere is another"}'
    behind = data.index(b"another")

    class Both(Searching):
        def find(self, data: bytes) -> Sequence[Finding]:
            at = data.find(b"another")
            other = [] if at < 0 else [Finding(at, at + 7, "OTHER", Confidence.CERTAIN, "rule", b"another")]
            return [*super().find(data), *other]

    replaced, other = Attached(Both()).find(data)
    assert replaced.start == data.index(letters)
    assert data[replaced.start : replaced.end].startswith(letters)
    assert (other.kind, other.start) == ("OTHER", behind)


def test_bytes_that_unpack_are_paid_for() -> None:
    """Rule 3: a hundred bombs are not a hundred times as much."""
    searching = Searching()
    attached = Attached(searching)
    data = written(packed(bytes(6 << 20)))
    for _ in range(20):
        attached.find(data)
    unpacked = sum(len(text) for text in searching.searched if text != data)
    assert unpacked < (16 << 20) + 20 * 5 * len(data) + (1 << 20)


@pytest.mark.parametrize("piece", [b'{"data":"' + base64.b64encode(b"a short text, no more") + b'"},', b"\\nJVBERiXX"])
def test_a_million_small_pieces_are_not_a_million_searches(piece: bytes) -> None:
    searching = Searching()
    attached = Attached(searching)
    for _ in range(4):
        attached.find(piece * 30_000)
    assert len(searching.searched) < 5_000  # of 120,000


@given(st.binary(max_size=60), st.sampled_from([b"", packed(TEXT), zlib.compress(TEXT), b"%PDF-1 stream\n"]), st.data())
def test_no_file_stops_the_search(noise: bytes, file: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(file)))
    data = written(file[:at] + noise + file[at:])
    cut = draw.draw(st.integers(0, len(data)))
    for one in (data, data[:cut], data[cut:], data[:cut] + noise + data[cut:]):
        found = Attached(Searching()).find(one)
        assert list(found) == sorted(found)
        assert place_of(one, cut) is not None
