"""What a push asks for, read from its beginning, and whether it may be; pure.

The beginning of a receive-pack request (gitprotocol-pack(5), "Reference Update Request"): `shallow` lines, one command
per ref with the client's capabilities behind the first, a flush; then, where the client has said `push-options`, these
and a flush; then the pack, which is not looked into.

Rules of this file:
1. Read strictly: what is not exactly this is refused, also where git's own servers would be more patient. So whatever
   reads it behind us cannot find another command in it.
2. Signed pushes (`push-cert`) are refused: their commands stand in the certificate.
3. One ref that may not be written refuses the whole push, as `--atomic` does: nobody has to find out which half of it
   happened.
4. Only branches of the rule's patterns. They may also be deleted and forced: whoever may write a branch at all can make
   what was there unreachable.
5. Push options make the server do other things than write refs: a merge request that merges itself once the pipeline
   is green writes `main`. So only those that propose something to people are let through.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wrapper.gateway.remotes.pktline import Mark, PacketReader, PktLineError, on_band, packet
from wrapper.policy.egress import RemoteRule

MOST_BYTES: Final = 2**20
"""Of commands and options: some 10,000 refs."""

_COMMAND: Final = re.compile(
    rb"(?P<old>[0-9a-f]{40}|[0-9a-f]{64}) (?P<new>[0-9a-f]{40}|[0-9a-f]{64}) (?P<ref>[^\0\n]+)"
    rb"(?:\0(?P<capabilities>[ -~]*))?\n?"
)
_SHALLOW: Final = re.compile(rb"shallow (?:[0-9a-f]{40}|[0-9a-f]{64})\n?")
# git-check-ref-format(1): rules 1 to 10 but the one about `HEAD`-like names; what it forbids, no server has.
_NOT_IN_REFS: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\.\Z|/\Z")
_OPTIONS: Final = re.compile(
    r"merge_request\.(?:create|draft|(?:title|description|target)=[^\x00-\x1f\x7f]*)"  # GitLab's
)
OTHER: Final = "another ref of this push is refused"
"""The reason for a ref that would have been let through alone."""

_BRANCH: Final = "refs/heads/"
_LONGEST_SHOWN: Final = 200
_LONGEST_REF: Final = 4096  # bytes: no server can store a longer one, and its refusal has to fit into a packet


class NotAPushError(ValueError):
    """Bytes that are no push, or one of which it cannot be told what it writes."""


@dataclass(frozen=True, slots=True)
class Command:
    """One ref to write; `old` and `new` are object ids in hex, all zeros where there is none."""

    old: str
    new: str
    ref: str

    def __str__(self) -> str:
        """Read as `refs/heads/agent/x 1234… 5678…`."""
        return f"{self.ref} {self.old} {self.new}"


@dataclass(frozen=True, slots=True)
class Push:
    """All that a push asks for; without commands nothing at all."""

    commands: tuple[Command, ...]
    capabilities: tuple[str, ...]
    options: tuple[str, ...] = ()

    def can(self, capability: str) -> bool:
        """Whether the client has said that it knows this."""
        return any(one.partition("=")[0] == capability for one in self.capabilities)


class PushReader:
    """Reads a push from its first byte on."""

    def __init__(self) -> None:
        self._packets = PacketReader()
        self._size = 0
        self._commands: list[Command] = []
        self._capabilities: tuple[str, ...] = ()
        self._options: list[str] | None = None

    def feed(self, data: bytes) -> Push | None:
        """Take the next bytes; give the push as soon as it is known whole. Raises NotAPushError."""
        self._size += len(data)
        self._packets.feed(data)
        try:
            return self._read()
        except PktLineError as error:
            raise NotAPushError(f"it has {error}") from error

    def _read(self) -> Push | None:
        while (one := self._packets.packet()) is not None:
            if isinstance(one, Mark):
                if one is not Mark.FLUSH:
                    raise NotAPushError("it has a mark that no push has")
                if self._ends():
                    return Push(tuple(self._commands), self._capabilities, tuple(self._options or ()))
            elif self._options is None:
                self._line(one)
            else:
                self._options.append(_text(one.removesuffix(b"\n"), "a push option"))
        if self._size > MOST_BYTES:
            raise NotAPushError(f"its commands are longer than {MOST_BYTES} bytes")
        return None

    def _ends(self) -> bool:
        """Take a flush; tell whether it was the last one."""
        named = [one.partition("=")[0] for one in self._capabilities]
        if self._options is None and "push-options" in named:
            self._options = []
            return False
        return True

    def _line(self, line: bytes) -> None:
        found = _COMMAND.fullmatch(line)
        if found is None:
            if _SHALLOW.fullmatch(line):
                return
            raise NotAPushError("it is signed" if line.startswith(b"push-cert") else "it has a line that is no command")
        if found["capabilities"] is not None:
            if self._commands:
                raise NotAPushError("it has capabilities behind more than the first command")
            self._capabilities = tuple(found["capabilities"].decode("ascii").split())
        if len(found["ref"]) > _LONGEST_REF:
            raise NotAPushError("it has a ref with too long a name")
        if len(found["old"]) != len(found["new"]):
            raise NotAPushError("it has object ids of two lengths")
        self._commands.append(Command(found["old"].decode(), found["new"].decode(), _text(found["ref"], "a ref")))


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotAPushError(f"it has {what} that is no UTF-8") from None


def refusals(push: Push, rule: RemoteRule) -> Mapping[str, str]:
    """Give each ref of a push that may not be, with the reason in words; nothing where it may be."""
    reasons = {one.ref: reason for one in push.commands if (reason := _against(one.ref, rule))}
    options = [one for one in push.options if not _OPTIONS.fullmatch(one)]
    if push.commands and options and not reasons:
        shown = options[0].partition("=")[0][:_LONGEST_SHOWN]
        reasons = {one.ref: f"push option {_shown(shown)} is not let through" for one in push.commands}
    if not reasons:
        return {}
    return {one.ref: reasons.get(one.ref, OTHER) for one in push.commands}


def _against(ref: str, rule: RemoteRule) -> str:
    if not rule.push:
        return "policy lets it be fetched from only"
    if not ref.startswith(_BRANCH) or _NOT_IN_REFS.search(ref):
        return "policy lets only branches be pushed"
    return "" if rule.may_push(ref) else f"policy lets only {' '.join(rule.push)} be pushed"


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() and one != "`" else "?" for one in text)


def told(rule: RemoteRule, why: str = "") -> tuple[str, str]:
    """Say to the user of git what happened to a push, and what to do."""
    what = why or (f"policy lets only {' '.join(rule.push)} be pushed" if rule.push else "policy has no `push` for it")
    example = rule.push[0].replace("*", "NAME") if rule.push else ""
    hint = f"push to such a branch (`git push origin HEAD:{example}`), or " if example else ""
    return (
        f"this push to {rule.url} is refused, nothing was sent: {what}",
        f"{hint}ask the user to change `push` of the `[[remotes]]` in {rule.rule.file}:{rule.rule.line}",
    )


def report(push: Push, reasons: Mapping[str, str], words: str) -> bytes:
    """Write what a server answers that refuses every ref (gitprotocol-pack(5), "Report Status").

    Empty where the client has not asked for a report. `words` are shown to the user where there is a side-band.
    """
    if not (push.can("report-status") or push.can("report-status-v2")):
        return b""
    lines = [b"unpack ok\n", *(f"ng {ref} {reason}\n".encode() for ref, reason in reasons.items())]
    status = b"".join(map(packet, lines)) + Mark.FLUSH.value
    if not push.can("side-band-64k"):
        return status
    return on_band(2, words.encode()) + on_band(1, status) + Mark.FLUSH.value
