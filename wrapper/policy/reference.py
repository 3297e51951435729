"""The reference of all keys, made from the types and rules that read them; pure. docs/policy.md holds it.

What a key means is said here, in `MEANINGS`, and nowhere else. All the rest is asked of the code: its type and its
choices, what is bundled, what the organisation's value is to the layers above it, what an untrusted project may say.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import FieldInfo, fields

from wrapper.policy import contexts, egress, merge, parse, provenance, wire, wirechecks
from wrapper.policy.schema import FREE, Document

_CONFIDENCES: Final = ("certain", "likely")

MEANINGS: Final[Mapping[str, str]] = {
    "version": "the version of this format; required",
    "environment.pass": "handed in; a value that looks like a secret is masked all the same",
    "environment.mask": "handed in as a placeholder",
    "environment.drop": "never handed in",
    "environment.set": "set inside, whatever the host has (`policy show` prints names only)",
    "files.pass": "seen as they are, even where the content looks like a secret",
    "files.mask": "secrets become placeholders; edits reach the file with the real values",
    "files.deny": "listed, refuse to open",
    "files.store": "key stores: refused where git tracks them, else not there",
    "files.hide": "not there",
    "files.protect": "read-only inside: what git, a shell or an editor would run later",
    "files.frozen": "read-only inside wherever it lies, in repositories made inside too: what the agent must not write",
    "files.frozen_mounts": "read-only inside: what is mounted there or from there, wherever it is shown",
    "files.view": "how the workspace is shown",
    "files.native": "folders that the view binds as they are",
    "files.damaged": "what becomes of a write that damages a placeholder",
    "files.restore": "which placeholders that are written become values: all, or those of values that a file holds",
    "files.commits": "what becomes of a commit made inside: of its placeholders, or until a person has reviewed it",
    "files.scan.enabled": "look at the content of files",
    "files.scan.skip": "not looked at, and not watched where they are folders",
    "files.scan.max_bytes": "bytes that are looked at in one piece; up to 16 MiB of a file in all",
    "files.send.always": "content may leave, whatever a lower layer says",
    "files.send.ask": "you are asked before content leaves",
    "files.send.never": "content never leaves",
    "home.read_only": "bound back into the private home folder, like `~/.m2`",
    "home.read_write": "the same, writable",
    "home.cache": "one private cache folder for each project",
    "network.allow": "reached through the egress proxy",
    "network.internal": "hosts of your own network: allowed, at private addresses too",
    "network.deny": "never reached",
    "network.loopback": "ports of this machine, reached on 127.0.0.1 inside",
    "network.unknown": "what becomes of a connection to a host that no rule names",
    "network.wait_seconds": "how long such a connection is held",
    "secrets.name": "names a secret: a-z, 0-9, `-`, `_`, `.`",
    "secrets.from": "where its value is: `env:NAME`, `file:PATH#json.key`, `cmd:COMMAND`, `keyring:SERVICE/USER`",
    "secrets.hosts": "where it works; these hosts are reached, where no rule denies them",
    "secrets.where": "in what of a request: `header:NAME`, `basic`, `query:NAME`, `body`; none: Authorization, as it is"
    " and as basic",
    "secrets.variables": "set inside to its placeholder; none: the one it comes from",
    "secrets.prefix": "what clients want to see at its beginning; none: its issuer's",
    "secrets.username": "the user that goes with it in git's basic authentication",
    "hosts.hosts": "about which hosts this is",
    "hosts.inspect": "whether what goes there is read",
    "hosts.allow": "the only requests: method and path, `*` within a segment, `**` for any number of segments",
    "hosts.found": "what becomes of a secret in a request",
    "hosts.send_bytes": "the most that is sent in a session; 0: any number",
    "hosts.receive_bytes": "the most that is received",
    "hosts.connections": "the most at the same time; 128 if not set",
    "hosts.idle_seconds": "a connection without a byte either way is closed; 600 if not set",
    "remotes.url": "a repository, by ssh or https: `git@host:owner/name.git`",
    "remotes.push": "patterns over branches that may be pushed, `agent/*`; none: fetch only",
    "loopback.port": "a service of this machine, reached on 127.0.0.1 inside",
    "loopback.protocol": "how a password is said there",
    "loopback.from": "where the password is, or a URL that has it; as for secrets",
    "upstream.anthropic": "where the gateway sends Claude Code's requests; https, or http on this machine",
    "upstream.openai": "the same for Codex",
    "upstreams.NAME.kind": "the API that a server speaks; for NAME `anthropic` and `openai`, the clients' own: none",
    "upstreams.NAME.url": "where it is",
    "upstreams.NAME.requires": "what must hold for it, stated at the start and recorded",
    "upstreams.NAME.key": "the variable outside that holds the server's own key",
    "wire.monitor": "kinds that leave as they are, and are recorded",
    "wire.redact": "kinds that become placeholders; so does what no list names",
    "wire.block": "kinds with which a request is not sent",
    "wire.budget": "distinct values replaced in one request without asking; 0: any number",
    "identity.pass": "what clients add by themselves, sent as it is",
    "identity.mask": "sent as a placeholder, put back in the answer",
    "identity.drop": "not sent",
    "tasks.name": "names a kind of work: a-z, 0-9, `-`, `_`, `.`",
    "tasks.action": "what becomes of it; `off` takes a lower layer's task off",
    "tasks.patterns": "regexes, searched for in the prompt",
    "tasks.agents": "where it counts; none: everywhere",
    "tasks.workspaces": "the same",
    "tasks.remotes": "the same",
    "tasks.models": "the same",
    "tasks.message": "told to the user",
    "approved.default": "what no rule names",
    "approved.rules.action": "allowed, sent to another server, or denied",
    "approved.rules.agents": "who; none: everybody",
    "approved.rules.workspaces": "where",
    "approved.rules.remotes": "in clones of what",
    "approved.rules.models": "asking which model",
    "approved.rules.upstream": "where to route",
    "approved.rules.reason": "told where it denies",
    "redaction.disable": "rules of the catalogue, by id, and contexts (`context:EMAIL`) to turn off",
    "redaction.allow": "values that only look like secrets, exactly",
    "redaction.rules.id": "names a rule of your own",
    "redaction.rules.kind": "becomes `MASKED-KIND-…`: A-Z, 0-9, `-`",
    "redaction.rules.regex": "what it matches is replaced",
    "redaction.rules.confidence": "`likely` is replaced on the wire only",
    "context.terms": "literal terms; one of the first four is required",
    "context.terms_file": "a file of terms, one on a line; a project's lies in its workspace",
    "context.regex": "what it matches as a whole",
    "context.builtin": "one that comes with a check of its own",
    "context.kind": "becomes `MASKED-KIND-…`; a builtin's own name if not set",
    "context.hosts": "of `internal-host`: hosts and domains that are internal too",
    "context.allow": "phrases in which a match stays; `*` for anything without a blank: `*@example.org`",
    "context.borders": "of terms: what must stand around them",
    "context.ignore_case": "of terms: true if not set",
    "context.confidence": "`likely` is left alone in headers and addresses",
    "audit.recipients": "age public keys of who may read the logs, in place of this machine's own",
    "audit.keystrokes": "whether the log holds what you type at a terminal, redacted; never what is not echoed",
    "audit.anchors": "where the ledger's checkpoints are kept besides: `file:…`, `git:…`, `witness:…`, `s3:…`",
    "audit.keep_days": "how long a session can be read; then its key files are deleted. 0: for ever",
    "audit.segment_bytes": "size after which a log goes on in a new file under a new key; 1 MiB or more",
    "audit.segment_hours": "the same by time",
    "provenance.capture": "sessions keep an index of what the agent wrote and read: fingerprints, no text",
    "provenance.sticky": "the share of a line's tokens, 0 to 1, above which an edited line is still the agent's",
    "provenance.unwatched": "what lines are that came to be while no session watched",
    "provenance.claims": "whether imported claims are shown only, or make lines the agent's",
    "provenance.require_review": "commits need a person's approval of what the agent wrote",
    "provenance.require_reason": "an approval needs a reason",
    "terminal.status_line": "one line at the start and one at the end of a session",
    "limits.body_bytes": "the largest request body",
    "run.allow_degraded": "protections whose lack does not stop the run",
    "run.refuse_containers": "no session starts in a container of such a name, image or id, nor in one without a name",
}
"""What each key means, in a line."""

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "files.view": parse.VIEWS,
    "files.damaged": parse.ON_DAMAGE,
    "files.restore": parse.RESTORED,
    "files.commits": parse.ON_COMMITS,
    "network.unknown": egress.UNKNOWN,
    "hosts.inspect": egress.INSPECT,
    "hosts.found": egress.ON_FOUND,
    "loopback.protocol": egress.PROTOCOLS,
    "upstreams.NAME.kind": wire.APIS,
    "tasks.action": wirechecks.TASK_ACTIONS,
    "approved.default": wirechecks.DEFAULTS,
    "approved.rules.action": wirechecks.APPROVALS,
    "redaction.rules.confidence": _CONFIDENCES,
    "provenance.unwatched": provenance.UNWATCHED,
    "provenance.claims": provenance.CLAIMS,
    "context.builtin": contexts.BUILTINS,
    "context.borders": contexts.BORDERS,
    "context.confidence": _CONFIDENCES,
}
"""The values that a key may have, where they are few."""

_OVER: Final[Mapping[str, str]] = {
    "environment": "variables",
    "files": "paths",
    "network": "hosts",
    "wire": "kinds",
    "identity": "fields",
    "files.frozen_mounts": "mounts",
    "run.refuse_containers": "containers",
}
_NAMES: Final[Mapping[Any, str]] = {
    bool: "true, false",
    int: "number",
    float: "number",
    str: "text",
    Mapping: "table of texts",
}
_HEAD: Final = ("key", "value", "bundled", "organisation's", "untrusted project", "meaning")
_REPEATED: Final = ("secrets", "hosts", "remotes", "loopback", "tasks", "approved.rules", "redaction.rules", "context")
_SWITCHES: Final = (
    "files.scan.enabled",
    "home.cache",
    "terminal.status_line",
    "audit.keystrokes",
    "provenance.capture",
    "provenance.require_review",
    "provenance.require_reason",
)
_MORE_OR_LESS: Final = ((3, 2, "more"), (2, 3, "less"))
_LONGEST: Final = 2  # entries of a bundled list that are shown
_OPENING: Final = ("pass", "skip", "native", "always", "allow", "monitor")  # lists whose entries open something
_OVER_HOSTS: Final = ("secrets.hosts", "hosts.hosts")
_FLOOR, _CEILING, _STAYS, _ADDS = "floor", "ceiling", "stays", "adds up"
# What neither `merge.SCALARS` nor the kind of a list says: the organisation's part, and an untrusted project's.
_ODD: Final[Mapping[str, tuple[str, str]]] = {
    "version": ("", ""),
    "environment.set": (_STAYS, "no"),
    "network.internal": (_CEILING, "never"),
    "secrets": (_STAYS, "never"),
    "hosts.found": (_FLOOR, "adds `stop`"),
    "hosts": (_FLOOR, "adds"),
    "remotes": (_STAYS, "never"),
    "loopback": (_STAYS, "never"),
    "audit.recipients": (_ADDS, "no"),
    "audit.anchors": (_ADDS, "no"),
    "audit.keep_days": (_STAYS, "never"),
    "upstream": (_STAYS, "never"),
    "upstreams": (_STAYS, "never"),
    "tasks": (_FLOOR, "adds"),
    "approved.rules": (_FLOOR, "adds `deny`"),
    "redaction.rules": (_FLOOR, "adds"),
    "context": (_FLOOR, "adds"),
}


class Entry(msgspec.Struct, frozen=True):
    """One row: a key with its dots, and what is said of it; `table` is the key of the table around it."""

    table: str
    key: str
    value: str
    bundled: str
    organisation: str
    project: str
    meaning: str


def entries(bundled: Document) -> Iterator[Entry]:
    """Give every key in the order of the schema; `bundled` is the lowest layer. Raises KeyError for one unexplained."""
    yield from _of("", Document, bundled)


def render(bundled: Document) -> str:
    """Give the reference as Markdown: a table of keys for each table of the file."""
    lines: list[str] = []
    table: str | None = None
    for entry in entries(bundled):
        if entry.table != table:
            table = entry.table
            lines += ["", f"### {_title(table)}", "", _row(*_HEAD), _row(*["---"] * len(_HEAD))]
        cells = (f"`{entry.key}`", entry.value, entry.bundled, entry.organisation, entry.project, entry.meaning)
        lines.append(_row(*cells))
    return "\n".join(lines[1:]) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _title(table: str) -> str:
    if not table:
        return "The file itself"
    return f"`[[{table}]]`" if table in _REPEATED else f"`[{table}]`"


def _of(prefix: str, table: type[msgspec.Struct], said: msgspec.Struct | None) -> Iterator[Entry]:
    """Give the keys of a table: its own first, then those of tables in it."""
    inner: list[tuple[str, type[msgspec.Struct], msgspec.Struct | None]] = []
    for field in fields(table):
        key = prefix + field.encode_name
        value = getattr(said, field.name) if said is not None else None
        below = _inner(field.type)
        if below is None:
            yield Entry(prefix.rstrip("."), key, _value(key, field), _bundled(key, value, field), *_layers(key))
        elif below[1]:
            inner.append((f"{key}{below[1]}", below[0], None))
        else:
            inner.append((f"{key}.", below[0], value))
    for around, kind, value in inner:
        yield from _of(around, kind, value)


def _inner(hint: Any) -> tuple[type[msgspec.Struct], str] | None:
    """Give the table that a field holds, and what joins its keys to the field's where it may stand there many times."""
    for one in typing.get_args(hint) or (hint,):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one, ""
        for part in typing.get_args(one):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                return part, f".{FREE}." if typing.get_origin(one) is not tuple else "."
    return None


