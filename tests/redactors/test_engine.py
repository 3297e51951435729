"""The engine finds, settles overlaps, replaces, and leaves alone what it must."""

import copy
import os
import re
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Confidence, Engine, Finding, KnownValues, Origin, Vault, load
from redactors.context import Context, ContextRule
from redactors.engine import _NOWHERE
from redactors.rules.catalogue import expand
from redactors.stream import StreamRedactor
from tests import compiled
from tests.machine import private_key

GITHUB = expand(["gh", "p_{base62:30}{crc32}"]).encode()
PASSWORD = expand("{base62:15}7").encode()
PEM = expand(
    ["-----BEGIN RSA PRIVATE ", "KEY-----\n{base64:64}\n{base64:40}==\n-----END RSA PRIVATE ", "KEY-----"]
).encode()


@pytest.fixture(scope="module")
def cache() -> Path:
    return compiled.rules()


@pytest.fixture
def vault() -> Vault:
    return Vault(os.urandom(32))


@pytest.fixture
def engine(vault: Vault, cache: Path) -> Engine:
    return load(vault, cache_dir=cache)


@pytest.fixture(scope="module")
def shared() -> Engine:
    return compiled.load()


def test_data_without_secrets_is_given_back_as_the_same_object(engine: Engine) -> None:
    data = b"def main() -> None:\n    print('nothing here')\n"
    assert engine.redact(data).data is data
    assert engine.redact_json(data).data is data


def test_a_checksummed_token_is_certain_and_one_with_a_wrong_checksum_is_likely(engine: Engine) -> None:
    broken = GITHUB[:-1] + (b"a" if GITHUB[-1:] != b"a" else b"b")
    assert engine.find(b"x " + GITHUB)[0].confidence is Confidence.CERTAIN
    assert engine.find(b"x " + broken)[0].confidence is Confidence.LIKELY


def test_a_value_keeps_its_placeholder_and_can_be_restored(engine: Engine, vault: Vault) -> None:
    data = b"a=" + GITHUB + b" b=" + GITHUB
    redaction = engine.redact(data)
    assert GITHUB not in redaction.data
    assert redaction.placeholders[0] == redaction.placeholders[1]
    assert vault.restore(redaction.data, to=Origin.INSIDE) == data


def test_redacting_twice_changes_nothing(engine: Engine) -> None:
    data = b'password = "' + PASSWORD + b'"\nurl = postgres://me:' + PASSWORD + b"@db/x\n" + PEM
    once = engine.redact(data).data
    assert PASSWORD not in once
    assert engine.redact(once).data is once


def test_the_lines_around_a_private_key_stay(engine: Engine) -> None:
    redacted = engine.redact(b"key:\n" + PEM + b"\nend").data
    lines = redacted.split(b"\n")
    assert lines[1].startswith(b"-----BEGIN RSA")
    assert lines[2].startswith(b"MASKED-PRIVATE-KEY-")
    assert lines[3].startswith(b"-----END RSA")
    assert lines[4] == b"end"


def test_a_private_key_cut_before_its_end_line_is_masked(engine: Engine) -> None:
    cut = PEM[: PEM.index(b"==")]
    assert PEM.split(b"\n")[1] not in engine.redact(cut).data


@pytest.mark.parametrize("depth", [1, 2])
def test_a_private_key_has_one_value_whatever_its_escapes(engine: Engine, depth: int) -> None:
    plain = engine.find(PEM)[0].value
    escaped = PEM.replace(b"\n", b"\\" * depth + b"n")
    assert engine.find(b'{"key": "' + escaped + b'"}')[0].value == plain


def test_only_the_password_of_a_connection_string_is_replaced(engine: Engine) -> None:
    redacted = engine.redact(b"DATABASE_URL=postgres://app:" + PASSWORD + b"@db.test:5432/app?x=1").data
    assert redacted.startswith(b"DATABASE_URL=postgres://app:MASKED-URL-PASSWORD-")
    assert redacted.endswith(b"@db.test:5432/app?x=1")


@pytest.mark.parametrize(
    "before",
    [b"\\n", b"\\t", b'\\"', b"\\u003d", b"%3D", b"\x1b[32m", b"\x1b[1;31m", b"=", b"\\\\n", b"("],
)
def test_a_token_behind_an_escape_is_found(engine: Engine, before: bytes) -> None:
    found = engine.find(b"text" + before + GITHUB + b"\\n")
    assert [one.value for one in found] == [GITHUB]


