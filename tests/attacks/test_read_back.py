"""Reading a value back from a file into which its placeholder was written, now or in a later session: promise 2.

A later session knows nothing of what an earlier one did: names and contents alone say what is masked then. So no value
may stand where they do not say enough.
"""

import re

import pytest

from tests.machine import Machine, fake

_FIND = r"""
import os, re
for folder, folders, files in os.walk("."):
    folders[:] = [one for one in folders if one != "objects"]
    for name in files:
        try:
            with open(os.path.join(folder, name), "rb") as file: data = file.read()
        except OSError as error: data = str(error).encode()
        for one in re.finditer(rb"[AB]=[^\n]*", data): print(os.path.join(folder, name), one.group().decode())
"""
_WRITE = r"""
import os, re, subprocess, time
token = os.environ["GITHUB_TOKEN"]
stripe = re.search("STRIPE_KEY=(.*)", open(".env").read())[1]
TEXT = f"A={token}\nB={stripe}\n"
def put(name, text, how="w"):
    try:
        with open(name, how) as file: file.write(text)
    except OSError as error: print(name, error)
def run(command): subprocess.run(command, shell=True)
"""


def _inside(machine: Machine, *code: str) -> str:
    return machine.seen("python3 - <<'END'\n" + "\n".join(code) + "\nEND")


@pytest.mark.parametrize("mebibytes", [15, 17])
def test_no_value_stands_behind_what_is_looked_at(machine: Machine, mebibytes: int) -> None:
    """Promise 2: of a large file only the first 16 MiB are looked at; promise 5: who cannot write it is told."""
    code = (
        f"size = {mebibytes} << 20",
        'put("big", "x" * 127 + "\\n"); run("yes $(cat big) | head -c %d > big" % size); put("big", TEXT, "a")',
        'put("grown", TEXT); run("cat big >> grown"); run("cp grown again; cat grown grown > twice; cp big copied")',
        'run("cat big | dd of=direct bs=1M 2>&1"); run("sed s/x/xy/ big > longer"); time.sleep(2.5)',
    )
    seen = _inside(machine, _WRITE, *code, _FIND)
    assert not machine.leaks(seen), seen
    assert "A=" in seen
    assert not machine.leaks(_inside(machine, _FIND))
    for file in machine.workspace.iterdir():
        if file.is_file() and file.stat().st_size > 16 << 20:
            assert not machine.leaks(file.read_bytes()), file.name


@pytest.mark.parametrize("name", [".git/logs/x", ".git/X_HEAD", ".git/index.x", ".git/lfs/x", "sub/.git/objects/x"])
def test_what_holds_values_does_not_get_a_name_at_which_the_next_session_looks_at_nothing(
    machine: Machine, name: str
) -> None:
    """Promise 2, and 3: the file is refused there, so that no program takes its values for copied."""
    above, _, last = name.rpartition("/")
    code = (
        f'name, above, last = "{name}", "{above}", "{last}"; run("mkdir -p {above}")',
        'for one in "abcdef": put(one, TEXT)',
        'run(f"mv a {name}; ln b {name}; ln -f b {name}; mv c {name}.lock; mv --exchange d {name}")',
        "for one in (name, name + '.lock'):\n    if not os.path.exists(one): put(one, 'clean\\n')",
        'put(name, TEXT, "a")',  # it stands there already
        'run(f"ln {name} later; ln e early; mv early {name}.early; mv later {name}.later")',
        'put("later", TEXT, "a"); put("e", TEXT, "a")',
        'put("clean", "clean\\n"); run(f"mv clean {name}"); put(name, TEXT, "a")',
        'put("pair", "clean\\n"); run(f"ln pair other; mv pair {name}"); put("other", TEXT, "a")',
        'run(f"mkdir -p moved/{above}; mv f moved/{last}; mv moved/{last} {name}")',
        f'for one in ("moved/{last}", "moved/{above[5:]}/x"): run("mkdir -p $(dirname %s)" % one); put(one, TEXT)',
        'run("mkdir new; mv moved new/.git; mv moved .git/logs/")',
    )
    seen = _inside(machine, _WRITE, *code, _FIND)
    assert not machine.leaks(seen), seen
    again = _inside(machine, _FIND)
    assert again.count("A=MASKED") > 3
    assert not machine.leaks(again), again


