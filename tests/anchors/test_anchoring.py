from pathlib import Path

import pytest

from tests.anchors.standing import Standing
from tests.fakes.witness import FakeWitness
from wrapper.anchors.anchoring import anchor_all
from wrapper.anchors.choosing import parse_anchor
from wrapper.audit.anchored import check
from wrapper.audit.entries import Anchored
from wrapper.errors import AuditError


def test_each_anchor_gets_the_same_checkpoint_and_the_ledger_says_so(here: Standing, tmp_path: Path) -> None:
    root = here.view.root
    with FakeWitness({here.view.origin: here.view.vkey}) as fake:
        names = [f"file:{tmp_path}/one", f"file:{tmp_path}/two", fake.anchor]
        outcomes = anchor_all(names, here.state, clock=lambda: 5_000.0)
        assert [one.where for one in outcomes] == names
        assert {(one.receipt.size, one.receipt.root) for one in outcomes if one.receipt} == {(10, root)}
        said = [entry for _, entry in here.view.entries if isinstance(entry, Anchored)]
        assert said == [Anchored(5_000.0, name, 10, root.hex()) for name in names]
        assert [check(here.view, parse_anchor(name, here.state)).size for name in names] == [10, 10, 10]


def test_what_fails_of_one_stops_none_of_the_others(here: Standing, tmp_path: Path) -> None:
    names = ["nowhere", f"file:{tmp_path}/away/notes", f"file:{tmp_path}/notes"]
    outcomes = anchor_all(names, here.state)
    assert [one.error.exit_code if one.error else 0 for one in outcomes] == [125, 1, 0]
    assert [entry.where for _, entry in here.view.entries if isinstance(entry, Anchored)] == names[2:]


def test_where_nothing_was_put_the_ledger_says_nothing(here: Standing, tmp_path: Path) -> None:
    size = here.view.size
    assert anchor_all([], here.state) == []
    assert anchor_all([f"file:{tmp_path}/away/notes"], here.state)[0].receipt is None
    assert here.view.size == size


def test_a_machine_without_a_ledger_has_nothing_to_anchor_and_gets_none(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="there is no ledger"):
        anchor_all([f"file:{tmp_path}/notes"], tmp_path / "state")
    assert list(tmp_path.iterdir()) == []
