"""Commit messages that say an agent had a part in the commit: what tools and projects write, and what we write; pure.

What is read, and where it is from:
- `Co-authored-by: NAME <ADDRESS>` of an address that is an agent's. Claude Code and Codex write theirs themselves (seen
  in the clients); the addresses of others are those that git-ai knows (`agent_detection.rs`), and what stands in public
  commits. A person's name alone proves nothing: people are called Claude.
- `Assisted-by: AGENT:MODEL [TOOL]…` is what the Linux kernel asks for (`Documentation/process/coding-assistants.rst`);
  Fedora, OpenInfra and others take the same name with free text.
- `Generated-by: …` is the Apache Software Foundation's and OpenInfra's for what was not assisted but made.
- `Claude-Session: URL` (Claude Code), `Amp-Thread-ID: URL` (Amp), `Safe-Agent-Session: ID` (ours).
- `Generated with [Claude Code](…)` and the same of Codex: no trailers, but lines that these clients write.
Trailers are looked for in the whole message, not only at its end: a server that squashes puts many messages into one.

What is written is `Assisted-by`, which most projects with a rule ask for and which leaves authorship to people, and
`Safe-Agent-Session`, by which the log is found. `Signed-off-by` is a person's to write.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

SESSION: Final = "Safe-Agent-Session"
ASSISTED: Final = "Assisted-by"

_LONGEST: Final = 400  # characters of a line that is looked at: no tool writes more
_MOST: Final = 16  # agents that one message names
_ADDRESSES: Final[Mapping[str, str]] = {
    "noreply@anthropic.com": "claude",
    "noreply@openai.com": "codex",
    "codex@openai.com": "codex",
    "cursoragent@cursor.com": "cursor",
    "copilot@github.com": "copilot",
    "aider@aider.chat": "aider",
    "noreply@aider.chat": "aider",
    "amp@ampcode.com": "amp",
    "roomote@roocode.com": "roo",
}
_ACCOUNTS: Final[Mapping[str, str]] = {  # <digits>+NAME@users.noreply.github.com
    "copilot": "copilot",
    "copilot-swe-agent[bot]": "copilot",
    "devin-ai-integration[bot]": "devin",
    "gemini-code-assist[bot]": "gemini",
    "chatgpt-codex-connector[bot]": "codex",
    "cursor[bot]": "cursor",
}
_NAMES: Final[Mapping[str, str]] = {  # without any address, as some projects ask for
    "claude": "claude", "claude code": "claude", "codex": "codex", "cursor": "cursor", "aider": "aider", "amp": "amp",
    "github copilot": "copilot", "copilot": "copilot", "gemini-code-assist": "gemini",
}  # fmt: skip
_PLAIN: Final = {"claude": ("claude", "claude code"), "codex": ("codex", "codex cli")}  # names that tell no model
_WRITTEN: Final[Mapping[str, str]] = {"claude": "Claude", "codex": "Codex"}

_TRAILER: Final = re.compile(r"([A-Za-z][A-Za-z-]{1,40})\s*:\s*(\S.*)")
_IDENTITY: Final = re.compile(r"([^<>]*)<([^<>]+)>")
_GITHUB: Final = re.compile(r"(?:\d+\+)?([^@+]+)@users\.noreply\.github\.com")
_AIDER: Final = re.compile(r"aider \(([^()]+)\)")
_FOOTER: Final = re.compile(r"\W*Generated with \[?(Claude Code|Codex)\b")
_KERNEL: Final = re.compile(r"([\w.+-]+):([\w./:@+-]+)(?:\s.*)?")
_UNSAFE: Final = re.compile(r"[^\w.+/@-]+")


class Told(NamedTuple):
    """An agent that a message names; `model` and `session` as far as it tells them. `line`: which line told so."""

    agent: str
    model: str
    session: str
    line: str


def read(message: str, author: str = "") -> tuple[Told, ...]:
    """Name the agents that a commit message, or the address of its author, says had a part in it; each once."""
    agent = _agent_of(author)
    found = {agent: Told(agent, "", "", f"author <{author}>")} if agent else {}
    for one in _lines(message):
        known = found.get(one.agent)
        if known is not None:
            found[one.agent] = known._replace(model=known.model or one.model, session=known.session or one.session)
        elif len(found) < _MOST:
            found[one.agent] = one
    nameless = found.pop("", None)
    if nameless is None:
        return tuple(found.values())
    return tuple(one._replace(session=one.session or nameless.session) for one in found.values()) or (nameless,)


def written(agents: Iterable[tuple[str, str]], sessions: Iterable[str]) -> tuple[str, ...]:
    """Give the lines for a commit message: `agents` are agent and model, `sessions` ids; sorted, each once."""
    assisted = {
        f"{ASSISTED}: {_token(_WRITTEN.get(agent, agent))}" + (f":{_token(model)}" if model else "")
        for agent, model in agents
    }
    return (*sorted(assisted), *sorted({f"{SESSION}: {_token(session)}" for session in sessions}))


def _lines(message: str) -> Iterator[Told]:
    for line in message.split("\n")[1:]:
        if len(line) > _LONGEST:
            continue
        footer = _FOOTER.match(line)
        if footer is not None:
            yield Told(footer[1].split(" ")[0].lower(), "", "", line.strip())
            continue
        trailer = _TRAILER.fullmatch(line.rstrip())
        if trailer is not None:
            told = _trailer(trailer[1].lower(), trailer[2].strip())
            if told is not None:
                yield told._replace(line=line.strip())


def _trailer(name: str, value: str) -> Told | None:
    if name == "co-authored-by":
        return _person(value)
    if name in ("assisted-by", "generated-by"):
        return _person(value) if _IDENTITY.fullmatch(value) else _tool(value)
    if name == "claude-session":
        return Told("claude", "", value, "")
    if name == "amp-thread-id":
        return Told("amp", "", value, "")
    if name == SESSION.lower():
        return Told("", "", value, "")
    return None


def _person(value: str) -> Told | None:
    match = _IDENTITY.fullmatch(value)
    name = (match[1] if match else value).strip()
    agent = _agent_of(match[2]) if match else _NAMES.get(name.lower(), "")
    if not agent:
        return None
    aider = _AIDER.fullmatch(name)
    is_plain = match is None or name.lower() in (*_PLAIN.get(agent, ()), *_NAMES, "")
    is_account = "[bot]" in name
    model = aider[1] if aider else "" if is_plain or is_account else name
    return Told(agent, model, "", "")


def _tool(value: str) -> Told:
    match = _KERNEL.fullmatch(value)
    name, model = (match[1], match[2]) if match else (value, "")
    return Told(_NAMES.get(name.lower(), name.lower() if match else name), model, "", "")


def _agent_of(address: str) -> str:
    address = address.strip().lower()
    account = _GITHUB.fullmatch(address)
    return _ACCOUNTS.get(account[1], "") if account else _ADDRESSES.get(address, "")


def _token(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-") or "unknown"
