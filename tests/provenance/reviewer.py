"""A person's machine with an index of what agents wrote, made without a session: HOME, key, sheets, ledger, repository."""

import contextlib
import hashlib
import io
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tests.repository import git, repository
from wrapper.audit.age.asking import NoTerminalError, Terminal
from wrapper.audit.entries import Closed, Indexed, Opened
from wrapper.audit.ledger import Ledger
from wrapper.audit.proofs import root
from wrapper.cli.main import main
from wrapper.plan.places import Places
from wrapper.provenance.approvals import Approvals
from wrapper.provenance.index import Index, workspace_id
from wrapper.provenance.key import FILE, Key, load_or_make
from wrapper.provenance.model import PRINT, Emission, Kind, Sheet
from wrapper.provenance.prints import printed
from wrapper.provenance.store import Store

START = 1_700_000_000.0
SAFE_AGENT = Path(sys.executable).with_name("safe-agent")


@dataclass
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass
class Reviewer:
    """One person, `name` only tells machines of a test apart; the repository may be that of others, too."""

    home: Path
    repo: Path
    key: Key
    sessions: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, repo: Path | None = None) -> "Reviewer":
        """Make an empty machine with a repository that has one commit of a person's."""
        home = folder / "home"
        home.mkdir(parents=True, mode=0o700)
        made = cls(home, repo or repository(folder / "repo"), load_or_make(home / ".config/safe-agent" / FILE))
        made.environ = {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        if repo is None:
            made.commit({"README": "a person wrote this readme\n"}, "first", at=START - 1_000)
        return made

    @property
    def places(self) -> Places:
        return Places.from_environment(self.environ)

    @property
    def ledger(self) -> Path:
        return self.places.state / "ledger"

    @property
    def workspace(self) -> Path:
        """The folder of the index."""
        return self.places.state / "provenance" / workspace_id(self.key, self.repo)

    @property
    def files(self) -> list[Path]:
        """The approvals on disk."""
        return sorted(self.workspace.glob("*.approval"))

    def approvals(self) -> Approvals:
        return Approvals.load(self.places.state, self.key)

    def write(self, path: str, text: str, *, whole: bool = True, prompt: int = 0) -> str:
        """Let an agent write a text in a session of its own, and put it into the repository; `whole` ends the session."""
        self.record(path, text, whole=whole, prompt=prompt)
        (self.repo / path).parent.mkdir(parents=True, exist_ok=True)
        (self.repo / path).write_text(text)
        return f"s-{self.sessions}"

    def record(self, path: str, text: str, *, whole: bool = True, prompt: int = 0) -> None:
        """Index a text as what an agent wrote."""
        self.sessions += 1
        session, at = f"s-{self.sessions}", START + self.sessions
        prints = printed(text.encode(), self.key.coder())
        emission = Emission(
            kind=Kind.INPUT, session=session, at=at, path=path, tool="Write", model="m-1", agent="claude", prompt=prompt
        )
        nothing = np.empty(0, PRINT)
        sheet = Sheet(session, 1, [emission], prints.lines, prints.shapes, prints.words, nothing, [])
        store = Store(self.workspace, self.key)
        store.write(sheet, ends=whole)
        chain = next(chain for chain in store.chains() if chain.session == session)
        digest = hashlib.sha256(session.encode()).hexdigest()
        sealed = Closed(at, session, 1, 1, digest)
        indexed = Indexed(at, session, self.workspace.name, 1, root(chain.leaves).hex())
        ledger = Ledger(self.ledger, clock=lambda: START)
        ledger.append(Opened(at, session, 1, digest))
        if whole:
            ledger.append(sealed, indexed)
        assert whole or Index.open(self.places.state, self.key).faults

    def commit(self, files: Mapping[str, str], message: str, *, at: float = 0.0) -> str:
        """Write files as a person does and commit all that is there; gives the commit's id."""
        for name, text in files.items():
            (self.repo / name).parent.mkdir(parents=True, exist_ok=True)
            (self.repo / name).write_text(text)
        git(self.repo, "add", "-A")
        date = {"GIT_COMMITTER_DATE": f"{at:.0f} +0000", "GIT_AUTHOR_DATE": f"{at:.0f} +0000"} if at else {}
        git(self.repo, "commit", "-q", "-m", message, extra=date)
        return git(self.repo, "rev-parse", "HEAD").decode().strip()

    def run(
        self, *arguments: str, cwd: Path | None = None, extra: Mapping[str, str] | None = None, types: str = ""
    ) -> Ran:
        """Run `safe-agent review` in this process, where nobody sits at a terminal unless somebody `types`."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(cwd or self.repo),
            mock.patch.dict(os.environ, {**self.environ, **(extra or {})}, clear=True),
            mock.patch.object(Terminal, "line", _typed(types)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main(["review", *arguments])
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())

    def run_apart(self, *arguments: str) -> Ran:
        """Run it in a process and a session of its own, which have no terminal."""
        done = subprocess.run(
            [SAFE_AGENT, "review", *arguments],
            cwd=self.repo,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def at_terminal(self, *arguments: str, types: str) -> Ran:
        """Run it on a terminal, where somebody types when asked; what it shows is `out`."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.repo)
            os.execve(SAFE_AGENT, [str(SAFE_AGENT), "review", *arguments], self.environ)  # noqa: S606 (a pty of its own)
        shown, typed = b"", False
        while select.select([terminal], [], [], 60)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # the other side has gone (pty(7))
                break
            shown += data
            if not typed and b"Type" in shown:
                os.write(terminal, f"{types}\n".encode())
                typed = True
        os.close(terminal)
        return Ran(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(), "")


def _typed(types: str) -> Callable[[Terminal, str], str]:
    def line(_: Terminal, prompt: str) -> str:
        if types:
            return types
        raise NoTerminalError(prompt)

    return line


CODE = """\
def total(prices, rate):
    amount = sum(price.net for price in prices)
    discount = lookup_discount(amount, rate)
    return round(amount - discount, 2)
"""
MORE = """\
class Basket:
    def __init__(self, owner, limit=40):
        self.owner = owner
        self.limit = limit
        self.items = []

    def add(self, item, count=1):
        if len(self.items) + count > self.limit:
            raise OverflowError(f"{self.owner} has too much")
        self.items.extend([item] * count)
"""
