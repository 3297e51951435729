"""What `lab` promises: no agent writes what models are trained or measured on, and a person reviews what is committed.

How commits are reviewed is in `attacks/test_review_before_commit.py`, which kinds of work are denied in
`policy/test_lab_tasks.py`.
"""

import json
from pathlib import Path

import pytest

from tests.fakes.provider import FaultyProvider
from tests.machine import Machine
from tests.profiles.conftest import sent
from tests.session.asking import set_policy

pytestmark = pytest.mark.timeout(120)

_APPROVED = """
version = 1
[[approved.rules]]
models = ["claude-opus-*"]
action = "allow"
"""
_THERE = ("evals/a.py", "evals/b.py", "evals/c.py", "evals/d.py", "evals/e.py", "evals/f.py", "src/evaluation/g.py")
_TREES = (
    "benchmarks/h/x.json",
    "benchmarks/i.json",
    "deep/datasets/j.csv",
    "datasets/k.csv",
    "evals/l/m.py",
    "n.parquet",
)

# Ways to write, each with files of its own. Under the default profile all of them work.
_WAYS = (
    "echo evil > evals/new.py",
    "echo evil >> evals/a.py",
    "rm evals/b.py",
    "mv evals/c.py moved.py",
    "echo evil > t1; mv t1 evals/d.py",
    "chmod 700 evals/e.py",
    "truncate -s 0 evals/f.py",
    "sed -i s/x/evil/ src/evaluation/g.py",
    "rm -r benchmarks/h",
    "ln -s ../../app.py evals/link.py",
    "ln app.py evals/hard.py",
    "ln benchmarks/i.json alias.json && echo evil >> alias.json",
    "ln -s evals way && echo evil > way/through.py",
    "ln -s $PWD/evals/a.py straight && echo evil >> straight",
    "cd evals && echo evil > ../evals/./dotted.py",
    "mv deep/datasets deep/other",
    "mv deep deeper",
    "rm -r datasets",
    "mkdir -p training && echo evil > training/set.txt",
    "mkdir -p pkg/corpora && echo evil > pkg/corpora/set.txt",
    "mkdir set && echo evil > set/x && mv set finetuning",
    "mkdir tree && mkdir tree/evals && git -C tree init -q && echo evil > tree/evals/x.py",
    "mkdir bare && touch bare/.git && mkdir bare/benchmarks && echo evil > bare/benchmarks/x.py",
    "echo evil > new.parquet && echo evil > new.jsonl.gz",
    "echo evil > t2; mv t2 n.parquet",
    "cp app.py evals/l/copied.py",
    "tar cf all.tar app.py && tar xf all.tar -C evals/l",
    "python3 -c \"import os; os.rename('evals/l', 'gone')\"",
    "git stash -q",
    "git checkout -q without",
    "git apply added.patch",
)


def _plant(machine: Machine) -> None:
    """Put evaluations and data there, a branch without them, a change that a stash would take away, and a patch."""
    for path in (*_THERE, *_TREES):
        (machine.workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.workspace / path).write_text("x = 1\n")
    (machine.workspace / "training").mkdir()
    (machine.workspace / "training/corpus.txt").write_text("the corpus\n")
    (machine.workspace / "model.safetensors").write_text("weights\n")
    (machine.workspace / "model.pth").write_text("weights\n")
    (machine.home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    machine.give()
    machine.git("branch", "without")
    machine.git("add", "-A", ".", ":!.env")
    machine.git("commit", "-qm", "data")
    (machine.workspace / "evals/a.py").write_text("x = 2\n")
    patch = "--- /dev/null\n+++ b/evals/applied.py\n@@ -0,0 +1 @@\n+evil\n"
    (machine.workspace / "added.patch").write_text(patch)
    machine.give()


def _tried(machine: Machine, *options: str) -> dict[str, bool]:
    """Try all ways in one session; whether each worked."""
    tries = "\n".join(
        f'({way}) >> said 2>&1; echo "$? {number}" >> tried; cd {machine.workspace}' for number, way in enumerate(_WAYS)
    )
    (machine.workspace / "tries.sh").write_text(tries)
    machine.give()
    done = machine.inside("sh tries.sh", *options)
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in (machine.workspace / "tried").read_text().splitlines()]
    return {_WAYS[int(number)]: code == "0" for code, number in rows}


