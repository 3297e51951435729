"""Reviews that are given out as git notes, and a server that has nothing else to go by."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.reviewer import Reviewer
from tests.repository import git
from wrapper.audit import notes
from wrapper.audit.format import TamperedError
from wrapper.audit.ledger import NOTE_PUB
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.approvals import sign
from wrapper.provenance.attribution import NOBODY, LineOrigin, State, lines_of
from wrapper.provenance.changes import Change, Changes
from wrapper.provenance.decisions import Decision, acts
from wrapper.provenance.exchange.repository import Repository
from wrapper.provenance.judgements import Verdict
from wrapper.provenance.model import Emission, Fault, Kind
from wrapper.provenance.publishing import Gate, Publisher, gate
from wrapper.provenance.reviewing import Review, review
from wrapper.provenance.statements import REF, Told, encode, prove

PERSON = "def by_person(first, second):\n    return first * second + 17\n"
AGENT = (
    "def by_agent(first, second):\n    third = agent_helper(first, second)\n    return third - agent_offset(first)\n"
)
OTHER = "class AgentMade:\n    agent_size = agent_default(12, 'wide')\n    agent_name = agent_lookup('name')\n"


@dataclass(frozen=True)
class Known:
    """Whose lines are whose is known by construction: an agent's say so."""

    origins: tuple[LineOrigin, ...]
    emissions: Mapping[int, Emission]
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, change: Change) -> "Known":
        ours, theirs = (LineOrigin(State.AGENT, 0, 1.0, "says so"), LineOrigin(State.UNKNOWN, NOBODY, 0.0, ""))
        made = Emission(kind=Kind.INPUT, session="s-1", at=1.0)
        return cls(tuple(ours if b"agent" in line.lower() else theirs for line in lines_of(change.content)), {0: made})


@dataclass
class Team:
    """A reviewer's machine and a server with a clone of the repository."""

    ann: Reviewer
    server: Path
    base: str
    faults: tuple[Fault, ...] = ()

    @property
    def changes(self) -> Changes:
        return Changes(self.ann.repo, {})

    def review(self, base: str) -> Review:
        coder = self.ann.key.coder()
        return review(self.changes.between(base, "HEAD"), Known.of, self.ann.approvals().judgements, coder)

    def judge(self, what: Verdict = Verdict.APPROVED, *, path: str = "") -> None:
        """Say so of every hunk that the branch adds, or of those in one file."""
        found = [one for one in self.review(self.base).found if path in one.path]
        assert found
        decisions = {one.id: Decision(what, "read it") for one in found}
        sign(self.ann.places.state, self.ann.workspace.name, self.ann.key, acts(found, decisions, "ann", 9.0))

    def publish(self) -> None:
        publisher = Publisher(Known.of, self.ann.approvals().judgements, self.ann.key.coder(), self.ann.ledger, "ann")
        publisher.publish(self.changes, self.changes.commits(self.base, "HEAD"), self.faults)

    def gate(self, *keys: str) -> Gate:
        """Bring everything to the server, and ask it."""
        git(self.server, "fetch", "-q", str(self.ann.repo), "+refs/heads/*:refs/heads/*", "+refs/notes/*:refs/notes/*")
        return gate(Changes(self.server, {}), self.base, "main", keys or (self.key,))

    @property
    def key(self) -> str:
        return (self.ann.ledger / NOTE_PUB).read_text().strip()

    def note(self, commit: str = "main") -> bytes:
        return noted(self.ann)[self.changes.commit(commit)]


def noted(ann: Reviewer) -> dict[str, bytes]:
    """Give all notes by the commits that they are of."""
    repository = Repository.around(ann.repo)
    there = repository.notes(REF)
    contents = dict(repository.contents(list(there.values())))
    return {commit: contents[blob] for commit, blob in there.items()}


@pytest.fixture
def team(tmp_path: Path) -> Team:
    ann = Reviewer.make(tmp_path / "ann")
    base = git(ann.repo, "rev-parse", "HEAD").decode().strip()
    server = tmp_path / "server"
    server.mkdir()
    git(server, "init", "-q", "-b", "none")
    return Team(ann, server, base)


def reasons(found: Gate) -> str:
    return "\n".join(fault.why for fault in found.faults)


def test_a_server_that_has_the_key_only_sees_what_was_approved_and_what_was_not(team: Team) -> None:
    team.ann.commit({"a.py": PERSON + AGENT}, "one")
    team.judge()
    team.ann.commit({"b.py": OTHER + PERSON}, "two")
    team.publish()
    found = team.gate()
    assert (found.faults, found.spans) == ((), 2)
    assert [(one.path, one.first, one.last, one.rejected) for one in found.left] == [("b.py", 1, 3, False)]
    team.judge(path="b.py")
    team.publish()
    assert team.gate() == Gate((), (), 2)
    team.judge(Verdict.REJECTED, path="a.py")
    team.publish()
    assert [(one.path, one.rejected) for one in team.gate().left] == [("a.py", True)]


