"""`safe-agent corpus` from end to end: what is said of a corpus, by which exit code, and what is left behind."""

import hashlib
import heapq
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.corpora import environment
from tests.corpus.packed import code, sheet
from tests.repository import git, repository
from wrapper.audit.proofs import root
from wrapper.cli.main import main
from wrapper.corpus.against import Against
from wrapper.corpus.checking import Asked, check
from wrapper.corpus.manifest import IndexSeen, JudgedBy
from wrapper.corpus.policy import Decision
from wrapper.corpus.policyfile import built_in, parse
from wrapper.corpus.verdicts import verdict_of
from wrapper.provenance.key import load_or_make
from wrapper.provenance.model import Fault, Kind
from wrapper.provenance.pack import Pack

AGENTS = [code(0), code(1), inspect.getsource(heapq.merge).encode()]
PROSE = "It rained in the valley for days, and nobody at the station of {0} cared about ticket {1}.\n"


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Machine(NamedTuple):
    """A user's home with a key, and packs: one that is whole, one that lacks something, one of claims only."""

    home: Path
    whole: Path
    faulty: Path
    claims: Path
    other: Path


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    home = tmp_path_factory.mktemp("home")
    config = home / ".config" / "safe-agent"
    config.mkdir(parents=True)
    key = load_or_make(config / "provenance.key")
    sheets = [sheet(f"session-{number}", [text], key) for number, text in enumerate(AGENTS[:2])]
    packs = Machine(home, *(home / f"{name}.pack" for name in ("whole", "faulty", "claims", "other")))
    Pack.of(sheets).save(packs.whole, key)
    Pack.of(sheets, [Fault("session-9", "it never ended")]).save(packs.faulty, key)
    Pack.of([sheet("claim-1", AGENTS[:2], key, Kind.CLAIM)]).save(packs.claims, key)
    Pack.of([sheet("session-2", AGENTS[2:], key)]).save(packs.other, key)
    return packs


