"""Known values: found in every form, and ordinary text left alone."""

import base64
import json
import random
import re
import string
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors.finding import Confidence
from redactors.known import KnownValues
from redactors.squeeze import Copies, Gaps, Squeezed, squeeze
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
PIECES = st.sampled_from(
    [b"a", b"b", b"n", b"r", b"\\", b"\\n", b"\\\\r", b" ", b"\r\n", b"\x1b[31m", b"\x1b", b"[", b"\\u001b[0m", b"\0"]
    + [b"\xe2\x94\x82", b"00000010: ", b"\x1b]0;t\x07", b"\xff"]
)


def fake_key(seed: int, size: int = 40) -> bytes:
    """Make a random key of `size` letters and digits, the same for the same seed."""
    return bytes(random.Random(seed).choices(ALPHANUMERIC, k=size))  # noqa: S311  (a fake)


def known(*values: bytes) -> KnownValues:
    found = KnownValues(Vault(bytes(32)))
    for value in values:
        assert found.add("KEY", value, Origin.OUTSIDE)
    return found


def spans(values: KnownValues, data: bytes) -> list[tuple[bytes, str]]:
    return [(data[found.start : found.end], found.rule) for found in values.find(data)]


def test_a_finding_says_what_was_found_and_where() -> None:
    key = fake_key(1)
    (found,) = known(key).find(b"token: " + key + b"\n")
    assert found == (7, 47, "KEY", Confidence.CERTAIN, "known:raw", key)


def test_nothing_is_found_before_anything_is_known() -> None:
    assert KnownValues(Vault(bytes(32))).find(b"anything") == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "shorter"), (b"abcdefgh\0ijklmnop", "binary"), (b"abcd5", "shorter"), (b"  abc \n", "shorter"), (b"1234567", "number"), (b"1.2.3", "shorter"),
        (b"127.0.0", "number"), (b"hunter", "word"), (b"Secrets", "word"), (b"true", "shorter"), (b"localhost", "common"),
        (b"Development", "common"), (b"PASSWORD", "common"), (b"xxxxxxxxxxxx", "over and over"), (b"********", "over and over"),
    ],
)  # fmt: skip
def test_what_is_too_short_or_too_common_is_listed_and_not_matched(value: bytes, reason: str) -> None:
    values = KnownValues(Vault(bytes(32)))
    assert not values.add("KEY", value, Origin.OUTSIDE, name="NAME")
    assert reason in values.unmatched["NAME"]
    assert value == b"" or values.find(b"= " + value) == []
    assert values.generation == 0


def test_the_reason_never_shows_the_value() -> None:
    values = KnownValues(Vault(bytes(32)))
    values.add("KEY", b"hunter", Origin.OUTSIDE, name="NAME")
    assert "hunter" not in repr(dict(values.unmatched))


def test_the_generation_grows_with_new_values_only() -> None:
    values = known(fake_key(1))
    assert values.generation == 1
    assert values.add("KEY", fake_key(1), Origin.INSIDE)
    assert values.generation == 1
    assert values.add("KEY", fake_key(2), Origin.INSIDE)
    assert values.generation == 2


def test_adding_again_settles_the_origin() -> None:
    vault = Vault(bytes(32))
    values = KnownValues(vault)
    for origin in (Origin.INSIDE, Origin.OUTSIDE, Origin.INSIDE):
        values.add("KEY", fake_key(1), origin)
    assert [issued.origin for issued in vault.issued()] == [Origin.OUTSIDE]


def test_a_pem_block_is_known_by_its_body() -> None:
    lines = [base64.b64encode(random.Random(at).randbytes(48)) for at in range(8)]  # noqa: S311  (a fake)
    body = b"\n".join(lines)
    block = b"-----BEGIN FAKE KEY-----\n" + body + b"\n-----END FAKE KEY-----\n"
    values = known(block)
    assert spans(values, b"x\n" + block) == [(body, "known:raw")]
    for text in (
        json.dumps(block.decode()),
        json.dumps(json.dumps(block.decode())),
        block.decode().replace("\n", "\r\n  "),
    ):
        ((found, rule),) = spans(values, text.encode())
        assert lines[0] in found
        assert lines[-1] in found
        assert rule.startswith("known:")
    ((found, _),) = spans(values, b"one line only: " + lines[3] + b".")
    assert found == lines[3]


