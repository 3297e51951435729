"""What `safe-agent review` works with on the reviewer's own machine: index, approvals, ledger, git."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.errors import ProvenanceError, SafeAgentError
from wrapper.messages import say
from wrapper.plan.places import Places

if TYPE_CHECKING:
    from wrapper.policy.model import Policy
    from wrapper.provenance.approvals import Approvals
    from wrapper.provenance.blaming import Blamed, Blaming
    from wrapper.provenance.changes import Change, Changes
    from wrapper.provenance.decisions import Decision
    from wrapper.provenance.model import Fault
    from wrapper.provenance.reviewing import Found, Review

UNKNOWN: Final = "`--allow-unknown` goes on without knowing; `safe-agent provenance status` says more of the index"
_NO_SESSION: Final = "no session of this machine is known: none was captured yet, or index and ledger are elsewhere"
_MOST_TOLD: Final = 10  # sentences about what may be missing


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at: a range, what is staged, paths, or (nothing of these) the working tree's changes."""

    targets: tuple[str, ...]
    base: str
    tip: str
    staged: bool

    @property
    def folder(self) -> Path:
        """Where the repository is looked for."""
        if self.tip or not self.targets:
            return Path.cwd()
        first = Path(os.path.abspath(self.targets[0]))  # noqa: PTH100 (a link is the file that was named)
        return first if first.is_dir() else first.parent

    def changes(self, changes: "Changes") -> "list[Change]":
        """Ask git for it."""
        if self.tip:
            return changes.between(self.base, self.tip)
        if self.staged:
            return changes.staged()
        return changes.whole(Path(one) for one in self.targets) if self.targets else changes.working()

    def words(self) -> str:
        """Give the arguments that look at the same again: what `git commit -a` staged is not staged when it failed."""
        if self.staged and os.environ.get("GIT_INDEX_FILE", "").endswith(".lock"):
            return ""
        return "".join(f" {one}" for one in (*(["--staged"] if self.staged else []), *self.targets))


