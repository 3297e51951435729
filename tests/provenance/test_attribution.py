"""Whose lines are, from a text and an index alone: each rule of `wrapper.provenance.attribution`, and its opposite."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.written import Written, matcher
from wrapper.provenance.attribution import NOBODY, Former, Lineage, LineOrigin, Rules, State, attributed, lines_of
from wrapper.provenance.matching import Matcher
from wrapper.provenance.model import Kind

TOTAL = b"""def compute_total(prices, discount):
    total = sum(price.amount for price in prices)
    if discount.is_percentage:
        total = total * (1 - discount.value / 100)
    else:
        total = total - discount.value
    return max(total, Decimal(0))
"""
MINE = b"import hashlib\n\ndef my_own_digest(message):\n    return hashlib.sha256(message).hexdigest()\n"
NOWHERE, ALL = Lineage(), Rules()


def states(
    text: bytes, found: Matcher | None = None, lineage: Lineage = NOWHERE, rules: Rules = ALL
) -> list[LineOrigin]:
    """Attribute a text, to an index of `TOTAL` if no other is given."""
    return list(attributed(text, found or matcher(Written(TOTAL)), lineage, rules))


def of(origins: Sequence[LineOrigin]) -> list[str]:
    return [origin.state.value for origin in origins]


def test_lines_of_an_agent_are_its_own_in_whatever_company() -> None:
    found = states(MINE + b"\n" + TOTAL + b"\n" + MINE)
    assert of(found) == ["unknown"] * 5 + ["agent"] * 7 + ["unknown"] * 5
    assert {(origin.emission, origin.coverage) for origin in found[5:12]} == {(0, 1.0)}
    assert {origin.emission for origin in found[:5]} == {NOBODY}
    assert found[9].because == "beside agent lines"  # `else:` says nothing by itself


def test_an_empty_text_and_an_empty_index_are_no_trouble() -> None:
    assert states(b"") == []
    assert of(states(b"\n\n")) == ["unknown"] * 2
    assert of(states(TOTAL, matcher())) == ["unknown"] * 7
    assert of(states(b"\xff\xfe\x00\r\nmy_value = 1")) == ["unknown"] * 2


def test_what_an_agent_only_repeated_is_not_its_own() -> None:
    repeated = matcher(Written(TOTAL, kind=Kind.WRITE, echoes=frozenset({0, 1, 2, 4, 5, 6})))
    found = states(TOTAL, repeated)
    assert of(found) == ["unknown"] * 3 + ["agent"] + ["unknown"] * 3
    assert found[0].because == "there before an agent wrote it again"


def test_an_edited_line_is_still_the_agents_until_too_little_is_left() -> None:
    little = TOTAL.replace(b"price.amount for price", b"price.net_amount for price")
    found = states(little)
    assert of(found) == ["agent", "agent-edited", *["agent"] * 5]
    assert 0.3 <= found[1].coverage < 1
    other = TOTAL.replace(b"total = sum(price.amount for price in prices)", b"frames = decode_header(stream, 4096)")
    assert of(states(other)) == ["agent", "unknown", *["agent"] * 5]
    assert of(states(little, rules=Rules(sticky=1.0)))[1] == "unknown"


def test_what_stood_around_shows_where_the_only_line_of_an_agent_was() -> None:
    whole = matcher(Written(TOTAL, kind=Kind.WRITE, echoes=frozenset({0, 1, 2, 4, 5, 6})))
    found = states(TOTAL.replace(b"(1 - discount.value / 100)", b"(1 - discount.value / 1000) + rounding"), whole)
    assert found[3].state is State.EDITED
    assert [origin.state for number, origin in enumerate(found) if number != 3] == [State.UNKNOWN] * 6


def test_other_names_and_other_line_ends_do_not_wash_an_agents_lines() -> None:
    renamed = TOTAL
    for one, other in ((b"total", b"summe"), (b"price", b"preis"), (b"discount", b"rabatt")):
        renamed = renamed.replace(one, other)
    found = states(renamed)
    assert {origin.state for origin in found} <= {State.AGENT, State.EDITED}
    assert {"renamed"} <= {origin.because for origin in found}
    windows = states(TOTAL.replace(b"\n", b"\r\n").replace(b"    ", b"\t"))
    assert of(windows) == ["agent"] * 7


def test_a_line_that_a_formatter_cut_into_many_is_still_the_agents_and_one_put_beside_it_is_not() -> None:
    wrapped = TOTAL.replace(b"(prices, discount)", b"(\n    prices,\n    discount,\n)")
    assert of(states(wrapped))[:4] == ["agent-edited", "agent-edited", "agent-edited", "agent"]
    beside = TOTAL.replace(b"    if discount", b"    audit.record(\n        invoice_number,\n    )\n    if discount")
    assert [origin.state for origin in states(beside)[2:4]] == [State.UNKNOWN] * 2


def test_a_line_that_is_put_between_two_lines_of_an_agent_is_not_an_edit_of_them() -> None:
    lines = TOTAL.splitlines(keepends=True)
    for at in range(1, len(lines)):
        text = [*lines[:at], b"    registry.note_progress(step_number, elapsed)\n", *lines[at:]]
        assert states(b"".join(text))[at].state is State.UNKNOWN


def test_a_line_that_was_committed_before_it_was_emitted_is_not_the_emissions() -> None:
    lineage = Lineage(committed=[900.0] * 3 + [2000.0] * 4, first=950.0)
    found = states(TOTAL, lineage=lineage)
    assert of(found) == ["human"] * 3 + ["agent"] * 4
    assert found[0].because == "committed before the first session"
    later = states(TOTAL, lineage=Lineage(committed=[900.0] * 7, first=500.0))
    assert {(origin.state, origin.because) for origin in later if origin.because.startswith("committed")} == {
        (State.UNKNOWN, "committed before an agent wrote the same")
    }
    assert "agent" not in of(later)
    same_second = states(TOTAL, matcher(Written(TOTAL, at=1000.9)), Lineage(committed=[1000.0] * 7))
    assert of(same_second) == ["agent"] * 7  # git keeps whole seconds


def test_a_date_that_nothing_proves_takes_nothing_from_an_agent_and_makes_nothing_a_persons() -> None:
    every = frozenset(range(7))
    dated = Lineage(committed=[900.0] * 7, first=950.0)
    doubted = replace(dated, unproven={Written(b"").session: every}, undated=every)
    assert of(states(TOTAL, lineage=dated)) == ["human"] * 7
    assert of(states(TOTAL, lineage=doubted)) == ["agent"] * 7
    assert of(states(MINE, lineage=replace(doubted, committed=[900.0] * 4))) == ["unknown"] * 4
    pulled = matcher(Written(TOTAL, kind=Kind.WRITE, process="git[7]"))
    assert of(states(TOTAL, pulled, doubted)) == ["unknown"] * 7


def test_no_date_speaks_against_what_an_agent_had_said_before_its_session_began() -> None:
    heard = matcher(Written(TOTAL, at=1000.0, origin="earlier", kind=Kind.TEXT))
    assert of(states(TOTAL, heard, Lineage(committed=[10.0] * 7, first=1000.0))) == ["agent"] * 7


def test_human_is_never_said_for_want_of_evidence() -> None:
    everything = Rules(unwatched=State.HUMAN)
    assert of(states(MINE)) == ["unknown"] * 4
    assert of(states(MINE, rules=everything)) == ["human"] * 4
    broken = states(MINE, lineage=Lineage(is_whole=False), rules=everything)
    assert {(origin.state, origin.because) for origin in broken} == {(State.UNKNOWN, "the index is not whole")}
    unsure = Lineage(committed=[900.0] * 4, first=-inf, is_whole=False)
    assert of(states(MINE, lineage=unsure, rules=everything)) == ["unknown"] * 4
    assert of(states(MINE, lineage=Lineage(committed=[900.0] * 4), rules=ALL)) == ["unknown"] * 4  # no session here


def test_lines_made_while_a_session_watched_and_did_not_write_them_are_a_persons() -> None:
    found = states(MINE, lineage=Lineage(watched=frozenset({0, 2, 3})))
    assert of(found) == ["human"] * 4
    assert found[1].because == "between human lines"
    assert of(states(TOTAL, lineage=Lineage(watched=frozenset(range(7))))) == ["agent"] * 7


def test_a_claim_is_shown_and_counts_only_where_the_policy_says_so() -> None:
    claimed = matcher(Written(TOTAL, kind=Kind.CLAIM, at=0.0, origin="git-ai note"))
    shown = states(TOTAL, claimed)
    assert {origin.state for origin in shown} == {State.UNKNOWN}
    assert (shown[0].emission, shown[0].because) == (0, "claimed")
    counted = states(TOTAL, claimed, rules=Rules(counts_claims=True))
    assert of(counted) == ["agent"] * 7
    assert counted[0].because == "claimed"
    both = matcher(Written(TOTAL, kind=Kind.CLAIM, at=0.0), Written(TOTAL))
    assert {origin.emission for origin in states(TOTAL, both, rules=Rules(counts_claims=True))} == {1}


def test_the_emission_that_runs_longest_explains_a_line_then_what_says_most_of_it() -> None:
    piece = b"".join(TOTAL.splitlines(keepends=True)[1:3])
    index = matcher(
        Written(piece, at=1500.0, session="later"),
        Written(TOTAL, at=1000.0),
        Written(TOTAL, at=1001.0, kind=Kind.WRITE),
    )
    assert {origin.emission for origin in states(TOTAL, index)} == {1}
    twice = matcher(Written(TOTAL, at=1000.0, session="a"), Written(TOTAL, at=2000.0, session="b"))
    assert {origin.emission for origin in states(TOTAL, twice)} == {1}
    assert {origin.emission for origin in states(TOTAL, twice, Lineage(sessions=frozenset({"a"})))} == {0}
    assert {origin.emission for origin in states(TOTAL, twice, Lineage(committed=[1500.0] * 7))} == {0}


def test_a_value_that_the_index_knows_by_its_placeholder_is_found_where_it_stands() -> None:
    lines = b"settings = load_settings(path)\nclient = connect_with(token='%b', retries=3)\nclient.begin_session()\n"
    index = matcher(Written(lines % (b"MASKED-API-TOKEN-" + b"0A1B2C3D")))
    found = states(lines % b"real-value", index)
    assert of(found) == ["agent"] * 3
    assert found[1].because == "around a hidden value"


def test_a_former_line_of_an_agent_taints_its_successor_while_enough_is_left() -> None:
    told = TOTAL.splitlines()[3]

    def formers(lines: Sequence[int]) -> list[Former]:
        return [Former(line, told) for line in lines]

    edited = b"        total = total * Decimal(1 - rate.value / 100)\n"
    found = states(edited, lineage=Lineage(formers=formers))
    assert (found[0].state, found[0].because) == (State.EDITED, "edited since")
    assert found[0].coverage == pytest.approx(5 / 7, abs=0.01)
    assert states(edited)[0].state is State.UNKNOWN
    gone = states(b"        surcharge = lookup(country)\n", lineage=Lineage(formers=formers))
    assert gone[0].state is State.UNKNOWN


UNIQUE = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(
    blocks=st.lists(st.tuples(st.booleans(), st.integers(1, 6)), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    blanks=st.booleans(),
)
def test_in_any_order_each_line_is_who_wrote_it(
    blocks: list[tuple[bool, int]],
    order: object,
    blanks: bool,  # noqa: FBT001
) -> None:
    theirs = [f"value_of_agent_{at} = fetch_agent_{at}(table_{at}, {at})".encode() for at in range(50)]
    mine = [f"wert_von_hand_{at} : {at} -> hand_{at}[{at}]".encode() for at in range(50)]
    index = matcher(Written(b"\n".join(theirs)))
    text: list[bytes] = []
    for by_agent, count in blocks:
        pool = theirs if by_agent else mine
        text += [pool.pop(order.randrange(len(pool))) for _ in range(count)]  # type: ignore[attr-defined]
        text += [b""] * blanks
    found = states(b"\n".join(text) + b"\n", index)
    assert len(found) == len(text) == len(lines_of(b"\n".join(text) + b"\n"))
    for line, origin in zip(text, found, strict=True):
        if line:
            assert (origin.state is State.AGENT) == line.startswith(b"value_of_agent"), line
            assert origin.state is not State.HUMAN