@pytest.fixture
def safe_agent(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "SAFE_AGENT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(machine.home))

    def call(*arguments: Any) -> Said:
        arguments += ("--workers", 1) if arguments[0] == "check" else ()
        with pytest.raises(SystemExit) as ended:
            main(["corpus", *map(str, arguments)])
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return call


def corpus(folder: Path, *agents: bytes, broken: bool = False) -> Path:
    """A JSONL of prose, with some documents of agents in it."""
    rows = [{"id": f"clean-{number}", "text": PROSE.format(number, number * 7) * 3} for number in range(20)]
    rows += [{"id": f"agent-{number}", "text": text.decode()} for number, text in enumerate(agents)]
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows) + ("{broken\n" if broken else "")
    (folder / "train.jsonl").write_text(lines)
    return folder


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_refused_text_is_found_proved_and_explained(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    sources, out = corpus(tmp_path / "c", AGENTS[1], broken=True), tmp_path / "out"
    (sources / "evil\x1b[31m<b>.py").write_bytes(AGENTS[0])
    said = safe_agent("check", sources, "--index", machine.whole, "--out", out)
    assert said.code == 1
    assert said.out.startswith("refused: ")
    assert "\x1b" not in said.out + said.err

    manifest = lines_of(out / "manifest.jsonl")
    assert len(manifest) == 23
    assert {row["id"]: row["decision"] for row in manifest if row["decision"] != "accept"} == {
        "agent-0": "refuse", "evil\x1b[31m<b>.py": "refuse", f"{sources}/train.jsonl:22": "quarantine",
    }  # fmt: skip
    assert next(row for row in manifest if row["id"] == "agent-0")["sha256"] == hashlib.sha256(AGENTS[1]).hexdigest()

    listed = {row["id"]: row for row in lines_of(out / "quarantine.jsonl")}
    assert set(listed) == {row["id"] for row in manifest if row["decision"] != "accept"}
    [span] = listed["agent-0"]["spans"]
    assert (span["session"], span["model"], span["kind"]) == ("session-1", "model-1", "input")
    assert span["last_line"] - span["first_line"] > 20
    assert listed["agent-0"]["sessions"] == ["session-1"]
    assert listed[f"{sources}/train.jsonl:22"]["stage"] == "unreadable"

    summary = json.loads((out / "summary.json").read_text())
    assert summary["documents"] == 23 == summary["accepted"] + summary["quarantined"] + summary["refused"]
    assert sum(summary["stages"].values()) == 23
    leaves = [(out / "judged.json").read_bytes(), *(out / "manifest.jsonl").read_bytes().splitlines()]
    expected = root([hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]).hex()
    assert summary["root"] == expected
    assert f"manifest root {expected}" in said.out
    page = (out / "report.html").read_text()
    assert "&lt;b&gt;.py" in page
    assert "<b>.py" not in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    _described(out, expected, summary)

    assert safe_agent("verify", out).code == 0
    assert safe_agent("verify", out, "--root", "0" * 64).code == 125
    explained = safe_agent("explain", "--result", out, "agent-0", "--index", machine.whole)
    assert explained.code == 0
    assert "session session-1" in explained.out
    assert AGENTS[1].decode().splitlines()[9] in explained.out
    there = safe_agent("explain", f"{sources}/train.jsonl:21", "--index", machine.whole, "--json")
    assert json.loads(there.out)["sessions"] == ["session-1"]
    assert safe_agent("explain", f"{sources}/train.jsonl:99", "--index", machine.whole).code == 125
    assert safe_agent("explain", f"{sources}/train.jsonl", "--index", machine.whole).code == 125
    assert safe_agent("explain", "--result", out, "agent-9", "--index", machine.whole).code == 125

    changed = (out / "manifest.jsonl").read_text().replace('"refuse"', '"accept"', 1)
    (out / "manifest.jsonl").write_text(changed)
    assert safe_agent("verify", out).code == 125
    (out / "manifest.jsonl").write_text("".join(changed.splitlines(keepends=True)[:-1]))
    assert "documents" in safe_agent("verify", out).err


def _described(out: Path, root_: str, summary: dict[str, Any]) -> None:
    """The metadata names every file with its hash, and says what was found by terms of Croissant and PROV-O."""
    found = json.loads((out / "croissant.json").read_text())
    assert found["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    files = {one["@id"]: one for one in found["distribution"]}
    for name in ("manifest.jsonl", "quarantine.jsonl", "judged.json"):
        assert files[name]["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()
        assert files[name]["contentSize"] == f"{(out / name).stat().st_size} B"
    fields = found["recordSet"][0]["field"]
    columns = {one["source"]["extract"]["column"] for one in fields}
    assert columns <= set(lines_of(out / "manifest.jsonl")[0])
    assert {one["source"]["fileObject"]["@id"] for one in fields} <= set(files)
    names = [one["@id"] for one in (*found["distribution"], *found["recordSet"], *fields)]
    assert len(names) == len(set(names))
    for term in _terms(found):
        prefix, colon, _ = term.partition(":")
        assert not colon or prefix in found["@context"], term
    assert found["rai:hasSyntheticData"] is True
    assert root_ in found["description"]
    assert found["prov:wasGeneratedBy"]["prov:endedAtTime"] == summary["made"]


def _terms(value: Any) -> Sequence[str]:
    """Every name of a property, and every type."""
    if isinstance(value, list):
        return [term for one in value for term in _terms(one)]
    if not isinstance(value, dict):
        return []
    own = [key for key in value if not key.startswith("@")] + [
        value[key] for key in ("@type", "dataType") if key in value
    ]
    return own + [term for key, inner in value.items() if key != "@context" for term in _terms(inner)]


def test_a_clean_corpus_is_called_clean_only_against_a_whole_index(
    safe_agent: Any, machine: Machine, tmp_path: Path
) -> None:
    sources = corpus(tmp_path / "c")
    said = safe_agent("check", sources, "--index", machine.whole, "--json")
    assert (said.code, json.loads(said.out)["verdict"]) == (0, "clean")
    said = safe_agent("check", sources, "--index", machine.faulty, "--out", tmp_path / "out")
    assert said.code == 3
    assert said.out.startswith("undecided: ")
    assert "it never ended" in said.out + said.err
    assert {row["decision"] for row in lines_of(tmp_path / "out" / "manifest.jsonl")} == {"quarantine"}
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert "rai:hasSyntheticData" not in described
    assert any("it never ended" in limit for limit in described["rai:dataLimitations"])


@pytest.mark.parametrize(
    ("refused", "quarantined", "unreadable", "faults", "accepts", "verdict"),
    [
        (0, 0, 0, False, False, "clean"),
        (1, 1, 1, True, True, "refused"),
        (0, 1, 0, False, False, "quarantined"),
        (0, 1, 1, False, False, "undecided"),
        (0, 0, 1, False, True, "accepted"),
        (0, 9, 0, True, False, "undecided"),
        (0, 0, 0, True, True, "accepted"),
        (0, 1, 0, True, True, "quarantined"),
    ],
)
def test_the_verdict_is_clean_only_where_nothing_stands_in_the_way(
    refused: int, quarantined: int, unreadable: int, *, faults: bool, accepts: bool, verdict: str
) -> None:
    policy = built_in()
    if accepts:
        policy = parse(b'version = 1\n[undecided]\nunreadable = "accept"\nincomplete_index = "accept"\n', "f")
    index = IndexSeen(sha256="", key="", emissions=1, lines=1, complete=not faults, faults=())
    judged = JudgedBy(
        version=1, tool="", sources=(), index=index, policy=policy, policy_sha256="", baseline_sha256="", documents=9
    )
    decisions = {Decision.REFUSE: refused, Decision.QUARANTINE: quarantined}
    assert verdict_of(decisions, {"unreadable": unreadable, "clean": 9 - unreadable}, judged) == verdict


def decision(said: Said) -> str:
    assert said.code == 0
    return str(json.loads(said.out)["decision"])


def test_claims_are_put_aside_and_a_policy_may_refuse_them(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    document = f"{corpus(tmp_path / 'c', AGENTS[0])}/train.jsonl:21"
    asked = ("explain", document, "--json", "--index", machine.claims)
    assert decision(safe_agent(*asked)) == "quarantine"
    (tmp_path / "p.toml").write_text('version = 1\n[refuse]\nkinds = ["claim"]\n')
    assert decision(safe_agent(*asked, "--policy", tmp_path / "p.toml")) == "refuse"


def test_indexes_of_two_machines_are_joined_and_what_one_lacks_the_joined_one_lacks(
    safe_agent: Any, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_bytes(AGENTS[2])
    (tmp_path / "b.txt").write_text(PROSE)
    agents, clean = (("explain", tmp_path / name, "--json") for name in ("a.py", "b.txt"))
    assert decision(safe_agent(*agents, "--index", machine.whole)) == "accept"
    assert decision(safe_agent(*agents, "--index", machine.whole, "--index", machine.other)) == "refuse"
    assert decision(safe_agent(*clean, "--index", machine.whole, "--index", machine.other)) == "accept"
    assert decision(safe_agent(*clean, "--index", machine.faulty, "--index", machine.other)) == "quarantine"


def test_one_refused_document_is_enough_where_nobody_needs_the_others(
    safe_agent: Any, machine: Machine, tmp_path: Path
) -> None:
    said = safe_agent("check", corpus(tmp_path / "c", AGENTS[0]), "--index", machine.whole, "--fail-fast")
    assert (said.code, said.out) == (1, "")
    assert "--fail-fast" in said.err


def test_text_that_a_repository_had_before_agents_is_subtracted(
    safe_agent: Any, machine: Machine, tmp_path: Path
) -> None:
    repo = repository(tmp_path / "r")
    (repo / "old.py").write_bytes(AGENTS[0])
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "x", extra={"GIT_COMMITTER_DATE": "2019-01-01T00:00:00Z"})
    (tmp_path / "again.txt").write_bytes(PROSE.encode() + AGENTS[0])
    (tmp_path / "other.txt").write_bytes(PROSE.encode() + AGENTS[1][:400])
    asked = ("--json", "--index", machine.whole)
    assert decision(safe_agent("explain", tmp_path / "again.txt", *asked)) == "refuse"
    made = tmp_path / "b.baseline"
    for wanted in (["--before", "2020-01-01"], ["--rev", "main"], ["--only-index", "--index", machine.whole]):
        assert safe_agent("baseline", repo, *wanted, "--out", made).code == 0
        assert decision(safe_agent("explain", tmp_path / "again.txt", *asked, "--baseline", made)) == "accept"
        assert decision(safe_agent("explain", tmp_path / "other.txt", *asked, "--baseline", made)) != "accept"
        made.unlink()
    assert safe_agent("baseline", repo, "--before", "2018-01-01", "--out", made).code == 125
    assert not made.exists()
    assert safe_agent("baseline", tmp_path, "--before", "2018-01-01", "--out", made).code == 125
    assert safe_agent("baseline", repo, "--before", "soon", "--out", made).code == 2
    assert safe_agent("baseline", repo, "--before", "2018-01-01", "--rev", "x", "--out", made).code == 2


def test_what_cannot_work_is_refused_with_a_reason(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    sources = corpus(tmp_path / "c")
    for arguments, why in (
        ([tmp_path / "none", "--index", machine.whole], "is not there"),
        ([sources], "no session was captured"),
        ([sources, "--index", tmp_path], "is neither a pack nor a state folder"),
        ([sources, "--index", machine.whole, "--out", sources / "out"], "which is checked"),
        ([sources, "--index", sources / "train.jsonl"], "train.jsonl"),
        (["memory://a/b", "--index", machine.whole, "--out", "memory://a/b/out"], "which is checked"),
        ([sources, "--key", tmp_path / "no.key", "--index", machine.whole], "is missing"),
        ([sources, "--index", machine.whole, "--policy", tmp_path / "no.toml"], "no such file"),
        (["nostore://x/y", "--index", machine.whole], "nostore"),
    ):
        said = safe_agent("check", *arguments)
        assert said.code == 125
        assert why in said.err
        assert "Traceback" not in said.err
    assert safe_agent("check", sources, "--resume").code == 2


def test_the_policy_is_printed_with_comments_and_a_file_is_checked(safe_agent: Any, tmp_path: Path) -> None:
    printed = safe_agent("policy").out
    (tmp_path / "p.toml").write_text(printed)
    assert safe_agent("policy", tmp_path / "p.toml").code == 0
    (tmp_path / "p.toml").write_text(printed.replace("least_lines", "least_line"))
    said = safe_agent("policy", tmp_path / "p.toml")
    assert (said.code, "did you mean `refuse.least_lines`?" in said.err) == (125, True)


def test_help_needs_no_heavy_package_and_a_missing_one_is_named_with_the_pip_line(
    machine: Machine, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "for name in ('pyarrow', 'duckdb', 'fsspec', 'ray'): sys.modules[name] = None\n"
        "from wrapper.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )

    def run(*arguments: Any) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", program, "corpus", *map(str, arguments)]
        environ = environment({"HOME": str(machine.home)})
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    for arguments in (["--help"], ["check", "--help"], ["policy"]):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    done = run("check", corpus(tmp_path / "c"), "--index", machine.whole)
    assert done.returncode == 125
    assert "./install.sh --corpus" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_changed_beside_the_manifest_does_not_verify(
    safe_agent: Any, machine: Machine, tmp_path: Path
) -> None:
    sources, out = corpus(tmp_path / "c", AGENTS[1]), tmp_path / "out"
    safe_agent("check", sources, "--index", machine.whole, "--out", out)
    assert safe_agent("verify", out).code == 0
    summary, [part] = out / "summary.json", (out / "parts").glob("*.parquet")
    kept = summary.read_bytes()
    summary.write_bytes(json.dumps({**json.loads(kept), "refused": 0, "accepted": 21}).encode())
    said = safe_agent("verify", out)
    assert (said.code, "other counts" in said.err) == (125, True)
    summary.write_bytes(kept)
    verdicts = pq.read_table(part)
    accepted = pa.array(["accept"] * len(verdicts))
    pq.write_table(verdicts.set_column(verdicts.schema.get_field_index("decision"), "decision", accepted), part)
    said = safe_agent("verify", out)
    assert (said.code, "not those of the manifest" in said.err) == (125, True)


def test_nothing_is_called_clean_where_nothing_was_compared(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    said = safe_agent("check", tmp_path / "none", "--index", machine.whole)
    assert (said.code, "no document" in said.err) == (125, True)
    key = load_or_make(machine.home / ".config" / "safe-agent" / "provenance.key")
    Pack.of([]).save(tmp_path / "empty.pack", key)
    damaged = bytearray(machine.whole.read_bytes())
    damaged[len(damaged) // 5] ^= 1
    (tmp_path / "damaged.pack").write_bytes(damaged)
    said = safe_agent("check", corpus(tmp_path / "c"), "--index", tmp_path / "damaged.pack")
    assert (said.code, "is damaged" in said.err) == (125, True)
    said = safe_agent("check", corpus(tmp_path / "c"), "--index", tmp_path / "empty.pack")
    assert (said.code, "holds nothing" in said.err) == (125, True)


def test_results_go_into_no_folder_that_holds_something_else(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "summary.json").write_text("mine")
    said = safe_agent("check", corpus(tmp_path / "c"), "--index", machine.whole, "--out", tmp_path / "mine")
    assert (said.code, "is not empty" in said.err) == (125, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["summary.json"]


def test_a_pack_that_is_replaced_while_a_run_goes_on_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    packs = [tmp_path / name for name in ("used.pack", "other.pack")]
    shutil.copy(machine.whole, packs[0])
    shutil.copy(machine.other, packs[1])
    digest = hashlib.sha256(packs[0].read_bytes()).hexdigest()
    key = machine.home / ".config" / "safe-agent" / "provenance.key"
    against = Against(packs[0], key, 2, 48, ())
    asked = Asked(
        sources=(str(corpus(tmp_path / "c", AGENTS[1])),), policy=built_in(), out=str(tmp_path / "o"), workers=1
    )

    def replace(_: object) -> None:
        if packs[1].exists():
            packs[1].rename(packs[0])

    summary = check(asked, against, replace, "2026-01-01T00:00:00Z")
    assert (summary.refused, summary.index.sha256) == (1, digest)


def test_lines_of_a_notebook_are_found(safe_agent: Any, machine: Machine, tmp_path: Path) -> None:
    lines = AGENTS[0].decode().splitlines(keepends=True)
    book = {"cells": [{"cell_type": "code", "source": lines}], "nbformat": 4}
    for name, indent in (("wide.ipynb", 1), ("narrow.ipynb", None)):
        (tmp_path / name).write_text(json.dumps(book, indent=indent))
        said = safe_agent("check", tmp_path / name, "--index", machine.whole)
        assert said.code == 1
