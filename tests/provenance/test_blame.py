"""Whose the lines of a file are, through all that git and people do to it: real git, a history with its own clock."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.provenance.written import Written, matcher, new_key
from tests.repository import git, repository, said
from wrapper.errors import WorkspaceError
from wrapper.provenance.attribution import Rules, State
from wrapper.provenance.blaming import STAGED, Blamed, Blaming
from wrapper.provenance.commits import known_to_git
from wrapper.provenance.index import SessionState, workspace_id
from wrapper.provenance.model import Fault, Kind

SESSION = "20260101T000000Z-aaaaaa"
DAY = 86_400
BEFORE, CAPTURED, AFTER = 1_700_000_000, 1_700_000_000 + DAY, 1_700_000_000 + 2 * DAY

OLD = """import decimal

def exchange_rate(currency, table):
    entry = table.lookup(currency)
    if entry is None:
        raise UnknownCurrency(currency)
    return decimal.Decimal(entry.rate)
"""
AGENTS = """

def invoice_total(invoice, table, currency):
    lines = [line for line in invoice.lines if not line.is_cancelled]
    subtotal = sum(line.amount * line.quantity for line in lines)
    surcharge = handling_fee(invoice.shipping, subtotal)
    discount = best_discount(invoice.customer, subtotal)
    taxed = apply_tax(subtotal + surcharge - discount, invoice.region)
    rate = exchange_rate(currency, table)
    return quantize(taxed * rate, currency.exponent)


def handling_fee(shipping, subtotal):
    bracket = shipping.bracket_for(subtotal)
    if bracket.is_free and not shipping.is_express:
        return Money.zero(bracket.currency)
    return bracket.base_fee + bracket.per_kilo * shipping.weight
"""
EDITED = (
    "    discount = best_discount(invoice.customer, subtotal)",
    "    discount = best_discount(invoice.customer, today)",
)
REPLACED = ("    return bracket.base_fee + bracket.per_kilo * shipping.weight", "    raise NotImplementedError('fees')")
# No line of it has the shape of one of `AGENTS`: one in fifty of these would be taken for the agent's under another name.
PERSONS = "\n\ndef report_header(title, columns=80):\n    print(title.center(columns), file=sys.stderr)\n"
AFTERWARDS = (OLD + AGENTS + PERSONS).replace(*EDITED).replace(*REPLACED)


def at(when: int) -> Mapping[str, str]:
    """A committer's clock; the author's is another one, always too early."""
    return {"GIT_COMMITTER_DATE": f"{when} +0000", "GIT_AUTHOR_DATE": f"{BEFORE - DAY} +0000"}


def commit(folder: Path, when: int, *arguments: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", f"at {when}", *arguments, extra=at(when))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository: a person's file, an agent's function in it, a person's edits after; each committed."""
    folder = repository(tmp_path / "work")
    (folder / "billing.py").write_text(OLD)
    commit(folder, BEFORE)
    (folder / "billing.py").write_text(OLD + AGENTS)
    commit(folder, CAPTURED + 600)
    (folder / "billing.py").write_text(AFTERWARDS)
    commit(folder, AFTER)
    return folder


def blaming(root: Path, *, faults: tuple[Fault, ...] = (), home: Path | None = None, host: str = "") -> Blaming:
    """The index of one session that wrote `AGENTS` into the file of the repository `home`."""
    key = new_key()
    whole = OLD + AGENTS
    echoes = frozenset(range(OLD.count("\n")))
    written = [
        Written(AGENTS.encode(), CAPTURED + 10, session=SESSION),
        Written(whole.encode(), CAPTURED + 11, Kind.WRITE, SESSION, echoes, model=""),
    ]
    if host:
        written.append(Written(b"", CAPTURED + 700, Kind.HOST, SESSION, path=host))
    state = SessionState(workspace_id(key, home or root), CAPTURED, CAPTURED + 1000, 1, is_whole=True)
    found = matcher(*written, key=key)
    return Blaming(found, key, root, Rules(), faults, {SESSION: state})


def facts(blamed: Blamed) -> dict[str, str]:
    """State by line, of lines that say something."""
    lines = (line.decode().strip() for line in blamed.lines)
    return {line: one.state.value for line, one in zip(lines, blamed.origins, strict=True) if line}


