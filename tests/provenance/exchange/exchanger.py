"""A person's machine on which others' claims are imported and our own knowledge exported; commands run in this process."""

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.provenance.reviewer import Ran, Reviewer
from tests.repository import git, said
from wrapper.cli.main import main

__all__ = ("SHOP", "Exchanger", "note", "trace")

SHOP = """\
def total(items, voucher):
    subtotal = 0
    for item in items.sorted_by_price(voucher):
        subtotal += item.price * item.quantity
    return subtotal - voucher.worth_of(subtotal)


def shipping(weight, country, carriers):
    cheapest = min(carriers, key=lambda carrier: carrier.rate(country))
    if weight > cheapest.heaviest:
        raise TooHeavyError(weight, cheapest.name)
    return cheapest.rate(country) * weight
"""


@dataclass(frozen=True)
class Exchanger:
    """A machine and its repository; `person` makes commits and puts sessions into the index."""

    person: Reviewer

    @classmethod
    def make(cls, folder: Path) -> "Exchanger":
        return cls(Reviewer.make(folder))

    @property
    def repo(self) -> Path:
        return self.person.repo

    def run(self, *arguments: str, cwd: Path | None = None) -> Ran:
        """Run `safe-agent` as the person would."""
        out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
        environ = {**self.person.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        os.chdir(cwd or self.repo)
        try:
            with (
                mock.patch.dict(os.environ, environ, clear=True),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                main(arguments)
        except SystemExit as ended:
            return Ran(int(ended.code or 0), out.getvalue(), err.getvalue())
        finally:
            os.chdir(before)
        raise AssertionError("a command ends with a code")

    def take(self, source: str, *arguments: str) -> dict[str, Any]:
        """Import, and give what the command says as JSON; its exit code is `code`."""
        ran = self.run("provenance", "import", "--from", source, "--json", *arguments)
        assert ran.out, ran.err
        return {**json.loads(ran.out), "code": ran.code}

    def give(self, form: str, *arguments: str) -> Ran:
        return self.run("provenance", "export", "--format", form, *arguments)

    def blame(self, path: str, *arguments: str) -> list[dict[str, Any]]:
        """Give what `blame --json` says of each line."""
        ran = self.run("blame", "--json", *arguments, path)
        assert ran.out, ran.err
        lines = json.loads(ran.out)["lines"]
        assert isinstance(lines, list)
        return lines

    def counting(self) -> None:
        """Let the policy of this user count claims."""
        folder = self.person.home / ".config/safe-agent"
        (folder / "policy.toml").write_text('version = 1\n\n[provenance]\nclaims = "count"\n')

    def noted(self, note: bytes, commit: str = "HEAD") -> None:
        git(self.repo, "notes", "--ref=ai", "add", "-f", "-F", "-", commit, given=note)

    def note_of(self, commit: str = "HEAD") -> bytes:
        return git(self.repo, "notes", "--ref=ai", "show", commit)

    def head(self) -> str:
        return said(self.repo, "rev-parse", "HEAD")


def note(lines: Mapping[str, str], *, model: str = "claude-sonnet-4-5", tool: str = "cursor") -> bytes:
    """Make a note as git-ai does: of each path, one entry `KEY RANGES` or ranges of an agent's."""
    ours = "s_c9883b05a2487d::t_9f8e7d6c5b4a32"
    files = [f"{path}\n  {said if ' ' in said else f'{ours} {said}'}" for path, said in lines.items()]
    agent = {"agent_id": {"tool": tool, "id": "6ef2299e", "model": model}, "human_author": "dev@example.com"}
    metadata = {
        "schema_version": "authorship/3.0.0",
        "git_ai_version": "1.4.5",
        "base_commit_sha": "7734793b756b3921c88db5375a8c156e9532447b",
        "prompts": {},
        "humans": {"h_31dce776f88375": {"author": "Developer <dev@example.com>"}},
        "sessions": {"s_c9883b05a2487d": agent},
    }
    return "\n".join([*files, "---", json.dumps(metadata, indent=2)]).encode()


def trace(revision: str, path: str, *ranges: Mapping[str, object], kind: str = "ai") -> dict[str, Any]:
    """Make a record as Cursor does."""
    conversation = {
        "url": "https://api.cursor.com/v1/conversations/12345",
        "contributor": {"type": kind, "model_id": "anthropic/claude-opus-4-5"},
        "ranges": list(ranges),
    }
    return {
        "version": "0.1.0",
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": "2026-01-23T14:30:00Z",
        "vcs": {"type": "git", "revision": revision},
        "tool": {"name": "cursor", "version": "2.4.0"},
        "files": [{"path": path, "conversations": [conversation]}],
    }
