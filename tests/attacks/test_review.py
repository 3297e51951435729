"""Attacks the review of what agents wrote (promises 2 and 5): approving it from inside, hiding it, acting through it.

What a person has not approved must not pass for approved: whatever a session does inside, whatever a project's files say,
and whatever the reviewed lines hold when they are shown.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.machine import Machine
from tests.provenance.reviewer import CODE, Reviewer
from tests.provenance.test_review_screen import Show, Signed, desk, found, showing
from tests.repository import git
from wrapper.audit.ledger import NOTE_PUB
from wrapper.provenance.key import FILE, load_or_make

_PACKAGES = ("click", "msgspec", "numpy", "numpy.libs", "cryptography", "cffi", "zstandard")
_HOSTILE = "\x1b]52;c;cHduZWQ=\x07\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u200b\u2028[@click=app.quit]x[/]\r"
_INSIDE = """
cat > made.py <<'END'
{code}END
cd {workspace}
review() {{ {python} -I -c "import sys; sys.path.insert(0, '$HOME/tools')
from wrapper.cli.main import main
main(['review', *sys.argv[1:]])" "$@"; echo "code $?"; }}
review --help | grep -c Examples
script -qec "true" /dev/null && echo terminal
review --approve all --reason "looks good"
review --reject all --reason "no"
review --list
echo "there: $(find / -xdev \\( -name '{file}' -o -name '*.approval' -o -name '*.sheet' -o -name 'note.key' \\) 2>/dev/null)"
mkdir -p ~/.local/state/safe-agent/ledger ~/.config/safe-agent ~/.local/state/safe-agent/provenance
echo forged > ~/.config/safe-agent/{file}
mkdir -p .safe-agent && printf 'version = 1\\n[provenance]\\ncapture = false\\nrequire_review = false\\n' > .safe-agent.toml
"""


@pytest.fixture
def ann(tmp_path: Path) -> Reviewer:
    return Reviewer.make(tmp_path / "ann")


def _give_inside(machine: Machine) -> None:
    """Let the inside have safe-agent itself, as it could install it."""
    tools = machine.home / "tools"
    tools.mkdir()
    checkout = Path(__file__).parents[2]
    site = Path(msgspec.__file__).parents[1]
    for name in ("wrapper", "redactors", "configs"):
        shutil.copytree(checkout / name, tools / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _PACKAGES:
        if (site / name).is_dir():
            shutil.copytree(site / name, tools / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for library in site.glob("_cffi_backend*"):
        shutil.copy(library, tools)
    (machine.home / ".config/safe-agent/policy.toml").write_text('version = 1\n[home]\nread_only = ["~/tools"]\n')


def test_what_a_session_wrote_cannot_be_approved_from_inside_it(machine: Machine) -> None:
    """Promise 2: neither key, index nor ledger is there, so nothing that runs inside can sign for a person."""
    _give_inside(machine)
    script = _INSIDE.format(code=CODE, workspace=machine.workspace, python=os.path.realpath(sys.executable), file=FILE)
    seen = machine.seen(script).splitlines()
    assert seen[0] == "1", seen  # it runs there, and says what it can
    assert [line for line in seen if line.startswith("code ")] == ["code 125"] * 3, seen
    assert "terminal" in seen  # it can have one, to type into
    assert [line for line in seen if line.startswith("there: ")] == ["there: "], seen
    state = machine.home / ".local/state/safe-agent"
    assert list(state.glob("provenance/*/*.sheet"))  # what was looked for inside does exist
    assert not list(state.glob("provenance/*/*.approval"))
    key = load_or_make(machine.home / ".config/safe-agent" / FILE)
    outside = Reviewer(machine.home, machine.workspace, key, environ=machine.environ)
    left = outside.run("--require-review")
    assert left.code == 1, left
    assert "made.py:1-4" in left.out
    assert outside.run("--approve", "all", types=str(len(left.out.splitlines()))).code == 0
    assert outside.run("--require-review").code == 0


def test_a_hook_or_a_makefile_that_runs_outside_cannot_answer_for_the_person(ann: Reviewer) -> None:
    """A project's file may call the command; it has no terminal of its own to be asked on, and stdin does not count."""
    ann.write("a.py", CODE)
    (ann.repo / "Makefile").write_text("all:\n\tyes 1 | safe-agent review --approve all --reason made\n")
    (ann.repo / ".safe-agent.toml").write_text("version = 1\n[provenance]\nrequire_reason = false\n")
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    done = subprocess.run(
        ["make", "all"], cwd=ann.repo, env={**ann.environ, "PATH": path}, capture_output=True, start_new_session=True,
        check=False,
    )  # fmt: skip
    assert b"a person approves" in done.stderr
    assert ann.files == []
    assert ann.run("--require-review", "a.py").code == 1


def test_a_line_that_is_hidden_from_git_is_not_hidden_from_the_review(ann: Reviewer) -> None:
    """Attributes, filters, a NUL byte, an assumption about a file: none keeps agent-written lines from the gate."""
    ann.write("a.py", CODE)
    (ann.repo / "a.py").write_text("x = 1  # \0\n" + CODE)
    (ann.repo / ".gitattributes").write_text("*.py -diff binary filter=drop\n")
    git(ann.repo, "config", "filter.drop.clean", "true")
    assert "a.py:2-5" in ann.run("--require-review").out
    git(ann.repo, "config", "--unset", "filter.drop.clean")
    git(ann.repo, "add", "a.py")
    git(ann.repo, "update-index", "--assume-unchanged", "a.py")
    assert "a.py:2-5" in ann.run("--require-review", "--staged").out
    assert "a.py:2-5" in ann.run("--require-review").out


def test_reviewed_lines_do_not_act_on_the_screen_and_are_no_buttons() -> None:
    """Promise 2 after the session: escapes, directions of writing and markup in code stand there as what they are."""
    signed = Signed()
    one = found(1, text=_HOSTILE)
    source = one.sources[0]
    hostile = msgspec.structs.replace(source, session=_HOSTILE, model=_HOSTILE, tool=_HOSTILE, origin=_HOSTILE)
    shown = one._replace(path=_HOSTILE, sources=(hostile,))

    async def act(show: Show) -> None:
        await show.sees("\\u202eevil")
        for keys in ((), ("z",), ("escape", "r"), ("escape", "a", "s")):
            await show.press(*keys)
            for strip in show.app.screen._compositor.render_strips():
                assert strip.text.isprintable(), ascii(strip.text)
                for segment in strip:
                    assert segment.style is None or segment.style.link is None
                    assert segment.style is None or "@click" not in segment.style.meta

    showing(desk(signed, told=(_HOSTILE,)), [shown, found(2)], act, (120, 40))


def test_reviewed_lines_and_names_do_not_act_on_a_terminal_in_lists(ann: Reviewer) -> None:
    """The same of what is printed: names of files are the project's, reasons are what somebody typed."""
    name = "evil\x1b[2J\u202e.py"
    ann.write(name, CODE)
    assert ann.run("--reject", "all", "--reason", "no \x1b]0;owned\x07").code == 0
    for ran in (ann.run(), ann.run("--json"), ann.run("--require-review")):
        assert all(letter.isprintable() or letter == "\n" for letter in ran.out + ran.err)
        assert "evil" in ran.out


def test_a_file_that_is_named_like_the_range_is_not_reviewed_in_its_place(ann: Reviewer) -> None:
    """An empty file of that name would else be all that the gate looks at."""
    ann.write("a.py", CODE)
    ann.commit({"HEAD~1..HEAD": ""}, "one")
    asked = ann.run("--require-review", "HEAD~1..HEAD")
    assert (asked.code, "a file's name and a range's" in asked.err) == (2, True)
    assert ann.run("--require-review", "./HEAD~1..HEAD").code == 0
    (ann.repo / "HEAD~1..HEAD").unlink()
    assert ann.run("--require-review", "HEAD~1..HEAD").code == 1


def test_a_file_that_is_named_like_the_key_of_a_server_is_not_read_in_its_place(ann: Reviewer, tmp_path: Path) -> None:
    """The key is public, so whoever sends a branch could put one of their own into a file of that name."""
    ann.write("a.py", CODE)
    ann.commit({}, "one")
    key = (ann.ledger / NOTE_PUB).read_text().strip()
    eve = Reviewer.make(tmp_path / "eve", ann.repo)
    eve.record("z.py", "nothing_of_this = 1\n")
    ann.commit({key: (eve.ledger / NOTE_PUB).read_text()}, "two")
    assert eve.run("--publish", "HEAD~2..HEAD").code == 0
    gate = ("--require-review", "HEAD~2..HEAD", "--trust")
    assert eve.run(*gate, str(eve.ledger / NOTE_PUB)).code == 0  # what she says of it
    judged = ann.run(*gate, key)
    assert (judged.code, "none of those that are trusted" in judged.err) == (125, True)


def test_a_review_is_not_published_through_a_reference_that_points_elsewhere(ann: Reviewer) -> None:
    """What runs inside can write references: the branch that one points to must not become a tree of notes."""
    ann.record("b.py", CODE)
    ann.commit({"a.py": "a person wrote this\n"}, "one")
    before = git(ann.repo, "rev-parse", "main")
    git(ann.repo, "symbolic-ref", "refs/notes/safe-agent-review", "refs/heads/main")
    said = ann.run("--publish", "HEAD~1..HEAD")
    assert (said.code, "symbolic reference" in said.err) == (125, True)
    assert git(ann.repo, "rev-parse", "main") == before
    git(ann.repo, "symbolic-ref", "--delete", "refs/notes/safe-agent-review")
    assert ann.run("--publish", "HEAD~1..HEAD").code == 0


def test_approving_a_line_that_says_nothing_does_not_approve_its_like_elsewhere(ann: Reviewer) -> None:
    """`return True` was looked at in one function: that says nothing of another one."""
    places = {"one.py": "def one(x):\n    if first_check(x):\n", "two.py": "def two(y):\n    if second_check(y):\n"}
    for path, text in places.items():
        ann.write(path, text)
    ann.commit({}, "one")
    assert ann.run("--approve", "all", "HEAD~1..HEAD", types="2").code == 0
    for path, text in places.items():
        ann.write(path, text + "        return True\n")
    one, two = (line.split()[0] for line in ann.run("--list").out.splitlines())
    assert ann.run("--approve", one, types="1").code == 0
    assert [line.split()[0] for line in ann.run("--list").out.splitlines()] == [two]


def test_two_approved_lines_that_say_nothing_are_not_approved_in_another_function(ann: Reviewer) -> None:
    """`else:` and `return True` beside one another are in every project once."""
    tail = "    else:\n        return True\n    return False\n"
    ann.write("one.py", "def one(x):\n    if first_check(x, depth=3):\n        forget_all_about(x)\n" + tail)
    ann.write("two.py", "def is_admin(y):\n    if second_check(y, strict=1):\n        audit_this_person(y)\n")
    ann.commit({}, "one")
    assert ann.run("--approve", "all", "HEAD~1..HEAD", types="2").code == 0
    ann.write("two.py", (ann.repo / "two.py").read_text() + tail)
    left = ann.run("--require-review")
    assert (left.code, left.out.split()[1]) == (1, "two.py:4-6")
    assert ann.run("--approve", "all", types="1").code == 0
    assert ann.run("--require-review").code == 0


def test_a_key_without_any_session_says_nothing_of_agents(ann: Reviewer) -> None:
    """An organisation's key is everywhere: a machine that has no index must not pass for one where no agent wrote."""
    ann.commit({"a.py": CODE}, "one")
    assert not ann.ledger.exists()
    for arguments in (("--require-review",), ("--require-review", "--staged"), ("--publish",)):
        said = ann.run(*arguments, *(() if "--staged" in arguments else ("HEAD~1..HEAD",)))
        assert (said.code, "no session of this machine is known" in said.err) == (125, True), arguments
    assert ann.run("--require-review", "--allow-unknown", "HEAD~1..HEAD").code == 0
    ann.record("b.py", "agent_wrote = something_else(1)\n")
    assert ann.run("--require-review", "HEAD~1..HEAD").code == 0
