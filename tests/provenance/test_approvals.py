"""Approvals on disk and in the ledger: what counts, and what a forger, another machine or a thief of files can do."""

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provenance.reviewer import Reviewer
from wrapper.audit.entries import Approved
from wrapper.audit.ledger import Ledger
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.approvals import Approvals, decode, encode, sign
from wrapper.provenance.decisions import Act
from wrapper.provenance.judgements import Block, Said, Verdict, verdict
from wrapper.provenance.key import Key, load_or_make

BLOCK = Block((11, 12, 13), 10, 14)
REASON = "read it twice"


@pytest.fixture
def ann(tmp_path: Path) -> Reviewer:
    return Reviewer.make(tmp_path / "ann")


def act(what: Verdict = Verdict.APPROVED, *blocks: Block, at: float = 5.0) -> Act:
    return Act(verdict=what, user="ann", at=at, reason=REASON, blocks=blocks or (BLOCK,), where=("a.py:3-5",))


def signed(of: Reviewer, *acts: Act) -> tuple[str, ...]:
    return sign(of.places.state, of.workspace.name, of.key, acts)


def stands(of: Reviewer | Approvals, block: Block = BLOCK) -> Said:
    approvals = of if isinstance(of, Approvals) else of.approvals()
    return verdict(approvals.judgements.of(block))


def test_what_was_signed_stands_with_person_time_and_reason(ann: Reviewer) -> None:
    (digest,) = signed(ann, act())
    said = stands(ann)
    assert said is not None
    assert (said.verdict, said.user, said.at, said.reason, said.digest) == (
        Verdict.APPROVED, "ann", 5.0, REASON, digest,
    )  # fmt: skip
    assert (ann.approvals().faults, ann.approvals().remarks) == ((), ())


def test_the_ledgers_order_decides_not_the_time_that_an_act_names(ann: Reviewer) -> None:
    signed(ann, act(at=50.0))
    signed(ann, act(Verdict.REJECTED, at=1.0))
    assert (said := stands(ann)) is not None
    assert said.verdict is Verdict.REJECTED
    signed(ann, act(at=0.0))
    assert (said := stands(ann)) is not None
    assert said.verdict is Verdict.APPROVED


def test_nothing_that_people_wrote_and_no_place_stands_in_an_approval_in_clear(ann: Reviewer) -> None:
    data = encode(act(), ann.key)
    assert decode(data, ann.key) == act()
    for word in (REASON, "a.py", "ann"):
        assert word.encode() not in data


def test_an_act_that_was_not_signed_into_the_ledger_does_not_count(ann: Reviewer) -> None:
    (digest,) = signed(ann, act())
    shutil.rmtree(ann.ledger)
    assert stands(ann) is None
    Ledger(ann.ledger).append(Approved(1.0, "0" * 64, "approved", "ann", 3))
    assert stands(ann) is None
    assert any(digest[:12] in remark for remark in ann.approvals().remarks)


def test_another_machines_approval_does_not_count_even_with_the_same_key(ann: Reviewer, tmp_path: Path) -> None:
    bob = Reviewer.make(tmp_path / "bob")
    shutil.copy(ann.home / ".config/safe-agent/provenance.key", bob.home / ".config/safe-agent/provenance.key")
    bob.key = load_or_make(bob.home / ".config/safe-agent/provenance.key")
    signed(ann, act())
    signed(bob, act(Verdict.APPROVED, Block((1, 2))))
    shutil.copy(ann.files[0], bob.workspace)
    assert stands(ann) is not None
    assert stands(bob, Block((1, 2))) is not None
    assert stands(bob) is None


