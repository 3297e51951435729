"""What copies of earlier checkpoints show of a ledger."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.anchors.standing import Standing
from wrapper.audit import notes, proofs
from wrapper.audit.anchored import ForkedError, UnreachableError, compare
from wrapper.audit.entries import Anchored
from wrapper.audit.format import TamperedError, TruncatedError


@pytest.fixture
def here(tmp_path: Path) -> Standing:
    (tmp_path / "state").mkdir()
    return Standing(tmp_path / "state").grow(5)


def taken(standing: Standing, times: int = 4) -> list[str]:
    """Grow the ledger and take a note of it, several times."""
    return [standing.grow(2).ledger.note() for _ in range(times)]


def test_a_ledger_that_only_grew_is_covered_up_to_the_newest_note(here: Standing) -> None:
    held = taken(here)
    until = here.now
    here.grow(3)
    assert compare(here.view, held, "x") == (1, 26, until)
    assert compare(here.view, reversed(held), "x") == (1, 26, until)
    assert compare(here.view, [], "x") == (0, 0, 0.0)


def test_a_ledger_that_was_cut_back_is_truncated_whichever_note_is_left(here: Standing) -> None:
    before = here.copied("before")
    for note in taken(here):
        with pytest.raises(TruncatedError, match=r"checkpoint of \d+ frames of the ledger's segment 1; here are 10"):
            compare(before.view, [note], "x")


def test_a_ledger_written_anew_with_the_ledgers_own_keys_is_forked(here: Standing) -> None:
    before = here.copied("before")
    held = taken(here)
    forged = before.grow(20, "forged").view
    for note in held:
        checkpoint = notes.parse(note).checkpoint
        with pytest.raises(ForkedError) as caught:
            compare(forged, [note], "x")
        assert checkpoint.root.hex() in caught.value.what
        assert proofs.root(forged.leaves[0][: checkpoint.size]).hex() in caught.value.what
    assert caught.value.exit_code == 14


def test_every_note_counts_and_not_the_newest_alone(here: Standing) -> None:
    before = here.copied("before")
    held = taken(here)
    forged = before.grow(20, "forged")
    with pytest.raises(ForkedError):
        compare(forged.view, [held[0], forged.ledger.note()], "x")


def test_two_notes_of_one_size_that_differ_are_forked_even_if_one_is_ours(here: Standing) -> None:
    before = here.copied("before")
    held = [here.grow(3).ledger.note(), before.grow(3, "forged").ledger.note()]
    for order in (held, held[::-1]):
        with pytest.raises(ForkedError, match="16 frames"):
            compare(here.view, order, "x")


def test_a_ledger_with_another_key_is_forked(here: Standing, tmp_path: Path) -> None:
    held = taken(here)
    origin = here.view.origin
    shutil.rmtree(here.folder)
    fresh = Standing(tmp_path / "state").grow(50).view
    with pytest.raises(ForkedError, match="the ledger here is") as caught:
        compare(fresh, held, "x")
    assert origin in caught.value.what


def test_a_segment_that_is_gone_is_truncated(here: Standing) -> None:
    before = here.copied("before")
    (here.folder / "state").unlink()
    here.grow(1)  # goes on in a second segment
    held = [here.ledger.note()]
    assert compare(here.view, held, "x").segment == 2
    with pytest.raises(TruncatedError, match="segment 2 of the ledger, which is not here"):
        compare(before.view, held, "x")


def test_a_cut_that_is_hidden_behind_a_new_segment_is_truncated(here: Standing) -> None:
    before = here.copied("before")
    held = taken(here)
    (before.folder / "state").unlink()
    before.grow(60, "forged")
    with pytest.raises(TruncatedError, match="segment 1; here are 10"):
        compare(before.view, held, "x")


def test_a_note_that_the_ledgers_key_did_not_sign_is_no_note(here: Standing) -> None:
    note = here.ledger.note()
    text, _, _ = note.partition("\n\n")
    other = notes.NoteKey.generate(here.view.vkey.partition("+")[0])
    forged = f"{text}\n\n{notes.sign(text + chr(10), other)}"
    with pytest.raises(TamperedError, match="not signed by"):
        compare(here.view, [forged], "x")


def test_without_the_public_key_the_roots_are_compared_all_the_same(here: Standing) -> None:
    before = here.copied("before")
    held = taken(here)
    (here.folder / "note.pub").unlink()
    assert compare(here.view, held, "x").size == 26
    forged = before.grow(20, "forged")
    (forged.folder / "note.pub").unlink()
    with pytest.raises(ForkedError):
        compare(forged.view, held, "x")


def test_a_checkpoint_that_was_taken_away_from_its_anchor_is_missed(here: Standing) -> None:
    held = taken(here)
    said = notes.parse(held[1]).checkpoint
    here.ledger.append(Anchored(here.now, "file:/x", said.size, said.root.hex()))
    assert compare(here.view, held, "file:/x").size == 26
    with pytest.raises(TamperedError, match="`file:/x` no longer holds the checkpoint of 18 frames"):
        compare(here.view, [held[0], held[3]], "file:/x")
    assert compare(here.view, [held[0]], "file:/other").size == 14
    assert compare(here.view, [], "file:/x", is_whole=False).size == 0


def test_that_an_anchor_is_away_says_nothing_about_the_ledger() -> None:
    assert UnreachableError("x").exit_code == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_no_changed_note_is_ever_taken_for_one_of_this_ledger(here: Standing, data: st.DataObject) -> None:
    view, note = here.view, here.ledger.note()
    place = data.draw(st.integers(0, len(note) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    changed = note[:place] + letter + note[place + 1 :]
    if changed == note:
        return
    with pytest.raises((TamperedError, ForkedError, TruncatedError)):
        compare(view, [changed], "x")
