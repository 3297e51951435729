"""What the guard adds on the wire: made once, only where policy asks for it, and never silently less."""

import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from redactors import Engine, KnownValues, Origin, Vault
from tests.compiled import load
from tests.guard.duty import OWN_CODE, Desk
from tests.machine import until
from tests.policy.writing import policy
from wrapper.gateway.paths import FolderNames
from wrapper.guard import closed, closedhistory
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


def source(
    workspace: Path, *, cache: Path | None = None, warned: list[str] | None = None, text: str = DENY
) -> ClosedFiles:
    warned = [] if warned is None else warned
    return closed_files_source(workspace, policy(user=text), None, cache=cache, warn=warned.append)


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
        ('files.send.always = ["a"]', False),
        ('files.send.ask = ["!a"]', False),
        ('files.send.ask = ["a"]', True),
        ('files.send.never = ["a"]', True),
    ],
)
def test_a_policy_that_closes_nothing_costs_nothing(text: str, expected: bool) -> None:  # noqa: FBT001
    assert closes_files(policy(user=text)) is expected


def test_a_run_of_a_closed_file_is_found_with_its_name_and_open_files_are_not(workspace: Path) -> None:
    (workspace / "secret/deep/b.py").write_text(OWN_CODE)
    found = source(workspace)
    told = OWN_CODE.encode()
    assert names(list(found.find(b"see\n" + told))) == {"fingerprint:secret/deep/b.py"}
    assert list(found.find(Path(threading.__file__).read_bytes())) == []
    assert list(found.find(b"nothing of it")) == []


def test_files_whose_content_may_not_leave_unasked_are_read_too(workspace: Path) -> None:
    text = '[files]\nstore = ["keys/"]\n[files.send]\nask = ["src/**"]\nnever = ["gone.py"]\nalways = ["src/c.plan"]\n'
    assert sorted(closed_files(workspace, policy(user=text))) == ["gone.py", "src/c.plan", "src/open.py"]
    named = '[files]\nstore = ["keys/"]\n[files.send]\nnever = ["keys/k.py"]\n'
    assert list(closed_files(workspace, policy(user=named))) == ["keys/k.py"]


def test_of_a_file_that_only_its_sending_closes_the_text_is_found(workspace: Path) -> None:
    (workspace / "src/open.py").write_text(OWN_CODE)
    found = source(workspace, text='files.send.ask = ["src/open.py"]')
    assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:src/open.py"}


def test_without_closed_files_nothing_is_found_and_nothing_slow_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.policy.writing import policy\n"
        "from wrapper.guard.closed import closed_files_source as made\n"
        f"source = made(Path({str(tmp_path)!r}), policy(user={DENY!r}), None, cache=None, warn=print)\n"
        "assert list(source.find(b'x' * 100)) == []; assert 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be looked at again at every search."""
    monkeypatch.setattr(closed, "_PACE", 0)
    monkeypatch.setattr(closed, "_SHARE", 0)


