"""What our index knows, told to others: in notes that git and git-ai's readers understand, in records, in messages."""

import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.audit.recording import Home, ended, start_event, warned
from tests.audit.recording import asked as asked_for
from tests.provenance.exchange.exchanger import SHOP, Exchanger, note
from tests.repository import git, said
from wrapper.audit.deltas import Delta
from wrapper.audit.keys import Keys
from wrapper.provenance.exchange import agenttrace, gitai, trailers
from wrapper.provenance.exchange.ranges import Range

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parent / "published/agent-trace-schema.json").read_bytes())
)  # the specification's own
WRITTEN = """\
def refund(order, ledger, reason):
    booking = ledger.book(order.total, reason=reason)
    order.cancel(because=reason, booking=booking)
    return booking.number
"""
BY_HAND = "# what stands below is the agent's, and this line is mine\n"


@pytest.fixture
def here(tmp_path: Path) -> Exchanger:
    """Give a machine whose last commit has lines of an agent's, below one that nobody can say of who wrote it."""
    made = Exchanger.make(tmp_path)
    made.person.commit({"shop.py": SHOP}, "by hand", at=1_600_000_000)
    made.person.record("refunds.py", WRITTEN, prompt=8)
    made.person.commit({"my refunds.py": BY_HAND + WRITTEN, "shop.py": SHOP + BY_HAND}, "refunds", at=1_800_000_000)
    return made


def notes(here: Exchanger) -> gitai.Log:
    return gitai.read(here.note_of())


def test_a_note_tells_of_the_agents_lines_of_its_commit(here: Exchanger) -> None:
    ran = here.give("git-ai")
    assert (ran.code, ran.out) == (0, f"{here.head()[:12]}  written  4 lines\n")
    log = notes(here)
    ((file),) = log.files
    assert file.path == "my refunds.py"
    assert [entry.ranges for entry in file.entries] == [(Range(2, 5),)]
    agent = log.agent(file.entries[0].key)
    assert agent is not None
    assert (agent.tool, agent.model, agent.id) == ("claude", "m-1", "s-1/m-1")
    assert file.entries[0].key.startswith(gitai.session_key("claude", "s-1/m-1") + "::t_")
    assert here.give("git-ai").out.startswith(f"{here.head()[:12]}  unchanged")
    assert here.give("git-ai", "HEAD~1").out == f"{said(here.repo, 'rev-parse', 'HEAD~1')[:12]}  nothing known\n"


def test_gits_own_commands_keep_our_notes(here: Exchanger) -> None:
    here.give("git-ai")
    note = here.note_of()
    git(here.repo, "notes", "--ref=ai", "copy", "HEAD", "HEAD~1")
    assert here.note_of("HEAD~1") == note
    git(here.repo, "notes", "--ref=ai", "prune")
    git(here.repo, "gc", "-q")
    listed = said(here.repo, "notes", "--ref=ai", "list").split()
    assert here.head() in listed
    git(here.repo, "branch", "copy", "refs/notes/ai")
    git(here.repo, "notes", "--ref=ai", "remove", "HEAD~1")
    git(here.repo, "notes", "--ref=ai", "merge", "-q", "-s", "theirs", "refs/heads/copy")
    assert here.note_of() == note
    git(here.repo, "fsck", "--strict")
    away = here.repo.parent / "clone"
    git(here.repo.parent, "clone", "-q", str(here.repo), str(away))
    git(away, "fetch", "-q", "origin", "refs/notes/ai:refs/notes/ai")
    assert git(away, "notes", "--ref=ai", "show", "HEAD") == note


