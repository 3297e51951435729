"""Every rule does what its examples say, compiles for both engines, and keeps JSON whole."""

import re

import pytest

from redactors.checks import CHECKS
from redactors.engine import Engine
from redactors.loading import bundled_rules, family_files
from redactors.readers import READERS
from redactors.rules import catalogue
from redactors.rules.model import Rule
from redactors.scanner import HyperscanScanner, compile_rules
from redactors.vault import Vault
from tests.compiled import load

RULES = {rule.id: rule for rule in bundled_rules()}
EXAMPLES = [one for path in family_files() for one in catalogue.examples(path.read_text())]
VAULT = Vault(bytes(32))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(VAULT)


def alone(rule: Rule) -> Engine:
    return Engine([rule], HyperscanScanner(compile_rules([rule])), VAULT)


def test_there_are_five_hundred_rules_for_more_than_three_hundred_issuers() -> None:
    assert len({rule.issuer for rule in RULES.values()}) > 300
    assert len(RULES) > 500


def test_no_two_rules_share_an_id() -> None:
    ids = [rule.id for path in family_files() for rule in catalogue.parse(path.read_text())]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.rule)
def test_a_rule_matches_its_examples_and_misses_the_others(one: catalogue.Examples) -> None:
    engine = alone(RULES[one.rule])
    assert len(one.match) >= 2
    assert len(one.miss) >= 1
    for text in one.match:
        assert engine.find(text.encode()), f"not found in {text!r}"
    for text in one.miss:
        assert not engine.find(text.encode()), f"found in {text!r}"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_is_well_formed(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", rule.id)
    assert re.fullmatch(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", rule.kind)
    assert not rule.check or rule.check in CHECKS
    assert not rule.reader or rule.reader in READERS
    re.compile(rule.pattern().encode("ascii"))
    compile_rules([rule])
    unbounded = re.search(r"(?<!\\)(?:[*+](?![^\[]*\])|\{\d+,\})", re.sub(r"\[(?:\\.|[^\]])*\]", "[]", rule.regex))
    assert not unbounded, "a repeat without an upper bound has no bounded window"


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.rule)
def test_a_span_is_found_whole_within_all_rules(one: catalogue.Examples, engine: Engine) -> None:
    for text in one.match:
        data = text.encode()
        assert engine.find(data), f"lost among the others: {text!r}"
        again = engine.redact(data).data
        assert engine.redact(again).data == again, "redacting twice changes nothing"


def test_the_cached_form_is_the_parsed_one() -> None:
    rules = tuple(RULES.values())
    assert catalogue.unpack(catalogue.pack(rules)) == rules


@pytest.mark.parametrize("indent", ["", "    "])
def test_a_vault_of_ansible_is_found_with_all_its_lines(engine: Engine, indent: str) -> None:
    lines = [catalogue.expand(f"{{hex:{size}}}") for size in (80, 79, 62)]
    data = indent + ("$ANSIBLE" + f"_VAULT;1.1;AES256\n{indent}") + f"\n{indent}".join(lines) + "\n"
    redacted = engine.redact(data.encode()).data.decode()
    assert redacted.startswith(indent + "$ANSIBLE")
    assert not any(line in redacted for line in lines)


def test_an_unknown_field_is_an_error_that_names_the_rule() -> None:
    with pytest.raises(ValueError, match=r"rule `x`: unknown field `colour`"):
        catalogue.parse('[[rule]]\nid = "x"\nkind = "X"\nregex = "x"\ncolour = "red"')


def test_a_missing_field_is_an_error_that_names_the_rule() -> None:
    with pytest.raises(ValueError, match="rule `x`"):
        catalogue.parse('[[rule]]\nid = "x"\nregex = "x"')


def test_what_hyperscan_forbids_is_an_error_that_names_the_rule() -> None:
    with pytest.raises(ValueError, match="rule `mine`"):
        compile_rules([Rule(id="mine", kind="X", regex=r"(a)\1")])


def test_random_examples_are_the_same_each_time() -> None:
    assert catalogue.expand("{hex:8}") == catalogue.expand("{hex:8}")
    assert catalogue.expand(["a", "{digits:3}"]).startswith("a")
