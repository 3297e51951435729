import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from redactors.jsonbytes import fit
from tests.gateway.wire import MASKING_KEY, engine, forge_token
from wrapper.gateway.unfold import _NEEDLESS_UNICODE, _PERCENT, Unfolding, _escapes

TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()
VALUE = "Tr0ub4dor&3 correct horse"
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", VALUE.encode(), Origin.OUTSIDE)
ENGINE = engine(VAULT, KNOWN)
UNFOLDING = Unfolding(ENGINE)
PLACES = st.sets(st.integers(0, 39), min_size=1)
PATTERNS = ("\\u%04x", "\\u%04X", "%%%02x", "%%%02X", "\\\\u%04x", "\\u0025%02x")


def folded(text: str, places: set[int], pattern: str) -> str:
    return "".join(pattern % ord(one) if place in places else one for place, one in enumerate(text))


def quoted(text: str) -> str:
    return json.dumps(text)[1:-1]


@pytest.mark.parametrize("secret", [TOKEN, VALUE])
@pytest.mark.parametrize("pattern", PATTERNS)
@given(places=PLACES, before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_secret_hidden_by_escapes_is_found_and_the_document_stays_valid_without_it(
    secret: str, pattern: str, places: set[int], before: str, after: str
) -> None:
    body = f'{{"a": "{quoted(before)} {folded(secret, places, pattern)} {quoted(after)}", "b": [1.0]}}'.encode()
    findings, quotes = fit(body, UNFOLDING.find(body))
    document: Any = json.loads(ENGINE.replace(body, findings, quotes=quotes).data)
    assert document["b"] == [1.0]
    assert "MASKED-" in document["a"]
    assert secret[8:-8] not in document["a"]
    assert document["a"].startswith(before)


@pytest.mark.parametrize("secret", [TOKEN, VALUE])
@pytest.mark.parametrize("pattern", PATTERNS)
@given(places=st.sets(st.integers(0, 24), min_size=1), before=st.text(alphabet="%41\\u006 x", max_size=9))
def test_what_is_replaced_is_what_is_written_and_nothing_beside_it(
    secret: str, pattern: str, places: set[int], before: str
) -> None:
    hidden = folded(secret, places, pattern)
    body = f"[{before} <{hidden}>]".encode()
    [found] = UNFOLDING.find(body)
    assert body[found.start : found.end] == hidden.encode()
    assert VAULT.issue(found.kind, found.value, Origin.INSIDE) == VAULT.issue("X", secret.encode(), Origin.INSIDE)


@given(st.text(alphabet='ab%u0041\\"25 \n<&', max_size=60))
def test_a_text_that_hides_nothing_has_no_findings(text: str) -> None:
    assert UNFOLDING.find(json.dumps(text).encode()) == []


def test_what_shows_without_undoing_anything_is_found_as_ever() -> None:
    body = f'["%41 {TOKEN} \\u0041 {VALUE}"]'.encode()
    assert UNFOLDING.find(body) == ENGINE.find(body)


@pytest.mark.parametrize(
    "hidden",
    [
        "Tr0ub4dor\\u00263 correct horse",
        "%54r0ub4dor&3 correct horse",
        TOKEN[:9] + "%" + f"{ord(TOKEN[9]):02x}" + TOKEN[10:],
    ],
)
def test_what_is_hidden_takes_nothing_from_what_is_plain_beside_it(hidden: str) -> None:
    body = f'["{VALUE}", "{hidden}", "{TOKEN}", "{VALUE}"]'.encode()
    spans = [body[found.start : found.end] for found in UNFOLDING.find(body)]
    assert spans == [VALUE.encode(), hidden.encode(), TOKEN.encode(), VALUE.encode()]


@pytest.mark.parametrize("far", range(1_960, 2_040, 4))
def test_where_the_search_around_an_escape_is_cut_makes_nothing_a_secret(far: int) -> None:
    """A key that names a hash must not be cut to one that names a secret."""
    words = "w " * (far // 2)
    body = f'{{"x": "%41%42 {words}", "latest_git_commit_hash": "{secrets.token_hex(20)}"}}'.encode()
    assert UNFOLDING.find(body) == ENGINE.find(body) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"%41", b"%", b"%%4a", b"%zz", rb"\u0041", rb"\\u004A", rb"\u00e9", b"\\", b""]),
            st.sampled_from([0, 1, 40, 3_000]),
            st.sampled_from([1, 3, 80]),
        ),
        max_size=8,
    )
)
def test_escapes_are_found_where_few_marks_stand_and_where_many_do(runs: list[tuple[bytes, int, int]]) -> None:
    text = b"".join((mark + b"x" * gap) * times for mark, gap, times in runs)
    expected = [one.start() for pattern in (_NEEDLESS_UNICODE, _PERCENT) for one in pattern.finditer(text)]
    assert _escapes(text) == sorted(expected)