def test_an_approval_of_another_key_does_not_count_whatever_the_ledger_says(ann: Reviewer, tmp_path: Path) -> None:
    (digest,) = signed(ann, act())
    other = load_or_make(tmp_path / "other.key")
    approvals = Approvals.load(ann.places.state, other)
    assert stands(approvals) is None
    assert any(digest in remark and "another key" in remark for remark in approvals.remarks)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b"approved", b"rejected", 1),
        lambda data: data[:40],
        lambda data: data + b"\0",
        lambda _: b"",
        lambda _: b"SAFEAPV1" + bytes(100),
    ],
    ids=["bit", "verdict", "cut", "longer", "empty", "zeros"],
)
def test_a_changed_approval_does_not_count_and_is_told(ann: Reviewer, change: Callable[[bytes], bytes]) -> None:
    signed(ann, act())
    (path,) = ann.files
    data = path.read_bytes()
    assert change(data) != data
    path.write_bytes(change(data))
    assert stands(ann) is None
    assert any(path.name in remark for remark in ann.approvals().remarks)


def test_a_rejection_whose_file_is_gone_is_a_fault_and_an_approval_that_is_gone_is_none(ann: Reviewer) -> None:
    signed(ann, act())
    (path,) = ann.files
    signed(ann, act(Verdict.REJECTED))
    (rejection,) = set(ann.files) - {path}
    rejection.rename(rejection.with_suffix(".away"))
    approvals = ann.approvals()
    assert (said := stands(approvals)) is not None
    assert said.verdict is Verdict.APPROVED
    assert [("rejected (3 lines)" in fault.why) for fault in approvals.faults] == [True]
    rejection.with_suffix(".away").rename(rejection)
    path.unlink()
    assert ann.approvals().faults == ()


def test_a_ledger_that_was_cut_approves_nothing_and_is_a_fault(ann: Reviewer) -> None:
    signed(ann, act())
    (log,) = ann.ledger.glob("*.alog")
    whole = log.read_bytes()
    log.write_bytes(whole[:-1])
    approvals = ann.approvals()
    assert stands(approvals) is None
    assert len(approvals.faults) == 1
    log.write_bytes(whole)
    assert stands(ann) is not None


def test_an_older_ledger_that_was_put_back_is_noticed(ann: Reviewer, tmp_path: Path) -> None:
    signed(ann, act())
    (log,) = ann.ledger.glob("*.alog")
    old = log.read_bytes()
    signed(ann, act(Verdict.REJECTED))
    log.write_bytes(old)
    approvals = ann.approvals()
    assert stands(approvals) is None
    assert approvals.faults


def test_an_entry_that_names_the_file_with_another_verdict_does_not_make_it_count(ann: Reviewer) -> None:
    data = encode(act(Verdict.REJECTED), ann.key)
    ann.workspace.mkdir(parents=True)
    digest = sha256(data).hexdigest()
    (ann.workspace / f"{digest}.approval").write_bytes(data)
    Ledger(ann.ledger).append(Approved(1.0, digest, "approved", "ann", 3))
    assert stands(ann) is None
    Ledger(ann.ledger).append(Approved(1.0, digest, "rejected", "ann", 3))
    assert stands(ann) is not None


def test_a_link_or_a_device_in_place_of_an_approval_is_not_followed(ann: Reviewer, tmp_path: Path) -> None:
    signed(ann, act())
    (path,) = ann.files
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert stands(ann) is None
    assert any("cannot be read" in remark for remark in ann.approvals().remarks)


def test_an_approval_that_cannot_be_kept_is_not_signed(ann: Reviewer) -> None:
    ann.workspace.parent.mkdir(parents=True)
    ann.workspace.write_text("in the way")
    with pytest.raises(AuditError, match="cannot keep"):
        signed(ann, act())
    assert not ann.ledger.exists()


@given(st.binary(max_size=200))
def test_rubbish_is_no_approval_even_where_it_is_authenticated(data: bytes) -> None:
    key = Key(bytes(32))
    for body in (data, b"SAFEAPV1" + data):
        for wrong in (body, body + key.authenticate(body)):
            with pytest.raises(ProvenanceError):
                decode(wrong, key)
