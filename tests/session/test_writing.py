"""Promise 3: disk is never corrupted by masking; and promise 2, that the inside never reads what was put back."""

import time
from pathlib import Path

import pytest

from tests.machine import Machine, ciphered, deciphered


def test_an_edit_in_place_reaches_the_real_file(anyones: Machine) -> None:
    """Promise 3: real values and the edit; layout, permission bits, owner and inode stay."""
    env = anyones.workspace / ".env"
    env.chmod(0o640)
    before, real = env.stat(), env.read_text()
    seen = anyones.seen(
        "sed 's/DEBUG=true/DEBUG=false/' .env > /tmp/x; cat /tmp/x > .env; echo PORT=1 >> .env; cat .env"
    )
    after = env.stat()
    assert env.read_text() == real.replace("DEBUG=true", "DEBUG=false") + "PORT=1\n"
    assert (after.st_mode, after.st_uid, after.st_ino) == (before.st_mode, before.st_uid, before.st_ino)
    assert not anyones.leaks(seen)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("printf 'NEW=1\\n' > .env", "NEW=1\n"),
        (": > .env", ""),
        ("grep -v ODD .env > /tmp/x; cat /tmp/x > .env", None),
        ("tac .env > /tmp/x; cat /tmp/x > .env", None),
        ("dd if=/dev/zero bs=1 count=2 seek=0 conv=notrunc of=.env 2>/dev/null", None),
        ("truncate -s 20 .env", None),
    ],
    ids=["new", "empty", "line removed", "reversed", "overwritten", "cut"],
)
def test_whatever_is_done_to_a_masked_file_is_done_to_the_real_one(
    machine: Machine, edit: str, expected: str | None
) -> None:
    """Promise 3."""
    env = machine.workspace / ".env"
    real = env.read_text()
    if expected is None:
        again = machine.root / "again"
        again.mkdir()
        (again / ".env").write_text(real)
        machine.host("sh", "-c", edit.replace("/tmp/x", "./x"), cwd=again, check=True)
        expected = (again / ".env").read_text()
    machine.inside(edit)
    assert env.read_text() == expected


def test_a_quick_edit_is_not_lost(machine: Machine) -> None:
    """Promise 3: a command that is over in milliseconds, before anything else of the session has woken up."""
    for number in range(5):
        machine.inside(f"echo N{number}=1 >> .env; cp .env copy{number}")
    text = (machine.workspace / ".env").read_text()
    for number in range(5):
        assert f"N{number}=1\n" in text
        copy = (machine.workspace / f"copy{number}").read_text()
        assert "MASKED-" not in copy
        assert copy == text[: len(copy)]


@pytest.mark.parametrize(
    ("write", "name"),
    [
        ("cp .env copy.txt", "copy.txt"),
        ("mkdir -p a/b/c; cp .env a/b/c/.env", "a/b/c/.env"),
        ("cat .env app.py > new; mv new app.py", "app.py"),
        ("cat .env >> app.py", "app.py"),
        ("cp .env x; mkdir d; mv x d/y; mv d e", "e/y"),
        ("cp .env x; ln x linked", "linked"),
        ("(cat .env; head -c 3000000 /dev/zero) > big.bin", "big.bin"),
        ("cp .env .git/note", ".git/note"),
    ],
    ids=["copy", "deep", "replaced", "appended", "moved", "linked", "large", "git"],
)
def test_a_file_that_quotes_placeholders_has_the_values_afterwards(machine: Machine, write: str, name: str) -> None:
    """Promise 3."""
    done = machine.inside(write)
    assert done.returncode == 0, done.stderr
    data = (machine.workspace / name).read_bytes()
    assert b"MASKED-" not in data
    assert machine.planted["stripe"].encode() in data
    assert machine.planted["database"].encode() in data


def test_a_placeholder_of_the_environment_becomes_its_value_too(machine: Machine) -> None:
    """Promise 3."""
    machine.inside("echo token: $GITHUB_TOKEN > config.yml; echo TOKEN=$GITHUB_TOKEN >> .env")
    assert (machine.workspace / "config.yml").read_text() == f"token: {machine.planted['github']}\n"
    assert (machine.workspace / ".env").read_text().endswith(f"TOKEN={machine.planted['github']}\n")


def test_a_placeholder_that_nobody_issued_stays(machine: Machine) -> None:
    """Promise 3: it is text like any other."""
    machine.inside("echo MASKED-KEY-00000000 > a; echo MASKED-KEY-00000000 >> .env")
    assert (machine.workspace / "a").read_text() == "MASKED-KEY-00000000\n"
    assert (machine.workspace / ".env").read_text().endswith("MASKED-KEY-00000000\n")


