"""What the inside writes, whichever adapter shows the workspace: promise 3, and promise 2 for what was put back."""

import time
from pathlib import Path

import pytest

from tests.machine import Machine, ciphered, deciphered, private_key

_EDITS = {
    "new": "printf 'NEW=1\\n' > .env",
    "empty": ": > .env",
    "line removed": "grep -v ODD .env > ../x; cat ../x > .env",
    "reversed": "tac .env > ../x; cat ../x > .env",
    "overwritten": "dd if=/dev/zero bs=1 count=2 seek=0 conv=notrunc of=.env 2>/dev/null",
    "cut": "truncate -s 20 .env",
    "longer": "truncate -s 300 .env",
    "appended": "echo PORT=1 >> .env; echo HOST=a >> .env",
    "padded": "printf x | dd of=.env bs=1 seek=400 conv=notrunc 2>/dev/null",
}
"""Commands that do the same to a file and to the file that stands behind what is shown."""


def test_whatever_is_done_to_a_masked_file_is_done_to_the_real_one(shown: Machine) -> None:
    """Promise 3: the same commands, done outside to a copy, give the same bytes."""
    real = (shown.workspace / ".env").read_text()
    script = []
    for name, edit in _EDITS.items():
        for top in (shown.workspace, shown.root / "again"):
            (top / name).mkdir(parents=True)
            (top / name / ".env").write_text(real)
        script.append(f"(cd '{name}'; {edit})")
        if name in {"longer", "padded"}:  # a place in the file that follows the placeholders stands elsewhere outside
            (shown.root / "again" / name / ".env").write_text("")
        else:
            shown.host("sh", "-c", edit, cwd=shown.root / "again" / name, check=True)
    done = shown.inside("\n".join(script))
    assert done.returncode == 0, done.stderr
    for name in _EDITS:
        now = (shown.workspace / name / ".env").read_bytes()
        if name in {"longer", "padded"}:
            assert now.rstrip(b"\0x") == real.encode(), name
            assert b"\0\0\0" in now
        else:
            assert now == (shown.root / "again" / name / ".env").read_bytes(), name


def test_an_edit_in_place_reaches_the_real_file_and_leaves_what_it_is(anyones_shown: Machine) -> None:
    """Promise 3: real values and the edit; layout, permission bits, owner and inode stay."""
    env = anyones_shown.workspace / ".env"
    env.chmod(0o640)
    before, real = env.stat(), env.read_text()
    seen = anyones_shown.seen(
        "sed 's/DEBUG=true/DEBUG=false/' .env > /tmp/x; cat /tmp/x > .env; echo PORT=1 >> .env; cat .env"
    )
    after = env.stat()
    assert env.read_text() == real.replace("DEBUG=true", "DEBUG=false") + "PORT=1\n"
    assert (after.st_mode, after.st_uid, after.st_ino) == (before.st_mode, before.st_uid, before.st_ino)
    assert not anyones_shown.leaks(seen)


def test_a_quick_edit_is_not_lost(shown: Machine) -> None:
    """Promise 3: a command that is over in milliseconds, before anything else of the session has woken up."""
    for number in range(3):
        shown.inside(f"echo N{number}=1 >> .env; cp .env copy{number}")
    text = (shown.workspace / ".env").read_text()
    for number in range(3):
        assert f"N{number}=1\n" in text
        copy = (shown.workspace / f"copy{number}").read_text()
        assert "MASKED-" not in copy
        assert copy == text[: len(copy)]


_QUOTES = {
    "copy.txt": "cp .env copy.txt",
    "a/b/c/.env": "mkdir -p a/b/c; cp .env a/b/c/.env",
    "app.py": "cat .env app.py > new; mv new app.py",
    "more.py": "echo '# more' > more.py; cat .env >> more.py",
    "e/y": "cp .env x; mkdir d; mv x d/y; mv d e",
    "linked": "cp .env z; ln z linked",
    "long.txt": "(cat .env; yes | head -c 3000000; cat .env) > long.txt",
    ".git/note": "cp .env .git/note",
    "moved-out.txt": "cp .env .git/logs/x; mv .git/logs/x moved-out.txt",
    "mapped": (
        "python3 -c \"import mmap; data = open('.env', 'rb').read(); f = open('mapped', 'w+b'); f.truncate(len(data)); "
        'm = mmap.mmap(f.fileno(), 0); m[:] = data; m.flush()"'
    ),
}


