"""The engine finds, settles overlaps, replaces, and leaves alone what it must."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Confidence, Engine, Finding, KnownValues, Origin, Rule, Vault, load
from redactors.engine import settle
from redactors.loading import bundled_rules
from redactors.rules.catalogue import expand

GITHUB = expand(["gh", "p_{base62:30}{crc32}"]).encode()
PASSWORD = expand("{base62:15}7").encode()
PEM = expand(
    ["-----BEGIN RSA PRIVATE ", "KEY-----\n{base64:64}\n{base64:40}==\n-----END RSA PRIVATE ", "KEY-----"]
).encode()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def vault() -> Vault:
    return Vault(os.urandom(32))


@pytest.fixture
def engine(vault: Vault, cache: Path) -> Engine:
    return load(vault, cache_dir=cache)


@pytest.fixture(scope="module")
def shared() -> Engine:
    return load(Vault(bytes(32)))


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


def test_an_allowed_value_is_no_finding(vault: Vault, cache: Path) -> None:
    assert not load(vault, allow=["gh[p]_.*"], cache_dir=cache).find(b"x " + GITHUB)


def test_a_rule_of_the_policy_finds(vault: Vault, cache: Path) -> None:
    mine = Rule(id="mine", kind="BADGE", regex="badge-[0-9]{6}", confidence=Confidence.CERTAIN)
    assert load(vault, extra=[mine], cache_dir=cache).redact(b"a badge-123987 b").data.startswith(b"a MASKED-BADGE-")


@pytest.mark.parametrize("regex", ["(", "(?=a)b", r"(a)\1", "a{5,2}"])
def test_a_rule_that_does_not_compile_is_an_error_that_names_it(vault: Vault, regex: str) -> None:
    with pytest.raises(ValueError, match="rule `mine`"):
        load(vault, extra=[Rule(id="mine", kind="X", regex=regex)])


def test_a_rule_of_the_policy_cannot_be_made_to_backtrack(vault: Vault, cache: Path) -> None:
    bomb = Rule(id="mine", kind="X", regex="(a+)+b|(x|x)*y")
    assert not load(vault, extra=[bomb], cache_dir=cache).find(b"a" * 5_000 + b" " + b"x" * 5_000)


def test_a_damaged_cache_is_built_anew(vault: Vault, tmp_path: Path) -> None:
    load(vault, cache_dir=tmp_path)
    for file in tmp_path.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content[:-7])
    assert load(vault, cache_dir=tmp_path).find(b"x " + GITHUB)
    assert bundled_rules(tmp_path) == bundled_rules()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".building")]


def test_a_cache_that_cannot_be_written_costs_no_protection(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert load(vault, cache_dir=tmp_path / "file" / "cache").find(b"x " + GITHUB)


def test_threads_may_share_an_engine(shared: Engine) -> None:
    data = b"\n".join(b"filler line %d" % n for n in range(20_000)) + b" " + GITHUB
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(len(shared.find(data)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 8


def test_settling_prefers_the_surer_then_the_longer() -> None:
    likely = Finding(0, 30, "A", Confidence.LIKELY, "a", b"")
    certain = Finding(5, 20, "B", Confidence.CERTAIN, "b", b"")
    longer = Finding(5, 25, "C", Confidence.CERTAIN, "c", b"")
    assert settle(b"", [], [likely, certain, longer]) == [longer]


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
