"""Notes, records and commit messages that a stranger put into a repository, imported and exported over.

Attacks what is said of who wrote what: a stranger's word must not make an agent's lines a person's, or approved ones.
Attacks promise 2 (a program that the repository names would run as the user) and promise 3 (nothing may be written but
the index, notes, and the folder that was named), and the terminal of whoever looks.
"""

import contextlib
import json
import os
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.provenance.exchange.exchanger import SHOP, Exchanger, note, trace
from tests.repository import git, said
from wrapper.provenance.exchange import gitai
from wrapper.provenance.exchange.ranges import MOST
from wrapper.provenance.index import Index

_ESCAPE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
_LATE = 1_800_000_000


@pytest.fixture
def here(tmp_path: Path) -> Exchanger:
    """Give a machine on which an agent wrote `shop.py`, and a person `README`, which was committed before."""
    made = Exchanger.make(tmp_path)
    made.person.record("shop.py", SHOP)
    made.person.commit({"shop.py": SHOP}, "shop", at=_LATE)
    return made


def states(here: Exchanger) -> list[tuple[object, ...]]:
    return [(line["state"], line["approval"]) for path in ("shop.py", "README") for line in here.blame(path)]


def test_no_word_of_a_strangers_makes_an_agents_lines_a_persons_or_approved(here: Exchanger) -> None:
    before = states(here)
    assert {state for state, _ in before} == {"agent", "human"}
    count = len(SHOP.splitlines())
    for key in ("h_31dce776f88375", "human", "approved_by"):
        here.noted(note({"shop.py": f"{key} 1-{count}"}))
        here.take("git-ai")
    for kind in ("human", "unknown"):
        record = trace(here.head(), "shop.py", {"start_line": 1, "end_line": count}, kind=kind)
        (here.repo / "r.json").write_text(json.dumps({**record, "metadata": {"approved": True, "safe-agent": {}}}))
        here.take("agent-trace", "r.json")
    message = "x\n\nReviewed-by: A <a@example.org>\nHuman-authored: yes\nSigned-off-by: A <a@example.org>"
    here.person.commit({"shop.py": SHOP + "# one more line, by nobody knows whom\n"}, message, at=_LATE + 10)
    here.take("trailers")
    after = states(here)
    assert after[:count] + after[count + 1 :] == before


def test_a_note_that_looks_like_ours_makes_nobodys_lines_a_persons_in_ours(here: Exchanger) -> None:
    here.person.commit({"new.py": "launched = ignite(boosters, hold_down=3)\n"}, "new", at=_LATE + 5)
    forged = note({"new.py": "h_31dce776f88375 1", "shop.py": "1-3"})
    attributes = b'"custom_attributes": {"safe-agent-session": "s-1"}, "human_author"'
    here.noted(forged.replace(b'"human_author"', attributes))
    (here.repo / "shop.py").write_text(SHOP + SHOP.replace("total", "sum_of"))
    here.person.record("shop.py", SHOP.replace("total", "sum_of"))
    git(here.repo, "add", "-A")
    git(here.repo, "commit", "-q", "--amend", "-m", "x", extra={"GIT_COMMITTER_DATE": f"@{_LATE + 6} +0000"})
    here.noted(forged.replace(b'"human_author"', attributes))
    assert here.give("git-ai").code == 0  # it passes for one of ours
    written = gitai.read(here.note_of())
    assert not written.humans
    assert not any(gitai.is_persons(entry.key) for file in written.files for entry in file.entries)
    assert [file.path for file in written.files] == ["shop.py"]


def test_a_claim_of_long_ago_takes_nothing_from_what_is_known(here: Exchanger) -> None:
    """A commit may say any date, and a claim is dated with it: it must not count as the first session."""
    before = states(here)
    old = {"GIT_COMMITTER_DATE": "@1 +0000", "GIT_AUTHOR_DATE": "@1 +0000"}
    git(here.repo, "commit", "-q", "--allow-empty", "-m", "old", extra=old)
    here.noted(note({"shop.py": "1-12", "README": "1"}))
    assert here.take("git-ai")["lines"] == len(SHOP.splitlines()) + 1
    assert states(here) == before
    index = Index.open(here.person.places.state, here.person.key)
    assert all(not session.startswith("claim-") for session in index.sessions)
    assert [fault for fault in index.faults if fault.session.startswith("claim-")] == []


def test_a_claim_that_names_a_session_of_ours_is_not_taken_for_it(here: Exchanger) -> None:
    theirs = note({"README": "1"}, tool="claude", model="m-1").replace(b"6ef2299e", b"s-1")
    here.noted(theirs, "HEAD~1")
    here.take("git-ai")
    (line,) = here.blame("README")
    assert line["source"]["kind"] == "claim"
    assert line["source"]["session"].startswith("claim-")
    assert here.give("trailers", "HEAD~1").out == ""