def test_a_note_of_others_is_left_as_it_is_unless_forced(here: Exchanger) -> None:
    theirs = note({"my refunds.py": "1-5"})
    here.noted(theirs)
    ran = here.give("git-ai")
    assert (ran.code, here.note_of().strip()) == (1, theirs.strip())
    assert "--force" in ran.err
    here.noted(b"what is no log is nobody's to replace")
    assert here.give("git-ai").code == 1
    assert here.give("git-ai", "--force", "--dry-run").out.endswith("would be written  4 lines\n")
    assert here.note_of().startswith(b"what is no log")
    assert here.give("git-ai", "--force").code == 0
    assert [entry.ranges for entry in notes(here).files[0].entries] == [(Range(2, 5),)]


def test_what_another_machine_knew_stays_in_a_note_of_ours(here: Exchanger, tmp_path: Path) -> None:
    """The other one has the same repository and an index of its own, in which an agent wrote the first line."""
    here.give("git-ai")
    other = Exchanger.make(tmp_path / "other")
    other.person.repo = here.repo
    other.person.sessions = 10
    other.person.record("note.py", BY_HAND)
    assert other.give("git-ai").code == 0
    merged = {(file.path, entry.key[:16]): entry.ranges for file in notes(here).files for entry in file.entries}
    first, second = (gitai.session_key("claude", f"{session}/m-1") for session in ("s-1", "s-11"))
    assert merged == {
        ("my refunds.py", first): (Range(2, 5),),
        ("my refunds.py", second): (Range(1, 1),),
        ("shop.py", second): (Range(13, 13),),
    }


def test_a_record_for_a_commit_validates_and_says_no_more_than_it_must(here: Exchanger) -> None:
    ran = here.give("agent-trace", "HEAD")
    record = json.loads(ran.out)
    SCHEMA.validate(record)
    assert record["vcs"] == {"type": "git", "revision": here.head()}
    (file,) = record["files"]
    ((conversation),) = file["conversations"]
    assert (file["path"], conversation["contributor"]) == ("my refunds.py", {"type": "ai", "model_id": "m-1"})
    lines = (here.repo / "my refunds.py").read_bytes().splitlines(keepends=True)
    assert conversation["ranges"] == [
        {"start_line": 2, "end_line": 5, "content_hash": agenttrace.hashed(b"".join(lines[1:5]))}
    ]
    assert record["metadata"] == {"safe-agent": {"clients": {"safe-agent:session/s-1": "claude"}}}
    assert here.give("agent-trace", "HEAD").out == ran.out
    assert str(here.person.home) not in ran.out