@pytest.mark.parametrize("name", ["x.png", ".git/x", "node_modules/x"])
def test_what_the_scan_leaves_out_is_searched_for_known_values_when_it_is_read(machine: Machine, name: str) -> None:
    """Promise 2: that the scan lists a file says nothing of what is in it, nor of its other names."""
    above = name.rpartition("/")[0] or "."
    code = (f'name = "{name}"; run("mkdir -p {above}"); put(name, TEXT); put("a", TEXT); run(f"ln a {{name}}2")',)
    assert not machine.leaks(_inside(machine, _WRITE, *code, _FIND))
    again = _inside(machine, _FIND)
    assert again.count("A=MASKED") == 3
    assert not machine.leaks(again)


def test_what_is_masked_only_where_it_stands_stays_a_placeholder_elsewhere(anyones: Machine) -> None:
    """Promise 2: a short or common password is found by its key; promise 3: where it has one, it is written back."""
    values = {"DB_PASSWORD": "q7", "ADMIN_SECRET": "admin", "APP_KEY": "aaaaaaaaaaaa"}
    dotenv = anyones.workspace / ".env"
    dotenv.write_text(dotenv.read_text() + "".join(f"{name}={value}\n" for name, value in values.items()))
    anyones.give()
    code = r"""
lines = dict(re.findall(r"(?m)^(DB_PASSWORD|ADMIN_SECRET|APP_KEY)=(.*)$", open(".env").read()))
assert all(one.startswith("MASKED-") for one in lines.values()), lines
for name in ("plain.txt", "x.json", "dist/x.js", "x.env", "b.txt"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    for one in lines.values():
        put(name, f"A={one}\nB=<{one}> and B='{one}', x{one}, # B={one} gitleaks:allow\n", "a")
put(".env", "# " + " ".join(f"A={one} B={one}" for one in lines.values()) + "\nA=" + lines["APP_KEY"] + "\n", "a")
run("sed -i s/^DEBUG=true/DEBUG=false/ .env")
put("was.env", "X_PASSWORD=1\n"); run("mv was.env was.txt")
put("was.txt", "".join(f"B_PASSWORD={one}\nA={one}\n" for one in lines.values()), "a")
time.sleep(2.5)
"""
    seen = _inside(anyones, _WRITE, code, _FIND)
    again = _inside(anyones, _FIND)
    for value in ("q7", "admin", "aaaaaaaaaaaa"):
        shown = re.compile(rf"(?<![A-Za-z0-9]){value}(?![A-Za-z0-9])")
        assert not shown.search(seen), (value, seen)
        assert not shown.search(again), (value, again)
    real = dotenv.read_text()
    assert "DEBUG=false" in real
    assert all(f"\n{name}={value}\n" in real for name, value in values.items())


def test_what_a_credential_file_held_in_commits_is_not_sent_or_shown(machine: Machine) -> None:
    """Promise 1: the inside can read it in git's objects, though it stands in no file any more."""
    kept = (machine.workspace / ".env").read_text()
    former = {"ODD": fake("", 20), "NICK": fake("", 18)}
    (machine.workspace / ".env").write_text("".join(f"{name}={value}\n" for name, value in former.items()))
    for content in (None, kept):
        if content is not None:
            (machine.workspace / ".env").write_text(content)
        machine.give()
        machine.git("add", "-f", ".env")
        machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x")
    show = "sleep 3; git show HEAD~:.env"
    read = machine.seen(show)
    assert all(value in read for value in former.values())  # by whoever runs inside
    shown = machine.inside(show).stdout
    assert "NICK=MASKED-VALUE-" in shown
    assert not any(value in shown for value in former.values())
    assert not any(value in machine.log() for value in former.values())
