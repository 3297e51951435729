"""What is known, written as others read it: a git-ai note, a record of Agent Trace, lines for a commit message; pure.

Of a session only its id, the client and the model go out. What a user asked goes out where the caller hands it over.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from wrapper.provenance.attribution import State
from wrapper.provenance.exchange import agenttrace, gitai, trailers
from wrapper.provenance.exchange.ranges import Range, topmost
from wrapper.provenance.exchange.telling import Author, File
from wrapper.version import VERSION

NAME: Final = "safe-agent"
_OURS: Final = "safe-agent-session"  # of `custom_attributes`: by it we know our own sessions in a note
_URL: Final = "safe-agent:session/"
_KINDS: Final[Mapping[State, agenttrace.Kind]] = {State.AGENT: "ai", State.EDITED: "mixed", State.HUMAN: "human"}


class _About(msgspec.Struct):
    clients: dict[str, str] = {}


Prompts = Mapping[tuple[str, int], str]
"""What the user asked, by session and record of its log."""


def note(commit: str, author: str, files: Iterable[File], before: gitai.Log | None = None) -> gitai.Log:
    """Make the note of a commit by `author` (`Name <address>`); over what an earlier note of ours says.

    A line that an agent wrote and a person edited stays the agent's, as it is with us. That a person wrote a line is
    said on our own evidence only: anybody can write a note that looks like ours.
    """
    sessions = dict(before.sessions) if before else {}
    humans: dict[str, gitai.Person] = {}
    entries = {
        file.path: [entry for entry in file.entries if not gitai.is_persons(entry.key)]
        for file in (before.files if before else ())
    }
    for file in files:
        if not gitai.can_hold(file.path):
            continue
        for who, ranges in sorted(file.lines.items()):
            entries.setdefault(file.path, []).append(gitai.Entry(_key(who, author, sessions, humans), ranges))
    found = [gitai.File(path, _counted(of)) for path, of in sorted(entries.items()) if of]
    return gitai.made(found, commit, sessions, humans)


def is_ours(log: gitai.Log) -> bool:
    """Say whether a note holds nothing but what `note` wrote."""
    keys = {entry.key for file in log.files for entry in file.entries}
    agents = [log.agent(key) for key in keys if not key.startswith("h_")]
    known = all(agent is not None and _OURS in agent.attributes() for agent in agents)
    return known and bool(log.sessions) and not log.prompts


def record(files: Sequence[File], *, commit: str, at: float, prompts: Prompts) -> agenttrace.Record:
    """Make the record of a commit, or, with no `commit`, of what is not committed; the same for the same again.

    `metadata` says which client each session was of, which the specification has no field for.
    """
    traced = tuple(
        agenttrace.File(path=file.path, conversations=_conversations(file)) for file in files if _is_text(file.path)
    )
    clients = {_URL + who.session: who.agent for file in files for who in sorted(file.lines) if who.session}
    said = {f"{_URL}{session}#{number}": text for (session, number), text in sorted(prompts.items())}
    about = {name: value for name, value in (("clients", clients), ("prompts", said)) if value}
    content = msgspec.json.encode((commit, traced, about))
    return agenttrace.Record(
        version=agenttrace.VERSION,
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, _URL + sha256(content).hexdigest())),
        timestamp=datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        vcs=agenttrace.Vcs(type="git", revision=commit) if commit else None,
        tool=agenttrace.Tool(name=NAME, version=VERSION),
        files=traced,
        metadata={NAME: msgspec.Raw(msgspec.json.encode(about))} if about else None,
    )


def clients(record: agenttrace.Record) -> Mapping[str, str]:
    """Give the client of each conversation of a record that we wrote, by its URL; none of another's."""
    try:
        about = msgspec.json.decode((record.metadata or {}).get(NAME, msgspec.Raw(b"{}")), type=_About)
    except msgspec.MsgspecError:
        return {}
    return about.clients


def lines(files: Iterable[File]) -> tuple[str, ...]:
    """Give the lines for a commit message that say which agents had a part in these files, and in which sessions."""
    authors = {who for file in files for who in file.lines if who.session}
    return trailers.written({(who.agent, who.model) for who in authors}, {who.session for who in authors})


def _is_text(path: str) -> bool:
    """Say whether JSON can hold a path: one that is no UTF-8 has lone surrogates here (PEP 383)."""
    return not any("\ud800" <= one <= "\udfff" for one in path)


def _key(who: Author, author: str, sessions: dict[str, gitai.Agent], humans: dict[str, gitai.Person]) -> str:
    if not who.session:
        key = gitai.person_key(author)
        humans[key] = gitai.Person.made(author)
        return key
    identity = f"{who.session}/{who.model}" if who.model else who.session
    key = gitai.session_key(who.agent, identity)
    attributes = {_OURS: who.session, "safe-agent-version": VERSION}
    sessions[key] = gitai.Agent.made(who.agent, identity, who.model, attributes)
    return gitai.trace_key(key, who.state)


def _counted(entries: Sequence[gitai.Entry]) -> tuple[gitai.Entry, ...]:
    """Leave each line to the last entry that has it, and one entry to each key."""
    left: dict[str, tuple[Range, ...]] = {}
    for entry, ranges in zip(entries, topmost([entry.ranges for entry in entries]), strict=True):
        if ranges:
            left[entry.key] = tuple(sorted((*left.get(entry.key, ()), *ranges)))
    return tuple(gitai.Entry(key, topmost([ranges])[0]) for key, ranges in left.items())


def _conversations(file: File) -> tuple[agenttrace.Conversation, ...]:
    text = file.text.split(b"\n")
    return tuple(
        agenttrace.Conversation(
            url=_URL + who.session if who.session else None,
            contributor=agenttrace.Contributor(type=_KINDS[who.state], model_id=agenttrace.model_id(who.model)),
            ranges=tuple(_range(one, text) for one in ranges),
            related=_asked(who, file.prompts.get(who, ())),
        )
        for who, ranges in sorted(file.lines.items())
    )


def _asked(who: Author, prompts: Sequence[int]) -> tuple[agenttrace.Related, ...] | None:
    found = tuple(agenttrace.Related(type="prompt", url=f"{_URL}{who.session}#{one}") for one in prompts)
    return found or None


def _range(one: Range, text: Sequence[bytes]) -> agenttrace.Range:
    part = b"".join(line + b"\n" for line in text[one.first - 1 : one.last])
    return agenttrace.Range(start_line=one.first, end_line=one.last, content_hash=agenttrace.hashed(part))