@pytest.mark.parametrize(
    "value", [b"p@ss\"w\\or/d<&>'1 x", "pässwörd-ünique-ß".encode(), b"a b c d e", b"$HOME`x`!wow;rm"]
)
def test_a_value_with_special_characters_is_found_in_every_escape(value: bytes) -> None:
    text = value.decode()
    from html import escape
    from shlex import quote
    from urllib.parse import quote as url
    from urllib.parse import quote_plus

    once = json.dumps(text)
    for written in (
        text, once, json.dumps(once), json.dumps(json.dumps(once)), json.dumps(text, ensure_ascii=False),
        url(text), url(text, safe=""), quote_plus(text), escape(text), escape(text, quote=False), quote(text),
        re.sub("%..", lambda byte: byte[0].lower(), url(text)), value.hex(), value.hex().upper(), once.replace("/", "\\/"), text[::-1] if text.isascii() else text,
    ):  # fmt: skip
        data = f"before:{written}:behind".encode()
        found = known(value).find(data)
        assert len(found) == 1, written
        inner = data[found[0].start : found[0].end]
        assert inner in written.encode()
        assert written.strip("\\\"'").encode() in inner.strip(b"\\\"'") + b"'", (written, inner)  # but for the quotes


def test_of_a_value_that_is_hardly_text_the_word_in_it_is_no_finding() -> None:
    value = b"\x80\x81\x82\x83\x84\x85\x86\x87\x88letmein\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91"
    values = known(value)
    assert spans(values, b"= " + value) == [(value, "known:raw")]
    assert spans(values, b"please letmein now") == []


@pytest.mark.parametrize(
    "prefix", [b"sk-ant-" + b"api03-", b"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.", b"AK" + b"IA", b"postgres://user:"]
)
def test_what_an_issuer_puts_before_every_key_is_not_taken_for_one(prefix: bytes) -> None:
    values = known(prefix + fake_key(1) + (b"@localhost:5432/db" if b"://" in prefix else b""))
    assert values.find(prefix + fake_key(2)) == []
    assert values.find(b"postgres://user:" + fake_key(3, 10) + b"@localhost:5432/db") == []


@given(st.integers(0, 2**32), st.binary(max_size=300))
def test_random_bytes_hold_no_known_value(seed: int, data: bytes) -> None:
    assert VALUES.find(data) == []


VALUES = known(*(fake_key(seed, 20 + seed % 40) for seed in range(50)))


@given(
    st.lists(
        st.sampled_from([*string.ascii_lowercase, " ", "\n", "the ", "correct ", "horse ", "battery"]), max_size=80
    )
)
def test_words_that_run_together_are_no_passphrase(letters: list[str]) -> None:
    text = "".join(letters)
    assert ("correcthorsebattery" in text) or (PHRASE.find(text.encode()) == [])


PHRASE = known(b"correcthorsebattery")


def test_a_value_that_is_no_random_one_may_still_be_wrapped_or_coloured() -> None:
    for data in (b"correctho\r\nrsebattery", b"correct\x1b[1mhorse\x1b[0mbattery"):
        assert [rule for _, rule in spans(PHRASE, data)] == ["known:raw-cut"]


def test_the_longest_of_two_values_that_begin_alike_is_found() -> None:
    values = known(b"alpha-1-beta", b"alpha-1-beta-2-gamma")
    assert spans(values, b"alpha-1-beta-2-gamma alpha-1-beta") == [
        (b"alpha-1-beta-2-gamma", "known:raw"), (b"alpha-1-beta", "known:raw"),
    ]  # fmt: skip


def test_values_that_overlap_leave_no_byte_of_either() -> None:
    values = known(b"abcd1234efgh", b"efgh5678ijkl")
    assert b"".join(found for found, _ in spans(values, b"abcd1234efgh5678ijkl")) == b"abcd1234efgh5678ijkl"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=60).map(b"".join), st.builds(Gaps, st.booleans(), st.booleans(), st.booleans()))
