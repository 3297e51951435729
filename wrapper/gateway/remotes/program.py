"""The real ssh, started outside: with which words and which environment.

Rules of this file:
1. Nothing that the inside said stands in the words: host, user, port and path are the rule's.
2. Ours come first, since of each setting ssh takes what it reads first (ssh_config(5)); then those of the user's own
   GIT_SSH_COMMAND; then their `~/.ssh/config`. So `ProxyJump` and `IdentityFile` hold, and forwarding does not.
3. Nobody is asked anything: a key's passphrase is the agent's matter, an unknown host's key the user's, outside.
"""

import getopt
import os
import pwd
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wrapper.gateway.remotes.addresses import Granted

_FIXED: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "EscapeChar=none",
    "ControlMaster=no",  # it would go on behind us; one that the user has started is used
    "ConnectTimeout=30",
    "ServerAliveInterval=30",
    "LogLevel=INFO",  # ssh's own: what a `DEBUG` of the user's tells of keys and files is not for the inside
    "SendEnv=GIT_PROTOCOL",
)
# What ssh itself and helpers named in its settings need (ssh(1), "ENVIRONMENT"): agents, Kerberos, a shell for helpers.
_PASSED: Final = (
    "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSH_AUTH_SOCK", "SSH_AGENT_PID",
    "SSH_SK_PROVIDER", "SSH_SK_HELPER", "KRB5CCNAME", "KRB5_CONFIG", "XDG_RUNTIME_DIR",
)  # fmt: skip
_KEYS: Final = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")  # ssh_config(5), IdentityFile
_LETTERS: Final = "1246AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"  # ssh(1)
_KEPT: Final = "46CKkFIiJbBcmo"


@dataclass(frozen=True, slots=True)
class Ssh:
    """The real program (an absolute path), options of the user's own, and what it may see of the environment."""

    program: str
    options: tuple[str, ...]
    environment: Mapping[str, str]

    def words(self, what: Granted) -> list[str]:
        """Give the whole argument vector."""
        rule = what.rule
        return [
            self.program,
            "-T",
            *(word for one in _FIXED for word in ("-o", one)),
            *(("-p", str(rule.port)) if rule.port else ()),
            *self.options,
            "--",
            rule.ssh,
            f"{what.service} {_quoted(rule.path)}",
        ]

    def around(self, protocol: str) -> dict[str, str]:
        """Give its environment, with git's protocol where there is one."""
        return {**self.environment, **({"GIT_PROTOCOL": protocol} if protocol else {})}


def users_ssh(program: str, environ: Mapping[str, str], search: str) -> Ssh:
    """Describe ssh as the user's environment has it; `search` is the PATH that its helpers get."""
    options = _own_options(environ.get("GIT_SSH_COMMAND", ""))
    if "-F" not in options:
        options += _of_another_home(environ.get("HOME", ""))
    return Ssh(program, options, _environment(environ, search))


def _environment(environ: Mapping[str, str], search: str) -> dict[str, str]:
    return {name: environ[name] for name in _PASSED if name in environ} | {"PATH": search}


def _of_another_home(home: str) -> tuple[str, ...]:
    """Say where the user's settings are if HOME is not the home of passwd(5), which is the one that ssh takes."""
    try:
        is_sshs = not home or home == pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ()  # ssh runs for nobody whom passwd(5) does not know, and says so
    folder = Path(home, ".ssh")
    if is_sshs or not folder.is_dir():
        return ()
    file = folder / "config"
    config = file.read_text(errors="replace").lower() if file.is_file() else ""
    words = [("-F", str(file))] if config else []
    if "userknownhostsfile" not in config:
        words.append(("-o", f"UserKnownHostsFile={folder}/known_hosts"))
    if "identityfile" not in config:
        words += [("-o", f"IdentityFile={folder / name}") for name in _KEYS if (folder / name).is_file()]
    return tuple(word for pair in words for word in pair)


def _own_options(text: str) -> tuple[str, ...]:
    """Give the options in a GIT_SSH_COMMAND that say how a host is reached; none where it is another program's.

    Those that say what is done there (`-A`, `-X`, `-M`, `-W`) would count whatever stands before them.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        return ()
    if not words or words[0].rpartition("/")[2] != "ssh":
        return ()
    try:
        options, _ = getopt.getopt(words[1:], _LETTERS)
    except getopt.GetoptError:
        return ()
    return tuple(word for name, value in options if name[1] in _KEPT for word in ((name, value) if value else (name,)))


def _quoted(path: str) -> str:
    """Quote as git does (git-rev-parse(1), `--sq-quote`): what reads it may be git-shell, or a shell."""
    return "'" + path.replace("'", "'\\''").replace("!", "'\\!'") + "'"