def test_nobody_inside_reads_a_value_that_was_put_back(anyones: Machine) -> None:
    """Promise 2: not by a descriptor held open, a hard link, a mapping, a namespace, or by waiting."""
    script = (
        "echo $GITHUB_TOKEN > mine; exec 5<mine 6<>mine; ln mine link; echo $GITHUB_TOKEN >> .env; cp .env other; exec 7<other; "
        "mkdir n; unshare -Urm sh -c 'exec 8<../mine; sleep 2; cat <&8 ../mine' 2>/dev/null & sleep 2.5; "
        "cat <&5; cat <&6; cat <&7; cat mine link other .env; cat /proc/[0-9]*/fd/[5-8]"
    )
    seen = anyones.seen(script)
    assert not anyones.leaks(seen)
    assert seen.count("MASKED-GITHUB-TOKEN-") >= 4
    assert anyones.planted["github"] in (anyones.workspace / "mine").read_text()
    assert (anyones.workspace / ".env").read_text().endswith(f"{anyones.planted['github']}\n")


def test_edits_of_host_and_inside_do_not_corrupt_each_other(machine: Machine) -> None:
    """Promises 2 and 3: both write the same file; the last one wins, whole; no placeholder stays, no value is shown."""
    env = machine.workspace / ".env"
    loop = "for i in 1 2 3 4 5 6 7 8 9; do echo IN$i=1 >> .env; sleep 0.1; done; sleep 0.5; "
    with machine.running(loop + ciphered("cat .env")) as running:
        for number in range(8):
            time.sleep(0.13)
            env.write_text(env.read_text() + f"OUT{number}_PASSWORD={machine.planted['odd']}{number}\n")
        done = running.end()
    text = env.read_text()
    assert "MASKED-" not in text
    assert machine.planted["stripe"] in text
    assert "OUT7_PASSWORD" in text or "IN9" in text
    assert not machine.leaks(deciphered(done.stdout), done.stdout)


def test_a_file_that_the_host_edits_is_edited_inside(machine: Machine) -> None:
    """The inside sees the host's edits, masked, also through an open descriptor."""
    env = machine.workspace / ".env"
    with machine.running(
        "exec 3<.env; until [ -e go ]; do sleep 0.02; done; sleep 0.5; " + ciphered("cat <&3")
    ) as running:
        env.write_text(env.read_text() + "ADDED=plain\n")
        (machine.workspace / "go").touch()
        seen = deciphered(running.end().stdout)
    assert "ADDED=" in seen
    assert not machine.leaks(seen)


def test_a_masked_file_cannot_be_removed_or_replaced_and_says_so(machine: Machine) -> None:
    """Promise 3: an editor that saves by rename gets an error, never a file of placeholders."""
    real = (machine.workspace / ".env").read_text()
    done = machine.inside("cp .env new; mv new .env; echo $?; rm -f .env; echo $?; ls -A .env")
    assert done.stdout == "1\n1\n.env\n"
    assert (machine.workspace / ".env").read_text() == real


def test_a_pem_block_and_a_json_file_come_back_whole(machine: Machine) -> None:
    """Promise 3."""
    key = (machine.home / ".ssh/id_ed25519").read_text()
    document = '{"user": "me", "password": "' + machine.planted["odd"] + '", "n": [1, 2, {"token": null}]}\n'
    (machine.workspace / "bundle.txt").write_text(f"before\n{key}after\n")
    (machine.workspace / "credentials.json").write_text(document)
    seen = machine.seen(
        "cat bundle.txt credentials.json; cp bundle.txt copy; echo more >> bundle.txt; echo >> credentials.json; python3 -m json.tool credentials.json"
    )
    assert not machine.leaks(seen)
    assert '"user": "me"' in seen
    assert (machine.workspace / "bundle.txt").read_text() == f"before\n{key}after\nmore\n"
    assert (machine.workspace / "copy").read_text() == f"before\n{key}after\n"
    assert (machine.workspace / "credentials.json").read_text() == document + "\n"


def test_the_workspace_is_as_it_was_after_a_session_that_changed_nothing(machine: Machine) -> None:
    """No stub, no stray file, no changed time stamp is left behind."""

    def snapshot() -> dict[str, tuple[int, int, bytes]]:
        files = [path for path in Path(machine.workspace).rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes()) for path in files}

    machine.git("status")
    before = snapshot()
    machine.inside("cat .env app.py; ls -la; sleep 0.5")
    assert snapshot() == before
    assert machine.git("status", "--short") == "?? .env\n"