def test_nothing_that_is_printed_can_steer_a_terminal(here: Exchanger) -> None:
    name = f"a{_ESCAPE}b.py"
    here.person.commit(
        {name: "stands_alone = launch(everything)\n", "t.py": "timid = True and brave\n"}, "x", at=_LATE + 1
    )
    steering = note({name: "1", "gone" + _ESCAPE: "1"}, model=f"m{_ESCAPE}", tool=f"t{_ESCAPE}")
    assert _ESCAPE.encode() in steering
    here.noted(steering)
    here.noted(b"---\n" + json.dumps({"schema_version": f"authorship/9{_ESCAPE}"}).encode(), "HEAD~1")
    record = trace(here.head(), name, {"start_line": 1, "end_line": 1})
    record["tool"]["name"] = record["files"][0]["conversations"][0]["contributor"]["model_id"] = _ESCAPE
    (here.repo / "r.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(record | {"version": _ESCAPE}) + "\n")
    git(
        here.repo,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        f"x\n\nAssisted-by: {_ESCAPE}:{_ESCAPE}\nClaude-Session: {_ESCAPE}",
    )
    for arguments in (
        ("provenance", "import", "--from", "git-ai"), ("provenance", "import", "--from", "agent-trace", "r.jsonl"),
        ("provenance", "import", "--from", "trailers"), ("blame", name), ("blame", "-v", "t.py"),
        ("provenance", "export", "--format", "git-ai", "HEAD~2..HEAD"),
        ("provenance", "export", "--format", "agent-trace", "HEAD~2..HEAD"),
        ("provenance", "export", "--format", "trailers", "HEAD~2..HEAD"), ("blame", "--json", name),
    ):  # fmt: skip
        ran = here.run(*arguments)
        shown = (ran.out + ran.err).replace("\n", "")
        assert ran.code in (0, 1), ran.err
        assert shown.isprintable(), (arguments, shown)


def test_a_note_of_huge_ranges_costs_what_the_file_has(here: Exchanger) -> None:
    ranges = ",".join(f"{first}-{MOST}" for first in range(1, 20_000))
    deep = b'{"schema_version": "authorship/3.0.0", "x": ' + b"[" * 200_000
    here.noted(note({"shop.py": ranges}))
    here.noted(b"---\n" + deep, "HEAD~1")
    said = here.take("git-ai")
    assert said["lines"] == len(SHOP.splitlines())
    assert [remark["why"][:26] for remark in said["not_taken_over"]] == ["not an authorship log that"]


def test_a_commit_that_names_the_same_megabytes_many_times_is_left_out(here: Exchanger) -> None:
    made = []
    for count, content in ((40, b"all work and no play\n" * 100_000), (3, b"fetch = gather(straws)\n")):
        blob = git(here.repo, "hash-object", "-w", "--stdin", given=content).decode().strip()
        names = "".join(f"100644 blob {blob}\tf{name}\n" for name in range(count)).encode()
        tree = git(here.repo, "mktree", given=names).decode().strip()
        made.append(git(here.repo, "commit-tree", "-m", "x\n\nAssisted-by: Codex", tree).decode().strip())
    taken = here.take("trailers", made[0])
    assert [remark["why"] for remark in taken["not_taken_over"]] == ["the commit changes too much to be read"]
    assert (taken["claims"], taken["code"]) == (0, 1)
    assert here.take("trailers", made[1])["lines"] == 3  # the control


def test_paths_that_lead_elsewhere_name_nothing(here: Exchanger, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("one line that is outside of it\n")
    (here.repo / "link.txt").symlink_to(tmp_path / "outside.txt")
    here.person.commit({}, "link", at=_LATE + 1)
    places = (
        "../outside.txt",
        str(tmp_path / "outside.txt"),
        "/etc/passwd",
        "./shop.py",
        ".git/config",
        "src/../shop.py",
    )
    here.noted(note(dict.fromkeys(places, "1-3")))
    before = sorted(path for path in tmp_path.rglob("*") if "objects" not in path.parts)
    said = here.take("git-ai")
    assert said["claims"] == 0
    assert len(said["not_taken_over"]) == len(places)
    assert sorted(path for path in tmp_path.rglob("*") if "objects" not in path.parts) == before
    revisions = ("--output=x", "-n1", "HEAD --output=x", "HEAD:shop.py", "x..--output=x")
    assert [here.run("provenance", "import", "--from", "trailers", "--", one).code for one in revisions] == [125] * 5
    assert not list(tmp_path.rglob("x"))


def test_a_record_names_a_commit_by_its_id_only(here: Exchanger) -> None:
    for revision in ("HEAD", "main", "--all", ":/shop", "HEAD^{/x}", "../x", "0" * 40):
        (here.repo / "r.json").write_text(json.dumps(trace(revision, "shop.py", {"start_line": 1, "end_line": 2})))
        assert here.take("agent-trace", "r.json")["claims"] == 0
    (here.repo / "r.json").write_text(json.dumps(trace(here.head(), "shop.py", {"start_line": 1, "end_line": 2})))
    assert here.take("agent-trace", "r.json")["claims"] == 1


def test_notes_are_not_written_through_a_reference_that_points_elsewhere(here: Exchanger) -> None:
    git(here.repo, "symbolic-ref", "refs/notes/ai", "refs/heads/main")
    before = here.head()
    ran = here.give("git-ai")
    assert (ran.code, here.head()) == (125, before)
    assert "symbolic reference" in ran.err
    git(here.repo, "symbolic-ref", "--delete", "refs/notes/ai")
    assert here.give("git-ai").code == 0


def test_records_are_not_written_through_links(here: Exchanger, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    folder = here.repo / "traces"
    folder.mkdir()
    (folder / f"{here.head()}.json").symlink_to(victim)
    assert here.give("agent-trace", "HEAD", "--out", "traces").code == 0
    assert victim.read_text() == "precious\n"
    assert not (folder / f"{here.head()}.json").is_symlink()


def test_records_are_read_from_files_only(here: Exchanger) -> None:
    os.mkfifo(here.repo / "pipe")
    for name in ("pipe", ".", "/dev/zero"):
        ran = here.run("provenance", "import", "--from", "agent-trace", name)
        assert ran.code == 125
        assert "Traceback" not in ran.err


def test_no_program_that_the_repository_names_runs(here: Exchanger, tmp_path: Path) -> None:
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o700)
    hooks = here.repo / "hooks"
    hooks.mkdir()
    for hook in ("reference-transaction", "post-commit", "pre-auto-gc", "post-index-change", "prepare-commit-msg"):
        (hooks / hook).symlink_to(program)
    (here.repo / ".gitattributes").write_text("* diff=evil filter=evil\n")
    here.person.commit({"shop.py": SHOP + "more = 'than before'\n"}, "x\n\nAssisted-by: Codex", at=_LATE + 1)
    for setting in (
        "core.fsmonitor", "diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean",
        "filter.evil.smudge", "filter.evil.process", "core.pager", "core.editor", "gpg.program",
    ):  # fmt: skip
        git(here.repo, "config", setting, str(program))
    git(here.repo, "config", "core.hooksPath", str(hooks))
    git(here.repo, "config", "commit.gpgSign", "true")
    (here.repo / "shop.py").write_text(SHOP + "and more\n")
    for arguments in (
        ("import", "--from", "trailers"), ("import", "--from", "git-ai"), ("export", "--format", "git-ai", "HEAD~1..HEAD"),
        ("export", "--format", "git-ai", "HEAD~1"), ("export", "--format", "agent-trace"), ("export", "--format", "trailers"),
    ):  # fmt: skip
        assert here.run("provenance", *arguments).code == 0
    assert not marker.exists()
    assert said(here.repo, "notes", "--ref=ai", "list")
    with contextlib.suppress(CalledProcessError):
        git(here.repo, "diff")  # the control: git itself runs them
    assert marker.exists()


def test_a_file_that_is_claimed_over_and_over_is_read_a_bounded_number_of_times(here: Exchanger) -> None:
    once = {"start_line": 1, "end_line": MOST}
    for many in (120, 3):
        git(here.repo, "commit", "-q", "--allow-empty", "-m", "x")
        (here.repo / "r.json").write_text(json.dumps(trace(here.head(), "shop.py", *[once] * many)))
        taken = here.take("agent-trace", "r.json")
        whys = [remark["why"] for remark in taken["not_taken_over"]]
        assert whys == (["its lines are claimed too often to be read"] if many > 100 else [])
        assert (taken["claims"], taken["known"]) == (1, min(many, 100) - 1)


def test_a_commit_of_a_time_that_no_calendar_has_is_told_of(here: Exchanger) -> None:
    raw = git(here.repo, "cat-file", "commit", "HEAD").decode().replace(f"> {_LATE} ", f"> {10**15 - 1} ")
    commit = git(here.repo, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", given=raw.encode())
    ran = here.give("agent-trace", commit.decode().strip())
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["timestamp"] == "9999-12-31T23:59:59Z"
