"""Text that was written to be slow: whoever wrote it, a search takes time in proportion to its size.

Each text is tried in two sizes, the second four times the first. Reading the same bytes again for each of many places
would take sixteen times as long.
"""

import os
import time
from collections.abc import Callable

import pytest

from redactors import Engine, KnownValues, Vault
from redactors.documents import mask_document
from redactors.stream import StreamRedactor
from tests.compiled import load

_SIZE = 24_000
_TIMES, _PROPORTION = 4, 10
_ORDINARY = b'    if name not in self._names:\n        raise KeyError(f"{name} is none of {len(self._names)}")\n'
# What text full of candidates may cost, in searches of so much ordinary text: each candidate is a call back to Python.
_DEAREST = 2_000
_KEY = b"-----BEGIN PRIVATE " + b"KEY-----\n"


def _engine() -> Engine:
    vault = Vault(os.urandom(32))
    return load(vault, KnownValues(vault))


def _search() -> Callable[[bytes], object]:
    return _engine().find


def _seconds(prepare: Callable[[], Callable[[bytes], object]], text: bytes) -> float:
    """Give what working on `text` takes, the least of three times."""
    least = float("inf")
    for _ in range(3):
        work = prepare()
        work(text[:1_000])  # what is compiled at the first use
        start = time.process_time()
        work(text)
        least = min(least, time.process_time() - start)
    return least


def _is_in_proportion(prepare: Callable[[], Callable[[bytes], object]], before: bytes, unit: bytes) -> bool:
    small, large = (before + unit * (size // len(unit)) for size in (_SIZE, _TIMES * _SIZE))
    return _seconds(prepare, large) < _PROPORTION * max(_seconds(prepare, small), 1e-3)


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        (b"", b'COPY users (id, password) FROM stdin;\\"\\"'),
        (b")\\\\", b" id | password \n\\'''\nINSERT INTO users (id, password) VALUES ("),
        (b'passphrase is "', b"MASKED-PASSWORD-ABCDEFGH"),
        (b"", b";Pwd={"),
        (b"", b"heroku config:set "),
    ],
    ids=["copied", "inserted", "placeholders", "candidates", "contexts"],
)
def test_a_search_takes_time_in_proportion(before: bytes, unit: bytes) -> None:
    assert _is_in_proportion(_search, before, unit)


@pytest.mark.parametrize("unit", [b";Pwd={", b"heroku config:set "])
def test_text_full_of_candidates_is_not_searched_again_for_each(unit: bytes) -> None:
    hostile, ordinary = (text * (_SIZE // len(text)) for text in (unit, _ORDINARY))
    assert _seconds(_search, hostile) < _DEAREST * _seconds(_search, ordinary)


def _masking(path: str) -> Callable[[bytes], object]:
    engine = _engine()
    return lambda text: mask_document(path, text, engine, whole=True)


@pytest.mark.parametrize(
    ("path", "before", "unit"),
    [
        ("a.json", b"x", b'\\"'),
        ("a.json", b"", b"/* "),
        ("a.yaml", b"a:\n", b"- abc\n"),
        ("a.yaml", b"", b"a: [,\n"),
        ("a.yaml", b"- a", b" "),
        ("a.yaml", b"a: b", b" "),
        ("a.ini", b"a", b" "),
        (".env", b"A=", b"-----BEGIN A-----\nA="),
        (".env", b"A=", b"SHODAEshordG<!--"),
        (".env", b"", b"A=\n"),
    ],
    ids=["strings", "comments", "items", "flows", "blanks", "rests", "keys", "blocks", "repeated", "lines"],
)
def test_a_credential_file_is_masked_in_proportion(path: str, before: bytes, unit: bytes) -> None:
    assert _is_in_proportion(lambda: _masking(path), before, unit)


def test_many_values_and_findings_are_put_together_in_proportion() -> None:
    def lines(count: int) -> bytes:
        return b"".join(b"SECRET_%d=K7%dxQ%dz\n" % (at, at * 7919, at * 104729) for at in range(count))

    few, many = (_seconds(lambda: _masking(".env"), lines(count)) for count in (400, 1_600))
    assert many < _PROPORTION * few


def _streaming() -> Callable[[bytes], object]:
    engine = _engine()
    known = engine.known
    assert known is not None
    redactor = StreamRedactor(known, engine.vault, engine=engine)
    return lambda text: [redactor.feed(text[at : at + 512]) for at in range(0, len(text), 512)]


def test_what_looks_like_a_key_that_never_ends_is_streamed_in_proportion() -> None:
    assert _is_in_proportion(_streaming, b"", b"     1\xe2\x86\x92" + _KEY + b"     2\xe2\x86\x92MIIEvQIBADANBg\n")
