"""Promise 1: the provider never sees a secret. Attacked by writing a known key in another way.

Each test writes a key as an agent might to get it past a search for its exact bytes, and asks that no 12 characters
of the key's own text remain in what is left.
"""

import base64
import json
import random
import shutil
import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.known import KnownValues
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
PREFIXES = [b"", b"sk-ant-" + b"api03-", b"gh" + b"p_", b"AK" + b"IA", b"xo" + b"xb-"]
KEYS = st.builds(
    lambda prefix, seed, size: prefix + bytes(random.Random(seed).choices(ALPHANUMERIC, k=size)),  # noqa: S311
    st.sampled_from(PREFIXES), st.integers(0, 2**32), st.integers(30, 80),
)  # fmt: skip
AROUND = st.binary(max_size=40)


def left(key: bytes, data: bytes) -> bytes:
    """Give what leaves of `data` when `key` is known: masked as the gateway masks."""
    known = KnownValues(Vault(bytes(32)))
    assert known.add("KEY", key, Origin.OUTSIDE)
    out, at = [], 0
    for found in known.find(data):
        assert found.value == key
        out.append(data[at : found.start])
        at = found.end
    return b" MASKED ".join([*out, data[at:]])


def assert_gone(form: bytes, rest: bytes, longest: int) -> None:
    """Fail if `longest` bytes of `form` in a row are still there, blanks or not."""
    for text in (rest, b"".join(rest.split())):
        assert not any(form[at : at + longest] in text for at in range(len(form) - longest + 1)), (form, rest)


@given(KEYS, AROUND, AROUND)
def test_the_key_itself_is_gone(key: bytes, before: bytes, behind: bytes) -> None:
    assert_gone(key, left(key, before + key + behind), 12)


@given(KEYS, st.sampled_from([1, 3, 7, 10]), st.booleans())
def test_a_key_trimmed_by_seven_is_gone(key: bytes, cut: int, at_the_end: bool) -> None:  # noqa: FBT001
    trimmed = key[:-cut] if at_the_end else key[cut:]
    assert_gone(trimmed, left(key, b"= " + trimmed + b" ;"), 12)


@given(KEYS)
def test_twelve_characters_of_either_end_are_enough(key: bytes) -> None:
    random_part = key.rsplit(b"-")[-1].rsplit(b"_")[-1]
    assert_gone(key[-14:], left(key, b"'" + key[-24:] + b"'"), 12)
    assert_gone(random_part[:14], left(key, b"'" + random_part[:24] + b"'"), 12)


@given(KEYS, st.sampled_from([0, 7]))
def test_a_reversed_key_is_gone(key: bytes, cut: int) -> None:
    reversed_key = key[cut:][::-1]
    assert_gone(reversed_key, left(key, b"x" + reversed_key + b"y"), 12)


@given(KEYS, AROUND, AROUND, st.booleans())
def test_base64_of_the_key_at_any_offset_is_gone(key: bytes, before: bytes, behind: bytes, url: bool) -> None:  # noqa: FBT001
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    encoded = encode(before + key + behind)
    inner = encode(bytes(len(before) % 3) + key)[4:-4]
    assert_gone(inner, left(key, encoded), 16)


@given(KEYS, st.sampled_from([0, 7]), AROUND, AROUND)
def test_base64_of_base64_at_any_offsets_is_gone(key: bytes, cut: int, before: bytes, behind: bytes) -> None:
    inner = base64.b64encode(before[:10] + key[cut:] + behind[:10])
    outer = base64.b64encode(before + b' {"auth":"' + inner + b'"}' + behind)
    kept = left(key, outer)
    assert b" MASKED " in kept
    assert len(kept) <= len(outer) - len(key[cut:]) * 16 // 9 + 16


@given(KEYS, st.booleans(), st.sampled_from([0, 7]))
def test_hex_of_the_key_is_gone(key: bytes, upper: bool, cut: int) -> None:  # noqa: FBT001
    written = key[cut:].hex().encode()
    written = written.upper() if upper else written
    assert_gone(written, left(key, b"0x" + written + b"\n"), 24)


@given(
    KEYS,
    st.integers(1, 30),
    st.sampled_from([b"\n", b"\r\n", b" ", b"\n    ", b"\t", b"\\\n", b"\0", b"\r\n\xe2\x94\x82 "]),
)
def test_a_key_split_over_lines_or_by_blanks_is_gone(key: bytes, width: int, gap: bytes) -> None:
    split = gap.join(key[at : at + width] for at in range(0, len(key), width))
    for text in (split, json.dumps(split.decode()).encode(), json.dumps(json.dumps(split.decode())).encode()):
        assert_gone(key, left(key, b"out: " + text + b" ."), 12)


@given(KEYS, st.integers(1, 20))
def test_a_key_coloured_by_terminal_sequences_is_gone(key: bytes, width: int) -> None:
    coloured = b"".join(b"\x1b[38;5;%dm%s\x1b[0m" % (at, key[at : at + width]) for at in range(0, len(key), width))
    for text in (
        coloured,
        json.dumps(coloured.decode()).encode(),
        coloured.replace(b"\x1b", b"\\x1b"),
        coloured.replace(b"\x1b", b"\\033"),
    ):
        rest = left(key, text)
        assert b"MASKED" in rest
        assert len(rest) < 60


@given(KEYS, st.sampled_from(["utf-16-le", "utf-16-be"]))
def test_a_key_in_utf_16_is_gone(key: bytes, encoding: str) -> None:
    assert len(left(key, key.decode().encode(encoding))) < 16


@pytest.mark.parametrize(
    "tool", [["xxd"], ["xxd", "-c", "8"], ["hexdump", "-C"], ["od", "-c"], ["od", "-An", "-tx1"], ["od", "-tx1"], ["xxd", "-p"], ["base64"]]
    + [["base64", "-w", "20"], ["fold", "-w", "5"], ["rev"]],
)  # fmt: skip
@pytest.mark.parametrize("before", range(17))
def test_a_key_in_the_output_of_a_dump_tool_is_gone(tool: list[str], before: int) -> None:
    key = b"sk-ant-" + b"api03-" + bytes(random.Random(before).choices(ALPHANUMERIC, k=50))  # noqa: S311
    program = shutil.which(tool[0])
    assert program, f"{tool[0]} is needed"
    dumped = subprocess.run(
        [program, *tool[1:]], input=b"A" * before + key + b"\n", capture_output=True, check=True, env={}, timeout=10
    ).stdout
    rest = left(key, dumped)
    assert b"MASKED" in rest
    for at in range(len(key) - 7):
        assert key[at : at + 8] not in rest
        assert key[at : at + 8].hex().encode() not in b"".join(rest.split())