def test_what_a_file_comes_to_say_is_found_some_time_after_and_who_remembers_is_told(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    found = source(workspace)
    learned: list[int] = []
    found.when_learned(lambda: learned.append(len(list(found.find(OWN_CODE.encode())))))
    assert list(found.find(OWN_CODE.encode())) == []
    (workspace / "secret/later").mkdir()
    (workspace / "secret/later/new.py").write_text(OWN_CODE)
    until(lambda: bool(learned or found.find(b"x" * 100)))
    assert learned == [1]
    assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:secret/later/new.py"}


def test_what_a_file_said_before_stays_known(workspace: Path) -> None:
    (workspace / "secret/a.py").write_text(OWN_CODE)
    found = source(workspace)
    for number in range(10):
        (workspace / "secret/a.py").write_text(code(f"version_{number}"))
        assert found.look()
        assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:secret/a.py"}
    (workspace / "secret/a.py").unlink()
    assert not found.look()
    assert list(found.find(OWN_CODE.encode())) != []


def test_files_that_did_not_change_are_not_read_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = source(workspace)
    monkeypatch.setattr(closed, "read_regular", lambda *_: pytest.fail("read again"))
    assert not found.look()


def test_requests_do_not_make_files_be_looked_at_without_end(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = source(workspace)
    monkeypatch.setattr(closed, "closed_files", lambda *_: pytest.fail("looked again"))
    for _ in range(50):
        found.find(b"x" * 100)


def test_a_second_look_that_fails_takes_nothing_back_and_is_told_once(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "secret/a.py").write_text(OWN_CODE)
    warned: list[str] = []
    found = source(workspace, warned=warned)
    monkeypatch.setattr(closed, "closed_files", lambda *_: (_ for _ in ()).throw(OverflowError()))
    for _ in range(2):
        found._looking.acquire()
        found._look_again()
    assert warned == ["closed files could not be looked at again: OverflowError"]
    assert list(found.find(OWN_CODE.encode())) != []


def test_what_was_read_once_is_taken_from_the_cache(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redactors.fingerprint import Fingerprints

    cache = tmp_path / "cache"
    first = source(workspace, cache=cache)
    monkeypatch.setattr(Fingerprints, "add", lambda *_: pytest.fail("read again"))
    again = source(workspace, cache=cache)
    told = (workspace / "secret/a.py").read_bytes()
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
    assert list(found.find((workspace / "secret/a.py").read_bytes())) != []


def test_a_changed_file_is_read_again(workspace: Path, tmp_path: Path) -> None:
    source(workspace, cache=tmp_path)
    (workspace / "secret/a.py").write_text(code("quite_another"))
    found = source(workspace, cache=tmp_path)
    assert list(found.find(code("quite_another").encode())) != []


def test_a_cache_that_cannot_be_written_costs_no_protection(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    found = source(workspace, cache=tmp_path / "cache")
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
    assert list(source(workspace, warned=warned).find((workspace / "secret/deep/b.py").read_bytes())) != []
    assert warned == []


def test_a_secret_in_closed_code_is_left_to_itself(workspace: Path) -> None:
    """Else it would leave with the file where the user lets that leave."""
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    secret = secrets.token_hex(12)
    assert known.add("KEY", secret.encode(), Origin.OUTSIDE)
    others = Engine((), Nothing(), vault, known)
    told = OWN_CODE.replace("CEILING", f'"{secret}"').encode()
    (workspace / "secret/a.py").write_bytes(told)
    found = closed_files_source(workspace, policy(user=DENY), others, cache=None, warn=pytest.fail)
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


def test_who_remembers_what_was_searched_hears_of_new_closed_text(
    desk: Desk, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    engine = Engine((), Nothing(), Vault(bytes(32)))
    wire = Wire(replace(desk.duties, engine=engine, policy=policy(user=DENY), workspace=workspace), pytest.fail)
    forgotten: list[str] = []
    wire.when_learned(lambda: forgotten.append("one"))
    wire.when_learned(lambda: forgotten.append("other"))
    wide = wire.engine()
    (workspace / "secret/new.py").write_text(OWN_CODE)
    until(lambda: bool(forgotten or wide.find(b"x" * 100)))
    assert forgotten == ["one", "other"]
    assert [one.rule for one in wide.find(OWN_CODE.encode())] == ["fingerprint:secret/new.py"]
    desk.close()


def test_lines_of_a_closed_file_are_told_where_they_stand_in_it(desk: Desk, workspace: Path) -> None:
    wire = Wire(replace(desk.duties, workspace=workspace), pytest.fail)
    text = (workspace / "secret/a.py").read_text().splitlines()
    assert wire.lines("secret/a.py", "\n".join(text[2:6]).encode()) == "3-6"
    assert wire.lines("secret/a.py", f"   {text[4].strip()}  ".encode()) == "5"
    assert wire.lines("secret/a.py", b"nothing of it") == ""
    assert wire.lines("secret/none.py", text[2].encode()) == ""
    desk.close()


def test_folders_that_say_who_works_here_are_given_with_and_without_links(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    folders = Wire(replace(desk.duties, workspace=tmp_path / "real"), pytest.fail).folders()
    assert folders.home == (str(tmp_path / "link"), str(tmp_path / "real"))
    assert folders.workspace == (str(tmp_path / "real"),)
    desk.close()


def test_terms_tokens_and_folders_in_closed_code_have_marks_of_their_own(
    desk: Desk, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/planted-jane")
    token = "gh" + "p_" + secrets.token_hex(18)
    told = OWN_CODE.replace("CEILING", f'"{token}"').replace("worst = 0.0", 'worst = "/home/planted-jane/x", falcon')
    (workspace / "secret/a.py").write_text(told)
    text = f'{DENY}[identity]\nmask = ["home"]\n[[context]]\nkind = "CODE-NAME"\nterms = ["falcon"]\n'
    engine = load(Vault(bytes(32)))
    wire = Wire(replace(desk.duties, engine=engine, policy=policy(user=text), workspace=workspace), pytest.fail)
    found = wire.engine().with_sources(FolderNames({"home": ("/home/planted-jane",)})).find(told.encode())
    kinds = [one.kind for one in found if one.kind != "DENIED-CODE"]
    assert kinds == ["GITHUB-TOKEN", "HOME", "CODE-NAME"]
    assert {told.encode()[one.start : one.end] for one in found if one.kind != "DENIED-CODE"} >= {
        token.encode(),
        b"falcon",
    }
    desk.close()


def test_text_that_never_may_leave_is_not_that_of_a_file_about_which_the_user_is_asked(workspace: Path) -> None:
    """The inside may copy it there, and let the user be asked about the copy."""
    for name in ("secret/a.py", "src/a.py", "zz.py"):
        (workspace / name).write_text(OWN_CODE)
    own = code("of_its_own").replace("factor", "else_than")
    (workspace / "src/b.py").write_text(f"{own}\n\n{OWN_CODE}\n")
    found = source(workspace, text=f'{DENY}[files.send]\nask = ["src/**", "zz.py"]\n')
    assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:secret/a.py"}
    both = list(found.find((workspace / "src/b.py").read_bytes()))
    assert OWN_CODE.strip().encode() in {one.value for one in both if one.rule == "fingerprint:secret/a.py"}
    assert not [one for one in both if "src/" in one.rule and b"normalise" in one.value]


@pytest.fixture
def repository(workspace: Path) -> Path:
    shutil.rmtree(workspace / ".git")
    git(workspace, "init", "-q")
    return workspace


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}
    )


def committed(folder: Path, path: str, text: str | None) -> None:
    """Commit a file, or that it is gone."""
    if text is None:
        (folder / path).unlink()
    else:
        (folder / path).write_text(text)
    git(folder, "add", "-A", path)
    git(folder, "commit", "-qm", "x")


def test_what_is_checked_out_is_known_from_the_start_though_the_file_is_gone(repository: Path) -> None:
    committed(repository, "secret/a.py", OWN_CODE)
    (repository / "secret/a.py").unlink()
    assert names(list(source(repository).find(OWN_CODE.encode()))) == {"fingerprint:secret/a.py"}


def test_what_only_history_has_is_known_soon_after_the_first_request(repository: Path) -> None:
    committed(repository, "secret/a.py", OWN_CODE)
    committed(repository, "secret/a.py", None)
    committed(repository, "src/open.py", code("open"))
    found = source(repository)
    learned: list[bool] = []
    found.when_learned(lambda: learned.append(True))
    assert list(found.find(OWN_CODE.encode())) == []
    until(lambda: bool(learned))
    assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:secret/a.py"}


def test_of_open_files_history_is_not_known(repository: Path) -> None:
    committed(repository, "src/open.py", OWN_CODE)
    committed(repository, "src/open.py", "x = 1\n")
    found = source(repository)
    assert not found.look_back()
    assert list(found.find(OWN_CODE.encode())) == []


def test_paths_of_history_are_those_of_the_workspace_in_a_larger_repository(repository: Path) -> None:
    (repository / "part/secret").mkdir(parents=True)
    committed(repository, "part/secret/a.py", OWN_CODE)
    committed(repository, "part/secret/a.py", None)
    found = source(repository / "part")
    assert found.look_back()
    assert names(list(found.find(OWN_CODE.encode()))) == {"fingerprint:secret/a.py"}


def test_a_repository_without_commits_or_with_damaged_objects_is_no_failure(repository: Path) -> None:
    warned: list[str] = []
    assert not source(repository, warned=warned).look_back()
    committed(repository, "secret/a.py", OWN_CODE)
    shutil.rmtree(repository / ".git/objects")
    (repository / ".git/objects").mkdir()
    found = source(repository, warned=warned)
    assert not found.look_back()
    assert warned == []
    assert list(found.find(OWN_CODE.encode())) != []


def test_a_history_that_takes_too_long_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    found = source(repository, warned=warned)
    monkeypatch.setattr(
        closedhistory, "ask", lambda *_, **__: (_ for _ in ()).throw(subprocess.TimeoutExpired("git", 1))
    )
    assert not found.look_back()
    assert warned == ["what git has of closed files could not be read as a whole: TimeoutExpired"]


def test_of_a_large_history_some_is_read(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        committed(repository, f"secret/{number}.py", f"{code(f'of_{number}')}# {'x' * 100}\n")
    monkeypatch.setattr(closedhistory, "_MOST_OF_ALL", 2500)
    history = closedhistory.ClosedHistory(repository, lambda path: path.startswith("secret/"))
    read = list(history.all())
    assert 0 < sum(len(text) for _, text in read) <= 2500
    monkeypatch.setattr(closedhistory, "_MOST_OF_BLOB", 10)
    assert list(history.head()) == []
