import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchors.standing import Standing, no_proof
from tests.fakes.witness import Cosigner, FakeWitness
from wrapper.anchors.anchoring import prover, put
from wrapper.anchors.choosing import parse_anchor
from wrapper.anchors.witness import Witness
from wrapper.audit import notes
from wrapper.audit.anchored import ForkedError, Receipt, UnreachableError, check
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.errors import AuditError


@pytest.fixture
def fake(here: Standing) -> Iterator[FakeWitness]:
    with FakeWitness({here.view.origin: here.view.vkey}) as serving:
        yield serving


def anchor_of(fake: FakeWitness, here: Standing) -> Witness:
    found = parse_anchor(fake.anchor, here.state)
    assert isinstance(found, Witness)
    return found


def asked(fake: FakeWitness, here: Standing) -> Receipt:
    note = here.ledger.note()
    return anchor_of(fake, here).put(note, prover(here.folder, note))


def test_a_first_checkpoint_is_sent_as_the_specification_says(fake: FakeWitness, here: Standing) -> None:
    note = here.ledger.note()
    receipt = asked(fake, here)
    assert fake.seen[0].path == "/w/add-checkpoint"
    assert fake.seen[0].body == f"old 0\n\n{note}"
    assert receipt.size == 10
    assert receipt.detail.startswith("signed at ")


def test_later_ones_go_on_from_what_was_signed_last(fake: FakeWitness, here: Standing) -> None:
    asked(fake, here)
    here.grow(4)
    asked(fake, here)
    assert len(fake.seen) == 2
    assert fake.seen[1].body.startswith("old 10\n")
    assert check(here.view, anchor_of(fake, here)).size == 18


def test_the_cosignature_is_kept_so_that_others_can_verify_it(fake: FakeWitness, here: Standing) -> None:
    fake.with_foreign_lines = True
    asked(fake, here)
    (kept,) = (here.folder / "cosigned").iterdir()
    note = notes.parse(kept.read_text())
    notes.verify(note, here.view.vkey)
    assert notes.witnessed_at(note, fake.cosigner.vkey) > 1_000_000_000
    assert [one.name for one in note.signatures] == [here.view.vkey.partition("+")[0], fake.cosigner.name]


def test_without_what_was_kept_the_witness_says_how_far_it_is(fake: FakeWitness, here: Standing) -> None:
    asked(fake, here)
    here.grow()
    next((here.folder / "cosigned").iterdir()).unlink()
    assert asked(fake, here).size == 16
    assert [one.body.partition("\n")[0] for one in fake.seen] == ["old 0", "old 0", "old 10"]


def test_the_same_checkpoint_again_is_signed_again(fake: FakeWitness, here: Standing) -> None:
    assert asked(fake, here).size == asked(fake, here).size == 10
    assert fake.seen[1].body.startswith("old 10\n\n")


def test_a_ledger_that_was_cut_back_is_truncated(fake: FakeWitness, here: Standing) -> None:
    before = here.copied("before")
    here.grow()
    asked(fake, here)
    with pytest.raises(TruncatedError, match=r"signed 16 frames of `.*/1`; here are 10"):
        asked(fake, before)


def test_a_ledger_that_was_written_anew_is_forked(fake: FakeWitness, here: Standing) -> None:
    before = here.copied("before")
    asked(fake, here.grow())
    with pytest.raises(ForkedError, match="signed another ledger at 16 frames"):
        asked(fake, before.grow(6, "forged"))


def test_one_that_was_written_anew_to_the_same_size_is_forked(fake: FakeWitness, here: Standing) -> None:
    before = here.copied("before")
    asked(fake, here.grow())
    with pytest.raises(ForkedError, match="signed another root at 16 frames"):
        asked(fake, before.grow(3, "forged"))


def test_a_session_that_was_faster_is_no_truncation(fake: FakeWitness, here: Standing) -> None:
    old = here.ledger.note()
    asked(fake, here.grow())
    assert put(anchor_of(fake, here), here.ledger, here.folder, old).size == 16


def test_a_ledger_that_the_witness_does_not_know_is_not_unreachable(fake: FakeWitness, here: Standing) -> None:
    fake.logs.clear()
    with pytest.raises(AuditError, match=r"does not know the ledger `safe-agent\.local/") as caught:
        asked(fake, here)
    assert caught.value.exit_code == 125
    assert "--key" in caught.value.hint


def test_another_key_for_the_ledger_is_said(fake: FakeWitness, here: Standing) -> None:
    fake.logs[here.view.origin] = notes.NoteKey.generate("other").vkey()
    with pytest.raises(AuditError, match="with another key"):
        asked(fake, here)