def test_records_go_into_a_folder_one_a_commit_readable_by_their_owner_only(here: Exchanger, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    ran = here.give("agent-trace", "HEAD~2..HEAD", "--out", str(folder), "--json")
    files = [folder / name for name in json.loads(ran.out)["files"]]
    assert files[-1].name == f"{here.head()}.json"
    assert sorted(files) == sorted(folder.iterdir())
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        SCHEMA.validate(json.loads(file.read_bytes()))
    there = tmp_path / "dry"
    assert here.give("agent-trace", "HEAD", "--out", str(there), "--dry-run").code == 0
    assert not there.exists()


def test_what_is_not_committed_is_told_without_a_revision(here: Exchanger) -> None:
    (here.repo / "more.py").write_text(WRITTEN)
    record = json.loads(here.give("agent-trace").out)
    SCHEMA.validate(record)
    assert "vcs" not in record
    assert [file["path"] for file in record["files"]] == ["more.py"]


def test_lines_for_a_commit_message_tell_of_what_is_staged(here: Exchanger) -> None:
    (here.repo / "more.py").write_text(WRITTEN)
    assert here.give("trailers").out == ""
    git(here.repo, "add", "more.py")
    assert here.give("trailers").out == "Assisted-by: Claude:m-1\nSafe-Agent-Session: s-1\n"
    assert json.loads(here.give("trailers", "HEAD", "--json").out)["trailers"] == [
        "Assisted-by: Claude:m-1",
        "Safe-Agent-Session: s-1",
    ]


def test_the_hook_of_the_help_puts_them_into_messages(here: Exchanger) -> None:
    shown = here.run("provenance", "export", "--help").out
    recipe = shown.partition("prepare-commit-msg:\n")[2].partition("\n\n")[0]
    assert "interpret-trailers" in recipe
    hook = here.repo / ".git/hooks/prepare-commit-msg"
    hook.parent.mkdir(exist_ok=True)
    program = Path(sys.executable).parent
    hook.write_text(f"#!/bin/sh\nPATH={program}:$PATH\n{recipe}\n")
    hook.chmod(0o700)
    (here.repo / "more.py").write_text(WRITTEN)
    git(here.repo, "add", "more.py")
    git(here.repo, "commit", "-q", "-m", "more", extra={"HOME": str(here.person.home)})
    message = said(here.repo, "log", "-1", "--format=%B")
    assert message == "more\n\nAssisted-by: Claude:m-1\nSafe-Agent-Session: s-1"
    (told,) = trailers.read(message)
    assert told[:3] == ("claude", "m-1", "s-1")


def test_prompts_need_the_private_key_and_the_format_that_has_a_place_for_them(here: Exchanger) -> None:
    ran = here.give("agent-trace", "HEAD", "--prompts")
    assert (ran.code, ran.out) == (125, "")
    assert "private key" in ran.err
    assert here.give("git-ai", "--prompts").code == 2


def test_what_the_user_asked_goes_out_when_told_to_only_and_as_the_log_has_it(here: Exchanger) -> None:
    places = here.person.places
    keys = Keys(places.config)
    keys.make()
    asked = "refund by " + "MASKED-" + "STRIPE-KEY-2QCP4TSD"
    body = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": asked}], "tools": [{"name": "Bash"}]})
    before = [start_event(), *(warned("x") for _ in range(3))]  # each with a checkpoint: the request is record 8
    Home(places.config, places.state, keys).write(
        written=[*before, asked_for(1, Delta(0, 0, 0, body.encode())), ended()]
    )
    plain = here.give("agent-trace", "HEAD").out
    assert asked not in plain
    told = here.give("agent-trace", "HEAD", "--prompts")
    record = json.loads(told.out)
    SCHEMA.validate(record)
    assert record["metadata"]["safe-agent"]["prompts"] == {"safe-agent:session/s-1#8": asked}
    related = record["files"][0]["conversations"][0]["related"]
    assert related == [{"type": "prompt", "url": "safe-agent:session/s-1#8"}]
    here.give("git-ai")
    assert asked.encode() not in here.note_of()


def test_what_only_others_claim_is_not_told_as_ours(here: Exchanger) -> None:
    here.person.commit({"theirs.py": SHOP.replace("total", "sum_of")}, "theirs", at=1_800_000_100)
    here.noted(note({"theirs.py": "1-12"}))
    here.take("git-ai")
    here.counting()
    assert here.blame("theirs.py")[0]["state"] == "agent"
    assert here.give("agent-trace", "HEAD").out == ""
    assert here.give("git-ai", "--force").out.endswith("nothing known\n")


def test_our_own_record_comes_back_as_a_claim_elsewhere(here: Exchanger, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(here.give("agent-trace", "HEAD").out)
    other = Exchanger.make(tmp_path / "other")
    other.person.repo = here.repo
    taken = other.take("agent-trace", str(file))
    assert (taken["lines"], taken["code"]) == (4, 0)
    lines = other.blame("my refunds.py")
    assert [line["source"] and line["source"]["kind"] for line in lines] == [None, *["claim"] * 4]


def test_wrong_words_are_refused(here: Exchanger) -> None:
    for arguments, code in (
        (("--format", "git-ai", "--out", "x"), 2), (("--format", "trailers", "--force"), 2),
        (("--format", "git-ai", "no-such-branch"), 125), (("--format", "html"), 2),
    ):  # fmt: skip
        assert here.run("provenance", "export", *arguments).code == code
