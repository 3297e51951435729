"""A machine with a ledger, which a test can copy, cut back and write anew."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from wrapper.audit.entries import Reading
from wrapper.audit.ledger import Ledger, View, read


@dataclass
class Standing:
    """A state folder with a ledger in it; `now` is its clock."""

    state: Path
    now: float = 1_000.0

    @property
    def folder(self) -> Path:
        return self.state / "ledger"

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder, clock=lambda: self.now)

    @property
    def view(self) -> View:
        return read(self.folder)

    def grow(self, entries: int = 3, verb: str = "show") -> "Standing":
        """Add entries, each with a checkpoint of its own: two frames."""
        for _ in range(entries):
            self.now += 1
            self.ledger.append(Reading(self.now, "s-1", verb, "ada"))
        return self

    def copied(self, name: str) -> "Standing":
        """Copy all of it, keys included: what a thief who was here has."""
        other = self.state.with_name(name)
        shutil.copytree(self.state, other)
        return Standing(other, self.now)


def no_proof(old: int) -> list[bytes]:
    raise AssertionError(f"nobody asked for a proof from {old}")
