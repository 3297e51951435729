"""`safe-agent redact`, as typed."""

import base64
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.machine import Machine, fake, private_key

Redact = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def redact(machine: Machine) -> Redact:
    def redact(
        *arguments: str, given: str | bytes = b"", cwd: Path | None = None, **more: str
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["safe-agent", "redact", *arguments],
            input=given.encode() if isinstance(given, str) else given,
            cwd=cwd or machine.workspace,
            env={**machine.environ, **more},
            capture_output=True,
            timeout=60,
            check=False,
        )

    return redact


@contextmanager
def following(machine: Machine, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a filter whose input stays open; it reads when the body begins."""
    process = subprocess.Popen(
        ["safe-agent", "redact", *arguments],
        cwd=machine.workspace,
        env=machine.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        try:
            process.stdin.write(b"ready\n")
            process.stdin.flush()
            assert taken(process) == b"ready\n"
            yield process
        finally:
            process.kill()


def taken(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return os.read(process.stdout.fileno(), 65536)


def everything(machine: Machine) -> str:
    """Make a text that holds every planted value, and one that nobody knows."""
    machine.planted["unknown"] = fake("sk" + "_live_", 24)
    lines = [f"{name}: it is '{value}' today\n" for name, value in machine.planted.items()]
    return "".join(lines) + "nothing else\n"


def test_what_the_machine_knows_and_what_rules_find_is_replaced(machine: Machine, redact: Redact) -> None:
    text = everything(machine)
    done = redact(given=text)
    assert done.returncode == 0
    assert machine.leaks(done.stdout, done.stderr) == []
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(text.splitlines())
    assert lines[-1] == "nothing else"
    assert all(re.search(r"it is 'MASKED-[A-Z0-9-]+' today$", line) for line in lines[:-1])


def test_restore_gives_back_the_very_bytes_and_says_what_it_could_not(machine: Machine, redact: Redact) -> None:
    del machine.planted["ssh"]  # one line of a key: it comes back as the whole key
    text = everything(machine)
    unknown = machine.planted["unknown"]
    done = redact(given=redact(given=text).stdout)
    assert done.stdout == redact(given=text).stdout, "redacting twice changes nothing"
    restored = redact("--restore", given=done.stdout)
    left = re.search(rb"unknown: it is '(MASKED-[A-Z0-9-]+)'", restored.stdout)
    assert left is not None
    assert restored.stdout == text.replace(unknown, left[1].decode()).encode()
    assert f"`{left[1].decode()}` was left as it is" in restored.stderr.decode()
    assert machine.leaks(restored.stderr) == []


def test_what_is_almost_a_placeholder_is_told(machine: Machine, redact: Redact) -> None:
    placeholder = redact(given=machine.planted["odd"]).stdout.decode()
    near = placeholder[:-1] + ("0" if placeholder[-1] != "0" else "1")
    done = redact("--restore", given=f"use {near}\n")
    assert done.stdout.decode() == f"use {near}\n"
    assert placeholder in done.stderr.decode()


def test_the_placeholder_is_the_one_that_the_agent_sees(machine: Machine, redact: Redact) -> None:
    inside = machine.seen("cat .env")
    assert "MASKED-" in inside
    assert redact("--restore", given=inside).stdout == (machine.workspace / ".env").read_bytes()


def test_encodings_of_what_is_known_are_replaced(machine: Machine, redact: Redact) -> None:
    value = machine.planted["odd"].encode()
    text = b"%b\n%b\n%b\n" % (base64.b64encode(b"x" + value), value.hex().encode(), value[::-1])
    assert machine.leaks(redact(given=text).stdout) == []


def test_a_named_dotenv_file_is_known_also_from_a_pipe(machine: Machine, redact: Redact) -> None:
    machine.planted["prod"] = fake("", 20)
    file = machine.root / "prod.env"
    file.write_text(f"# production\nCOLOUR=red\nPROD_THING={machine.planted['prod']}\n")
    text = f"a {machine.planted['prod']} b\n"
    assert redact(given=text).stdout.decode() == text
    done = redact("--env-file", str(file), given=text)
    assert re.fullmatch(rb"a MASKED-[A-Z0-9-]+ b\n", done.stdout)
    assert b"`COLOUR` is not searched for" in done.stderr
    assert redact("--restore", "--env-file", str(file), given=done.stdout).stdout.decode() == text
    shell = f'echo "{text.strip()}" | safe-agent redact --env-file <(cat {file})'
    piped = machine.host("bash", "-c", shell, check=True)
    assert piped.stdout.encode() == done.stdout
    missing = redact("--env-file", "nosuch.env", given=text)
    assert (missing.returncode, missing.stdout) == (125, b"")


def test_files_are_copied_one_after_the_other(machine: Machine, redact: Redact) -> None:
    (machine.workspace / "one").write_text("first, no line end")
    (machine.workspace / "two").write_text(f" {machine.planted['odd']}\n")
    done = redact("one", "two")
    assert re.fullmatch(rb"first, no line end MASKED-[A-Z0-9-]+\n", done.stdout)


@pytest.mark.parametrize("name", ["nosuch", "."])
def test_a_file_that_cannot_be_read_is_a_refusal(redact: Redact, name: str) -> None:
    done = redact(name)
    assert (done.returncode, done.stdout) == (125, b"")
    assert f"cannot read `{name}`" in done.stderr.decode()


def test_json_stays_json_and_only_secrets_change(machine: Machine, redact: Redact) -> None:
    document = {"a": [machine.planted["odd"], 1.5], "b": json.dumps({"c": machine.planted["database"]}), "d": "é\n"}
    text = json.dumps(document, indent=2)
    done = redact("--json", given=text)
    assert machine.leaks(done.stdout) == []
    shown = json.loads(done.stdout)
    assert shown["d"] == "é\n"
    assert json.loads(shown["b"])["c"].startswith("MASKED-")
    assert redact("--json", "--restore", given=done.stdout).stdout.decode() == text


def test_json_lines_stay_lines(machine: Machine, redact: Redact) -> None:
    lines = [{"level": "info"}, {"token": machine.planted["github"]}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = redact("--json", given=text)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown[0] == lines[0]
    assert shown[1]["token"].startswith("MASKED-")


def test_what_is_no_json_is_refused_before_a_byte_is_written(machine: Machine, redact: Redact) -> None:
    done = redact("--json", given=f'{{"a": "{machine.planted["odd"]}"')
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"hint: leave out `--json`" in done.stderr
    assert machine.leaks(done.stderr) == []


def test_bytes_without_a_secret_pass_as_they_are(redact: Redact) -> None:
    data = bytes(range(256)) * 500 + b"\n\0\xff\r\n\x1b[31m" + "é漢".encode() * 100
    assert redact(given=data).stdout == data
    assert redact("--restore", given=data).stdout == data


def test_lines_come_out_while_the_input_goes_on(machine: Machine) -> None:
    waits: list[float] = []
    with following(machine) as process:
        assert process.stdin is not None
        for number in range(5):
            process.stdin.write(f"{number} {machine.planted['odd']}\n".encode())
            process.stdin.flush()
            begin = time.monotonic()
            line = taken(process)
            assert re.fullmatch(rb"%d MASKED-[A-Z0-9-]+\n" % number, line)
            waits.append(time.monotonic() - begin)
    assert median(waits) < 0.5


def test_a_token_that_comes_in_two_halves_does_not_leave_in_one(machine: Machine) -> None:
    key = machine.planted["stripe"]
    with following(machine) as process:
        assert process.stdin is not None
        process.stdin.write(f"key {key[:20]}".encode())
        process.stdin.flush()
        time.sleep(0.2)
        process.stdin.write(f"{key[20:]} end\n".encode())
        process.stdin.close()
        out = b"".join(iter(lambda: taken(process), b""))
    assert re.fullmatch(rb"key MASKED-STRIPE-KEY-[0-9A-Z]{8} end\n", out)


def test_a_private_key_line_by_line_is_one_placeholder(machine: Machine) -> None:
    (machine.home / ".ssh/id_ed25519").unlink()
    key = private_key()
    with following(machine) as process:
        assert process.stdin is not None
        for line in key.splitlines(keepends=True):
            process.stdin.write(line.encode())
            process.stdin.flush()
            time.sleep(0.03)
        process.stdin.close()
        out = b"".join(iter(lambda: taken(process), b""))
    body = key.splitlines()[1:-1]
    assert not any(line.encode() in out for line in body)


def test_memory_does_not_grow_with_the_input(machine: Machine) -> None:
    def peak(process: "subprocess.Popen[bytes]") -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])

    with following(machine) as process:
        assert process.stdin is not None
        first = peak(process)
        shell = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        for _ in range(40):
            process.stdin.write(b"a line of the log, like any other\n" * 30_000 + b"x" * 500_000)
        process.stdin.flush()
        assert peak(process) < first + 40_000
        process.stdin.close()
        shell.wait(60)


def test_a_reader_that_went_away_ends_it_quietly(machine: Machine) -> None:
    done = machine.host("bash", "-c", "yes line | safe-agent redact | head -1; echo ${PIPESTATUS[1]}", check=True)
    assert done.stdout == "line\n141\n"
    assert done.stderr == ""


def test_a_full_disk_is_a_refusal(machine: Machine) -> None:
    done = machine.host("bash", "-c", "yes line | safe-agent redact > /dev/full; echo ${PIPESTATUS[1]}")
    assert done.stdout == "125\n"
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it_with_130(machine: Machine) -> None:
    with following(machine) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_outside_of_a_workspace_the_environment_and_home_are_known(machine: Machine, redact: Redact) -> None:
    text = f"{machine.planted['github']} {machine.planted['aws']}\n"
    done = redact(given=text, cwd=machine.home)
    assert machine.leaks(done.stdout) == []
    assert b"this folder is no workspace" in done.stderr


def test_without_keys_it_refuses_before_a_byte_is_written(machine: Machine, redact: Redact) -> None:
    done = redact(given="x\n", XDG_CONFIG_HOME=str(machine.root / "none"))
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"safe-agent keys make" in done.stderr


def test_the_policy_is_honoured(machine: Machine, redact: Redact) -> None:
    file = machine.root / "mine.toml"
    file.write_text('version = 1\n[[redaction.rules]]\nid = "ours"\nkind = "TICKET"\nregex = "TICKET-[0-9]{6}"\n')
    done = redact("--policy", str(file), given="see TICKET-123456\n")
    assert re.fullmatch(rb"see MASKED-TICKET-[0-9A-Z]{8}\n", done.stdout)
    assert redact("--profile", "nonsense").returncode == 125


def test_nothing_is_left_in_the_workspace(machine: Machine, redact: Redact) -> None:
    before = sorted(machine.workspace.rglob("*"))
    redact(given=everything(machine))
    assert sorted(machine.workspace.rglob("*")) == before
