"""`safe-agent review` by flags, as a gate before commits and on a server."""

import json
import shutil
from pathlib import Path

import pytest

from tests.provenance.reviewer import CODE, MORE, SAFE_AGENT, Reviewer
from tests.repository import git


@pytest.fixture
def ann(tmp_path: Path) -> Reviewer:
    return Reviewer.make(tmp_path / "ann")


def ids(of: Reviewer, *arguments: str) -> dict[str, str]:
    """Give the id of the hunks in each file; of several the last."""
    return {hunk["path"]: hunk["id"] for hunk in json.loads(of.run("--json", *arguments).out)["hunks"]}


def approve(of: Reviewer, *arguments: str) -> None:
    ran = of.run("--approve", "all", *arguments, types="1")
    assert ran.code == 0, ran


def test_hunks_are_listed_with_place_session_and_model_and_what_a_person_wrote_is_not(ann: Reviewer) -> None:
    ann.write("shop/total.py", CODE)
    (ann.repo / "shop/total.py").write_text("import person_wrote_this\n\n" + CODE)
    ann.write("shop/basket.py", MORE)
    (ann.repo / "by_hand.py").write_text("hands = wrote(this, line)\n")
    ran = ann.run()
    assert ran.code == 0
    assert [line.split()[1] for line in ran.out.splitlines()] == ["shop/basket.py:1-10", "shop/total.py:3-6"]
    assert "session s-1 m-1" in ran.out
    document = json.loads(ann.run("--json").out)
    assert (document["version"], document["left"], document["faults"]) == (1, 2, [])
    assert document["hunks"][1]["sources"][0]["session"] == "s-1"


def test_an_approval_is_asked_for_on_the_terminal_and_nowhere_else(ann: Reviewer) -> None:
    ann.write("a.py", CODE)
    nobody, mistyped = ann.run_apart("--approve", "all"), ann.at_terminal("--approve", "all", types="y")
    assert (nobody.code, mistyped.code, ann.files) == (125, 125, [])
    assert "a person approves" in nobody.err
    assert "nothing was signed" in mistyped.out
    assert ann.at_terminal("--approve", "all", "--reason", "read it", types="1").code == 0
    assert ann.run("--require-review").code == 0
    assert "approved by" in ann.run("--list", "--all").out
    assert "(read it)" in ann.run("--list", "--all").out


def test_an_approval_follows_its_lines_through_commit_move_squash_and_rebase(ann: Reviewer) -> None:
    ann.write("a.py", CODE)
    approve(ann)
    ann.write("b.py", MORE)
    base = git(ann.repo, "rev-parse", "HEAD").decode().strip()
    git(ann.repo, "checkout", "-q", "-b", "work")
    git(ann.repo, "add", "a.py")
    git(ann.repo, "commit", "-q", "-m", "one")
    (ann.repo / "a.py").rename(ann.repo / "moved.py")
    ann.commit({"moved.py": "import humans\n\n" + CODE}, "two")
    git(ann.repo, "checkout", "-q", "main")
    ann.commit({"README": "another readme\n"}, "meanwhile")
    git(ann.repo, "rebase", "-q", "main", "work")
    git(ann.repo, "checkout", "-q", "main")
    git(ann.repo, "merge", "-q", "--squash", "work")
    ann.commit({}, "squashed")
    assert list(ids(ann, f"{base}..main")) == ["b.py", "moved.py"]
    assert [line.split()[1] for line in ann.run(f"{base}..main").out.splitlines()] == ["b.py:1-10"]


def test_a_rejection_takes_an_approval_back_and_an_edit_needs_a_new_one(ann: Reviewer) -> None:
    ann.write("a.py", CODE)
    approve(ann)
    assert ann.run("--reject", "all").code == 2
    assert ann.run("--reject", "all", "--reason", "copied").code == 0
    ran = ann.run("--require-review")
    assert ran.code == 1
    assert "rejected by" in ran.out
    assert "(copied)" in ran.out
    approve(ann)
    assert ann.run("--require-review").code == 0
    (ann.repo / "a.py").write_text(CODE.replace("round(amount - discount, 2)", "round(amount - discount, 3)"))
    assert ann.run("--require-review").code == 1


def test_a_hook_judges_what_is_staged_and_stops_the_commit(ann: Reviewer) -> None:
    hook = ann.repo / ".git/hooks/pre-commit"
    hook.write_text(f"#!/bin/sh\nHOME={ann.home} exec {SAFE_AGENT} review --require-review --staged\n")
    hook.chmod(0o755)
    ann.write("a.py", CODE)
    git(ann.repo, "add", "a.py")
    (ann.repo / "a.py").write_text("nothing\n")
    committing = ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-m", "one"]
    before = git(ann.repo, "rev-parse", "HEAD")
    with pytest.raises(Exception, match="exit status 1") as refused:
        git(ann.repo, *committing)
    assert b"hint: look at them: `safe-agent review --staged`" in refused.value.stderr  # type: ignore[attr-defined]
    assert git(ann.repo, "rev-parse", "HEAD") == before
    approve(ann, "--staged")
    git(ann.repo, *committing)
    assert git(ann.repo, "show", "HEAD:a.py").decode() == CODE