def test_files_that_quote_placeholders_have_the_values_afterwards(anyones_shown: Machine) -> None:
    """Promise 3: copies, deep ones, what was replaced, appended to, moved, linked, mapped, long, among git's own."""
    done = anyones_shown.inside("\n".join(f"{way} || exit 1" for way in _QUOTES.values()))
    assert done.returncode == 0, done.stderr
    for name in _QUOTES:
        data = (anyones_shown.workspace / name).read_bytes()
        assert b"MASKED-" not in data, name
        assert anyones_shown.planted["stripe"].encode() in data, name
        assert anyones_shown.planted["database"].encode() in data, name


def test_a_placeholder_of_the_environment_becomes_its_value_and_one_that_nobody_issued_stays(shown: Machine) -> None:
    """Promise 3: also one whose pieces come one by one."""
    shown.inside(
        "echo token: $GITHUB_TOKEN > config.yml; echo TOKEN=$GITHUB_TOKEN >> .env; echo MASKED-KEY-00000000 > a; "
        "python3 -c \"import os; [os.write(1, bytes([c])) for c in os.environb[b'GITHUB_TOKEN']]\" > pieces"
    )
    token = shown.planted["github"]
    assert (shown.workspace / "config.yml").read_text() == f"token: {token}\n"
    assert (shown.workspace / ".env").read_text().endswith(f"TOKEN={token}\n")
    assert (shown.workspace / "a").read_text() == "MASKED-KEY-00000000\n"
    assert (shown.workspace / "pieces").read_text() == token


def test_nobody_inside_reads_a_value_that_was_put_back(anyones_shown: Machine) -> None:
    """Promise 2: not by a descriptor held open, a hard link, a mapping, a namespace, or by waiting."""
    script = (
        "echo $GITHUB_TOKEN > mine; exec 5<mine 6<>mine; ln mine link; echo $GITHUB_TOKEN >> .env; cp .env other; exec 7<other; "
        "mkdir n; unshare -Urm sh -c 'exec 8<../mine; sleep 1; cat <&8 ../mine' 2>/dev/null & sleep 1.2; "
        "cat <&5; cat <&6; cat <&7; cat mine link other .env; cat /proc/[0-9]*/fd/[5-8]"
    )
    seen = anyones_shown.seen(script)
    assert not anyones_shown.leaks(seen)
    assert seen.count("MASKED-GITHUB-TOKEN-") >= 4
    assert anyones_shown.planted["github"] in (anyones_shown.workspace / "mine").read_text()
    assert (anyones_shown.workspace / ".env").read_text().endswith(f"{anyones_shown.planted['github']}\n")


def test_a_secret_that_the_inside_makes_is_masked_when_it_is_read_again(shown: Machine) -> None:
    """Promise 2: a key that a tool generates inside is a secret of the user's from then on."""
    start = "sk" + "_live_"
    code = f"import random, string; print('{start}' + ''.join(random.choices(string.ascii_letters, k=24)))"
    seen = shown.seen(f'python3 -c "{code}" > made.txt; sleep 1; cat made.txt')
    made = (shown.workspace / "made.txt").read_text()
    assert made.startswith(start)
    assert made.strip() not in seen
    assert "MASKED-STRIPE-KEY-" in seen