@pytest.mark.parametrize(
    ("status", "headers", "body", "what"),
    [
        (500, {}, b"\x1b[31mno", "answers 500: nothing"),
        (503, {}, b"busy\nmore", "answers 503: busy"),
        (302, {"Location": "http://127.0.0.1:1/"}, b"", "answers 302"),
        (429, {}, b"slow down\n", "answers 429: slow down"),
        (409, {}, b"10\n", "without the size"),
        (409, {"Content-Type": "text/x.tlog.size"}, b"010\n", "without the size"),
        (409, {"Content-Type": "text/x.tlog.size"}, b"7", "without the size"),
        (409, {"Content-Type": "text/x.tlog.size"}, "٣\n".encode(), "without the size"),
        (409, {"Content-Type": "text/x.tlog.size"}, b"0\n", "does not take the size 0"),
    ],
)
def test_an_answer_of_no_use_says_nothing_about_the_ledger(
    fake: FakeWitness, here: Standing, status: int, headers: dict[str, str], body: bytes, what: str
) -> None:
    fake.odd.append((status, headers, body))
    with pytest.raises(UnreachableError, match=what) as caught:
        asked(fake, here)
    assert caught.value.exit_code == 1
    assert caught.value.what.isprintable()
    assert len(fake.seen) == 1


def test_a_witness_that_names_another_size_each_time_is_left(fake: FakeWitness, here: Standing) -> None:
    fake.odd += [(409, {"Content-Type": "text/x.tlog.size"}, f"{size}\n".encode()) for size in (2, 4, 6, 8, 10)]
    with pytest.raises(UnreachableError, match="another size each time"):
        asked(fake, here)
    assert len(fake.seen) == 4


def test_a_400_is_a_mistake_of_ours(fake: FakeWitness, here: Standing) -> None:
    fake.odd.append((400, {}, b"bad\n"))
    with pytest.raises(AuditError, match="does not understand the request: bad"):
        asked(fake, here)


def line_of(cosigner: Cosigner, here: Standing) -> bytes:
    return cosigner.line(notes.text(notes.parse(here.ledger.note()).checkpoint), 5).encode()


def test_what_is_not_signed_by_the_named_key_is_not_believed(fake: FakeWitness, here: Standing) -> None:
    good = line_of(fake.cosigner, here)
    for body in (b"", line_of(Cosigner(), here), good[:-9] + b"AAAAAAA=\n", b"\xff", good + b"x" * 70_000):
        fake.odd.append((200, {}, body))
        with pytest.raises(TamperedError):
            asked(fake, here)
    assert not list(here.folder.glob("cosigned/*"))


def test_a_kept_cosignature_that_was_changed_is_noticed(fake: FakeWitness, here: Standing) -> None:
    asked(fake, here)
    (kept,) = (here.folder / "cosigned").iterdir()
    kept.write_text(kept.read_text().replace("\n10\n", "\n11\n"))
    with pytest.raises(TamperedError, match="not valid"):
        anchor_of(fake, here).get()


def test_the_cosignature_of_another_implementation_is_taken(fake: FakeWitness, here: Standing) -> None:
    """`omniwitness` of transparency-dev gave it to a ledger of ours; the key was thrown away."""
    vector = Path(__file__).parents[1] / "vectors/witness-v1"
    kept = (vector / "cosigned.note").read_text()
    note, cosignature = kept[: kept.rindex("\N{EM DASH}")], kept[kept.rindex("\N{EM DASH}") :]
    fake.odd.append((200, {}, cosignature.encode()))
    witness = Witness("witness:x", fake.url, (vector / "witness.vkey").read_text().strip(), here.folder / "cosigned")
    assert witness.put(note, no_proof).detail == "signed at 1795301018"
    assert witness.get() == [kept]


def test_each_witness_gets_back_its_own(fake: FakeWitness, here: Standing) -> None:
    asked(fake, here)
    with FakeWitness({here.view.origin: here.view.vkey}) as second:
        second.cosigner = Cosigner("second.example")
        assert anchor_of(second, here).get() == []
        asked(second, here.grow())
        assert [notes.parse(note).checkpoint.size for note in anchor_of(second, here).get()] == [16]
        assert [notes.parse(note).checkpoint.size for note in anchor_of(fake, here).get()] == [10]


def test_proxy_variables_are_not_followed(fake: FakeWitness, here: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert asked(fake, here).size == 10


def test_a_witness_that_is_away_is_unreachable(here: Standing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    name = f"witness:http://127.0.0.1:{port}#{Cosigner().vkey}"
    note = here.ledger.note()
    with pytest.raises(UnreachableError, match=rf"`witness:http://127.0.0.1:{port}` cannot be reached"):
        parse_anchor(name, here.state).put(note, prover(here.folder, note))


def test_a_witness_that_says_nothing_is_left_in_time(here: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.anchors.witness._SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"witness:http://127.0.0.1:{server.getsockname()[1]}#{Cosigner().vkey}"
        note = here.ledger.note()
        with pytest.raises(UnreachableError, match="no answer in time"):
            parse_anchor(name, here.state).put(note, prover(here.folder, note))
