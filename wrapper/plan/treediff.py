"""What git says of changed files in its raw format with -z (git-diff-tree(1), "RAW OUTPUT FORMAT")."""

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

RAW: Final = ("-r", "-m", "--root", "--raw", "-z", "--no-abbrev")
"""How `git diff-tree --stdin` is asked for it: every file, against each parent, a first commit against nothing."""


class Entry(NamedTuple):
    """A changed file. `commit`: whose change it is, with --stdin. Modes are octal; blobs are ids, zeros for none.

    `status` is one letter (A, C, D, M, R, T). `source`: the name that it was moved or copied from, else empty.
    """

    commit: str
    status: str
    old_mode: str
    mode: str
    old: str
    blob: str
    source: str
    path: str

    @property
    def was_file(self) -> bool:
        """Say whether it was a regular file before."""
        return self.old_mode.startswith("100")

    @property
    def is_file(self) -> bool:
        """Say whether it is a regular file afterwards, no link and no submodule."""
        return self.mode.startswith("100")


def entries(raw: bytes) -> Iterator[Entry]:
    """Read the entries; a commit's id stands before those that are its."""
    commit, fields = "", iter(raw.split(b"\0"))
    for field in fields:
        if not field.startswith(b":"):
            commit = field.decode("ascii", "replace").strip()
            continue
        old_mode, mode, old, blob, status = field[1:].decode("ascii", "replace").split(" ")
        source = os.fsdecode(next(fields, b"")) if status[:1] in "RC" else ""
        yield Entry(commit, status[:1], old_mode, mode, old, blob, source, os.fsdecode(next(fields, b"")))