def test_a_token_within_a_longer_word_is_none(engine: Engine) -> None:
    assert not engine.find(b"abc" + GITHUB)
    assert not engine.find(GITHUB + b"abc")


@pytest.mark.parametrize(
    "text",
    [
        b"password = os.environ['PASSWORD']",
        b"password: ${DB_PASSWORD}",
        b"token = {{ vault_token }}",
        b'api_key = "your-api-key"',
        b'secret = "xxxxxxxxxxxxxxxxxxxx"',
        b'"token": "3fa85f64-5717-4562-b3fc-2c963f66afa6"',
        b"commit 8b6f8d6594749cb659b1be03e6a0a2e78b6f8d65",
        b'"integrity": "sha512-oB0yBcbAcbAcbcbAcbAAcnRbAc0m1/qbAc+oB0yBcbAc8bAcbcbAcbAAcnR=="',
        b"passwd = get_password(prompt='x')",
        b"self.access_token = access_token2",
        b"secret_path: /run/secrets/db/password1",
        b"token: MASKED-TOKEN-0123ABCD",
    ],
)
def test_what_is_no_secret_is_left_alone(engine: Engine, text: bytes) -> None:
    assert not engine.find(text), engine.find(text)


def test_known_values_win_over_rules(vault: Vault, cache: Path) -> None:
    known = KnownValues(vault)
    known.add("MINE", GITHUB, Origin.OUTSIDE, name="X")
    found = load(vault, known, cache_dir=cache).find(b"token = " + GITHUB)
    assert [(one.kind, one.rule) for one in found] == [("MINE", "known:raw")]


def test_findings_below_the_minimum_stay(engine: Engine) -> None:
    data = b'api_key = "' + expand("{base62:24}").encode() + b'" ' + GITHUB
    redaction = engine.redact(data, minimum=Confidence.CERTAIN)
    assert [one.kind for one in redaction.findings] == ["GITHUB-TOKEN"]


def test_a_disabled_rule_finds_nothing(vault: Vault) -> None:
    assert not load(vault, disable=["github-token"]).find(b"x " + GITHUB)


def test_a_value_is_allowed_as_it_stands_not_as_an_expression(vault: Vault, cache: Path) -> None:
    assert load(vault, allow=["gh[p]_.*", "("], cache_dir=cache).find(b"x " + GITHUB)


def test_an_allowed_value_is_no_finding(vault: Vault, cache: Path) -> None:
    assert not load(vault, allow=[GITHUB.decode()], cache_dir=cache).find(b"x " + GITHUB)


class Sure:
    """Finds each place of a word."""

    def __init__(self, word: bytes, confidence: Confidence = Confidence.CERTAIN) -> None:
        self._word, self._confidence = word, confidence

    def find(self, data: bytes) -> Iterator[Finding]:
        for found in re.finditer(re.escape(self._word), data):
            yield Finding(*found.span(), "WORD", self._confidence, "word", self._word)


def test_a_source_finds_besides_the_rules(vault: Vault, cache: Path) -> None:
    found = load(vault, sources=[Sure(b"falcon")], cache_dir=cache).find(b"falcon " + GITHUB)
    assert [one.kind for one in found] == ["WORD", "GITHUB-TOKEN"]


def test_a_source_competes_as_rules_do(vault: Vault, cache: Path) -> None:
    weaker = load(vault, sources=[Sure(GITHUB[:9], Confidence.LIKELY)], cache_dir=cache)
    longer = load(vault, sources=[Sure(b"x " + GITHUB)], cache_dir=cache)
    assert [one.kind for one in weaker.find(b"x " + GITHUB)] == ["GITHUB-TOKEN"]
    assert [one.kind for one in longer.find(b"x " + GITHUB)] == ["WORD"]


def test_known_values_win_over_sources(vault: Vault, cache: Path) -> None:
    known = KnownValues(vault)
    known.add("MINE", GITHUB, Origin.OUTSIDE, name="X")
    found = load(vault, known, sources=[Sure(b"x " + GITHUB)], cache_dir=cache).find(b"x " + GITHUB)
    assert [(one.kind, one.value) for one in found] == [("WORD", b"x "), ("MINE", GITHUB)]


def test_an_allowed_value_is_no_finding_of_a_source(vault: Vault, cache: Path) -> None:
    assert not load(vault, sources=[Sure(b"falcon")], allow=["falcon"], cache_dir=cache).find(b"a falcon")


