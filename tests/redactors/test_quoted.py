"""A quoted value is masked to its end, at any depth of escapes, and never beyond."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Engine, Vault
from redactors.quoted import end_of_value
from redactors.rules.catalogue import expand
from tests.compiled import load

HEAD = expand("{base62:12}7")
TAIL = st.text("abcXYZ019\\\"'/,;<>(){}&|`é✓", max_size=20)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


def written(value: str) -> str:
    """Write a value within double quotes as most languages do."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


@given(TAIL, st.integers(0, 4))
def test_a_value_in_double_quotes_ends_at_its_quote_at_any_depth(tail: str, depth: int) -> None:
    value = written(HEAD + tail)
    text = f'x = "{value}" # more'
    for _ in range(depth):
        text, value = json.dumps(text), json.dumps(value)[1:-1]
    data, secret = text.encode(), value.encode()
    start = data.index(secret)
    assert end_of_value(data, start, start + len(HEAD)) == start + len(secret)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('"VALUE"', 6),
        ('"VALUE", "x"', 6),
        ("VALUE\\n", 5),
        ('"VALUE x"', 6),
        ('"VALUE\\nx"', 6),
        ('"VALUE\nx"', 6),
        ('"VALUE', 6),
        ('"VALUE\\', 6),
        ("'VALUE\"", 6),
        ('"VALUE' + "x" * 300 + '"', 6),
        ('\\"VALUE"', 7),
        ('\\\\"VALUE\\"x"', 8),
    ],
)
def test_what_does_not_go_on_to_a_closing_quote_ends_where_it_ended(text: str, end: int) -> None:
    data = text.encode()
    assert end_of_value(data, data.index(b"VALUE"), end) == end


@pytest.mark.parametrize("tail", ['"w\\d', "\\9q", "'x", ",9!", "<a>", "\\", ";drop(x)"])
@pytest.mark.parametrize("depth", range(4))
def test_a_password_is_masked_to_its_end(engine: Engine, tail: str, depth: int) -> None:
    text = f'password = "{written(HEAD + tail)}"\nport = 1'
    for _ in range(depth):
        text = json.dumps({"text": text})
    redacted = engine.redact(text.encode()).data.decode()
    for _ in range(depth):
        redacted = json.loads(redacted)["text"]
    before, _, behind = redacted.partition('password = "')
    assert before == ""
    assert behind.startswith("MASKED-")
    assert behind.partition('"')[2] == "\nport = 1"
