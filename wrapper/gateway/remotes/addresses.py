"""Which repository a client means, and by which rule it may be had; pure.

Rules of this file:
1. A path has one form, or it is nobody's: names of plain letters between single slashes, `.git` at the end or not.
2. What is compared is never what is run: the broker starts ssh with the rule's own words for host and path.
3. Case counts. A forge that does not mind it is asked with the rule's case by the broker, and refused by us over https.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wrapper.policy.egress import RemoteRule

UPLOAD: Final = "git-upload-pack"
RECEIVE: Final = "git-receive-pack"

# What forges allow in names (letters of any script, `-_.`), and what paths of one's own machine have (`~`, `+`, `@`).
_PATH: Final = re.compile(r"/?(?P<name>[\w.~+@-]+(?:/[\w.~+@-]+)*)/?")
_COMMAND: Final = re.compile(rf"(?P<service>{UPLOAD}|{RECEIVE}) '(?P<path>[^'!\\\n\r\0]+)'")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client inside wants ssh to do; `port` 0 and an empty `user` are ssh's own."""

    host: str
    port: int
    user: str
    command: str

    @property
    def target(self) -> str:
        """Read as `git@forge.example`."""
        return f"{self.user}@{self.host}" if self.user else self.host


@dataclass(frozen=True, slots=True)
class Granted:
    """What may be done: one service of git's for one repository."""

    rule: RemoteRule
    service: str


def repository(path: str) -> str:
    """Give the one name of a repository's path, without `.git` and outer slashes; empty where it has none."""
    found = _PATH.fullmatch(path)
    if found is None:
        return ""
    name = found["name"].removesuffix(".git")
    odd = any(part in ("", ".", "..") or part.startswith("-") for part in name.split("/"))
    return "" if odd else name


def command(text: str) -> tuple[str, str] | None:
    """Read a command as git writes it: the service and the repository's path; None for any other."""
    found = _COMMAND.fullmatch(text)
    return (found["service"], found["path"]) if found else None


def granted(asked: Asked, rules: Iterable[RemoteRule]) -> Granted | None:
    """Find the rule by which the broker may do what was asked."""
    read = command(asked.command)
    name = repository(read[1]) if read else ""
    if read is None or not name:
        return None
    fitting = [one for one in rules if one.ssh and _is_at(one, asked) and repository(one.path) == name]
    fitting.sort(key=lambda one: one.path != read[1])  # `x/y` and `/x/y` are two on a machine of one's own
    return Granted(fitting[0], read[0]) if fitting else None


def _is_at(rule: RemoteRule, asked: Asked) -> bool:
    user, _, host = rule.ssh.rpartition("@")
    ports = {rule.port, asked.port}
    return (
        host.lower() == asked.host.lower()
        and asked.user in ("", user)
        and (len(ports) == 1 or ports == {0, 22})  # 22 said aloud
    )


def refused(asked: Asked, rules: Iterable[RemoteRule]) -> str:
    """Say why it is not done, and which rule would let it be."""
    read = command(asked.command)
    if read is None and not asked.command:
        return f"ssh to {asked.target} is not possible inside: only git's own connections are"
    if read is None:
        return "ssh runs nothing but git's fetch and push inside: no other command, no copying of files"
    name = repository(read[1])
    if not name:
        return f"the path of {asked.target}:{read[1]} is not in its plain form"
    known = ", ".join(one.url for one in rules if one.ssh) or "none"
    return f"no `[[remotes]]` of the policy is about {_url(asked, read[1])} (by ssh there are: {known})"


def wanted(asked: Asked) -> str:
    """Give the rule that the user could add, as a hint; empty where none would help."""
    read = command(asked.command)
    if read is None or not repository(read[1]):
        return ""
    return f'if the user wants it, they add to their policy: [[remotes]] url = "{_url(asked, read[1])}"'


def _url(asked: Asked, path: str) -> str:
    if asked.port:
        return f"ssh://{asked.target}:{asked.port}/{path.removeprefix('/')}"
    return f"ssh://{asked.target}{path}" if path.startswith("/") else f"{asked.target}:{path}"
