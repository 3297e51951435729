"""`judged` and `Stream`: by a matcher that knows by marks what it finds."""

import hashlib
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.marked import judge, table
from wrapper.corpus.batch import VERDICTS, Stream, judged
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.rows import Row, parts, record_batch
from wrapper.errors import ProvenanceError

_LINES = st.sampled_from(
    [b"a line of a person\n", b"\n", b"@0 by an agent\n", b"@2 it said so\n", b"@3 the host\n", b"x"]
)
_TEXTS = st.one_of(st.none(), st.just(b"left by a session"), st.lists(_LINES, max_size=12).map(b"".join))


@settings(max_examples=50)
@given(st.lists(_TEXTS, max_size=8), st.data())
def test_verdicts_do_not_depend_on_where_a_table_is_cut_into_batches(texts: list[bytes | None], data: Any) -> None:
    whole = table(texts, binary=[row % 5 == 4 for row in range(len(texts))])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=4)))
    stream = Stream(judge())
    batches = [stream.feed(whole.slice(start, end - start)) for start, end in pairwise((0, *cuts, len(texts)))]
    stream.close()
    assert pa.concat_tables(batches).to_pylist() == judged(whole, judge()).to_pylist()


@settings(max_examples=50)
@given(st.lists(_TEXTS, min_size=1, max_size=8))
def test_a_verdict_does_not_depend_on_the_documents_beside_it(texts: list[bytes | None]) -> None:
    together = judged(table(texts), judge()).to_pylist()
    alone = [judged(table(texts).slice(row, 1), judge()).to_pylist()[0] for row in range(len(texts))]
    assert together == alone


@settings(max_examples=50)
@given(st.lists(_LINES, min_size=1, max_size=60).map(b"".join), st.integers(40, 200), st.integers(1, 5))
def test_a_document_cut_into_parts_gets_one_verdict_as_if_it_were_whole(text: bytes, most: int, together: int) -> None:
    rows = [
        Row("d0", "here", 0, part.text, offset=part.offset, line=part.line, more=part.more, overlap=part.overlap)
        for part in parts([text], most)
    ]
    stream = Stream(judge())
    batches = [rows[start : start + together] for start in range(0, len(rows), together)]
    found = pa.concat_tables([stream.feed(pa.table(record_batch(batch))) for batch in batches]).to_pylist()
    stream.close()
    [whole] = judged(table([text]), judge()).to_pylist()
    assert len(found) == 1
    for name in ("id", "size", "sha256", "stage", "sessions"):
        assert found[0][name] == whole[name]
    assert _covered(found[0]) == _covered(whole)
    assert found[0]["coverage"] == pytest.approx(whole["coverage"], abs=0.1)  # a word may be torn by the cut


def _covered(row: dict[str, Any]) -> set[tuple[int, str]]:
    """Which bytes are whose."""
    return {(place, span["session"]) for span in row["spans"] for place in range(span["start"], span["end"])}


def test_a_span_over_a_cut_is_one_span() -> None:
    text = b"a person's\n" * 5 + b"@0 an agent's line\n" * 9 + b"a person's\n" * 5
    rows = [
        Row("d0", "here", 0, part.text, offset=part.offset, line=part.line, more=part.more, overlap=part.overlap)
        for part in parts([text], 120)
    ]
    [cut] = judged(pa.table(record_batch(rows)), judge()).to_pylist()
    [whole] = judged(table([text]), judge()).to_pylist()
    assert len(rows) > 1
    assert cut["spans"] == whole["spans"]
    assert (cut["spans"][0]["first_line"], cut["spans"][0]["last_line"]) == (6, 14)