def test_an_allowed_value_is_still_a_finding_of_a_source_that_was_added(vault: Vault, cache: Path) -> None:
    engine = load(vault, allow=["falcon"], cache_dir=cache)
    assert engine.with_sources(Sure(b"falcon")).find(b"a falcon")


def test_a_source_that_covers_half_of_a_token_leaves_no_half_readable(vault: Vault, cache: Path) -> None:
    text = b"y" * 40 + b" " + GITHUB + b" z"
    engine = load(vault, sources=[Sure(text[:50])], cache_dir=cache)
    assert GITHUB[12:] not in engine.redact(text).data


def test_a_known_value_within_a_key_block_leaves_no_rest_readable(vault: Vault, cache: Path) -> None:
    lines = [expand("{base64:64}").encode()[at:] + expand("{base64:64}").encode()[:at] for at in range(3)]
    block = b"\n".join((b"-----BEGIN PRIVATE " + b"KEY-----", *lines, b"-----END PRIVATE " + b"KEY-----"))
    known = KnownValues(vault)
    known.add("MINE", lines[1][8:40], Origin.OUTSIDE)
    masked = load(vault, known, cache_dir=cache).redact(block).data
    assert lines[0] not in masked
    assert lines[2] not in masked
    assert lines[1][:8] not in masked


def test_a_few_bytes_beside_a_placeholder_are_no_secret(engine: Engine) -> None:
    once = engine.redact(b"api_key = '" + GITHUB + b"'").data
    assert engine.redact(once).data == once


def test_an_engine_with_more_sources_leaves_the_first_as_it_was(engine: Engine, vault: Vault) -> None:
    wider = engine.with_sources(Sure(b"falcon")).with_sources(Sure(b"heron"))
    assert wider.vault is vault
    assert len(wider.find(b"falcon heron " + GITHUB)) == 3
    assert len(engine.find(b"falcon heron " + GITHUB)) == 1


