"""Placeholders come back as values however a stream is cut; what is none of ours stays and is told."""

import json

from hypothesis import given
from hypothesis import strategies as st

from redactors.vault import Origin, Vault
from wrapper.filter.document import quoted
from wrapper.filter.restoring import Restorer

VAULT = Vault(bytes(range(32)))
VALUES = (b"plain-value-1", b'with "quotes" \\ and\nlines', b"\xff\xfe", b"MASKED-inside")
PLACEHOLDERS = tuple(VAULT.issue("API-KEY", value, Origin.OUTSIDE).encode() for value in VALUES)
PIECES = (*PLACEHOLDERS, b"MASKED-", b"MASKED", b"M", b"-", b"MASKED-API-KEY-", b"text ", b"\n", b"MASKED-X-00000000")


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts, at = [], 0
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return [*parts, data[at:]]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(0, 30), max_size=12))
def test_any_cutting_gives_what_the_whole_gives(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces)
    restorer = Restorer(VAULT)
    out = b"".join(map(restorer.feed, cut(data, sizes)))
    assert out + restorer.flush() == VAULT.restore(data, to=Origin.OUTSIDE)
    assert not restorer.held


def test_one_byte_at_a_time_is_enough() -> None:
    restorer = Restorer(VAULT)
    data = b"a %b b" % PLACEHOLDERS[0]
    out = b"".join(restorer.feed(data[at : at + 1]) for at in range(len(data)))
    assert out == b"a plain-value-1 b"


def test_only_what_may_become_a_placeholder_is_held_and_not_for_long() -> None:
    restorer = Restorer(VAULT)
    assert restorer.feed(b"nothing here\n") == b"nothing here\n"
    assert not restorer.held
    assert restorer.feed(b"see MASKED-API") == b"see "
    assert restorer.held
    endless = b"MASKED-" + b"A" * 1000
    assert restorer.feed(endless) + restorer.flush() == b"MASKED-API" + endless


def test_a_stranger_stays_and_is_told_once() -> None:
    restorer = Restorer(VAULT)
    text = b"MASKED-GITHUB-TOKEN-7ZZZZZZ7 " * 3
    assert restorer.feed(text) + restorer.flush() == text
    assert dict(restorer.left) == {"MASKED-GITHUB-TOKEN-7ZZZZZZ7": "its value is not known here"}


def test_what_is_almost_a_placeholder_is_told_with_the_one_that_was_meant() -> None:
    restorer = Restorer(VAULT)
    near = PLACEHOLDERS[0].lower()
    assert restorer.feed(near + b"\n") == near + b"\n"
    ((text, why),) = restorer.left.items()
    assert text == near.decode()
    assert PLACEHOLDERS[0].decode() in why


def test_no_value_is_told() -> None:
    restorer = Restorer(VAULT)
    restorer.feed(b" ".join(PLACEHOLDERS) + b"\n")
    assert restorer.left == {}
    assert "plain-value-1" not in repr(restorer)


def test_in_json_a_value_is_written_as_json() -> None:
    restorer = Restorer(VAULT, quoted)
    document = json.dumps({"a": f"x {PLACEHOLDERS[1].decode()} y"}).encode()
    assert json.loads(restorer.whole(document)) == {"a": f"x {VALUES[1].decode()} y"}
