"""The files whose text is recognised on the wire.

They are those that policy closes by name (`files.deny`, `files.hide`), and those whose content may not leave, or not
unasked (`files.send`). Key stores are left out where `files.send` does not name them: what is in them are secrets, and
known as such.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wrapper.policy.model import Policy

_CLOSED: Final = ("deny", "hide")
_HELD: Final = ("ask", "never")
_ANYTHING: Final = "\x01"  # a name that no pattern has, so what matches it matches every name


def closes_files(policy: Policy) -> bool:
    """Whether any rule closes files, so that it is worth a walk."""
    return any(
        rule.action in actions and not rule.pattern.startswith("!")
        for rules, actions in ((policy.files, _CLOSED), (policy.sending, _HELD))
        for rule in (*rules.rules, *rules.floor, *rules.tightening)
    )


def closed_files(workspace: Path, policy: Policy) -> Iterator[str]:
    """Yield the workspace paths of closed regular files, in no particular order; links are not followed.

    Folders that are not scanned (`node_modules`) are passed over where policy does not close them as a whole, and so is
    git's own.
    """
    base = f"{workspace}/"
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            with os.scandir(base + prefix) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != ".git" and _is_entered(f"{path}/", policy):
                            folders.append(f"{path}/")
                    elif entry.is_file(follow_symlinks=False) and is_closed(path, policy):
                        yield path
        except OSError:  # it went meanwhile, or nobody may look into it, the inside neither
            continue


def _is_entered(folder: str, policy: Policy) -> bool:
    return policy.is_scanned(folder) or is_closed(folder + _ANYTHING, policy)


def is_closed(path: str, policy: Policy) -> bool:
    """Whether the text of this file (path as for `Policy.file`) is to be recognised."""
    return policy.file(path).action in _CLOSED or policy.sending.decide(path).action in _HELD