def test_where_the_index_has_a_fault_the_gate_refuses_unless_it_is_told_to_go_on(ann: Reviewer) -> None:
    ann.write("a.py", CODE)
    approve(ann)
    ann.write("b.py", MORE, whole=False)
    (ann.repo / "b.py").unlink()
    ran = ann.run("--require-review")
    assert (ran.code, "cannot be known" in ran.err, "s-2" in ran.err) == (125, True, True)
    assert ann.run("--require-review", "--allow-unknown").code == 0
    assert ann.run("--list").code == 0
    assert json.loads(ann.run("--json").out)["faults"][0]["session"] == "s-2"
    ann.commit({}, "one")
    assert ann.run("--publish", "HEAD~1..HEAD").code == 125
    assert ann.run("--publish", "--allow-unknown", "HEAD~1..HEAD").code == 0


def test_without_an_index_nothing_is_known_and_the_gate_says_so(ann: Reviewer, tmp_path: Path) -> None:
    ann.write("a.py", CODE)
    empty = {"HOME": str(tmp_path / "empty")}
    (tmp_path / "empty").mkdir()
    ran = ann.run("--require-review", extra=empty)
    assert ran.code == 125
    assert "--trust" in ran.err
    assert ann.run("--require-review", "--allow-unknown", extra=empty).code == 0
    assert ann.run("--approve", "all", "--allow-unknown", extra=empty, types="1").code == 125


def test_a_server_judges_a_range_by_the_notes_that_were_published(ann: Reviewer, tmp_path: Path) -> None:
    base = git(ann.repo, "rev-parse", "HEAD").decode().strip()
    ann.write("a.py", CODE)
    ann.commit({}, "one")
    approve(ann, f"{base}..HEAD")
    ann.write("b.py", MORE)
    ann.commit({"c.py": "person = wrote('this')\n"}, "two")
    assert ann.run("--publish", f"{base}..HEAD").code == 0
    server = tmp_path / "server"
    git(tmp_path, "clone", "-q", str(ann.repo), str(server))
    home = {"HOME": str(tmp_path / "nobody")}
    (tmp_path / "nobody").mkdir()
    key = ann.ledger / "note.pub"
    shutil.copy(key, tmp_path / "key")
    gate = ("--require-review", "--trust", str(tmp_path / "key"), f"{base}..HEAD")
    unknown = ann.run(*gate, cwd=server, extra=home)
    assert (unknown.code, "it has no review" in unknown.err) == (125, True)
    notes = "+refs/notes/*:refs/notes/*"
    git(server, "fetch", "-q", "origin", notes)
    left = ann.run(*gate, cwd=server, extra=home)
    assert (left.code, left.out.split()[0]) == (1, "b.py:1-10")
    assert json.loads(ann.run("--json", *gate, cwd=server, extra=home).out)["seen"] == 2
    approve(ann, f"{base}..HEAD")
    assert ann.run("--publish", f"{base}..HEAD").code == 0
    git(server, "fetch", "-q", "origin", notes)
    assert ann.run(*gate, cwd=server, extra=home).code == 0
    text = key.read_text().strip()
    assert ann.run(*gate[:2], text, gate[-1], cwd=server, extra=home).code == 0
    assert ann.run(*gate[:2], "rubbish", gate[-1], cwd=server, extra=home).code == 125


def test_policy_can_ask_for_a_review_and_for_reasons(ann: Reviewer) -> None:
    policy = ann.home / ".config/safe-agent/policy.toml"
    policy.write_text("version = 1\n[provenance]\nrequire_review = true\nrequire_reason = true\n")
    ann.write("a.py", CODE)
    assert (ann.run().code, ann.run("--list").code) == (1, 0)
    assert "asks for a reason" in ann.run("--approve", "all", types="1").err
    approve(ann, "--reason", "read")
    assert ann.run().code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--staged", "README"),
        ("--publish",),
        ("--publish", "--require-review", "HEAD..HEAD"),
        ("--trust", "x", "HEAD..HEAD"),
        ("--approve", "all", "--require-review"),
        ("nothing-of-this-name",),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(ann: Reviewer, arguments: tuple[str, ...]) -> None:
    assert ann.run(*arguments).code == 2


def test_an_id_that_names_no_hunk_or_several_signs_nothing(ann: Reviewer) -> None:
    ann.write("a.py", CODE)
    for name in ("ffffffff", ""):
        ran = ann.run("--reject", name, "--reason", "no")
        assert (ran.code, "--list" in ran.err) == (125, True)
    assert ann.files == []
