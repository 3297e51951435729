"""What becomes real of a file with placeholders, so that the inside reads no value there that it did not know."""

import re
import secrets
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors.documents import mask_document
from redactors.vault import Origin
from tests.plan.bench import Bench
from wrapper.plan.restoring import Restoring

_WEAK = (b"q7", b"admin", b"aaaaaaaa", b"0")
_STRONG = secrets.token_hex(12).encode()


@pytest.fixture
def bench(tmp_path: Path, engine_cache: Path) -> Bench:
    made = Bench(tmp_path, engine_cache)
    for value in (*_WEAK, _STRONG):
        made.engine.vault.issue("PASSWORD", value, Origin.OUTSIDE)
    assert made.engine.known is not None
    made.engine.known.add("PASSWORD", _STRONG, Origin.OUTSIDE)
    return made


def mark(bench: Bench, value: bytes) -> bytes:
    placeholder = bench.engine.vault.placeholder_of(value)
    assert placeholder is not None
    return placeholder.encode()


def restored(bench: Bench, path: str, shown: bytes, *, whole: bool) -> bytes:
    def hidden(real: bytes) -> list[tuple[int, int]]:
        found = mask_document(path, real, bench.engine, whole=whole).findings
        return [(one.start, one.end) for one in found]

    return Restoring(bench.engine.vault, bench.engine.known).real(shown, hidden)


def test_a_value_that_is_searched_for_is_put_wherever_its_placeholder_stands(bench: Bench) -> None:
    shown = b"x" + mark(bench, _STRONG) + b"y\n"
    assert restored(bench, "a.py", shown, whole=False) == b"x" + _STRONG + b"y\n"


@pytest.mark.parametrize("value", _WEAK)
def test_one_that_is_not_is_put_only_where_it_is_masked_again(bench: Bench, value: bytes) -> None:
    text = b"DB_PASSWORD=" + mark(bench, value) + b"\n# " + mark(bench, value) + b"\n"
    assert restored(bench, ".env", text, whole=True) == text.replace(mark(bench, value), value, 1)
    assert restored(bench, "a.py", text, whole=False) == text
    assert Restoring(bench.engine.vault, bench.engine.known).hangs(text)


def test_what_is_closed_for_its_content_may_hold_any(bench: Bench) -> None:
    text = b"x " + mark(bench, b"q7")
    assert Restoring(bench.engine.vault, bench.engine.known).real(text, lambda _: None) == b"x q7"


def test_where_what_stays_changes_how_the_rest_is_read_all_of_them_stay(bench: Bench) -> None:
    text = b" ".join([mark(bench, b"q7")] * 9)

    def hidden(real: bytes) -> list[tuple[int, int]]:
        return [(real.index(b"q7") + 1, len(real))]  # always another one is seen

    assert Restoring(bench.engine.vault, bench.engine.known).real(text, hidden) == text


_PIECES = st.lists(
    st.one_of(
        st.sampled_from([*range(len(_WEAK) + 1)]),
        st.sampled_from([b"\n", b"=", b'"', b"'", b"#", b" ", b"PASSWORD=", b"A=", b"x", b"7", b"${", b"}", b"MASKED-A-",
                         b"export ", b"://u:", b"@h/", b"\\", b"\r\n", b"admin", b"-----BEGIN PRIVATE KEY-----\n"]),
    ),
    max_size=24,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_PIECES, st.sampled_from([(".env", True), ("a.py", False), ("a.json", True), ("a.yaml", True)]))
def test_no_placeholder_reads_as_its_value_whatever_stands_around_it(
    bench: Bench, pieces: list[int | bytes], file: tuple[str, bool]
) -> None:
    """What is neither masked nor was written as it is does not stand there."""
    path, whole = file
    values = (*_WEAK, _STRONG)
    shown = b"".join(mark(bench, values[one]) if isinstance(one, int) else one for one in pieces)
    real = restored(bench, path, shown, whole=whole)
    again = mask_document(path, real, bench.engine, whole=whole)
    seen = bytearray(real)
    for one in again.findings:
        seen[one.start : one.end] = b"\0" * (one.end - one.start)
    ours = b"|".join(re.escape(mark(bench, value)) for value in values)
    literal = re.sub(ours, b"\0", shown)
    left = re.sub(ours, b"\0", bytes(seen))
    for value in values:
        assert left.count(value) <= literal.count(value), (shown, real)