def test_lines_that_a_later_commit_of_the_range_takes_away_need_no_approval(team: Team) -> None:
    team.ann.commit({"a.py": PERSON + AGENT}, "one")
    team.ann.commit({"a.py": PERSON, "c.py": PERSON}, "two")
    team.publish()
    assert team.gate() == Gate((), (), 0)


def test_agents_lines_that_stood_there_before_the_range_are_not_asked_for(team: Team) -> None:
    team.base = team.ann.commit({"a.py": AGENT + PERSON}, "before")
    team.ann.commit({"a.py": AGENT + OTHER + PERSON}, "one")
    team.judge()
    team.publish()
    assert team.gate() == Gate((), (), 1)


def test_a_merge_is_judged_by_what_none_of_its_parents_has(team: Team) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    git(team.ann.repo, "checkout", "-q", "-b", "side", team.base)
    team.ann.commit({"b.py": OTHER}, "two")
    git(team.ann.repo, "checkout", "-q", "main")
    git(team.ann.repo, "merge", "-q", "--no-commit", "side")
    team.ann.commit({"evil.py": "agent_adds = agent_in_merge(1, 2)\n"}, "merge")
    team.publish()
    assert [file.path for file in prove(team.note(), team.changes.commit("main"), [team.key]).files] == ["evil.py"]
    assert {one.path for one in team.gate().left} == {"a.py", "b.py", "evil.py"}


def test_a_commit_without_a_note_is_unknown(team: Team) -> None:
    team.ann.commit({"a.py": PERSON}, "one")
    team.publish()
    commit = team.ann.commit({"b.py": PERSON + "# and more\n"}, "two")
    found = team.gate()
    assert f"commit {commit[:12]}: it has no review" in reasons(found)
    assert "`b.py`" in reasons(found)


def test_a_note_of_another_ledger_is_not_believed(team: Team, tmp_path: Path) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    team.judge()
    team.publish()
    eve = notes.NoteKey.generate(notes.parse(msgspec.json.decode(team.note(), type=Told).note).checkpoint.origin[:-2])
    assert "none of those that are trusted" in reasons(team.gate(notes.NoteKey.generate("eve").vkey()))
    assert "not signed by" in reasons(team.gate(eve.vkey()))
    assert team.gate(notes.NoteKey.generate("eve").vkey(), team.key).faults == ()


def test_a_note_put_to_another_commit_is_not_believed(team: Team) -> None:
    good = team.ann.commit({"a.py": PERSON}, "one")
    bad = team.ann.commit({"b.py": AGENT}, "two")
    team.publish()
    Repository.around(team.ann.repo).write_notes(REF, {bad: team.note(good)}, "x")
    assert f"commit {bad[:12]}: the statement is about commit {good[:12]}" in reasons(team.gate())


def test_an_index_that_was_not_whole_is_a_fault_on_the_server_too(team: Team) -> None:
    team.ann.commit({"a.py": PERSON}, "one")
    team.faults = (Fault("s-1", "sheet 2 is missing"),)
    team.publish()
    assert "was not whole" in reasons(team.gate())


def test_an_approval_in_an_earlier_segment_of_the_ledger_is_shown_by_a_chain(team: Team) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    team.judge()
    for _ in range(2):
        (team.ann.ledger / "state").unlink()  # the next append goes on in a new segment
        team.judge(path="a.py")
    team.publish()
    told = msgspec.json.decode(team.note(), type=Told)
    assert [len(chain) for chain in told.approved] == [1]
    team.ann.commit({"b.py": OTHER}, "two")
    team.judge(path="b.py")
    (team.ann.ledger / "state").unlink()
    team.publish()
    lengths = sorted(
        len(chain) for one in ("main", "main~1") for chain in msgspec.json.decode(team.note(one), type=Told).approved
    )
    assert lengths == [2, 2]
    assert team.gate() == Gate((), (), 2)