def _value(key: str, field: FieldInfo) -> str:
    """Say of which type a value is, or which ones there are (from the loosest to the strictest, where they are)."""
    said = ", ".join(f"`{choice}`" for choice in CHOICES.get(key, ())) or _typed(key, field.type)
    return f"{said}; required" if field.required else said


def _typed(key: str, hint: Any) -> str:
    around, _, last = key.rpartition(".")
    kind = next(one for one in typing.get_args(hint) if one is not None) if isinstance(hint, types.UnionType) else hint
    if key in _OVER_HOSTS:
        return "patterns over hosts"
    if last in ("agents", "workspaces", "remotes", "models"):
        return f"patterns over {last}"
    if typing.get_origin(kind) is not tuple:
        return _NAMES[typing.get_origin(kind) or kind]
    if int in typing.get_args(kind):
        return "numbers"
    over = _OVER.get(key) or _OVER.get(around.partition(".")[0])
    return f"patterns over {over}" if over else "texts"


def _bundled(key: str, value: Any, field: FieldInfo) -> str:
    """Say what the lowest layer says, in short; of a table that stands there many times, what holds if it is silent."""
    if key == "version":
        return "`1`"
    value = field.default if value is None and field.default is not msgspec.NODEFAULT else value
    if value is None or value == "" or field.required:
        return ""
    if isinstance(value, tuple) and len(value) > _LONGEST:
        return "a list"
    if isinstance(value, Mapping):
        return "none" if not value else "a table"
    return f"`{msgspec.json.encode(value).decode()}`"


def _layers(key: str) -> tuple[str, str, str]:
    """Say what the organisation's value is to others, what an untrusted project may say, and what the key means."""
    meaning = MEANINGS[key]
    odd = [said for start, said in _ODD.items() if key == start or key.startswith(f"{start}.")]
    if odd:
        return *odd[0], meaning
    if key in merge.SCALARS:
        return *_single(key), meaning
    ceiling = key in merge.CEILINGS
    if key in merge.PLAIN_LISTS:
        return _CEILING if ceiling else _ADDS, "no", meaning
    opening = key.rpartition(".")[2] in _OPENING
    organisation = _CEILING if ceiling else "" if opening else _FLOOR
    return organisation, "takes off (`!`)" if opening else "adds", meaning


def _single(key: str) -> tuple[str, str]:
    """Ask of a single setting which of its values is stricter than which."""
    tighter = merge.SCALARS[key]
    if key in CHOICES:
        return _FLOOR, "stricter"
    switch = key in _SWITCHES
    for new, old, word in ((True, False, "`true`"), (False, True, "`false`")) if switch else _MORE_OR_LESS:
        if tighter(new, old):
            return _FLOOR, f"{word} only"
    return _STAYS, "no"