def test_edits_of_host_and_inside_do_not_corrupt_each_other(shown: Machine) -> None:
    """Promises 2 and 3: both write the same file; the last one wins, whole; no placeholder stays, no value is shown."""
    env = shown.workspace / ".env"
    loop = "for i in 1 2 3 4 5 6 7 8 9; do echo IN$i=1 >> .env; sleep 0.1; done; sleep 0.5; "
    with shown.running(loop + ciphered("cat .env")) as running:
        for number in range(8):
            time.sleep(0.13)
            env.write_text(env.read_text() + f"OUT{number}_PASSWORD={shown.planted['odd']}{number}\n")
        done = running.end()
    text = env.read_text()
    assert "MASKED-" not in text
    assert shown.planted["stripe"] in text
    assert "OUT7_PASSWORD" in text or "IN9" in text
    assert not shown.leaks(deciphered(done.stdout), done.stdout)


def test_a_pem_block_and_a_json_file_come_back_whole(shown: Machine) -> None:
    """Promise 3."""
    key = private_key()
    shown.planted["key"] = key.splitlines()[2]
    document = '{"user": "me", "password": "' + shown.planted["odd"] + '", "n": [1, 2, {"token": null}]}\n'
    (shown.workspace / "bundle.txt").write_text(f"before\n{key}after\n")
    (shown.workspace / "credentials.json").write_text(document)
    seen = shown.seen(
        "cat bundle.txt credentials.json; cp bundle.txt copy; echo more >> bundle.txt; echo >> credentials.json; python3 -m json.tool credentials.json"
    )
    assert not shown.leaks(seen)
    assert '"user": "me"' in seen
    assert (shown.workspace / "bundle.txt").read_text() == f"before\n{key}after\nmore\n"
    assert (shown.workspace / "copy").read_text() == f"before\n{key}after\n"
    assert (shown.workspace / "credentials.json").read_text() == document + "\n"


def test_what_is_made_inside_is_there_outside(anyones_shown: Machine) -> None:
    """Promise 3: folders, links, permission bits, owners, times and bytes are what the inside made."""
    done = anyones_shown.inside(
        "umask 027; mkdir -p d/e; echo x > d/f; ln -s f d/l; chmod +x d/f; ln d/f d/h; touch -d '2001-02-03 04:05:06Z' d/e; "
        'head -c 5000000 /dev/urandom | tee d/big | sha256sum; mv d/e d/g; rmdir d/g; mkdir d/e; cd d; python3 -c \'open("n\\n", "w")\''
    )
    assert done.returncode == 0, done.stderr
    folder = anyones_shown.workspace / "d"
    about = (folder / "f").stat()
    assert (about.st_uid, about.st_mode & 0o777, about.st_nlink) == (anyones_shown.uid, 0o750, 2)
    assert Path.readlink(folder / "l") == Path("f")
    assert sorted(path.name for path in folder.iterdir()) == ["big", "e", "f", "h", "l", "n\n"]
    summed = anyones_shown.host("sha256sum", str(folder / "big"), check=True).stdout
    assert done.stdout.split()[0] == summed.split()[0]


def test_the_workspace_is_as_it_was_after_a_session_that_changed_nothing(shown: Machine) -> None:
    """Promise 3: no stub, no stray file, no changed time stamp is left behind, and nothing is left mounted."""

    def snapshot() -> dict[str, tuple[int, int, bytes]]:
        files = [path for path in Path(shown.workspace).rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes()) for path in files}

    shown.git("status")
    before = snapshot()
    shown.inside("cat .env app.py; ls -laR; sleep 0.3")
    assert snapshot() == before
    assert shown.git("status", "--short") == "?? .env\n"
    assert str(shown.root) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("ending", ["kill -9 $$", "exit 3", "sleep 60 & exit 0"], ids=["killed", "failed", "left"])
def test_what_waits_is_restored_however_the_command_ends(shown: Machine, ending: str) -> None:
    """Promise 3."""
    shown.inside(f"cp .env copy; echo LAST=$GITHUB_TOKEN >> .env; {ending}")
    for name in (".env", "copy"):
        text = (shown.workspace / name).read_text()
        assert "MASKED-" not in text
        assert shown.planted["stripe"] in text
    assert (shown.workspace / ".env").read_text().endswith(f"LAST={shown.planted['github']}\n")
