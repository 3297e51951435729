"""Random work of agents, people and git, in which it is known of every line who wrote it (`world`).

The measure is recall of what agents wrote: a line of an agent's that nobody changed since is found, always, whatever git
did to its history, and wherever the file went.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.provenance.world import World
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Closed, Opened
from wrapper.audit.ledger import Ledger
from wrapper.audit.reader import Record
from wrapper.plan.places import Places
from wrapper.policy.load import load_policy
from wrapper.provenance.attribution import State
from wrapper.provenance.blaming import Blaming
from wrapper.provenance.key import FILE, load_or_make
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id
from wrapper.provenance.writing import Writing

_NOWHERE: Final = Path("/nonexistent")
_TAINTED: Final = (State.AGENT, State.EDITED)


class Line(NamedTuple):
    """What is true of a line, and what is said of it."""

    where: str
    text: str
    by_agent: bool
    is_untouched: bool
    state: State


@pytest.fixture
def places(tmp_path: Path) -> Places:
    home = tmp_path / "home"
    home.mkdir()
    return Places.from_environment({"HOME": str(home)})


def begun(folder: Path, seed: int) -> World:
    """Begin a repository with files of people's."""
    folder.mkdir()
    world = World(folder, random.Random(seed))  # noqa: S311 (a test's chance)
    world.git("init", "-q")
    for path in ("a.py", "src/b.py", "src/c.js", "d.txt"):
        world.put(path, world.new_lines(world.chance.randint(20, 60), by_agent=False))
    world.commit("what was there before")
    return world


def worked(world: World, turns: int) -> None:
    """Let agents and people work by turns, two sessions at once now and then."""
    for turn in range(turns):
        agent = world.chance.choice(("claude", "codex"))
        first, second = world.session(f"s-{turn}a", agent=agent), world.session(f"s-{turn}b")
        for session in (first, second, first):
            path = world.chance.choice(sorted(world.files))
            match world.chance.randrange(6):
                case 0 | 1:
                    session.edits(path)
                case 2:
                    session.rewrites(path)
                case 3:
                    session.creates(f"new/{turn}-{world.chance.randrange(1000)}.py", world.chance.randint(1, 30))
                case 4:
                    session.watches(path)
                case _:
                    session.generates(f"made/{turn}-{world.chance.randrange(1000)}.json", 12)
        said = first.says(4)
        first.end()
        second.end()
        world.put("d.txt", [*world.files["d.txt"], *said])
        world.commit(f"turn {turn}")
        world.person_edits(world.chance.choice(sorted(world.files)))
        world.commit(f"by hand {turn}")


def rewritten(world: World) -> None:
    """Do to history all that git can."""
    world.git("checkout", "-q", "-b", "topic", "HEAD~3")
    world.read_back()
    session = world.session("s-topic")
    session.creates("topic/one.py", 20)
    session.end()
    world.commit("topic")
    world.git("rebase", "-q", "main")
    world.git("checkout", "-q", "-b", "picked", "main")
    world.git("cherry-pick", "topic")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--squash", "topic")
    world.commit("squashed by a server")
    world.read_back()
    world.moved(min(world.files), "moved/first.py")
    world.commit("moved")
    world.put("topic/one.py", [*world.new_lines(3, by_agent=False), *world.files["topic/one.py"]])
    world.git("add", "-A")
    world.git("commit", "-q", "--amend", "--no-edit")
    world.reindented("topic/one.py")
    world.commit("reindented")
    world.put("copies/again.py", world.files["topic/one.py"])
    world.commit("copied")


def exported(world: World, folder: Path) -> World:
    """Give the repository as it is after its whole history was written anew elsewhere, all paths moved."""
    folder.mkdir()
    other = World(folder, world.chance, world.lines, world.sessions, world.edited, _now=world._now)
    other.git("init", "-q")
    other.git("fast-import", "--quiet", given=world.git("fast-export", "main"))
    other.git("reset", "-q", "--hard", "main")
    other.git("filter-branch", "-f", "--tree-filter", "mkdir deep && mv $(ls | grep -v deep) deep/", "main")
    other.read_back()
    return other


def indexed(world: World, places: Places) -> None:
    """Index all sessions, and tell the ledger of them, as the processes of a session do."""
    key = load_or_make(places.config / FILE)
    store = Store(places.state / FOLDER / workspace_id(key, world.folder), key)
    ledger = Ledger(places.state / LEDGER)
    for name, events in world.sessions.items():
        writing = Writing(name, store, key)
        ledger.append(Opened(events[0].at, name, 1, "00" * 32))
        for sequence, event in enumerate(events, 1):
            writing.feed(Record(sequence, event))  # type: ignore[arg-type] # the world makes no other events
        writing.flush(ends=True)
        ledger.append(writing.indexed(events[-1].at), Closed(events[-1].at, name, 1, len(events), "00" * 32))


def judged(world: World, places: Places) -> Iterator[Line]:
    """Blame every file, and hold it against what is true."""
    policy = load_policy(profile="default", workspace=world.folder, config_home=places.config, organisation=_NOWHERE)
    blaming = Blaming.open(places, world.folder, policy)
    assert blaming.faults == ()
    for path, lines in sorted(world.files.items()):
        told = blaming.blamed(world.folder / path)
        for number, (line, origin) in enumerate(zip(lines, told.origins, strict=True), 1):
            truth = world.truth(line)
            if truth is not None:
                mark, is_untouched = truth
                yield Line(f"{path}:{number}", line, world.lines[mark].by_agent, is_untouched, origin.state)


def shares(lines: list[Line]) -> Counter[tuple[bool, bool, State]]:
    return Counter((line.by_agent, line.is_untouched, line.state) for line in lines)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_line_that_an_agent_wrote_is_told_whatever_people_and_git_did(
    tmp_path: Path, places: Places, seed: int
) -> None:
    world = begun(tmp_path / "repository", seed)
    worked(world, 5)
    rewritten(world)
    indexed(world, places)
    here = list(judged(world, places))
    elsewhere = list(judged(exported(world, tmp_path / "elsewhere"), places))
    for lines in (here, elsewhere):
        of_agents = [line for line in lines if line.by_agent and line.is_untouched]
        assert len(of_agents) > 100
        assert [line for line in of_agents if line.state is not State.AGENT] == []
        edited = [line for line in lines if line.by_agent and not line.is_untouched]
        assert sum(line.state in _TAINTED for line in edited) >= 0.8 * len(edited)
        of_people = [line for line in lines if not line.by_agent]
        assert len(of_people) > 100
        assert sum(line.state in _TAINTED for line in of_people) <= 0.05 * len(of_people)
    before = [line for line in here if not line.by_agent and line.is_untouched and line.where.startswith("src/")]
    assert Counter(line.state for line in before)[State.HUMAN] > 0


def test_no_session_explains_what_only_people_wrote(tmp_path: Path, places: Places) -> None:
    world = begun(tmp_path / "repository", 4)
    session = world.session("s-idle")
    session.says(3)
    session.end()
    for _, path in itertools.product(range(3), sorted(world.files)):
        world.person_edits(path)
        world.commit("by hand")
    indexed(world, places)
    lines = list(judged(world, places))
    assert lines
    assert not [line for line in lines if line.state in _TAINTED]
