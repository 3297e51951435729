"""Text of an index is found wherever it stands, in whatever it stands in, and what is not there is not."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.sheetsof import KEY, code, pack_of, sheet_of
from wrapper.provenance import evidence, matching
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.key import Key
from wrapper.provenance.linecodes import likeness
from wrapper.provenance.matching import Matcher, Span
from wrapper.provenance.model import Flag
from wrapper.provenance.pack import Pack

_WRITTEN = tuple(code(seed) for seed in range(5))
_OTHERS = tuple(code(seed) for seed in range(100, 105))
_ANSWER = b"""
The scheduler wakes up whenever the ledger has grown past its limit. It then walks over every pending entry, sorts them
by the moment at which they arrived, and hands the oldest ones to the archiver, which never blocks for longer than three
seconds. If the archiver refuses an entry, it goes back to the end of the queue, with a note that says why.
"""


@functools.cache
def matcher() -> Matcher:
    return Matcher(pack_of(*_WRITTEN, _ANSWER), KEY.coder())


def found(document: bytes, by: Matcher | None = None) -> list[tuple[int, bytes]]:
    """Emission and bytes of each span."""
    return [(one.emission, document[one.start : one.end]) for one in (by or matcher()).spans([document])[0]]


def renamed(text: bytes) -> bytes:
    """Rename whatever is not quoted."""
    parts = text.decode().split("'")
    keep = {"if", "not", "and", "return", "for", "in", "assert", "del", "else", "None", "lambda"}
    parts[::2] = ["".join(_other(word, keep) for word in _words(part)) for part in parts[::2]]
    return "'".join(parts).encode()


def _words(text: str) -> list[str]:
    words = [""]
    for character in text:
        if not words[-1] or character.isalpha() != words[-1][-1].isalpha():
            words.append("")
        words[-1] += character
    return words


def _other(word: str, keep: set[str]) -> str:
    return word if word in keep or not word.isalpha() else word[::-1] + "_x"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text,
        lambda text: b"Have a look, please:\n\n```python\n" + text + b"```\nWhat do you think?\n",
        lambda text: json.dumps({"a": "b", "content": text.decode()}).encode(),
        lambda text: json.dumps(json.dumps([text.decode()])).encode(),
        lambda text: b"".join(b"+" + line + b"\n" for line in text.split(b"\n")),
        lambda text: b"".join(b"%6d\t%s\n" % (n, line) for n, line in enumerate(text.split(b"\n"))),
        lambda text: b"".join(b"        # " + line + b"\n" for line in text.split(b"\n")),
        lambda text: b"/*\n" + text + b"*/\n",
        lambda text: text.replace(b"\n", b"\r\n").replace(b"'", b'"'),
        lambda text: b"\t" + text.replace(b"\n", b"  # a remark of somebody\n\t\t"),
        renamed,
        lambda text: json.dumps(renamed(text).decode()).encode(),
    ],
    ids=[
        "plain",
        "fence",
        "json",
        "json-twice",
        "diff",
        "numbered",
        "commented",
        "block-comment",
        "other-quotes",
        "remarks",
        "renamed",
        "renamed-json",
    ],
)
def test_code_is_found_whatever_it_is_wrapped_in(wrap: Callable[[bytes], bytes]) -> None:
    for emission, text in enumerate(_WRITTEN):
        document = _OTHERS[0] + wrap(text) + _OTHERS[1]
        spans = matcher().spans([document])[0]
        assert {one.emission for one in spans} == {emission}
        start, end = len(_OTHERS[0]), len(document) - len(_OTHERS[1])
        assert sum(one.end - one.start for one in spans) > 0.8 * (end - start)
        assert all(start - 40 < one.start and one.end < end + 40 for one in spans)
    assert not found(wrap(_OTHERS[2]))


def test_what_a_model_said_is_found_by_its_words_and_nowhere_else() -> None:
    document = b"# Notes\n\nFrom a colleague. " + _ANSWER.replace(b"\n", b" ") + b" So far for today.\n"
    ((emission, text),) = found(document)
    assert emission == len(_WRITTEN)
    assert len(text) > 0.9 * len(_ANSWER) - 60
    assert matcher().spans([document])[0][0].exact
    other = b" ".join(sorted(_ANSWER.split()))
    assert not found(other)


def test_a_span_says_exactly_where_in_the_bytes_of_an_escaped_text() -> None:
    text = _WRITTEN[1].decode()
    document = json.dumps({"note": "ünïcode \\ before", "text": "é\n" + text}, ensure_ascii=True).encode()
    ((_, inside),) = found(document)
    plain = json.loads(b'"' + inside + b'"')  # neither begins nor ends within an escape
    assert plain in text
    assert len(plain) > 0.9 * len(text)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 900), st.integers(0, 900), st.booleans()), max_size=12))
@settings(max_examples=40, deadline=None)
def test_documents_give_the_same_alone_and_in_a_batch(cuts: list[tuple[int, int, int, bool]]) -> None:
    pool = _WRITTEN + _OTHERS
    texts = [
        (b"/* open " if opened else b"") + pool[which][first:] + pool[which][:more]
        for which, first, more, opened in cuts
    ]
    together = matcher().find(texts)
    assert together == [matcher().find([text])[0] for text in texts]
    assert [one.spans for one in together if one.whole < 0] == [
        spans for spans, one in zip(matcher().spans(texts), together, strict=True) if one.whole < 0
    ]
    assert matcher().tokens(texts) == [one.tokens for one in together]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(_WRITTEN)), max_size=6).map(b"".join))
@settings(max_examples=80, deadline=None)
def test_spans_of_any_bytes_lie_in_them_in_order_and_apart(text: bytes) -> None:
    spans = matcher().spans([text])[0]
    edges = [edge for one in spans for edge in (one.start, one.end)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))
    assert all(one.start < one.end for one in spans)
    assert sum(one.tokens for one in spans) <= matcher().tokens([text])[0]


def test_text_that_repeats_itself_is_covered_once() -> None:
    text = b"\n".join(_WRITTEN[0].split(b"\n")[:4]) + b"\n"
    by = Matcher(pack_of(text * 50), KEY.coder())
    spans = by.spans([text * 200])[0]
    assert 0.9 * by.tokens([text * 200])[0] < sum(one.tokens for one in spans) <= by.tokens([text * 200])[0]


def test_a_few_lines_are_no_evidence_and_a_tenth_of_them_changed_is() -> None:
    lines = _WRITTEN[2].split(b"\n")
    assert not found(_OTHERS[0] + lines[2] + b"\n" + _OTHERS[1])
    edited = [b"quite(other, thing)" if n % 10 == 4 else line for n, line in enumerate(lines)]
    assert {emission for emission, _ in found(b"\n".join(edited))} == {2}


def test_what_two_emissions_hold_is_one_span_of_the_longer() -> None:
    part = b"\n".join(_WRITTEN[0].split(b"\n")[5:25])
    by = Matcher(pack_of(part, _WRITTEN[0], part), KEY.coder())
    assert [emission for emission, _ in found(_WRITTEN[0], by)] == [1]
    assert [emission for emission, _ in found(_OTHERS[0] + part, by)] in ([0], [1], [2])


def test_keys_too_large_for_one_number_sort_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [_OTHERS[n] + text[n * 100 :] + text for n, text in enumerate(_WRITTEN)]
    one = matcher().spans(documents)
    monkeypatch.setattr(evidence, "_MOST_KEY", 0)
    assert matcher().spans(documents) == one
    assert all(len(spans) > 1 for spans in one[1:])


def test_a_long_document_is_searched_over_the_borders_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_BLOCK", 4096)
    monkeypatch.setattr(matching, "_OVERLAP", 1024)
    filling = b"".join(code(seed) for seed in range(200, 215))
    for at in range(0, 12_000, 1500):
        cut = filling.index(b"\n", at) + 1
        document = filling[:cut] + _WRITTEN[3] + filling[cut:]
        spans = matcher().spans([document])[0]
        assert {one.emission for one in spans} == {3}
        assert sum(one.end - one.start for one in spans) > 0.8 * len(_WRITTEN[3])
        assert abs(matcher().tokens([document])[0] - matcher().find([document])[0].tokens) < 60


def test_whole_contents_are_known_by_their_bytes_or_by_their_tokens() -> None:
    again = _WRITTEN[4].replace(b"\n", b"\r\n    ")
    texts = [_WRITTEN[4], again, _OTHERS[0], b"", b"{}", _WRITTEN[4][:300]]
    assert matcher().whole(texts) == [4, 4, -1, -1, -1, -1]
    stages = [one.stage for one in matcher().find(texts)]
    assert stages[:5] == ["blob", "normalised", "clean", "clean", "clean"]
    one = matcher().find([_WRITTEN[4]])[0]
    assert one.spans == [Span(0, len(_WRITTEN[4]), 4, True, one.tokens)]


def test_what_is_in_the_baseline_is_no_evidence() -> None:
    pack = pack_of(*_WRITTEN)
    for within in (None, pack):
        baseline = Baseline.of([_WRITTEN[0], renamed(_WRITTEN[1]), _OTHERS[0]], KEY.coder(), within=within)
        by = Matcher(pack, KEY.coder(), baseline=baseline)
        assert not found(_WRITTEN[0], by)
        assert not found(renamed(_WRITTEN[1]), by)
        assert found(_WRITTEN[1], by)  # its words are not the baseline's
        assert found(_WRITTEN[2], by)
        assert by.lines(_WRITTEN[0]).old.all()
        assert not by.lines(_WRITTEN[2]).old.any()


def test_a_baseline_kept_on_disk_is_the_same(tmp_path: Path) -> None:
    coder = KEY.coder()
    baseline = Baseline.of(_WRITTEN, coder)
    baseline.save(tmp_path / "base", KEY)
    kept = Baseline.open(tmp_path / "base", KEY)
    codes = pack_of(*_WRITTEN, *_OTHERS).word.codes.whole()
    assert (kept.contains(codes) == baseline.contains(codes)).all()
    assert 0 < kept.contains(codes).mean() < 1
    assert len(kept) == len(baseline) > 0


def test_another_key_finds_nothing() -> None:
    other = Key(bytes(32))
    by = Matcher(Pack.of([sheet_of(_WRITTEN)]), other.coder())
    assert not found(_WRITTEN[0], by)
    assert by.whole([_WRITTEN[0]]) == [-1]
    assert not by.lines(_WRITTEN[0]).line.size


def test_each_line_is_paired_with_the_rows_that_are_alike() -> None:
    text = b"}\n" + _OTHERS[0] + b"        " + _WRITTEN[0].replace(b"\n", b"\t\r\n") + renamed(_WRITTEN[1])
    matches = matcher().lines(text)
    first = 1 + _OTHERS[0].count(b"\n")
    count = _WRITTEN[0].count(b"\n")
    exact = [
        (int(line), int(emission), int(number))
        for line, emission, number, same in zip(
            matches.line, matches.emission, matches.number, matches.exact, strict=True
        )
        if same
    ]
    own = np.flatnonzero(~matches.trivial[first : first + count])
    assert exact == [(first + n, 0, n) for n in own.tolist()]
    assert own.size > 0.9 * count
    shaped = {
        (int(line), int(number))
        for line, emission, number, same in zip(
            matches.line, matches.emission, matches.number, matches.exact, strict=True
        )
        if not same and emission == 1
    }
    assert {(first + count + n, n) for n in range(count) if not matches.trivial[first + count + n]} <= shaped
    assert matches.trivial[0]
    assert (np.diff(matches.line) >= 0).all()
    at = np.flatnonzero(matches.exact)
    assert (likeness(matches.sketch[at], matches.sketches[matches.line[at]]) == 1).all()
    assert not (matches.flags & Flag.TRIVIAL).any()