def expected(old: str = "human") -> dict[str, str]:
    """What is true of `AFTERWARDS`, whatever becomes of the file; of the old lines only git's dates know."""
    states = {line.strip(): old for line in OLD.split("\n")} | {line.strip(): "agent" for line in AGENTS.split("\n")}
    states |= {line.strip(): "unknown" for line in PERSONS.split("\n")}
    states |= {EDITED[1].strip(): "agent-edited", REPLACED[1].strip(): "unknown"}
    return {line: state for line, state in states.items() if line and line in AFTERWARDS}


def test_each_line_is_whose_it_is_in_each_version_of_the_file(work: Path) -> None:
    index, file = blaming(work), work / "billing.py"
    found = index.blamed(file)
    assert facts(found) == expected()
    assert found.path == "billing.py"
    assert [one.id if one else "" for one in found.commits] == [
        line.split()[0] for line in said(work, "blame", "-l", "-s", "--root", "billing.py").split("\n")
    ]
    assert {index.emission(one.emission).model for one in found.origins if one.state is State.AGENT} == {"model-1"}
    assert set(facts(index.blamed(file, "HEAD~1")).values()) == {"human", "agent"}
    assert set(facts(index.blamed(file, "HEAD~2")).values()) == {"human"}
    file.write_text(AFTERWARDS + "    unstaged = 1\n")
    git(work, "add", ".")
    file.write_text(AFTERWARDS)
    assert "unstaged = 1" in facts(index.blamed(file, STAGED))
    assert facts(index.blamed(file)) == expected()
    assert facts(index.blamed(file, None, OLD.encode())) == dict.fromkeys(facts(index.blamed(file, "HEAD~2")), "human")
    with pytest.raises(WorkspaceError, match="no revision `nowhere`"):
        index.blamed(file, "nowhere")
    with pytest.raises(WorkspaceError, match=r"has no `other\.py`"):
        index.blamed(work / "other.py", "HEAD")


def test_git_moves_copies_rewrites_and_squashes_and_every_line_stays_whose_it_is(work: Path, tmp_path: Path) -> None:
    index, later = blaming(work), AFTER + DAY
    git(work, "branch", "topic")

    (work / "src").mkdir()
    git(work, "mv", "billing.py", "src/invoices.py")
    assert facts(index.blamed(work / "src/invoices.py")) == expected()  # not yet committed
    commit(work, later)
    assert facts(index.blamed(work / "src/invoices.py")) == expected()
    commit(work, later + 1, "--amend")
    assert facts(index.blamed(work / "src/invoices.py", "HEAD")) == expected()

    git(work, "checkout", "-q", "--orphan", "squashed", "HEAD")
    commit(work, later + 2)
    assert facts(index.blamed(work / "src/invoices.py", "squashed")) == expected("unknown")  # committed later only

    git(work, "checkout", "-q", "-b", "other", "topic~2")
    (work / "notes.txt").write_text("notes\n")
    commit(work, later + 3)
    git(work, "cherry-pick", "topic~1", extra=at(later + 4))
    assert set(facts(index.blamed(work / "billing.py")).values()) == {"human", "agent"}
    git(work, "reset", "-q", "--hard", "HEAD~1")
    git(work, "merge", "-q", "--squash", "topic")
    commit(work, later + 5)
    assert facts(index.blamed(work / "billing.py")) == expected()

    git(work, "checkout", "-q", "topic")
    git(work, "rebase", "-q", "other~1", extra=at(later + 6))
    assert facts(index.blamed(work / "billing.py", "topic")) == expected()

    rewritten = repository(tmp_path / "rewritten")
    stream = (
        git(work, "fast-export", "topic")
        .replace(b"M 100644 :", b"M 100755 :")
        .replace(b" billing.py\n", b" lib/b.py\n")
    )
    git(rewritten, "fast-import", "--quiet", given=stream)
    git(rewritten, "checkout", "-q", "topic")
    assert facts(blaming(rewritten, home=work).blamed(rewritten / "lib/b.py")) == expected("unknown")  # no session here
    assert facts(blaming(rewritten).blamed(rewritten / "lib/b.py")) == expected()

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(work / "billing.py", elsewhere / "copied.py")
    assert facts(blaming(elsewhere, home=work).blamed(elsewhere / "copied.py")) == expected("unknown")