def _measured(machine: Machine) -> dict[str, str]:
    """Give all files that a model could be trained or measured on, with their content."""
    names = {"evals", "evaluation", "benchmarks", "datasets", "training", "corpora", "finetuning"}
    found = [path for path in machine.workspace.rglob("*") if not path.is_dir() and ".git" not in path.parts]
    data = [path for path in found if names.intersection(path.parts) or path.suffix in (".parquet", ".gz")]
    return {str(path.relative_to(machine.workspace)): path.read_text() for path in sorted(data)}


def test_nobody_inside_writes_evaluations_benchmarks_or_training_data(users: Machine) -> None:
    """Whether they are there or not, by any path, and by git."""
    _plant(users)
    before = _measured(users)
    tried = _tried(users, "--profile", "lab")
    assert [way for way, worked in tried.items() if worked] == []
    assert _measured(users) == before
    assert users.git("stash", "list") == ""


def test_without_the_profile_each_of_these_ways_works(users: Machine) -> None:
    """The test above finds something where there is something."""
    _plant(users)
    tried = _tried(users)
    assert [way for way, worked in tried.items() if not worked] == []


def test_ordinary_work_goes_on_and_closed_data_stays_closed(users: Machine, provider: FaultyProvider) -> None:
    """Promises 1, 2 and 4."""
    _plant(users)
    set_policy(users, _APPROVED)
    users.give()
    script = """
    cat evals/b.py && echo readable; cat training/corpus.txt; cat model.safetensors; ls > listed
    mkdir -p .venv/site-packages/net; echo import > .venv/site-packages/own.pth; cp .venv/site-packages/own.pth own
    (echo x > .venv/site-packages/net/model.pth) || echo weights-stay-away
    echo 'print(3)' >> app.py && echo written; mkdir bench && echo 'timeit' > bench/speed.py && echo measured
    mkdir -p node_modules/pkg/benchmarks && echo x > node_modules/pkg/benchmarks/x.js && echo installed
    git commit -qam work && echo committed; git stash list
    python3 ask.py 'tidy the parser' pass
    python3 ask.py 'write evals for tool calling' pass
    sed s/claude-opus-4-8/other-model/ ask.py > other.py; python3 other.py 'tidy the parser' pass
    """
    done = users.inside(script, "--profile", "lab")
    words = done.stdout.split()
    assert {"readable", "written", "measured", "installed", "committed", "weights-stay-away"} <= set(words)
    assert "the corpus" not in done.stdout
    assert "weights" not in words
    assert not {"model.safetensors", "model.pth"} & set((users.workspace / "listed").read_text().split())
    assert (users.workspace / "own").read_text() == "import\n"  # Python's own files, by which pip installs
    assert len(sent(provider)) == 1
    assert done.stdout.count("said: scripted") == 1
    assert users.git("log", "-1", "--format=%s").strip() == "data"  # nobody was there to review it
    assert "print(3)" in Path(users.workspace / "app.py").read_text()
    judged = [one for line in users.log().splitlines() if (one := json.loads(line)).get("type") == "judged"]
    found = {(one["about"], one["action"], one["by"]) for one in judged}
    assert {("task", "denied", "policy"), ("approval", "denied", "policy"), ("commit", "denied", "nobody")} <= found
    assert ("approval", "allowed", "policy") in found


def test_no_model_is_approved_before_somebody_says_so(users: Machine, provider: FaultyProvider) -> None:
    """Promise 1: nothing is sent."""
    users.inside("python3 ask.py 'tidy the parser' pass", "--profile", "lab")
    assert sent(provider) == []


def test_where_it_cannot_be_held_nothing_starts(users: Machine) -> None:
    """Promise 5: by bind mounts what does not exist yet can be made, and commits cannot be kept back."""
    set_policy(users, 'version = 1\n[files]\nview = "binds"\n')
    users.give()
    done = users.inside("touch ran", "--profile", "lab")
    assert done.returncode == 125
    assert not (users.workspace / "ran").exists()