@dataclass(slots=True)
class Here:
    """Everything that is on the reviewer's machine."""

    wanted: Wanted
    places: Places
    policy: "Policy"
    blaming: "Blaming"
    approvals: "Approvals"
    changes: "Changes"

    @classmethod
    def open(cls, wanted: Wanted, file: Path | None, profile: str | None, *, allow_unknown: bool) -> "Here | None":
        """Open index and ledger; None where there are none and that is allowed. Raises SafeAgentError."""
        from wrapper.plan.chosen import load_chosen  # noqa: PLC0415 (what `--help` does not need)
        from wrapper.provenance.approvals import Approvals  # noqa: PLC0415
        from wrapper.provenance.blaming import Blaming  # noqa: PLC0415
        from wrapper.provenance.changes import Changes  # noqa: PLC0415

        places = Places.from_environment()
        changes = Changes(wanted.folder, os.environ)
        policy = load_chosen(profile, file, environ=os.environ, workspace=changes.top, places=places)
        try:
            blaming = Blaming.open(places, changes.top, policy)
            approvals = Approvals.load(places.state, blaming.key)
        except SafeAgentError as error:
            if allow_unknown:
                say(f"nothing is known of agents' writing here: {error.what}")
                return None
            hint = f"{error.hint}; " if error.hint else ""
            raise ProvenanceError(
                f"nothing is known of agents' writing here: {error.what}",
                hint=f"{hint}`--allow-unknown` goes on without knowing; on a server: `--trust`, see `--help`",
            ) from error
        return cls(wanted, places, policy, blaming, approvals, changes)

    def review(self) -> "Review":
        """Find the hunks."""
        from wrapper.provenance.reviewing import review as found_in  # noqa: PLC0415
        from wrapper.scan.progress import Progress  # noqa: PLC0415

        changes = self.wanted.changes(self.changes)
        progress = Progress(sys.stderr, is_shown=sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb")
        progress.begin("files looked at:", len(changes))

        def attribute(change: "Change") -> "Blamed":
            progress.step()
            return self.attribute(change)

        found = found_in(changes, attribute, self.approvals.judgements, self.blaming.key.coder())
        progress.clear()
        return found

    def attribute(self, change: "Change") -> "Blamed":
        """Say whose the lines of a change are."""
        return self.blaming.blamed(self.changes.top / change.path, change.revision, change.content)

    def faults(self, found: "Review") -> "tuple[Fault, ...]":
        """Return why hunks may be missing, or pass for approved, each once."""
        return tuple(dict.fromkeys((*self._standing, *found.faults)))

    @property
    def _standing(self) -> "tuple[Fault, ...]":
        """Why nothing that is said here can be relied on, whatever is looked at."""
        from wrapper.provenance.model import Fault  # noqa: PLC0415 (loads numpy)

        nothing = () if self.blaming.sessions else (Fault("", _NO_SESSION, ""),)
        return (*nothing, *self.blaming.faults, *self.approvals.faults)

    def told(self, found: "Review") -> tuple[str, ...]:
        """Return what a person has to know of it, in sentences."""
        faults = [
            f"session {fault.session}: {fault.why}" if fault.session else fault.why for fault in self.faults(found)
        ]
        return (*faults, *self.approvals.remarks)

    def show(self, found: "Review", *, every: bool, as_json: bool) -> None:
        """Print the hunks, and say what a person has to know of them."""
        from wrapper.provenance import reviewlist  # noqa: PLC0415

        if as_json:
            click.echo(reviewlist.document(found, self.faults(found)))
        else:
            for line in reviewlist.lines(found.found if every else found.left):
                click.echo(line)
        tell_some(self.told(found))

    def sign(self, found: "Sequence[Found]", decisions: "Mapping[str, Decision]") -> "list[Found]":
        """Sign decisions; return the hunks that are left then. Raises SafeAgentError."""
        from wrapper.provenance import approvals  # noqa: PLC0415
        from wrapper.provenance.decisions import acts  # noqa: PLC0415
        from wrapper.provenance.index import workspace_id  # noqa: PLC0415
        from wrapper.provenance.reviewing import judged  # noqa: PLC0415

        key = self.blaming.key
        signed = acts(found, decisions, approvals.reviewer(), time.time())
        approvals.sign(self.places.state, workspace_id(key, self.changes.top), key, signed)
        self.approvals = approvals.Approvals.load(self.places.state, key)
        now = (judged(one, self.approvals.judgements) for one in found)
        return [one for one in now if not one.is_approved]

    def by_flags(self, found: "Review", approve: Sequence[str], reject: Sequence[str], reason: str) -> None:
        """Sign what the flags say, when the person at the terminal agrees."""
        from wrapper.provenance.decisions import ALL, Decision, decide  # noqa: PLC0415
        from wrapper.provenance.judgements import Verdict  # noqa: PLC0415

        if approve and not reason and self.policy.provenance.require_reason:
            raise ProvenanceError("policy asks for a reason of each approval", hint="--reason TEXT")
        approved = decide(found.left if ALL in approve else found.found, approve, Decision(Verdict.APPROVED, reason))
        rejected = decide(found.found, reject, Decision(Verdict.REJECTED, reason))
        if both := approved.keys() & rejected.keys():
            raise click.UsageError(f"`{min(both)}` is approved and rejected at once")
        decisions = approved | rejected
        chosen = [one for one in found.found if one.id in decisions]
        if approved:
            _must_be_a_person([one for one in chosen if one.id in approved])
        self.sign(chosen, decisions)
        say(f"signed into the ledger: {len(approved)} approved, {len(rejected)} rejected")

    def publish(self, *, allow_unknown: bool) -> None:
        """Write notes of the range's commits."""
        from wrapper.audit.bookkeeping import LEDGER  # noqa: PLC0415
        from wrapper.provenance.approvals import reviewer  # noqa: PLC0415
        from wrapper.provenance.publishing import Publisher  # noqa: PLC0415
        from wrapper.provenance.statements import REF  # noqa: PLC0415

        faults = self._standing
        if faults and not allow_unknown:
            raise ProvenanceError(f"the index may not tell everything: {faults[0].why}", hint=UNKNOWN)
        publisher = Publisher(
            self.attribute,
            self.approvals.judgements,
            self.blaming.key.coder(),
            self.places.state / LEDGER,
            reviewer(),
        )
        commits = self.changes.commits(self.wanted.base, self.wanted.tip)
        statements = publisher.publish(self.changes, commits, faults)
        say(f"{len(statements)} commits are noted in `{REF}`; give them out: `git push origin {REF}`")


def tell_some(sentences: Sequence[str]) -> None:
    """Say the first sentences about what may be missing, and how many more there are."""
    for sentence in sentences[:_MOST_TOLD]:
        say(sentence)
    if len(sentences) > _MOST_TOLD:
        say(f"and {len(sentences) - _MOST_TOLD} more of this kind (`--json` names them)")


def _must_be_a_person(found: "Sequence[Found]") -> None:
    """Ask on the terminal, never on stdin: what runs by itself has none, or cannot type."""
    from wrapper.audit.age.asking import NoTerminalError, Terminal  # noqa: PLC0415

    for one in found:
        say(f"to approve: {one.id} {one.place} ({len(one.hunk.lines)} lines)")
    try:
        answer = Terminal().line(f"sign {len(found)} as approved? Type {len(found)}")
    except NoTerminalError as error:
        raise ProvenanceError(
            "a person approves, and there is no terminal to ask one", hint="run it on a terminal"
        ) from error
    if answer.strip() != str(len(found)):
        raise ProvenanceError("nothing was signed")