def test_an_edit_is_followed_through_history_where_nothing_of_it_is_left_beside_it(work: Path) -> None:
    """Each edit keeps some of the line; lines around it are replaced, so that only git knows what it was."""
    file, index = work / "billing.py", blaming(work)
    line = "    taxed = apply_tax(subtotal + surcharge - discount, invoice.region)\n"
    first = "    taxed = vat.apply_tax(subtotal + surcharge - rebate, invoice.region)\n"
    second = "    gross = vat.apply_tax(net + surcharge - rebate, invoice.region)\n"
    third = "    gross = duty(net, rebate)\n"
    for number, text in enumerate((line, first, second, third)):
        file.write_text(f"alpha = {number}{number}\n{text}omega = {number}{number}\n")
        commit(work, AFTER + number + 1)
    states = [facts(index.blamed(file, f"HEAD~{3 - number}")) for number in range(4)]
    assert [states[number][text.strip()] for number, text in enumerate((line, first, second, third))] == [
        "agent", "agent-edited", "agent-edited", "unknown",
    ]  # fmt: skip
    assert {states[3]["alpha = 33"], states[3]["omega = 33"]} == {"unknown"}


def test_reformatting_and_other_line_ends_do_not_wash_an_agents_lines(work: Path) -> None:
    file = work / "billing.py"
    wrapped = AFTERWARDS.replace("(invoice, table, currency)", "(\n    invoice,\n    table,\n    currency,\n)")
    file.write_bytes(wrapped.replace("    ", "\t").replace("\n", "\r\n").encode())
    commit(work, AFTER + DAY)
    found = facts(blaming(work).blamed(file))
    wrapped_lines = ("def invoice_total(", "invoice,", "table,", "currency,")
    assert {found[line] for line in wrapped_lines} == {"agent-edited"}
    assert found["def exchange_rate(currency, table):"] == "unknown"  # not an edit; to git it is new
    agents = [line.strip() for line in AGENTS.split("\n") if line in AFTERWARDS and "def invoice_total" not in line]
    assert {found[line] for line in agents if line} == {"agent"}


def test_a_date_set_back_by_the_committer_makes_nobody_a_person(work: Path) -> None:
    """Promise of the index: what a session did not watch is not called a person's because a commit says a date."""
    (work / "forged.py").write_text("def smuggled(value):\n    return value.hidden\n")
    commit(work, BEFORE + 1)
    found = blaming(work).blamed(work / "forged.py")
    assert {one.committed for one in found.commits if one} == {float(BEFORE + 1)}
    assert set(facts(found).values()) == {"unknown"}
    assert facts(blaming(work).blamed(work / "billing.py")) == expected()  # the control: true dates count


def test_what_was_committed_while_a_session_watched_is_a_persons_if_it_saw_a_write_from_outside(work: Path) -> None:
    git(work, "reset", "-q", "--hard", "HEAD~1")
    git(work, "commit", "-q", "--amend", "--no-edit", extra=at(CAPTURED + 600))
    (work / "billing.py").write_text(AFTERWARDS)
    commit(work, CAPTURED + 800)
    watched = facts(blaming(work, host="billing.py").blamed(work / "billing.py"))
    assert watched == {line: "human" if state == "unknown" else state for line, state in expected().items()}
    assert facts(blaming(work, host="other.py").blamed(work / "billing.py")) == expected()
    fault = Fault(SESSION, "it is damaged")
    assert facts(blaming(work, host="billing.py", faults=(fault,)).blamed(work / "billing.py")) == expected()


