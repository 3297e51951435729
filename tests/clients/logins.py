"""A machine whose clients can log in: an authorisation server behind a company's proxy that alone knows the names."""

import contextlib
import re
import subprocess
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.authorization import AuthorizationServer
from tests.fakes.company import Authority, CompanyProxy
from tests.machine import Machine

STATE = re.compile(r"state=[\w-]{43}")


@dataclass
class Place:
    """Where logins are made."""

    machine: Machine
    server: AuthorizationServer
    proxy: CompanyProxy

    @property
    def claude(self) -> Path:
        """Claude's login file."""
        return self.machine.home / ".claude/.credentials.json"

    @property
    def codex(self) -> Path:
        """Codex's login file."""
        return self.machine.home / ".codex/auth.json"

    def agreed(self, shown: str) -> str:
        """Do what the user does in the browser with the address that is shown; gives the code to be pasted."""
        address = re.findall(r"https://\S+?" + STATE.pattern, shown)[-1]
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(address).query))
        return f"{self.server.code(asked['code_challenge'])}#{asked['state']}"

    def log_in(self, *command: str) -> str:
        """Run a command that shows an address and waits for a code; gives all that it wrote."""
        environ, folder, pipe = self.machine.environ, self.machine.workspace, subprocess.PIPE
        with subprocess.Popen(
            command, env=environ, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            shown = ""
            while not STATE.search(shown) and (line := process.stdout.readline()):
                shown += line
            shown += process.communicate(self.agreed(shown) + "\n", timeout=60)[0]
            assert process.returncode == 0, shown
        return shown

    def assert_nothing_got_in(self, *shown: str) -> None:
        """Check what the session left where it could write, what it showed, and its log."""
        assert self.server.issued
        tokens = [value.rpartition(".")[2] for value in self.server.issued]
        home = self.machine.home
        state = [*(home / ".codex").rglob("*"), *(home / ".claude").rglob("*"), home / ".claude.json"]
        sessions = (home / ".local/state/safe-agent").rglob("*")
        texts = [
            path.read_bytes()
            for path in (*state, *sessions)
            if path.is_file() and path not in (self.claude, self.codex)
        ]
        texts += [one.encode() for one in (*shown, self.machine.log())]
        assert not [value for value in tokens if any(value.encode() in text for text in texts)]


@contextlib.contextmanager
def place(machine: Machine) -> Iterator[Place]:
    """Let this machine's clients reach the authorisation server."""
    folder = machine.home / "certificates"
    folder.mkdir()
    authority = Authority(folder)
    with AuthorizationServer() as server, CompanyProxy(server.hosts, authority) as proxy:
        machine.environ |= {
            "HTTPS_PROXY": proxy.url(),
            "NO_PROXY": "127.0.0.1",
            "NODE_EXTRA_CA_CERTS": str(authority.file),
            "SSL_CERT_FILE": str(authority.file),
            "CLAUDE_CODE_FULL_SIGN_IN_LINK": "1",  # its short form says neither challenge nor state by name
        }
        yield Place(machine, server, proxy)
