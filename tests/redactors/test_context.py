"""Context rules: what they name is replaced by placeholders of its own, and comes back byte for byte."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Confidence, Engine, Finding, KnownValues, Origin, Vault
from redactors.context import Context, ContextRule, as_read
from tests import compiled

KEY = bytes(range(32))
SPELLINGS = ("Falcon", "falcon", "FALCON", "Café", "café", "blue_heron", "Blue Heron")
RULES = (
    ContextRule("CODE-NAME", terms=("falcon", "blue heron", "café"), allow=("falcon-framework", "import falcon")),
    ContextRule("MAIL", Confidence.LIKELY, shape="email", allow=("*@example.org",)),
    ContextRule("TICKET", regex="ACME-[0-9]{4,6}"),
)


class Nothing:
    """A scanner without rules."""

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        del data
        return []


def wire(known: KnownValues | None = None) -> Engine:
    vault = Vault(KEY)
    return Engine((), Nothing(), vault, known).with_sources(Context(RULES))


@given(st.lists(st.sampled_from([*SPELLINGS, " ", "\n", '"', "_", "x", "ACME-12345", "\\"]), max_size=12).map(" ".join))
def test_what_is_replaced_in_json_comes_back_as_the_inside_wrote_it(text: str) -> None:
    engine = wire()
    for ensure_ascii in (True, False):
        body = json.dumps({"a": text, "b": [text]}, ensure_ascii=ensure_ascii).encode()
        sent = engine.redact_json(body).data
        assert not re.search(rb"(?i)falcon|heron|acme-\d|caf(?:\xc3|\\u)", sent)
        document = json.loads(sent)
        back = engine.vault.restore(document["a"].encode(), to=Origin.INSIDE)
        assert back.decode() == text


def test_each_spelling_has_a_placeholder_of_its_own_and_keeps_it() -> None:
    engine = wire()
    first, second = (engine.redact(b"Falcon FALCON Falcon").placeholders for _ in range(2))
    assert first == second
    assert len(set(first)) == 2
    assert all(name.startswith("MASKED-CODE-NAME-") for name in first)


def test_redacting_twice_changes_nothing() -> None:
    engine = wire()
    once = engine.redact(b"falcon of blue_heron: jane@mail.example.com ACME-1234").data
    assert engine.redact(once).data == once


def test_a_match_in_an_allowed_phrase_stays() -> None:
    text = b"import falcon; falcon-framework; jane@example.org; jane@example.com; falcon"
    assert [one.value for one in sorted(Context(RULES).find(text))] == [b"jane@example.com", b"falcon"]


def test_findings_name_rule_kind_and_confidence() -> None:
    [one] = Context(RULES).find(b"jane@example.com")
    assert one == Finding(0, 16, "MAIL", Confidence.LIKELY, "context:MAIL", b"jane@example.com")


def test_a_known_secret_wins_over_a_term_in_it() -> None:
    vault = Vault(KEY)
    known = KnownValues(vault)
    secret = b"Xk9-falcon-" + b"7Qw2mZ"
    assert known.add("PASSWORD", secret, Origin.OUTSIDE)
    engine = Engine((), Nothing(), vault, known).with_sources(Context(RULES))
    redaction = engine.redact(b"key " + secret + b" end")
    assert redaction.data == b"key " + redaction.placeholders[0].encode() + b" end"
    assert vault.restore(redaction.data, to=Origin.INSIDE) == redaction.data


def test_the_engine_it_was_made_from_finds_nothing_of_it() -> None:
    narrow = Engine((), Nothing(), Vault(KEY))
    narrow.with_sources(Context(RULES))
    assert narrow.find(b"falcon ACME-1234") == []


@pytest.mark.parametrize("regex", ["(?<=a)b", r"(a)\1", "[äö]b", "x{99999}"])
def test_an_expression_that_cannot_be_run_is_refused_with_the_rules_name(regex: str) -> None:
    with pytest.raises(ValueError, match=r"context:BAD|outside ASCII"):
        Context([ContextRule("BAD", regex=regex)])


def test_an_expression_that_would_backtrack_for_ever_does_not() -> None:
    assert Context([ContextRule("BOMB", regex="(a+)+b")]).find(b"a" * 100_000) == []


def test_characters_outside_ascii_in_an_expression_count_as_one_however_they_are_escaped() -> None:
    context = Context([ContextRule("NAME", regex="Mü?ller")])
    assert [one.value.decode() for one in sorted(context.find("Müller Mller".encode()))] == ["Müller", "Mller"]
    assert [one.value.decode() for one in context.find(rb'"M\u00fcller"')] == ["Müller"]


def test_no_span_of_an_expression_cuts_a_character() -> None:
    [one] = Context([ContextRule("ANY", regex="x.")]).find("xü".encode())
    assert one.value.decode() == "xü"


@given(st.text(max_size=30))
def test_a_piece_of_a_json_string_is_read_as_json_reads_it(text: str) -> None:
    assert as_read(json.dumps(text)[1:-1].encode()) == text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("piece", [b"plain", b"\\", b'a\\"', b"\\x41", b"a\\"])
def test_what_is_no_json_is_read_as_it_stands(piece: bytes) -> None:
    assert as_read(piece) in (piece, b'a"')


def test_a_list_of_thousands_finds_what_one_term_finds() -> None:
    names = [f"Name{number} Holdings" for number in range(3000)]
    context = Context([ContextRule("CUSTOMER", terms=tuple(names))])
    text = "of name17holdings, NAME2999_HOLDINGS and Name3000 Holdings"
    assert [one.value.decode() for one in sorted(context.find(text.encode()))] == [
        "name17holdings",
        "NAME2999_HOLDINGS",
    ]


def test_the_loaded_engine_takes_the_source_beside_its_rules() -> None:
    vault = Vault(KEY)
    token = "gh" + "p_" + "Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G" + "0000ab"
    found = compiled.load(vault, sources=[Context(RULES)]).find(f"falcon password = 'x9K!{token[4:20]}'".encode())
    assert {one.kind for one in found} >= {"CODE-NAME"}
    assert len(found) > 1
