"""What may not be written: promise 2, for what would run outside later; and what is recorded of it: promise 4."""

import json

from tests.machine import Machine

_PROTECTED = {
    ".envrc": "export A=1\n",
    ".vscode/tasks.json": "{}\n",
    ".husky/pre-commit": "true\n",
    ".claude/settings.json": "{}\n",
    "sub/.mcp.json": "{}\n",
}


def _state(machine: Machine) -> dict[str, tuple[bytes, int]]:
    names = [*_PROTECTED, ".git/config", ".git/hooks/pre-commit.sample"]
    return {
        name: ((machine.workspace / name).read_bytes(), (machine.workspace / name).stat().st_mode) for name in names
    }


def test_what_runs_outside_later_is_read_only_and_stays_where_it_is(anyones_shown: Machine) -> None:
    """Promise 2: written, appended to, cut, replaced, linked, removed, its bits changed, its folder moved away."""
    for name, text in _PROTECTED.items():
        (anyones_shown.workspace / name).parent.mkdir(exist_ok=True)
        (anyones_shown.workspace / name).write_text(text)
    anyones_shown.give()
    before = _state(anyones_shown)
    script = (
        "for f in $NAMES; do cat $f; echo evil > $f; echo evil >> $f; : > $f; truncate -s 1 $f; echo evil > new; mv new $f; "
        "cp app.py $f; ln -f app.py $f; ln -sf /tmp $f; chmod 777 $f; touch $f; rm -f $f; mv $f moved; "
        "python3 -c \"import os,sys; f=os.open(sys.argv[1], os.O_RDWR); os.write(f, b'x')\" $f; done; "
        "python3 -c \"import mmap,os,sys; f=os.open('.envrc', os.O_RDWR); mmap.mmap(f, 5)[:]=b'evil!'\"; "
        "touch .git/hooks/pre-commit .husky/new; "
        "for d in .git .git/hooks .vscode .husky .claude; do mv $d away; rm -rf $d; done; ls -A"
    )
    names = " ".join(before)
    done = anyones_shown.inside(f"NAMES='{names}'; {script}")
    assert _state(anyones_shown) == before
    assert not (anyones_shown.workspace / ".git/hooks/pre-commit").exists()
    assert not (anyones_shown.workspace / ".husky/new").exists()
    assert "export A=1" in done.stdout
    assert anyones_shown.git("status", "--short", "--", "app.py") == ""


def test_the_log_tells_which_files_showed_placeholders_and_were_restored(shown: Machine) -> None:
    """Promise 4: whichever adapter it was, and without a value."""
    shown.inside("cat .env; echo PORT=1 >> .env; cp .env copy; echo x > made.txt; rm app.py").check_returncode()
    log = shown.log()
    assert not shown.leaks(log)
    events = [json.loads(line) for line in log.splitlines()]
    rows = {(event["path"], event["action"]) for event in events if event["type"] == "file"}
    assert (".env", "masked") in rows
    assert {(".env", "restored"), ("copy", "restored")} & rows
    assert {("made.txt", "created"), ("app.py", "deleted")} <= rows
    assert shown.host("safe-agent", "audit", "verify").returncode == 0


def test_a_value_in_a_files_name_is_masked_in_the_log(shown: Machine) -> None:
    """Promise 4: the log holds no value that is known, also where the user has named a file by one."""
    value = shown.planted["stripe"]
    script = "ls; cat app.py; [ -e go ]; touch listed; until [ -e go ]; do sleep 0.02; done; cat *.txt"
    with shown.running(script) as running:
        running.reached("listed")
        (shown.workspace / f"{value}.txt").write_text("plain\n")
        (shown.workspace / "go").touch()
        done = running.end()
    assert "plain" in done.stdout
    log = shown.log()
    assert ".txt" in log
    assert not shown.leaks(log)
