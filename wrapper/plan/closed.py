"""The files that policy closes by name (`files.deny`, `files.hide`): their text is recognised on the wire.

Key stores are left out: what is in them are secrets, and known as such.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wrapper.policy.model import Policy

_CLOSED: Final = ("deny", "hide")
_ANYTHING: Final = "\x01"  # a name that no pattern has, so what matches it matches every name


def closes_files(policy: Policy) -> bool:
    """Whether any rule closes files, so that it is worth a walk."""
    rules = (*policy.files.rules, *policy.files.floor, *policy.files.tightening)
    return any(rule.action in _CLOSED and not rule.pattern.startswith("!") for rule in rules)


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
                    elif entry.is_file(follow_symlinks=False) and policy.file(path).action in _CLOSED:
                        yield path
        except OSError:  # it went meanwhile, or nobody may look into it, the inside neither
            continue


def _is_entered(folder: str, policy: Policy) -> bool:
    return policy.is_scanned(folder) or policy.file(folder + _ANYTHING).action in _CLOSED