def _in_statement(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        document = json.loads(data)
        change(document["statement"])
        return encode(msgspec.json.decode(json.dumps(document), type=Told))

    return changed


def _approve_all(statement: dict[str, object]) -> None:
    files = statement["files"]
    assert isinstance(files, list)
    for file in files:
        for span in file["spans"]:
            span["approval"] = 0


def _drop_spans(statement: dict[str, object]) -> None:
    files = statement["files"]
    assert isinstance(files, list)
    for file in files:
        file["spans"] = []


@pytest.mark.parametrize(
    "change",
    [
        _in_statement(_approve_all),
        _in_statement(_drop_spans),
        _in_statement(lambda statement: statement.update(is_whole=False)),
        _in_statement(lambda statement: statement.update(user="bob")),
        _in_statement(lambda statement: statement.update(at=1.0)),
        lambda data: data.replace(b'"read it"', b'"read it well"'),
        lambda data: data.replace(b"  ", b" ", 1),
        lambda data: data.replace(b'"index": 0', b'"index": 1').replace(b'"index": 2', b'"index": 1'),
        lambda data: data[: len(data) // 2],
        lambda data: b"[]",
    ],
    ids=["approved", "no-spans", "whole", "user", "at", "reason", "spelling", "index", "cut", "else"],
)
def test_a_note_of_which_anything_was_changed_is_not_believed(team: Team, change: Callable[[bytes], bytes]) -> None:
    team.ann.commit({"a.py": AGENT + PERSON + OTHER}, "one")
    (first, _) = team.review(team.base).found
    decision = {first.id: Decision(Verdict.APPROVED, "read it")}
    sign(team.ann.places.state, team.ann.workspace.name, team.ann.key, acts([first], decision, "ann", 9.0))
    team.publish()
    commit, data = team.changes.commit("main"), team.note()
    assert prove(data, commit, [team.key]).approvals[0].reason == "read it"
    assert change(data) != data
    with pytest.raises((TamperedError, ProvenanceError)):
        prove(change(data), commit, [team.key])


def test_no_byte_of_a_note_can_be_changed_and_no_rubbish_is_one(team: Team) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    team.judge()
    team.publish()
    commit, data, key = team.changes.commit("main"), team.note(), team.key

    @settings(max_examples=40)
    @given(st.integers(0, len(data) - 1), st.integers(1, 255), st.binary(max_size=300))
    def check(at: int, by: int, rubbish: bytes) -> None:
        for wrong in (data[:at] + bytes([data[at] ^ by]) + data[at + 1 :], data[:at] + data[at + 1 :], rubbish):
            with pytest.raises((TamperedError, AuditError, ProvenanceError)):
                prove(wrong, commit, [key])

    check()


def test_an_approval_is_not_shown_by_another_entry_of_the_ledger(team: Team) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    team.judge()
    team.publish()
    told = msgspec.json.decode(team.note(), type=Told)
    moved = msgspec.structs.replace(told, approved=(told.published,))
    with pytest.raises(TamperedError, match="another approval"):
        prove(encode(moved), told.statement.commit, [team.key])
    for bare in (msgspec.structs.replace(told, approved=()), msgspec.structs.replace(told, published=())):
        with pytest.raises(TamperedError):
            prove(encode(bare), told.statement.commit, [team.key])


def test_no_line_of_code_and_no_code_of_a_line_leaves_with_a_note(team: Team) -> None:
    team.ann.commit({"a.py": AGENT}, "one")
    team.judge()
    team.publish()
    data = team.note()
    assert b"a.py" in data
    assert not [line for line in AGENT.splitlines() if line.strip().encode() in data]
    (found,) = team.review(team.base).found
    assert not [code for code in found.block.codes if str(code).encode() in data]


def test_other_peoples_notes_stay_when_a_review_is_published(team: Team) -> None:
    first = team.ann.commit({"a.py": PERSON}, "one")
    Repository.around(team.ann.repo).write_notes(REF, {team.base: b"somebody else's"}, "x")
    team.publish()
    found = noted(team.ann)
    assert found.keys() == {team.base, first}
    assert found[team.base] == b"somebody else's"


def test_what_another_ledger_said_of_a_commit_is_not_written_over(team: Team, tmp_path: Path) -> None:
    """A machine that knows nothing of an agent's lines would else take the word of one that does."""
    first = team.ann.commit({"a.py": AGENT}, "one")
    team.publish()
    said = team.note()
    bob = Reviewer.make(tmp_path / "bob", team.ann.repo)
    other = Publisher(Known.of, bob.approvals().judgements, bob.key.coder(), bob.ledger, "bob")
    for standing in (said, b"no review at all"):
        Repository.around(team.ann.repo).write_notes(REF, {first: standing}, "x")
        with pytest.raises(ProvenanceError, match="review of another ledger"):
            other.publish(team.changes, [first])
        assert team.note() == standing
    assert not bob.ledger.exists()
    git(team.ann.repo, "notes", f"--ref={REF}", "remove", first)
    other.publish(team.changes, [first])
    assert reasons(team.gate()).count("none of those that are trusted") == 1
