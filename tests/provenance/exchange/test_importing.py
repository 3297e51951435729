"""What others claim of commits, taken over: as claims, once, about content, and with a word about what was not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.provenance.exchange.exchanger import SHOP, Exchanger, note, trace
from tests.repository import git, repository
from wrapper.provenance.exchange import agenttrace
from wrapper.provenance.index import Index
from wrapper.provenance.model import Emission, Flag, Kind


@pytest.fixture
def here(tmp_path: Path) -> Exchanger:
    made = Exchanger.make(tmp_path)
    made.person.commit({"src/shop.py": SHOP}, "add a shop", at=1_700_000_500)
    return made


def emissions(here: Exchanger) -> list[tuple[Emission, int]]:
    """Give what is in the index, and how many lines of each are its own."""
    found = []
    for sheet in Index.open(here.person.places.state, here.person.key).sheets():
        for number, emission in enumerate(sheet.emissions):
            rows = sheet.lines[sheet.lines["emission"] == number]
            found.append((emission, int((rows["flags"] & Flag.ECHO == 0).sum())))
    return found


def claimed(lines: list[dict[str, Any]]) -> list[int]:
    """Give the numbers of lines that blame shows as claimed."""
    return [line["line"] for line in lines if (line["source"] or {}).get("kind") == "claim"]


def test_a_note_of_git_ai_becomes_claims_that_blame_shows_as_such(here: Exchanger) -> None:
    here.noted(note({"src/shop.py": "1-5"}))
    said = here.take("git-ai")
    assert (said["claims"], said["lines"], said["code"], said["commits"]) == (1, 5, 0, [here.head()])
    ((emission, own),) = emissions(here)
    assert own == 5
    assert (emission.kind, emission.agent, emission.model) == (Kind.CLAIM, "cursor", "claude-sonnet-4-5")
    assert emission.origin == f"git-ai note at {here.head()}, session 6ef2299e"
    assert emission.at == 1_700_000_500
    lines = here.blame("src/shop.py")
    assert claimed(lines) == [1, 2, 3, 4, 5]
    assert all(line["state"] != "agent" for line in lines)
    here.counting()
    assert [line["state"] for line in here.blame("src/shop.py")][:5] == ["agent"] * 5


def test_importing_again_changes_nothing_and_a_note_that_says_more_adds_to_it(here: Exchanger) -> None:
    here.noted(note({"src/shop.py": "1-5"}))
    assert here.take("git-ai", "--dry-run")["claims"] == 1
    assert emissions(here) == []
    assert here.take("git-ai")["claims"] == 1
    again = here.take("git-ai")
    assert (again["claims"], again["known"]) == (0, 1)
    here.noted(note({"src/shop.py": "1-6", "README": "1"}))
    more = here.take("git-ai", "HEAD")
    assert (more["claims"], more["known"], more["lines"]) == (2, 0, 7)
    assert len(emissions(here)) == 3


def test_a_damaged_sheet_of_claims_is_made_anew_by_importing_again(here: Exchanger) -> None:
    here.noted(note({"src/shop.py": "1-5"}))
    here.take("git-ai")
    (sheet,) = here.person.workspace.glob("claim-*.sheet")
    sheet.write_bytes(sheet.read_bytes()[:-1] + b"x")
    assert emissions(here) == []
    assert here.take("git-ai")["claims"] == 1
    assert len(emissions(here)) == 1


def test_a_repository_without_a_commit_claims_nothing(here: Exchanger, tmp_path: Path) -> None:
    empty = repository(tmp_path / "empty")
    for source in ("git-ai", "trailers"):
        ran = here.run("provenance", "import", "--from", source, cwd=empty)
        assert (ran.code, ran.out) == (0, "0 claims about 0 lines taken over\n")


def test_what_was_taken_over_from_one_source_can_be_forgotten(here: Exchanger) -> None:
    here.noted(note({"src/shop.py": "1-5"}))
    here.take("git-ai")
    here.person.commit({"more.py": SHOP}, "x\n\nAssisted-by: Codex", at=1_700_000_600)
    here.take("trailers")
    forget = ("provenance", "import", "--forget", "--from")
    assert here.run(*forget, "git-ai", "--dry-run").out == "1 claim would be forgotten\n"
    assert here.run(*forget, "agent-trace").out == "0 claims forgotten\n"
    assert here.run(*forget, "git-ai").out == "1 claim forgotten\n"
    assert {emission.agent for emission, _ in emissions(here)} == {"codex"}
    assert here.take("git-ai")["claims"] == 1
    assert here.run(*forget, "git-ai", "HEAD").code == 2


def test_claims_survive_moves_and_rewritten_history(here: Exchanger) -> None:
    here.noted(note({"src/shop.py": "1-5"}))
    here.take("git-ai")
    git(here.repo, "mv", "src/shop.py", "basket.py")
    (here.repo / "basket.py").write_text("# moved by hand, and said so\n" + SHOP)
    here.person.commit({}, "move it", at=1_700_000_900)
    git(here.repo, "reset", "--soft", "HEAD~2")
    here.person.commit({}, "squashed", at=1_700_001_000)
    git(here.repo, "update-ref", "-d", "refs/notes/ai")
    assert claimed(here.blame("basket.py")) == [2, 3, 4, 5, 6]


def test_what_we_know_ourselves_stands_over_a_claim_which_stays_to_be_seen(here: Exchanger) -> None:
    """What a session of ours wrote is the session's; what was there before any session is a person's, though claimed."""
    here.person.record("more.py", SHOP.upper())
    here.person.commit({"more.py": SHOP.upper()}, "more", at=1_700_002_000)
    here.noted(note({"more.py": "1-12"}))
    here.noted(note({"README": "1"}), "HEAD~2")
    assert here.take("git-ai")["claims"] == 2
    ours = [line for line in here.blame("more.py") if line["source"]]
    assert {(line["state"], line["source"]["kind"]) for line in ours} == {("agent", "input")}
    (line,) = here.blame("README")
    assert (line["state"], line["source"]["kind"]) == ("human", "claim")
    shown = here.run("blame", "-v", "README").out
    assert shown.startswith("human")
    assert "claimed" in shown
    assert "git-ai note at" in shown


def test_an_agent_trace_record_is_taken_over_with_its_hashes_compared(here: Exchanger) -> None:
    lines = SHOP.encode().splitlines(keepends=True)
    good = {"start_line": 1, "end_line": 2, "content_hash": agenttrace.hashed(b"".join(lines[:2]))}
    other = {"start_line": 3, "end_line": 4, "content_hash": agenttrace.hashed(b"something else\n")}
    theirs = {"start_line": 8, "end_line": 9, "content_hash": "murmur3:9f2e8a1b"}
    file = here.repo / "records.jsonl"
    mixed = trace(here.head(), "src/shop.py", {"start_line": 12, "end_line": 400}, kind="mixed")
    by_hand = trace(here.head(), "src/shop.py", {"start_line": 10, "end_line": 11}, kind="human")
    records = [trace(here.head(), "src/shop.py", good, other, theirs), mixed, by_hand, {"version": "7.0.0"}]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    said = here.take("agent-trace", str(file))
    assert said["lines"] == 2 + 2 + 1
    assert said["code"] == 1
    whys = [remark["why"] for remark in said["not_taken_over"]]
    assert sorted(whys) == sorted([
        "the lines are others than its hash says",
        "lines 10-11: contributor is human",
        next(why for why in whys if why.startswith("not a record")),
    ])  # fmt: skip
    assert {emission.agent for emission, _ in emissions(here)} == {"cursor"}
    assert {emission.model for emission, _ in emissions(here)} == {"claude-opus-4-5"}
    assert any(emission.origin.endswith("/12345") for emission, _ in emissions(here))
    assert any("(mixed)" in emission.origin for emission, _ in emissions(here))


def test_a_record_without_a_revision_needs_to_be_told_of_which_commit_it_speaks(here: Exchanger) -> None:
    record = trace("", "src/shop.py", {"start_line": 1, "end_line": 5})
    del record["vcs"]
    folder = here.repo / ".agent-trace"
    folder.mkdir()
    (folder / "traces.jsonl").write_text(json.dumps(record))
    assert here.take("agent-trace")["not_taken_over"][0]["why"].endswith("say `--at`")
    assert here.take("agent-trace", "--at", "HEAD")["lines"] == 5


def test_a_commit_message_claims_the_lines_that_its_commit_added(here: Exchanger) -> None:
    text = SHOP.replace("subtotal = 0", "subtotal = Money.nothing()") + "\n\ndef refund(order):\n    order.undo()\n"
    message = "refunds\n\nCo-Authored-By: Claude Opus 4.8 <noreply@anthropic.com>\nCo-authored-by: Jane <j@example.org>"
    here.person.commit({"src/shop.py": text, "new.txt": "one line of prose\n"}, message, at=1_700_001_000)
    git(here.repo, "mv", "new.txt", "newer.txt")
    here.person.commit({}, "renamed\n\nAssisted-by: Codex:gpt-5-codex", at=1_700_001_100)
    said = here.take("trailers", "HEAD~2..HEAD")
    assert said["code"] == 0
    found = emissions(here)
    assert sum(own for _, own in found) == said["lines"] == 1 + 4 + 1
    assert {emission.path for emission, _ in found} == {"src/shop.py", "new.txt"}
    assert {(emission.agent, emission.model) for emission, _ in found} == {("claude", "Claude Opus 4.8")}
    assert claimed(here.blame("src/shop.py")) == [2, 15, 16]  # 13 and 14 are blank
    assert here.take("trailers")["claims"] == 0


def test_one_bad_note_does_not_hide_another_and_is_told(here: Exchanger) -> None:
    here.noted(b"no log at all", "HEAD~1")
    here.noted(note({"src/shop.py": "h_31dce776f88375 1-5", "gone.py": "1-5", "README": "900-1000"}))
    said = here.take("git-ai")
    assert said["code"] == 1
    assert {remark["why"].split(":")[0] for remark in said["not_taken_over"]} == {
        "not an authorship log that can be read",
        "that a person wrote 5 lines is nobody's evidence",
        "the file has none of the lines",
        "no such file in the commit, or too large",
    }
    assert emissions(here) == []


def test_wrong_words_are_refused(here: Exchanger) -> None:
    for arguments, code in (
        (("--from", "git-ai", "a", "b"), 2), (("--from", "trailers", "--at", "HEAD"), 2), (("--from", "elsewhere"), 2),
        (("--from", "git-ai", "no-such-branch"), 125), (("--from", "agent-trace", "no-such-file"), 125),
        (("--from", "agent-trace", "--at", "no-such-branch", "README"), 125), (("--from", "git-ai"), 0),
    ):  # fmt: skip
        assert here.run("provenance", "import", *arguments).code == code


def test_outside_of_a_repository_there_is_nothing_to_import(here: Exchanger, tmp_path: Path) -> None:
    ran = here.run("provenance", "import", "--from", "git-ai", cwd=tmp_path)
    assert (ran.code, "no git repository" in ran.err) == (125, True)
