"""Real programs on a served folder: ripgrep, find, tar, cp, rsync, vim, sed, make, npm, pip, pytest, sqlite."""

import json
import os
import sqlite3
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator

import pytest

from tests.view.entered import command
from tests.view.served import PLACEHOLDER
from tests.view.workplace import DOTENV, SEEN, SHOWN, VALUE, Workplace, needed, workplace


@pytest.fixture
def work() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


def test_ripgrep_finds_placeholders_and_no_value(work: Workplace) -> None:
    rg = needed("rg")
    work.write("plain.txt", "needle\n")
    found = work.run(rg, "--hidden", "--no-ignore", "--sort=path", "-l", "needle|MASKED-")
    assert found.split() == ["deep/er/settings.env", "plain.txt", "secret.env"]
    assert work.run(rg, "--hidden", "--no-ignore", "--fixed-strings", VALUE, fails=True) == ""
    assert work.run(rg, "--mmap", "-c", SHOWN, "secret.env").strip() == "1"


def test_find_and_du_count_what_is_there(work: Workplace) -> None:
    for number in range(300):
        work.write(f"many/{number % 10}/{number}", "x" * number)
    inside = set(work.run("find", ".", "-printf", "%p %s %i %y\\n").splitlines())
    listed = {line.split(" ")[0] for line in inside}
    assert listed == {f"./{found.relative_to(work.real)}" for found in work.real.rglob("*")} | {"."}
    assert work.run("find", ".", "-size", f"{len(SEEN)}c", "-name", "*.env").count("\n") == 2
    assert work.run("sh", "-c", "find many -type f -delete && find many -type d | wc -l").strip() == "11"


def test_a_tar_made_inside_holds_placeholders_and_gives_values_back_on_disk(work: Workplace) -> None:
    os.utime(work.real / "secret.env", (1_000_000_000, 1_000_000_000))
    work.run("tar", "-cf", "all.tar", "secret.env", "deep")
    assert PLACEHOLDER in (work.inside / "all.tar").read_bytes()
    work.run("sh", "-ec", "mkdir out; tar -xf all.tar -C out")
    assert work.is_masked("out/secret.env")
    assert work.is_masked("out/deep/er/settings.env")
    assert (work.inside / "out/secret.env").stat().st_mtime == (work.inside / "secret.env").stat().st_mtime
    work.run("tar", "-df", "all.tar")


def test_cp_keeps_values_in_every_way_of_copying(work: Workplace) -> None:
    work.run("cp", "-a", "deep", "copy")
    work.run("cp", "--reflink=auto", "--sparse=always", "secret.env", "sparse.env")
    work.run("cp", "-l", "secret.env", "hard.env")
    work.run("cp", "-s", "secret.env", "soft.env")
    work.run("cp", "secret.env", "renamed.txt")
    work.run("sh", "-ec", "cat secret.env >cat.txt; cat <secret.env >>cat.txt; dd if=secret.env of=dd.txt bs=7 status=none; "
             "install -m 600 secret.env installed.txt; tee teed.txt <secret.env >/dev/null")  # fmt: skip
    for name in (
        "copy/er/settings.env",
        "sparse.env",
        "hard.env",
        "renamed.txt",
        "dd.txt",
        "installed.txt",
        "teed.txt",
    ):
        assert (work.real / name).read_text() == DOTENV, name
    assert (work.real / "cat.txt").read_text() == DOTENV * 2
    assert (work.inside / "soft.env").read_text() == SEEN
    assert (work.real / "hard.env").stat().st_nlink == 2


def test_rsync_copies_into_the_view_and_out_of_it(work: Workplace) -> None:
    rsync = needed("rsync")
    work.write("code/a.py", "a = 1\n")
    work.run("mkdir", "mirror")  # not left to rsync, which may have read the time of `./` before it makes the folder
    work.run(rsync, "-a", "--exclude=mirror", "./", "mirror/")
    assert work.is_masked("mirror/secret.env")
    assert work.run(rsync, "-ain", "--exclude=mirror", "./", "mirror/") == ""
    home = work.shell.home / "out"
    work.run(rsync, "-a", "deep", "code", f"{home}/")
    assert (home / "deep/er/settings.env").read_text() == SEEN  # outside of the view nothing is restored
    (home / "deep/er/settings.env").write_text(SEEN + "MORE=1\n")
    work.run(rsync, "-a", "--inplace", f"{home}/deep/", "again/")
    assert (work.real / "again/er/settings.env").read_text() == DOTENV + "MORE=1\n"
    work.run(rsync, "-a", "--delete", f"{home}/code/", "again/")
    assert [found.name for found in (work.real / "again").iterdir()] == ["a.py"]


# Editing


@pytest.mark.parametrize("how", ["backupcopy=yes", "backupcopy=no", "nowritebackup", "backup"])
def test_vim_saves_values_whatever_way_it_saves(work: Workplace, how: str) -> None:
    vim = needed("vim")
    work.run(
        vim, "-es", "-u", "NONE", "-i", "NONE", "-c", f"set {how}", "-c", "normal GoADDED=1", "-c", "wq", "secret.env"
    )
    assert (work.real / "secret.env").read_text() == DOTENV + "ADDED=1\n"
    assert not list(work.real.glob(".*.sw?"))


def test_sed_perl_and_patch_change_files_in_place(work: Workplace) -> None:
    work.run("sed", "-i", "s/USER=me/USER=you/", "secret.env")
    assert (work.real / "secret.env").read_text() == DOTENV.replace("me\n", "you\n", 1)
    work.run("sed", "-i.bak", "s/PORT=.*/PORT=1/", "secret.env")
    assert (work.real / "secret.env.bak").read_text() == DOTENV.replace("me\n", "you\n", 1)
    work.run("perl", "-pi", "-e", "s/USER=you/USER=them/", "secret.env")
    work.run("sh", "-ec", "cp secret.env was; echo A=1 >>secret.env; diff -u was secret.env >change || true; "
             "cp was secret.env; git apply --unsafe-paths change; git apply -R change; git apply change")  # fmt: skip
    wanted = DOTENV.replace("USER=me", "USER=them").replace("5432", "1")
    assert (work.real / "secret.env").read_text() == wanted + "A=1\n"