def test_every_place_in_the_squeezed_copy_leads_to_its_byte(data: bytes, kinds: Gaps) -> None:
    copy = Squeezed(data, kinds)
    places = copy.places(0, len(copy.text))
    assert copy.text == squeeze(data, kinds)
    assert places == sorted(set(places))
    assert bytes(data[place] for place in places) == copy.text
    for start in range(len(copy.text)):
        assert copy.places(start, start + 1) == [places[start]]


@given(
    st.lists(st.sampled_from([b"\\", b"n", b"r", b"t", b" ", b"\n", b"x", b"\\n", b"\\\\t"]), max_size=40).map(b"".join)
)
def test_written_line_ends_and_tabs_are_taken_out_as_one_kind_after_the_other_would_be(data: bytes) -> None:
    rest = data
    for written in (b"\\n", b"\\r", b"\\t"):
        rest = rest.replace(written, b"  ")
    assert squeeze(data, Gaps()) == rest.translate(None, b" \n\\")


@given(st.lists(PIECES, max_size=30).map(b"".join), st.lists(st.builds(Gaps, st.booleans(), st.booleans()), max_size=6))
def test_whichever_copy_is_kept_each_is_without_the_gaps_that_were_asked_for(data: bytes, asked: list[Gaps]) -> None:
    copies = Copies(data)
    for kinds in asked:
        assert copies.of(0, len(data), kinds).text == squeeze(data, kinds)
        assert copies.of(0, len(data), kinds) is copies.of(0, len(data), kinds)
        assert copies.of(0, len(data) // 2, kinds).text == squeeze(data[: len(data) // 2], kinds)


def test_places_are_right_in_data_of_many_blocks() -> None:
    data = b"".join(b" " * (at % 7) + b"%d\n" % at for at in range(5000))
    copy = Squeezed(data, Gaps())
    for start in range(0, len(copy.text) - 5, 997):
        places = copy.places(start, start + 5)
        assert bytes(data[place] for place in places) == copy.text[start : start + 5]


@pytest.mark.parametrize("padding", [b"x", b"=", b"0", b"ab", b"a1B2c", b"0123456789"])
def test_a_value_with_much_padding_is_found_and_its_padding_elsewhere_is_not(padding: bytes) -> None:
    """An anchor in it would stand at each of its places; this takes a minute then."""
    key = fake_key(4, 20)
    value = key + (padding * 20_000)[:20_000]
    values = known(value)
    before = time.process_time()
    assert spans(values, b"A=" + value + b"\n") == [(value, "known:raw")]
    assert spans(values, b"line " + padding * 400 + b" end") == []
    assert spans(values, b"cut " + key[2:] + padding * 30)
    assert time.process_time() - before < 5


def test_values_added_one_by_one_and_all_at_once_are_found_alike() -> None:
    keys = [fake_key(seed) for seed in range(40)]
    growing = KnownValues(Vault(bytes(32)))
    for at, key in enumerate(keys):
        growing.add("KEY", key, Origin.INSIDE)
        assert [found.value for found in growing.find(b" ".join(keys))] == keys[: at + 1]
    assert growing.find(b" ".join(keys)) == known(*keys).find(b" ".join(keys))


def test_threads_may_add_and_find_at_the_same_time() -> None:
    values = known(fake_key(0))
    wrong: list[str] = []

    def add() -> None:
        for seed in range(1, 60):
            values.add("KEY", fake_key(seed), Origin.INSIDE)

    def find() -> None:
        for _ in range(200):
            if [found.value for found in values.find(b"x" + fake_key(0) + b"y")] != [fake_key(0)]:
                wrong.append("missed")

    threads = [threading.Thread(target=target) for target in (add, find, find)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert values.generation == 60


def test_binary_data_and_a_long_line_are_searched_like_any_other() -> None:
    key = fake_key(1)
    for filler in (b"\0", b"a", b"\xff", b"\x1b", b"\\", b" ", b"[", b"\x1b]"):
        data = filler * 200_000 + key + filler * 1000
        assert [(found.end - found.start, found.value) for found in known(key).find(data)] == [(40, key)]