def test_a_verdict_tells_spans_sessions_coverage_and_hash() -> None:
    text = b"one\n@0 two three\n@2 four\nfive six\n"
    [row] = judged(table([text]), judge()).to_pylist()
    assert [(span["first_line"], span["last_line"], span["kind"]) for span in row["spans"]] == [
        (2, 2, "input"),
        (3, 3, "text"),
    ]
    assert [text[span["start"] : span["end"]] for span in row["spans"]] == [b"@0 two three\n", b"@2 four\n"]
    assert row["sessions"] == ["session-0", "session-2"]
    assert (row["stage"], row["size"], row["sha256"]) == ("spans", len(text), hashlib.sha256(text).hexdigest())
    assert row["coverage"] == pytest.approx(5 / 8)
    assert row["decision"] == "refuse"
    assert row["because"] == "2 spans, the longest of 1 lines, 62% of its tokens"


def test_spans_that_the_policy_does_not_count_are_no_spans() -> None:
    [row, control] = judged(table([b"@3 the host wrote this\n", b"@0 an agent wrote this\n"]), judge()).to_pylist()
    assert (row["stage"], row["spans"], row["coverage"], row["decision"]) == ("clean", [], 0.0, "accept")
    assert control["decision"] == "refuse"


def test_a_whole_content_is_told_and_named_though_it_has_no_span() -> None:
    [row] = judged(table([b"left by a session"]), judge()).to_pylist()
    assert (row["stage"], row["spans"], row["sessions"]) == ("blob", [], ["session-0"])
    assert row["decision"] != "accept"


def test_a_nul_before_a_text_does_not_hide_it() -> None:
    texts = [b"\0\n" + b"@0 by an agent\n" * 12, b"\0 by nobody", b"left by a session"]
    [row, other, known] = judged(table(texts, binary=[True] * 3), judge()).to_pylist()
    assert (row["stage"], row["decision"], len(row["spans"])) == ("spans", "refuse", 1)
    assert (other["stage"], other["decision"], other["spans"]) == ("binary", str(built_in().binary), [])
    assert known["stage"] == "blob"


def test_a_document_that_cannot_be_read_says_why() -> None:
    [row] = judged(table([None], fault=["gzip ends in the middle"]), judge()).to_pylist()
    assert (row["stage"], row["decision"]) == ("unreadable", str(built_in().unreadable))
    assert (row["because"], row["sha256"], row["size"]) == ("gzip ends in the middle", "", 0)


def test_a_cut_document_whose_end_cannot_be_read_is_unreadable_and_the_next_one_is_not() -> None:
    texts = [b"@0 by an agent\n", None, b"a person's\n"]
    rows = judged(table(texts, more=[True, False, False], offset=[0, 15, 0], fault=[None, "broken", None]), judge())
    assert rows.column("stage").to_pylist() == ["unreadable", "clean"]
    assert rows.column("id").to_pylist() == ["d1", "d2"]


def test_a_cut_document_without_its_last_part_is_refused() -> None:
    with pytest.raises(ProvenanceError, match="last part"):
        judged(table([b"a\n"], more=[True]), judge())


def test_nothing_found_in_an_incomplete_index_is_what_the_policy_says() -> None:
    [row] = judged(table([b"a person's\n"]), judge(is_incomplete=True)).to_pylist()
    assert (row["stage"], row["decision"]) == ("clean", str(built_in().incomplete_index))
    assert "incomplete" in row["because"]


@settings(max_examples=50)
@given(st.binary(max_size=40), st.sampled_from([b" ", b"\n", b"\r\n", b"\t"]))
def test_the_normalised_hash_is_blind_to_blanks_and_to_nothing_else(text: bytes, blank: bytes) -> None:
    texts = [text, blank.join((text[:7], text[7:])), text + b"!"]
    one, other, third = judged(table(texts), judge()).column("normalised").to_pylist()
    assert one == other != third
    assert one == hashlib.sha256(b"".join(text.split())).hexdigest()


def test_a_policy_that_counts_claims_only_in_quarantine_decides_so() -> None:
    lenient = msgspec.structs.replace(built_in(), refuse=msgspec.structs.replace(built_in().refuse, kinds=()))
    [row] = judged(table([b"@0 by an agent\n"]), judge(lenient)).to_pylist()
    assert row["decision"] == "quarantine"


def test_an_empty_table_gives_an_empty_table_of_verdicts() -> None:
    assert judged(table([]), judge()).schema.equals(VERDICTS)