# Building and testing


def test_make_and_a_compiler_build_a_program_that_reads_a_masked_file(work: Workplace) -> None:
    make, _ = needed("make"), needed("cc")
    work.write("main.c", '#include <stdio.h>\nint main(void) { char b[999] = {0}; FILE *f = fopen("secret.env", "r");\n'
               'fread(b, 1, 998, f); fputs(b, stdout); return 0; }\n')  # fmt: skip
    work.write("Makefile", "prog: main.o\n\tcc -o $@ $^\nmain.o: main.c secret.env\n\tcc -c -o $@ $<\n")
    assert "cc -o prog" in work.run(make)
    assert work.run("./prog") == SEEN
    assert "up to date" in work.run(make)
    work.run("touch", "secret.env")
    assert "cc -c" in work.run(make)


def test_npm_installs_a_package_from_a_file_and_runs_its_script(work: Workplace) -> None:
    npm = needed("npm")
    flags = ("--offline", "--no-audit", "--no-fund", "--loglevel=error")
    work.write(
        "lib/package.json", json.dumps({"name": "lib", "version": "1.0.0", "main": "index.js", "bin": "index.js"})
    )
    work.write("lib/index.js", "#!/usr/bin/env node\nmodule.exports = 42; console.log('lib runs')\n")
    work.write(
        "package.json", json.dumps({"name": "app", "version": "1.0.0", "scripts": {"show": "lib && cat secret.env"}})
    )
    work.run(npm, "pack", "./lib", *flags)
    work.run(npm, "install", "./lib-1.0.0.tgz", *flags)
    assert (work.real / "node_modules/lib/index.js").exists()
    printed = work.run(npm, "run", "show", *flags)
    assert "lib runs" in printed
    assert SHOWN in printed
    work.run(npm, "install", "./lib", *flags)
    assert (work.real / "node_modules/lib").is_symlink()
    work.run(npm, "ci", *flags)


def test_pip_installs_an_editable_package_whose_tests_pytest_runs(work: Workplace) -> None:
    work.write("pyproject.toml", '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
               '[project]\nname = "thing"\nversion = "1.0"\n')  # fmt: skip
    work.write(
        "thing/__init__.py", "from pathlib import Path\n\ndef settings(): return Path('secret.env').read_text()\n"
    )
    work.write("tests/test_thing.py", f"import thing\n\ndef test_it(): assert '{SHOWN[:6]}' in thing.settings()\n")
    work.run(sys.executable, "-m", "venv", "--without-pip", "env")
    packages = next((work.real / "env/lib").glob("python3*/site-packages"))
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    work.run("env/bin/python", "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation",
             "--disable-pip-version-check", "-e", ".")  # fmt: skip
    assert (
        work.run("env/bin/python", "-c", "import thing; print(thing.__file__)").strip()
        == f"{work.real}/thing/__init__.py"
    )
    assert "1 passed" in work.run("env/bin/python", "-m", "pytest", "-q", "-p", "no:hypothesispytest", "tests")
    assert list((work.real / "tests/__pycache__").glob("*.pyc"))
    work.run("env/bin/python", "-m", "pip", "uninstall", "-q", "-y", "--disable-pip-version-check", "thing")
    assert not list(packages.glob("thing-*"))


_WRITER = """
    import sqlite3, sys, time
    who, journal, filler = sys.argv[1:]
    base = sqlite3.connect('data.db', timeout=60, isolation_level=None)
    base.execute('pragma synchronous=off')
    for attempt in range(500):  # two that change the mode at once do not wait for each other, on no file system
        try:
            print(base.execute('pragma journal_mode=' + journal).fetchone()[0])
            break
        except sqlite3.OperationalError:
            time.sleep(0.01)
    base.execute('create table if not exists t (who, number, filler)')
    for number in range(60):
        base.execute('begin immediate')
        base.execute('insert into t values (?, ?, ?)', (who, number, filler + 'x' * number * 20))
        base.execute('rollback' if number % 10 == 9 else 'commit')
"""


@pytest.mark.parametrize("journal", ["wal", "delete", "truncate", "persist"])
def test_sqlite_keeps_its_word_with_two_writers(work: Workplace, journal: str) -> None:
    environ = {"PATH": work.shell.path}
    words = [sys.executable, "-c", textwrap.dedent(_WRITER)]
    running = [
        subprocess.Popen(
            command(work.inside, *words, who, journal, SHOWN),
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for who in ("one", "two")
    ]
    for process in running:
        printed = process.communicate(timeout=60)[0].decode()
        assert (process.returncode, printed.strip()) == (0, journal), printed
    counted = "select who, count(*), sum(number) from t group by who order by who"
    inside = work.python(f"""
        import sqlite3
        base = sqlite3.connect('data.db')
        print(base.execute('pragma integrity_check').fetchall(), base.execute('{counted}').fetchall())
    """)
    assert inside.strip() == "[('ok',)] [('one', 54, 1566), ('two', 54, 1566)]"
    base = sqlite3.connect(work.real / "data.db")
    assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert base.execute(counted).fetchall() == [("one", 54, 1566), ("two", 54, 1566)]
    assert base.execute("select distinct substr(filler, 1, 24) from t").fetchall() == [(SHOWN[:24],)]
    base.close()
    for left in work.real.glob("data.db*"):
        left.unlink()
