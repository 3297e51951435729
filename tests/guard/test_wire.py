"""What the guard adds on the wire: made once, only where policy asks for it, and never silently less."""

import os
import secrets
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from redactors import Engine, KnownValues, Origin, Vault
from tests.guard.duty import OWN_CODE, Desk
from tests.policy.writing import policy
from wrapper.guard import closed
from wrapper.guard.closed import ClosedFiles, closed_files_source
from wrapper.guard.wire import Wire
from wrapper.plan.closed import closed_files, closes_files

DENY = (
    '[files]\ndeny = ["secret/**", "*.plan"]\nhide = ["/gone.py"]\nstore = ["keys/"]\nscan.skip = ["node_modules/"]\n'
)


class Nothing:
    """A scanner without rules."""

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        del data
        return []


def code(name: str, lines: int = 12) -> str:
    """Some lines of code that no other file has."""
    body = (
        f"    {name}_{at} = compute_{at}({name}, factor={at}.5) if {name}.ready[{at}] else None" for at in range(lines)
    )
    return f"def {name}(items, limit):\n" + "\n".join(body) + f"\n    return merge({name}_1, {name}_2, limit)\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    for name in ("secret/deep", "src", "keys", "node_modules/x", ".git/secret"):
        (folder / name).mkdir(parents=True)
    for name in (
        "secret/a.py",
        "secret/deep/b.py",
        "src/c.plan",
        "gone.py",
        "src/open.py",
        "keys/k.py",
        "node_modules/x/d.plan",
    ):
        (folder / name).write_text(code(name.replace("/", "_").replace(".", "_")))
    (folder / ".git/secret/e.plan").write_text("x")
    (folder / "secret/link.py").symlink_to(folder / "src/open.py")
    return folder


def source(workspace: Path, *, cache: Path | None = None, warned: list[str] | None = None) -> ClosedFiles | None:
    warned = [] if warned is None else warned
    return closed_files_source(workspace, policy(user=DENY), None, cache=cache, warn=warned.append)


def names(found: Sequence[object]) -> set[str]:
    return {str(getattr(one, "rule", "")) for one in found}


def test_only_files_that_policy_closes_by_name_are_read(workspace: Path) -> None:
    assert sorted(closed_files(workspace, policy(user=DENY))) == [
        "gone.py",
        "secret/a.py",
        "secret/deep/b.py",
        "src/c.plan",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ('files.mask = ["a"]', False),
        ('files.deny = ["!a"]', False),
        ('files.deny = ["a"]', True),
        ('files.hide = ["a"]', True),
    ],
)
def test_a_policy_that_closes_nothing_costs_nothing(text: str, expected: bool) -> None:  # noqa: FBT001
    assert closes_files(policy(user=text)) is expected


def test_a_run_of_a_closed_file_is_found_with_its_name_and_open_files_are_not(workspace: Path) -> None:
    (workspace / "secret/deep/b.py").write_text(OWN_CODE)
    found = source(workspace)
    assert found is not None
    told = OWN_CODE.encode()
    assert names(list(found.find(b"see\n" + told))) == {"fingerprint:secret/deep/b.py"}
    assert list(found.find(Path(threading.__file__).read_bytes())) == []
    assert list(found.find(b"nothing of it")) == []


def test_without_closed_files_of_some_length_there_is_no_source(tmp_path: Path) -> None:
    assert source(tmp_path) is None
    (tmp_path / "short.plan").write_text("A=1\nB=2\n")
    assert source(tmp_path) is None


def test_what_was_read_once_is_taken_from_the_cache(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redactors.fingerprint import Fingerprints

    cache = tmp_path / "cache"
    first = source(workspace, cache=cache)
    monkeypatch.setattr(Fingerprints, "add", lambda *_: pytest.fail("read again"))
    again = source(workspace, cache=cache)
    told = (workspace / "secret/a.py").read_bytes()
    assert first is not None
    assert again is not None
    assert list(first.find(told)) == list(again.find(told)) != []
    [stored] = (cache / "fingerprints").iterdir()
    assert stored.stat().st_mode & 0o777 == 0o600
    assert b"compute_" not in stored.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"\x00", b"\xff" * 100, None])
