"""What an approval speaks of: content, beside the neighbours that it had, and by the last word of the ledger."""

from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.judgements import Block, Judged, Judgements, Said, Verdict, verdict

CODES = st.lists(st.integers(1, 30), min_size=1, max_size=12, unique=True)


def _said(turn: int, what: Verdict = Verdict.APPROVED) -> Judged:
    return Judged(what, "ann", float(100 - turn), "", f"{turn:064x}", turn)  # the clock goes backwards


def _block(*codes: int, before: int = 0, after: int = 0) -> Block:
    return Block(codes, before, after)


def _of(judgements: Judgements, block: Block) -> Said:
    return verdict(judgements.of(block))


def _approved(*blocks: Block) -> Judgements:
    judgements = Judgements()
    judgements.add(blocks, _said(1))
    return judgements


@given(CODES, st.integers(31, 60), st.integers(31, 60))
def test_a_block_is_approved_wherever_it_stands(codes: list[int], before: int, after: int) -> None:
    judgements = _approved(_block(*codes, before=77, after=78))
    assert _of(judgements, _block(*codes, before=before, after=after)) == _said(1)


@given(CODES, st.data())
def test_each_part_of_at_least_two_lines_is_approved_alone(codes: list[int], data: st.DataObject) -> None:
    judgements = _approved(_block(*codes))
    first = data.draw(st.integers(0, len(codes) - 1))
    last = data.draw(st.integers(first, len(codes) - 1))
    part = codes[first : last + 1]
    found = _of(judgements, _block(*part, before=99, after=98))
    assert (found is not None) == (len(part) > 1 or len(codes) == 1)


@given(CODES, st.data())
def test_one_line_more_is_not_approved_with_the_others(codes: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(codes)))
    judgements = _approved(_block(*codes))
    more = [*codes[:at], 1_000, *codes[at:]]
    words = judgements.of(_block(*more))
    assert words[at] is None
    assert verdict(words) is None


def test_a_line_that_was_approved_among_others_is_not_approved_among_strangers() -> None:
    judgements = _approved(_block(1, 2, 3))
    assert judgements.of(_block(8, 2, 9)) == (None, None, None)
    assert judgements.of(_block(2, before=8, after=9)) == (None,)
    assert judgements.of(_block(2, before=1, after=9)) == (_said(1),)


def test_a_block_that_says_nothing_by_itself_is_approved_only_beside_what_it_stood_beside() -> None:
    judgements = _approved(_block(5, before=1, after=2)._replace(tells=False))
    assert judgements.of(_block(5, before=8, after=9)._replace(tells=False)) == (None,)
    assert judgements.of(_block(5, before=1, after=9)._replace(tells=False)) == (_said(1),)


def test_lines_that_say_nothing_do_not_approve_one_another_elsewhere() -> None:
    quiet = frozenset({5, 6, 7})
    judgements = _approved(_block(1, 5, 6, 2), _block(5, 6, 7, before=8, after=9)._replace(tells=False))
    assert judgements.of(_block(3, 5, 6, 4)._replace(quiet=quiet)) == (None, None, None, None)
    assert judgements.of(_block(1, 5, 6, 4)._replace(quiet=quiet)) == (_said(1), _said(1), None, None)
    assert judgements.of(_block(1, 5, 6, 2, before=3, after=3)._replace(quiet=quiet)) == (_said(1),) * 4
    same = _block(5, 6, 7, before=8, after=9)._replace(tells=False, quiet=quiet)
    assert judgements.of(same) == (_said(1),) * 3
    assert judgements.of(same._replace(before=3)) == (None, _said(1), _said(1))


def test_lines_put_together_from_two_approved_blocks_are_approved_where_they_keep_a_neighbour() -> None:
    judgements = _approved(_block(1, 2), _block(3, 4))
    assert _of(judgements, _block(1, 2, 3, 4)) == _said(1)
    assert _of(judgements, _block(1, 3, 2, 4)) is None


def test_a_line_added_below_what_was_approved_is_approved_by_itself() -> None:
    judgements = _approved(_block(1, 2))
    judgements.add([_block(3, before=2)], _said(2))
    assert judgements.of(_block(1, 2, 3)) == (_said(1), _said(1), _said(2))


def test_the_last_word_in_the_ledger_wins_whatever_the_clock_and_the_order_of_reading_say() -> None:
    for turns in ((1, 2), (2, 1)):
        judgements = Judgements()
        for turn in turns:
            judgements.add([_block(1, 2)], _said(turn, Verdict.REJECTED if turn == 2 else Verdict.APPROVED))
        assert _of(judgements, _block(1, 2)) == _said(2, Verdict.REJECTED)
    judgements.add([_block(1, 2)], _said(3))
    assert _of(judgements, _block(1, 2)) == _said(3)


def test_one_rejected_line_rejects_a_hunk_and_says_nothing_of_its_neighbours_elsewhere() -> None:
    judgements = _approved(_block(1, 2, 3, 4))
    judgements.add([_block(4, 5, before=3)], _said(2, Verdict.REJECTED))
    assert _of(judgements, _block(1, 2, 3, 4)) == _said(2, Verdict.REJECTED)
    assert _of(judgements, _block(1, 2, 3)) == _said(1)


def test_rejections_do_not_add_up_to_an_approval() -> None:
    judgements = Judgements()
    judgements.add([_block(1, 2)], _said(1, Verdict.REJECTED))
    judgements.add([_block(3, 4)], _said(2))
    found = _of(judgements, _block(1, 2, 3, 4))
    assert found is not None
    assert found.verdict is Verdict.REJECTED
