"""A machine of a test's own: HOME, workspace, planted secrets, keys, and the installed commands on it.

Everything is made at run time below /var/tmp (Codex refuses state below /tmp), with a built environment: nothing of the
machine that runs the tests gets in. `Machine.planted` are the values that must never be seen by the other side.

What the inside prints is masked on its way to the screen, so a leak would not show there: `Machine.seen` gives what the
inside itself saw, by letting it write in a cipher that no redactor knows.
"""

import base64
import contextlib
import os
import secrets
import shutil
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests import compiled
from tests.devices import entering

COMMANDS = Path(sys.executable).parent
CLIENTS = Path(os.environ.get("SAFE_AGENT_TEST_CLIENTS", f"/var/tmp/safe-agent-tests-{os.getuid()}"))
_LETTERS = string.ascii_letters + string.digits
_ROTATED = _LETTERS[13:] + _LETTERS[:13]
CIPHER = ("tr", _LETTERS, _ROTATED)
"""The command that writes text so that no redactor knows it again."""

ORDINARY = 12345
"""The id of an ordinary user, for tests that run as root; nobody has it."""


def deciphered(text: str) -> str:
    """Undo `CIPHER`."""
    return text.translate(str.maketrans(_ROTATED, _LETTERS))


def until(happened: Callable[[], bool], *, within: float = 10.0) -> float:
    """Wait until something has happened and return how long that took, in seconds."""
    begin = time.monotonic()
    while not happened():
        assert time.monotonic() - begin < within, f"did not happen within {within} seconds"
        time.sleep(0.005)
    return time.monotonic() - begin