def test_without_git_or_with_a_repository_that_would_run_programs_content_decides(work: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    script = tmp_path / "filter"
    script.write_text(f"#!/bin/sh\ntouch {witness}\ncat\n")
    script.chmod(0o755)
    for name in ("filter.x.clean", "filter.x.smudge", "diff.x.textconv", "core.fsmonitor", "diff.external"):
        git(work, "config", name, str(script))
    (work / ".gitattributes").write_text("*.py filter=x diff=x\n")
    (work / "billing.py").write_text(AFTERWARDS + "# one more\n")
    assert facts(blaming(work).blamed(work / "billing.py")) == {**expected(), "# one more": "unknown"}
    assert not witness.exists()
    git(work, "add", ".")
    assert witness.exists()  # the control: git itself runs it
    shutil.rmtree(work / ".git")
    assert facts(blaming(work).blamed(work / "billing.py")) == {**expected("unknown"), "# one more": "unknown"}
    (work / "link.py").symlink_to("billing.py")
    assert len(blaming(work).blamed(work / "link.py").origins) == len(blaming(work).blamed(work / "billing.py").origins)


@pytest.mark.parametrize("way", ["behind", "orphan", "unborn"])
def test_a_commit_that_the_session_made_and_dated_back_takes_no_line_from_it(way: str, tmp_path: Path) -> None:
    folder = repository(tmp_path / "work")
    (folder / "billing.py").write_text(OLD)
    commit(folder, BEFORE)
    tips = () if way == "unborn" else known_to_git(folder)
    if way == "orphan":
        git(folder, "checkout", "-q", "--orphan", "other")
    (folder / "billing.py").write_text(AFTERWARDS)
    commit(folder, BEFORE + 1)
    index = blaming(folder)
    index = replace(index, sessions={SESSION: index.sessions[SESSION]._replace(commits=tips)})
    states = facts(index.blamed(folder / "billing.py"))
    assert {states[line.strip()] for line in AGENTS.split("\n") if line.strip() in states} == {"agent"}
    assert {states[line.strip()] for line in PERSONS.split("\n") if line.strip() in states} == {"unknown"}
    old = {states[line.strip()] for line in OLD.split("\n") if line.strip() in states}
    assert old == ({"human"} if way == "behind" else {"unknown"})


def test_what_a_program_copied_of_what_git_had_is_not_its_own(tmp_path: Path) -> None:
    folder = repository(tmp_path / "work")
    (folder / "billing.py").write_text(OLD + AGENTS)
    commit(folder, BEFORE)
    tips = known_to_git(folder)
    (folder / "copy.py").write_text(OLD + AGENTS)
    index = blaming(folder)
    copied = matcher(Written((OLD + AGENTS).encode(), CAPTURED + 11, Kind.WRITE, SESSION, model=""), key=index.key)
    index = replace(index, matcher=copied)
    assert "agent" in facts(index.blamed(folder / "copy.py")).values()  # where nobody knows what git had
    index = replace(index, sessions={SESSION: index.sessions[SESSION]._replace(commits=tips)}, _had={})
    assert set(facts(index.blamed(folder / "copy.py")).values()) == {"unknown"}
    commit(folder, CAPTURED + 20)
    assert set(facts(index.blamed(folder / "copy.py")).values()) == {"unknown"}


def test_what_git_knows_is_read_of_loose_packed_and_detached_refs(tmp_path: Path) -> None:
    assert known_to_git(tmp_path) == ()
    folder = repository(tmp_path / "work")
    assert known_to_git(folder) == ()
    (folder / "a").write_text("a\n")
    commit(folder, BEFORE)
    git(folder, "branch", "one")
    (folder / "a").write_text("b\n")
    commit(folder, BEFORE + 1)
    every = [said(folder, "rev-parse", name).strip() for name in ("HEAD", "one")]
    assert list(known_to_git(folder)) == every
    git(folder, "pack-refs", "--all")
    assert list(known_to_git(folder)) == every
    git(folder, "checkout", "-q", "--detach", "one")
    assert list(known_to_git(folder)) == every[::-1]


def test_a_file_into_which_an_agent_wrote_what_is_not_kept_is_nobodys(work: Path) -> None:
    index = blaming(work)
    rules = Rules(unwatched=State.HUMAN)
    cut = Written(b"", CAPTURED + 12, Kind.WRITE, SESSION, path="billing.py", is_cut=True)
    whole = Written(AGENTS.encode(), CAPTURED + 10, session=SESSION)
    states = [
        facts(replace(index, rules=rules, matcher=matcher(*every, key=index.key)).blamed(work / "billing.py"))
        for every in ((whole,), (whole, cut))
    ]
    person = next(line.strip() for line in PERSONS.split("\n") if line.strip() in states[0])
    assert [one[person] for one in states] == ["human", "unknown"]