def test_a_damaged_cache_is_built_anew(workspace: Path, tmp_path: Path, damage: bytes | None) -> None:
    cache = tmp_path / "cache"
    source(workspace, cache=cache)
    [stored] = (cache / "fingerprints").iterdir()
    stored.write_bytes(stored.read_bytes()[:-40] + bytes(40) if damage is None else damage)
    found = source(workspace, cache=cache)
    assert found is not None
    assert list(found.find((workspace / "secret/a.py").read_bytes())) != []


def test_a_changed_file_is_read_again(workspace: Path, tmp_path: Path) -> None:
    source(workspace, cache=tmp_path)
    (workspace / "secret/a.py").write_text(code("quite_another"))
    found = source(workspace, cache=tmp_path)
    assert found is not None
    assert list(found.find(code("quite_another").encode())) != []


def test_a_cache_that_cannot_be_written_costs_no_protection(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    found = source(workspace, cache=tmp_path / "cache")
    assert found is not None
    assert list(found.find((workspace / "secret/a.py").read_bytes())) != []


def test_what_is_left_out_is_told(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(closed, "_MOST_OF_FILE", 600)
    source(workspace, warned=warned)
    [text] = warned
    assert "`secret/a.py`" in text
    warned.clear()
    monkeypatch.setattr(closed, "_MOST_FILES", 2)
    source(workspace, warned=warned)
    assert "and more" in warned[0]


def test_binary_files_links_and_pipes_do_not_stop_it(workspace: Path) -> None:
    (workspace / "secret/a.py").write_bytes(b"\0\1\2" * 1000)
    os.mkfifo(workspace / "secret/pipe")
    warned: list[str] = []
    assert source(workspace, warned=warned) is not None
    assert warned == []


def test_a_known_value_in_closed_code_is_left_to_itself(workspace: Path) -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    secret = secrets.token_hex(12)
    assert known.add("KEY", secret.encode(), Origin.OUTSIDE)
    told = OWN_CODE.replace("CEILING", f'"{secret}"').encode()
    (workspace / "secret/a.py").write_bytes(told)
    found = closed_files_source(workspace, policy(user=DENY), known, cache=None, warn=pytest.fail)
    assert found is not None
    [before, behind] = found.find(told)
    assert told[before.end : behind.start] == secret.encode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk.make(tmp_path / "desk")


def test_the_engine_is_the_sessions_own_where_policy_says_nothing(desk: Desk) -> None:
    engine = Engine((), Nothing(), Vault(bytes(32)))
    before = set(sys.modules)
    wire = Wire(replace(desk.duties, engine=engine, policy=policy()), pytest.fail)
    assert wire.engine() is engine
    assert not {"redactors.context", "redactors.fingerprint", "numpy"} & (set(sys.modules) - before)
    desk.close()


def test_it_is_made_once_whoever_asks(desk: Desk) -> None:
    engine = Engine((), Nothing(), Vault(bytes(32)))
    effective = policy(user='[[context]]\nkind = "A"\nterms = ["falcon"]\n')
    wire = Wire(replace(desk.duties, engine=engine, policy=effective), pytest.fail)
    made: list[Engine] = []
    asking = [threading.Thread(target=lambda: made.append(wire.engine())) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len({id(one) for one in made}) == 1
    assert made[0] is not engine
    assert [one.kind for one in made[0].find(b"falcon")] == ["A"]
    assert engine.find(b"falcon") == []
    desk.close()


def test_what_keeps_it_from_being_made_is_raised_each_time(
    desk: Desk, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed, "closed_files", lambda *_: (_ for _ in ()).throw(MemoryError()))
    engine = Engine((), Nothing(), Vault(bytes(32)))
    wire = Wire(replace(desk.duties, engine=engine, policy=policy(user=DENY), workspace=workspace), pytest.fail)
    for _ in range(2):
        with pytest.raises(MemoryError):
            wire.engine()
    desk.close()