def fake(prefix: str = "", length: int = 36) -> str:
    """Make a secret that nobody has: random at each run."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


def private_key() -> str:
    """Make an OpenSSH-looking private key of random bytes."""
    body = base64.b64encode(b"openssh-key-v1\0" + secrets.token_bytes(300)).decode()
    lines = "\n".join(body[at : at + 70] for at in range(0, len(body), 70))
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"


@dataclass
class Machine:
    """One user's machine."""

    root: Path
    planted: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    uid: int = field(default_factory=os.getuid)
    view: str = "auto"

    @classmethod
    def make(cls, uid: int | None = None) -> Self:
        """Make HOME, a git workspace with planted secrets, and safe-agent's keys; for user `uid` if this is root."""
        root = Path(tempfile.mkdtemp(prefix="safe-agent-test-", dir="/var/tmp"))
        machine = cls(root) if uid is None else cls(root, uid=uid)
        root.chmod(0o755)
        for folder in (machine.home, machine.workspace, machine.home / ".ssh", machine.home / ".aws"):
            folder.mkdir(mode=0o700)
        path = f"{COMMANDS}:{CLIENTS}/node_modules/.bin:/usr/local/bin:/usr/bin:/bin"
        machine.environ = {"HOME": str(machine.home), "PATH": path, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        machine._plant()
        shutil.copytree(compiled.rules(), machine.home / ".cache/safe-agent/rules")
        machine.give()
        machine.host("safe-agent", "keys", "make").check_returncode()
        return machine

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def workspace(self) -> Path:
        return self.root / "work"

    def give(self) -> None:
        """Make everything that was put there the user's own."""
        if self.uid != os.getuid():
            subprocess.run(["chown", "-hR", f"{self.uid}:{self.uid}", str(self.root)], check=True)

    def show_by(self, view: str, *more: str) -> None:
        """Let sessions show the workspace by `fuse`, `binds` or as they can (`auto`); `more` are lines of `[files]`."""
        self.view = view
        policy = self.home / ".config/safe-agent/policy.toml"
        policy.write_text("\n".join(("version = 1", "[files]", f'view = "{view}"', *more, "")))
        self.give()

    def _as_user(self, command: Sequence[str]) -> list[str]:
        if self.uid == os.getuid():
            return list(command)
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--", *command]

    def _entering(self, folder: Path) -> Callable[[], None] | None:
        return None if self.uid == os.getuid() else entering(folder)

    def _plant(self) -> None:
        planted = self.planted
        planted["database"] = fake("", 24)
        planted["stripe"] = fake("sk" + "_live_", 24)
        planted["aws"] = fake("", 40)
        planted["github"] = fake("gh" + "p_", 36)
        planted["odd"] = fake("", 20)
        key = private_key()
        planted["ssh"] = key.splitlines()[2]
        (self.home / ".ssh" / "id_ed25519").write_text(key)
        (self.home / ".ssh" / "id_ed25519").chmod(0o600)
        identifier = fake("AK" + "IA", 16).upper()
        aws = f"[default]\naws_access_key_id = {identifier}\naws_secret_access_key = {planted['aws']}\n"
        (self.home / ".aws" / "credentials").write_text(aws)
        env = (
            f"# settings\nDEBUG=true\nDATABASE_URL=postgres://app:{planted['database']}@db.example.com:5432/app\n"
            f"STRIPE_KEY={planted['stripe']}\nODD={planted['odd']}\n"
        )
        (self.workspace / ".env").write_text(env)
        (self.workspace / "app.py").write_text("print('hello')\n")
        self.environ["GITHUB_TOKEN"] = planted["github"]
        self.give()
        self.git("init", "-q", "-b", "main")
        self.git("add", "app.py")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "start")

    def git(self, *arguments: str) -> str:
        """Run git outside, in the workspace."""
        return self.host("git", *arguments, check=True).stdout

    def host(
        self, *command: str, check: bool = False, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine, outside any sandbox, without standard input."""
        return self.run(command, more, check=check, cwd=cwd)

    def run(
        self, command: Sequence[str], more: Mapping[str, str], *, check: bool = False, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Do the same with `more` in the environment."""
        return subprocess.run(
            self._as_user(command),
            env={**self.environ, **more},
            cwd=cwd or self.workspace,
            preexec_fn=self._entering(cwd or self.workspace),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=check,
        )

    def inside(self, script: str, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script through `safe-agent exec`."""
        return self.run(["safe-agent", "exec", *options, "--", "sh", "-c", script], more)

    def seen(self, script: str, *options: str, **more: str) -> str:
        """Run a shell script inside and give what it wrote to stdout and stderr, as the inside saw it."""
        done = self.inside(ciphered(script), *options, **more)
        return deciphered(done.stdout)

    @contextlib.contextmanager
    def running(self, script: str, *options: str, **more: str) -> Iterator["Running"]:
        """Run a shell script inside while the host does other things; it has begun when the body does."""
        command = ["safe-agent", "exec", *options, "--", "sh", "-c", f"touch .begun; {script}"]
        process = subprocess.Popen(
            self._as_user(command),
            env={**self.environ, **more},
            cwd=self.workspace,
            preexec_fn=self._entering(self.workspace),  # noqa: PLW1509 (tests fork from their main thread)
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        running = Running(self, process)
        try:
            running.reached(".begun")
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def sessions(self) -> list[Path]:
        """Give the folders of all sessions, oldest first."""
        return sorted((self.home / ".local/state/safe-agent/sessions").glob("*"))

    def log(self) -> str:
        """Give the plaintext of every session's log, as the reviewer reads it."""
        names = [folder.name for folder in self.sessions()]
        return "".join(self.host("safe-agent", "audit", "show", one, "--json", check=True).stdout for one in names)

    def leaks(self, *texts: str | bytes) -> Sequence[str]:
        """Name the planted secrets that stand in any of the texts, whole, trimmed, reversed or encoded."""
        data = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
        return [name for name, value in self.planted.items() if any(form in data for form in _forms(value))]

    def remove(self) -> None:
        """Take it all away."""
        shutil.rmtree(self.root, ignore_errors=True)


def ciphered(script: str) -> str:
    """Let a script write in a cipher that no redactor knows; its exit code is kept."""
    return f"{{ {script}\n}} 2>&1 | {' '.join(CIPHER)}"


@dataclass
class Running:
    """A session that runs."""

    machine: Machine
    process: subprocess.Popen[str]

    def reached(self, mark: str, *, within: float = 20.0) -> None:
        """Wait until the script has made a file of this name in the workspace."""

        def there() -> bool:
            ended = self.process.poll()
            assert ended is None or (self.machine.workspace / mark).exists(), self.process.communicate()
            return (self.machine.workspace / mark).exists()

        until(there, within=within)

    def end(self, *, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Wait for the session's end."""
        out, err = self.process.communicate(timeout=within)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, out, err)


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw[7:]
    yield raw[:-7]
    yield raw[::-1]
    yield raw.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[4 if offset else 0 : len(encoded) - 4]
