"""What Hyperscan tells: every candidate, also across the borders of blocks, for any data."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import Confidence, Engine, Rule, Vault
from redactors.glance import REACH, Glance
from redactors.loading import bundled_rules
from redactors.rules.catalogue import expand
from redactors.rules.widths import UNBOUNDED, widths
from redactors.scanner import (
    BLOCK,
    OVERLAP,
    GlancingScanner,
    HyperscanScanner,
    compile_glances,
    compile_rules,
    load_database,
)

TOKEN = Rule(id="token", kind="TOKEN", regex="tok_[a-z]{8}", confidence=Confidence.CERTAIN)
ASSIGNED = Rule(id="assigned", kind="KEY", regex="[A-Z0-9]{12,40}", names="api_?key", confidence=Confidence.CERTAIN)
NEAR = Rule(id="near", kind="NEAR", regex="[a-f0-9]{32}", keywords=("acme",), confidence=Confidence.CERTAIN)
SECRETS = (
    b"tok_" + expand("{lower:8}").encode(),
    b"API_KEY = '" + expand("{upper36:30}").encode() + b"'",
    b"Acme: " + expand("{hex:32}").encode(),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return glancing(TOKEN, ASSIGNED, NEAR)


def glancing(*rules: Rule) -> Engine:
    return Engine(rules, GlancingScanner(compile_rules(rules), lambda: compile_glances(rules)), Vault(bytes(32)))


@pytest.mark.parametrize("secret", SECRETS, ids=["token", "assigned", "near"])
@pytest.mark.parametrize("border", [BLOCK, 2 * BLOCK])
def test_a_secret_on_the_border_of_two_blocks_is_found_once(engine: Engine, secret: bytes, border: int) -> None:
    for inside in range(0, len(secret) + 2, 3):
        data = b"." * (border - inside) + secret + b"." * 600
        assert [data[one.start : one.end] in secret for one in engine.find(data)] == [True]


def test_a_secret_before_a_border_is_found_once(engine: Engine) -> None:
    data = b"." * (BLOCK - OVERLAP // 2) + SECRETS[0] + b"." * BLOCK
    assert len(engine.find(data)) == 1


def test_every_trigger_fits_into_the_overlap_of_blocks() -> None:
    longest = max(widths(rule.value_trigger())[1] for rule in bundled_rules())
    assert longest < OVERLAP - 1_000, "and what stands before it: a key, a separator, a keyword"


def test_no_trigger_begins_with_what_all_text_is_made_of() -> None:
    """A keyword or a name stands before what has no fixed beginning, or long runs make a candidate of every byte."""
    scanner = HyperscanScanner(compile_rules(bundled_rules()))
    for run in (b"0", b"a1", b"f", b"token ", b"\\n", b"A b", b"\0"):
        assert len(list(scanner.scan(run * (20_000 // len(run))))) < 100, run


def test_triggers_end_sooner_never_later_than_the_pattern() -> None:
    for rule in bundled_rules():
        assert widths(rule.value_trigger())[0] <= widths(rule.regex)[0] < UNBOUNDED, rule.id


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_candidates_lie_within_the_data(data: bytes) -> None:
    whole = data + SECRETS[0]
    ends = [end for _, end in HyperscanScanner(compile_rules([TOKEN, ASSIGNED])).scan(whole)]
    assert ends[-1] == len(whole)
    assert all(0 < end <= len(whole) for end in ends)


@given(
    st.lists(st.sampled_from([*SECRETS, b"tok_", b"api_key", b" ", b"=", b"." * (BLOCK - 20)]), max_size=5).map(
        b"".join
    )
)
@settings(max_examples=50)
def test_nothing_is_found_where_it_is_told_that_nothing_may_be(engine: Engine, data: bytes) -> None:
    assert engine.may_find(data) or not engine.find(data)


@given(st.lists(st.sampled_from([*SECRETS, b"tok_", b"api_key", b" ", b"="]), max_size=5).map(b"".join))
@settings(max_examples=50)
def test_a_probe_tells_what_a_scan_would(engine: Engine, data: bytes) -> None:
    probe = engine.probe()
    for _ in range(2):
        assert (probe(data) is Glance.MAY_FIND) == engine.may_find(data)
        assert probe(b" ") is Glance.NOTHING


FAR = Rule(id="far", kind="FAR", regex=r"begin:[a-z\n]{4,400}:(?P<secret>[0-9]{9})", confidence=Confidence.CERTAIN)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"begin:" + b"a" * REACH + b"\n", Glance.OPENS),
        (b"begin:\n" + b"a" * REACH + b"\n", Glance.OPENS),
        (b"begin:\n", Glance.OPENS),
        (b"begin:" + b"a" * REACH + b"1", Glance.NOTHING),
        (b"begin:1\n", Glance.NOTHING),
        (b"begin:" + b"a" * 401 + b"\n", Glance.NOTHING),
        (b"begin:\naaa:123456789\n", Glance.MAY_FIND),
        (b"begin:\naaa:123456789\nbegin:\n", Glance.MAY_FIND),
        (b"-----BEGIN CERTIFICATE-----\n", Glance.MAY_FIND),
    ],
)
def test_a_glance_tells_what_has_begun(data: bytes, told: Glance) -> None:
    assert glancing(TOKEN, FAR).probe()(data) is told


@pytest.mark.parametrize("data", [b"", b"begin:\n", b"-----BEGIN CERTIFICATE-----\n", b"x " + SECRETS[0]])
def test_who_cannot_tell_what_has_begun_says_so(data: bytes) -> None:
    engine = Engine([TOKEN, FAR], HyperscanScanner(compile_rules([TOKEN, FAR])), Vault(bytes(32)))
    assert engine.probe()(data) is (Glance.MAY_FIND if len(data) > len(b"begin:\n") else Glance.OPENS)


@pytest.mark.parametrize("dumped", [b"", b"x", bytes(1000), b"\xdb" * 5000])
def test_what_is_no_database_is_an_error(dumped: bytes) -> None:
    with pytest.raises(ValueError, match="database"):
        load_database(dumped)


def test_a_rule_that_cannot_be_searched_for_is_named() -> None:
    with pytest.raises(ValueError, match="rule `mine`"):
        compile_rules([TOKEN, Rule(id="mine", kind="X", regex=r"(a)\1")])
