"""What of a session's files lies on a mount that policy names as read-only inside (`files.frozen_mounts`); pure.

A pattern is held against every name that a folder has: where it lies, where the mounts lead that show the same folder
elsewhere, and what is mounted (`mounttable`). It counts for all beneath what it matches.
"""

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from wrapper.plan.mounts import Mount
from wrapper.plan.mounttable import Mounts
from wrapper.policy.model import Rule, Ruleset

_WILD: Final = re.compile(r"[*?\[]")


def named_folders(rules: Ruleset) -> Iterator[str]:
    """Give the folders that patterns name by their path, up to what stands for any text; links may lead elsewhere."""
    for rule in (*rules.rules, *rules.floor, *rules.tightening):
        fixed = _WILD.split(rule.pattern.removeprefix("!"), maxsplit=1)
        folder = fixed[0].rpartition("/")[0] if len(fixed) > 1 else fixed[0].rstrip("/")
        if folder.startswith("/"):
            yield folder


def freezing_rule(path: str, mounts: Mounts, rules: Ruleset) -> Rule | None:
    """Find the rule by which what stands at `path` (absolute, resolved) is read-only inside."""
    for name in mounts.names(path):
        for at in _upwards(name):
            for written in (at, f"{at}/"):
                decision = rules.decide(written)
                if decision.action:
                    return decision.rule
    return None


def frozen_below(folder: str, mounts: Mounts, rules: Ruleset) -> Mapping[str, Rule]:
    """Give the folder itself, or the uppermost mounts beneath it, that are read-only inside, each with its rule."""
    found: dict[str, Rule] = {}
    for path in (folder, *mounts.beneath(folder)):
        if not any(path.startswith(f"{above}/") for above in found):
            rule = freezing_rule(path, mounts, rules)
            if rule is not None:
                found[path] = rule
    return found


def with_frozen(
    planned: Iterable[Mount], mounts: Mounts, rules: Ruleset, *, served: Collection[str] = ()
) -> Iterator[Mount]:
    """Give the mounts of a session with what is frozen read-only: those that would be writable, and parts of them.

    Not the parts of folders that are `served`: the view answers for those, and a mount over it would show what is there
    unmasked.
    """
    for mount in planned:
        if mount.kind != "read-write":
            yield mount
            continue
        frozen = frozen_below(mount.source, mounts, rules)
        if mount.source in frozen:
            yield replace(mount, kind="read-only", reason=f"{mount.reason}; {frozen[mount.source]}")
            continue
        yield mount
        for path, rule in frozen.items() if mount.source not in served else ():
            target = posixpath.join(mount.target, posixpath.relpath(path, mount.source))
            yield Mount("read-only", target, path, str(rule))


def _upwards(path: str) -> Iterator[str]:
    """Give a path and what is above it, without the root; a source need not begin with one."""
    while path and path != "/":
        yield path
        path = path.rpartition("/")[0]