def test_threads_may_share_an_engine(shared: Engine) -> None:
    data = b"\n".join(b"filler line %d" % n for n in range(20_000)) + b" " + GITHUB
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(len(shared.find(data)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 8


def test_of_two_rules_that_find_the_same_the_issuers_names_it(shared: Engine) -> None:
    value = expand("{base62:50}")
    kinds = {one.kind for one in shared.find(f'twitter_consumer_secret = "{value}"'.encode())}
    assert kinds == {"TWITTER-SECRET"}


def test_settling_prefers_the_surer_then_the_longer(shared: Engine) -> None:
    likely = Finding(0, 30, "A", Confidence.LIKELY, "a", b"")
    certain = Finding(5, 20, "B", Confidence.CERTAIN, "b", b"")
    longer = Finding(5, 25, "C", Confidence.CERTAIN, "c", b"")
    assert shared.settle(b"", [], [likely, certain, longer]) == [longer]


def test_of_overlapping_findings_the_known_and_then_the_best_stay_and_none_overlap(shared: Engine) -> None:
    data = b"." * 100
    known = [Finding(10, 20, "K", Confidence.CERTAIN, "known:raw", b"k")]
    ruled = [Finding(at, at + 7, "R", Confidence.LIKELY, "r", b"r") for at in range(0, 90, 3)]
    settled = shared.settle(data, known, ruled)
    assert known[0] in settled
    assert all(first.end <= second.start for first, second in pairwise(settled))
    assert len(settled) > 8


def test_many_findings_settle_in_time(shared: Engine) -> None:
    ruled = [Finding(at, at + 20, "R", Confidence.LIKELY, "r", b"r") for at in range(0, 500_000, 10)]
    start = time.process_time()
    assert len(shared.settle(b"", [], ruled)) == 50_000
    assert time.process_time() - start < 2


PLACEHOLDER = b"MASKED-GITHUB-TOKEN-0123ABCD"


@pytest.mark.parametrize(
    "text",
    [b"token = '%b'", b'"api_key": "%b"', b"password: %b", b"postgres://me:%b@db/x", b"token = %b.", b"secret=%b;x"],
)
def test_a_placeholder_is_no_finding_wherever_it_stands(shared: Engine, text: bytes) -> None:
    assert not shared.find(text % PLACEHOLDER)


def test_a_value_is_found_each_time_it_stands_in_a_long_line(shared: Engine) -> None:
    one = b'token="' + expand("{base62:30}").encode() + b'",'
    assert len(shared.find(one * 2_000)) == 2_000


@pytest.mark.parametrize(
    "unit", [b"0", b"token=", b"eyJ", b"a1B2c3D4", b"token=aB3dE5fG7hJ9", b"\\", b'"', b"://a:b@c"]
)
def test_what_makes_many_candidates_is_searched_in_time(shared: Engine, unit: bytes) -> None:
    data = unit * (200_000 // len(unit))
    start = time.process_time()
    shared.find(data)
    assert time.process_time() - start < 3


@given(st.binary(max_size=400))
def test_any_bytes_can_be_searched(shared: Engine, data: bytes) -> None:
    spans = [(one.start, one.end) for one in shared.find(data)]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(data) for start, end in spans)


@given(st.text("ABCDEFGHijklmnop_0123456789-./=", min_size=1, max_size=300))
def test_any_value_is_judged_in_time(shared: Engine, value: str) -> None:
    shared.find(f'client_secret = "{value}" token={value}'.encode())


@given(st.text("aB3-_./", max_size=12), st.integers(0, 5))
def test_what_stands_around_a_secret_stays_byte_for_byte(shared: Engine, filler: str, count: int) -> None:
    between = b" " + filler.encode() + b" "
    data = between + between.join([b"'" + GITHUB + b"'"] * count) + between
    redaction = shared.redact(data)
    assert redaction.data.replace(redaction.placeholders[0].encode() if count else b"\0", GITHUB) == data


def test_another_key_than_a_known_one_is_masked_whole(cache: Path) -> None:
    """All OpenSSH keys begin alike: the beginning of a known one must not stand for another."""
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    engine = load(vault, known, cache_dir=cache)
    known.add("PRIVATE-KEY", private_key().encode(), Origin.OUTSIDE)
    other = private_key().encode()
    stream = StreamRedactor(known, vault, engine=engine)
    for masked in (engine.redact(other).data, stream.feed(other) + stream.flush()):
        assert not any(line in masked for line in other.splitlines()[1:-1])


def test_a_watched_finding_does_not_hide_one_that_is_replaced(engine: Engine) -> None:
    """Promise 1: who only watches e-mail addresses must not let the password of a URL leave with one."""
    wider = engine.with_sources(Context([ContextRule("EMAIL", shape="email")]))
    data = b"url = postgres://app:" + PASSWORD + b"@db.example.com:5432/app"
    watching = wider.watching(lambda kind: kind == "EMAIL")
    left = [[found for found in one.find(data) if found.kind != "EMAIL"] for one in (wider, watching)]
    assert PASSWORD in wider.replace(data, left[0]).data  # the control: it is hidden without
    assert PASSWORD not in watching.replace(data, left[1]).data


PLACEHOLDERS = st.sampled_from(
    [b"MASKED-TOKEN-0123ABCD", b"MASKED-A-B-ZZZZ0000", b"MASKED-K-0123ABCDE", b"MASKED-X-L0123ABC"]
)
AROUND = st.sampled_from(
    [
        b"token = '",
        b'password: "',
        b"secret=",
        b"MASKED-",
        b"'",
        b'"',
        b"\\n",
        b"\n",
        b" ",
        b",",
        b"-",
        b"abc",
        b"x7Kq9ZpL2mVb4Tc",
    ]
)


@given(st.lists(st.one_of(PLACEHOLDERS, AROUND), max_size=12).map(b"".join))
def test_a_placeholder_that_is_passed_over_hides_nothing_that_a_look_at_it_would_find(
    shared: Engine, data: bytes
) -> None:
    patient = copy.copy(shared)
    patient._widths = (_NOWHERE,) * len(patient._rules)
    assert shared.find(data) == patient.find(data)


def test_only_rules_whose_values_end_before_a_quote_pass_over_placeholders(shared: Engine) -> None:
    passing = [rule for rule, width in zip(shared._rules, shared._widths, strict=True) if width != _NOWHERE]
    assert "assigned-secret-quoted" in {rule.id for rule in passing}
    for rule in passing:
        value = re.compile(rule.regex.encode())
        text = b"'" + b"Ab3$" * 64
        for closing in (b" ", b"\t", b"\n", b'"', b"'", b"`", b"\\"):
            found = value.match(text + closing + text, 1)
            assert found is None or found.end() <= len(text)


def test_many_marks_that_are_no_placeholders_cost_one_look(shared: Engine) -> None:
    line = b"token = 'MASKED-\x00-abcdefghijklmnopqrstuvwxyz' "
    few, many = (cost(shared, line * times) for times in (500, 5_000))
    assert many < 60 * few


def cost(engine: Engine, data: bytes) -> float:
    begin = time.process_time()
    engine.find(data)
    return time.process_time() - begin
