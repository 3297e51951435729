"""From the text of a policy file to its frozen form; pure. Every complaint says file, line and what would be right."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from wrapper.errors import PolicyError
from wrapper.policy import contexts, egresschecks, globs, hosts, provenance, wirechecks
from wrapper.policy.lines import Path, positions
from wrapper.policy.schema import FREE, Document, UpstreamTable, known_keys

VERSION: Final = 1
MOST_BYTES: Final = 1 << 20  # a policy is written by hand; the project's comes with any clone
# What `files.view`, `files.damaged`, `files.restore` and `files.commits` may say, from the loosest to the strictest.
VIEWS: Final = ("binds", "auto", "fuse")
ON_DAMAGE: Final = ("keep", "refuse")
RESTORED: Final = ("all", "files")
ON_COMMITS: Final = ("rewrite", "refuse", "review")

_MOST_REGEX: Final = 2000  # of a rule's regex: it is compiled at every start
_PORTS: Final = range(1, 65536)
# Patterns as texts: only a mistake or a rare key needs them, and start-up should not pay for compiling them.
_UPSTREAM: Final = (
    r"(?i)https://[a-z0-9._-]+(?::[0-9]{1,5})?(?:/[!-~]*)?"
    r"|http://(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[!-~]*)?"
)
# Bech32 with the prefix `age` (of 32 bytes), with `age1pq` (post-quantum), with `age1NAME` (a plugin's)
_RECIPIENT: Final = r"age1[02-9ac-hj-np-z]{58}|age1[a-z0-9+._-]{1,64}1[02-9ac-hj-np-z]{6,4000}"
_LEAST_SEGMENT: Final = 1 << 20  # bytes; below, a log is mostly files
_MOST_SEGMENT: Final = 1 << 40
_MOST_DAYS: Final = 36_500  # a century
_LEAST_HOURS: Final = 0.1
_MOST_HOURS: Final = 24 * 366
_PLAINER: Final = "write it without look-around and back-references"
_AT: Final = r"(?s)(?P<what>.*?)(?: - at `(?:key in )?(?P<at>\$[^`]*)`)?"
_STEP: Final = r"\.([^.\[]+)|\[([0-9]+|\.\.\.)\]"
_UNKNOWN: Final = r"(?s)Object contains unknown field `(?P<field>.*)`"


class Source(msgspec.Struct, frozen=True):
    """One parsed policy file: its name as shown to the user, its content, and where each thing in it stands."""

    file: str
    document: Document
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """Give the line of a key or a list's element; of the nearest table around it where the scan lost it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1

    def error(self, path: Path, what: str, hint: str = "") -> PolicyError:
        """Make the error about one place of this file."""
        return PolicyError(f"{self.file}:{self.line(*path)}: {printable(what)}", hint=printable(hint))


def printable(text: str) -> str:
    """Take the control characters out of a text that quotes a file: a clone's must not speak to the terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def parse(content: bytes, file: str) -> Source:
    """Read one policy file. Raises PolicyError `FILE:LINE: …`."""
    text = _decoded(content, file)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, file) from error
    except RecursionError as error:
        raise PolicyError(f"{file}: lists or tables are nested too deeply") from error
    lines = positions(text)
    try:
        document = msgspec.convert(tables, Document)
    except msgspec.ValidationError as error:
        raise _shape_error(str(error), Source(file, Document(version=VERSION), lines), tables) from error
    source = Source(file, document, lines)
    for check in (
        _version,
        _patterns,
        _files,
        _environment,
        _home,
        _network,
        _egress,
        _upstream,
        _redaction,
        _context,
        _wire,
        _audit,
        _provenance,
        _rest,
    ):
        check(source)
    return source


def _decoded(content: bytes, file: str) -> str:
    if len(content) > MOST_BYTES:
        raise PolicyError(f"{file}: is larger than {MOST_BYTES} bytes", hint="a policy file is short text")
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{file}:{line}: is not UTF-8 text", hint="save the file as UTF-8") from error


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, file: str) -> PolicyError:
    what, _, place = str(error).partition(" (at ")
    found = re.match(r"line ([0-9]+)", place)
    line = int(found[1]) if found else text.count("\n") + 1
    return PolicyError(
        f"{file}:{line}: not valid TOML: {what[:1].lower()}{what[1:]}", hint="texts need quotes, lists need brackets"
    )


def _shape_error(message: str, source: Source, tables: Mapping[str, Any]) -> PolicyError:
    """Turn msgspec's `… - at `$.files.mask[2]`` into a line and the nearest known key."""
    match = re.fullmatch(_AT, message)
    what, at = (match["what"], match["at"] or "$") if match else (message, "$")
    path = _place(at, tables)
    unknown = re.fullmatch(_UNKNOWN, what)
    if unknown:
        key = ".".join([str(part) for part in path if isinstance(part, str)] + [unknown["field"]])
        return source.error((*path, unknown["field"]), f"unknown key `{key}`", _nearest(key))
    what = what.replace(" | null`", "`").replace("`array`", "a list").replace("`object`", "a table")
    name = ".".join(str(part) for part in path if isinstance(part, str)) or "the file"
    one_of_many = what.endswith("a list, got a table") and any(key.startswith(f"{name}.") for key in known_keys())
    hint = f"write `[[{name}]]`" if one_of_many else "see `docs/policy.md` for what each key takes"
    return source.error(path, f"`{name}`: {what[:1].lower()}{what[1:]}", hint)


def _place(at: str, tables: Mapping[str, Any]) -> Path:
    """Turn `$.a.b[2]` into a path; of a table whose names are free msgspec says only `[...]`."""
    path: list[str | int] = []
    value: Any = tables
    for name, number in re.findall(_STEP, at):
        step: str | int = name or (int(number) if number.isdigit() else number)
        if step == "..." and isinstance(value, dict):
            step = next((key for key, inner in value.items() if not _fits(inner, path[-1:])), step)
        path.append(step)
        value = value.get(step) if isinstance(value, dict) else None
    return tuple(path)


def _fits(value: object, table: Sequence[str | int]) -> bool:
    """Whether a value may stand under a free name of a table: upstreams are tables, all others are texts."""
    try:
        msgspec.convert(value, UpstreamTable if list(table) == ["upstreams"] else str)
    except msgspec.ValidationError:
        return False
    return True


def _nearest(key: str) -> str:
    """Name the known key most like `key`: first among its neighbours, then the same key in another table."""
    import difflib  # noqa: PLC0415 - only a mistake needs it

    table, _, last = key.rpartition(".")
    table = f"upstreams.{FREE}" if table.startswith("upstreams.") else table
    known = [name.rpartition(".") for name in known_keys()]
    neighbours = [inner for around, _, inner in known if around == table]
    close = difflib.get_close_matches(last, neighbours, n=1)
    candidates = [around for around, _, inner in known if inner == last]
    if close:
        return f"did you mean `{table}.{close[0]}`?" if table else f"did you mean `{close[0]}`?"
    if candidates:
        return f"did you mean `{candidates[0]}.{last}`?" if candidates[0] else f"did you mean `{last}`?"
    names = ", ".join(f"`{table}.{inner}`" if table else f"`{inner}`" for inner in neighbours)
    return f"known here: {names}"


def _version(source: Source) -> None:
    if source.document.version != VERSION:
        raise source.error(
            ("version",),
            f"version {source.document.version} is not known",
            f"this safe-agent reads version {VERSION}; a newer file needs a newer safe-agent",
        )


def lists(document: Document) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Give each list of patterns that is set, with the path of its key."""
    environment, files, network = document.environment, document.files, document.network
    wire, identity = document.wire, document.identity
    for path, texts in (
        (("environment", "pass"), environment.pass_),
        (("environment", "mask"), environment.mask),
        (("environment", "drop"), environment.drop),
        (("files", "pass"), files.pass_),
        (("files", "mask"), files.mask),
        (("files", "deny"), files.deny),
        (("files", "store"), files.store),
        (("files", "hide"), files.hide),
        (("files", "protect"), files.protect),
        (("files", "frozen"), files.frozen),
        (("files", "frozen_mounts"), files.frozen_mounts),
        (("files", "native"), files.native),
        (("files", "scan", "skip"), files.scan.skip),
        (("files", "send", "always"), files.send.always),
        (("files", "send", "ask"), files.send.ask),
        (("files", "send", "never"), files.send.never),
        (("wire", "monitor"), wire.monitor),
        (("wire", "redact"), wire.redact),
        (("wire", "block"), wire.block),
        (("identity", "pass"), identity.pass_),
        (("identity", "mask"), identity.mask),
        (("identity", "drop"), identity.drop),
        (("network", "allow"), network.allow),
        (("network", "internal"), network.internal),
        (("network", "deny"), network.deny),
        (("run", "refuse_containers"), document.run.refuse_containers),
    ):
        if texts is not None:
            yield path, texts


def _patterns(source: Source) -> None:
    problems: Mapping[str, Callable[[str], str]] = {
        "environment": _name_problem,
        "files": _path_problem,
        "network": hosts.problem,
        "wire": wirechecks.kind_problem,
        "identity": wirechecks.field_problem,
        "files.frozen_mounts": _mount_problem,
        "run": globs.problem,
    }
    for path, texts in lists(source.document):
        for number, text in enumerate(texts):
            wrong = (problems.get(".".join(map(str, path))) or problems[str(path[0])])(text.removeprefix("!"))
            if wrong:
                shown = text.partition("=")[0]  # whoever wrote NAME=value here may have written a secret
                raise source.error((*path, number), f'`{".".join(map(str, path))}`: "{shown}" {wrong}')


def _name_problem(text: str) -> str:
    if "=" in text or "/" in text:
        return "is not a pattern for a variable's name (values are set in `environment.set`)"
    return globs.problem(text)


def _path_problem(text: str) -> str:
    if text.startswith("~"):
        return "is under the home folder: patterns are relative to the workspace, see `[home]`"
    if any(part in ("..", ".") for part in text.split("/")):
        return "has a `.` or `..`: patterns are relative to the workspace"
    return globs.problem(text)


def _mount_problem(text: str) -> str:
    if not text.startswith("/") and ":" not in text:
        return "is no absolute path and no source of a mount (`server:/export`)"
    if any(part in ("..", ".") for part in text.split("/")):
        return "has a `.` or `..`"
    if "//" in text[1:]:  # `//server/share` is a source
        return "has an empty part (`//`)"
    return globs.problem(text)


def _files(source: Source) -> None:
    files = source.document.files
    for key, value, order in (
        ("view", files.view, VIEWS),
        ("damaged", files.damaged, ON_DAMAGE),
        ("restore", files.restore, RESTORED),
        ("commits", files.commits, ON_COMMITS),
    ):
        if value is not None and value not in order:
            names = " or ".join(f'"{name}"' for name in order)
            raise source.error(("files", key), f'`files.{key}` is {names}, not "{value}"')


def _environment(source: Source) -> None:
    for name, value in (source.document.environment.set or {}).items():
        path = ("environment", "set", name)
        if not name or "=" in name or "\0" in name:
            raise source.error(path, f'"{name}" cannot be the name of a variable')
        if "\0" in value:
            raise source.error(path, f"the value of `{name}` holds a NUL")


def _home(source: Source) -> None:
    home = source.document.home
    for key, folders in (("read_only", home.read_only), ("read_write", home.read_write)):
        for number, folder in enumerate(folders or ()):
            path = ("home", key, number)
            parts = [part for part in folder.removeprefix("~/").split("/") if part]
            if folder.startswith("/") or not parts or "\0" in folder or any(part in ("..", ".", "~") for part in parts):
                raise source.error(
                    path,
                    f'`home.{key}`: "{folder}" is not a path below the home folder',
                    'write it like "~/.cargo"; the home folder as a whole cannot be bound back',
                )
            if any(mark in folder for mark in "*?["):
                raise source.error(path, f'`home.{key}`: "{folder}" is a pattern', "name each path; no globs here")


def _network(source: Source) -> None:
    for number, port in enumerate(source.document.network.loopback or ()):
        if port not in _PORTS:
            raise source.error(("network", "loopback", number), f"{port} is not a port (1 to 65535)")


def _egress(source: Source) -> None:
    for place, what, hint in egresschecks.problems(source.document):
        raise source.error(place, what, hint)


def _upstream(source: Source) -> None:
    upstream = source.document.upstream
    for key, url in (("anthropic", upstream.anthropic), ("openai", upstream.openai)):
        if url is not None and (not re.fullmatch(_UPSTREAM, url) or "?" in url or "#" in url):
            raise source.error(
                ("upstream", key),
                f"`upstream.{key}` is not an address that a key may be sent to",
                "use https://HOST[:PORT][/PATH] without user, query or fragment; plain http only for this machine",
            )


def _redaction(source: Source) -> None:
    seen: set[str] = set()
    for number, rule in enumerate(source.document.redaction.rules or ()):
        path = ("redaction", "rules", number)
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", rule.id):
            raise source.error((*path, "id"), f'"{rule.id}" is not a rule\'s id (a-z, 0-9, `-`, `_`, `.`)')
        if rule.id in seen:
            raise source.error((*path, "id"), f'the rule "{rule.id}" stands here twice')
        if not re.fullmatch(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", rule.kind):
            raise source.error(
                (*path, "kind"), f'"{rule.kind}" is not a kind', "it becomes part of `MASKED-KIND-…`: A-Z, 0-9 and `-`"
            )
        if rule.confidence not in ("certain", "likely"):
            raise source.error(
                (*path, "confidence"), f'"{rule.confidence}" is not a confidence', 'use "certain" or "likely"'
            )
        _regex(source, (*path, "regex"), rule.regex)
        seen.add(rule.id)


def _context(source: Source) -> None:
    for number, table in enumerate(source.document.context or ()):
        for place, what, hint in contexts.problems(table, _regex_problem):
            raise source.error(("context", number, *place), what, hint)


def _wire(source: Source) -> None:
    for place, what, hint in wirechecks.problems(source.document):
        raise source.error(place, what, hint)


def _regex(source: Source, path: Path, regex: str) -> None:
    what, hint = _regex_problem(regex)
    if what:
        raise source.error(path, what, hint)


def _regex_problem(regex: str) -> tuple[str, str]:
    """Say why an expression cannot be used, and what to do: Hyperscan, which runs it, takes less than Python does."""
    if not regex or len(regex) > _MOST_REGEX:
        return f"a regex has 1 to {_MOST_REGEX} characters", ""
    if (invalid := contexts.expression_problem(regex))[0]:
        return invalid
    from redactors.expressions import problem  # noqa: PLC0415 (with Hyperscan 15 ms: only policies with a regex need it)

    wrong = problem(regex)
    return (f"not a regex that can be searched for: {wrong}", _PLAINER) if wrong else ("", "")


def _audit(source: Source) -> None:
    audit = source.document.audit
    for number, recipient in enumerate(audit.recipients or ()):
        if not re.fullmatch(_RECIPIENT, recipient):
            hint = "it begins with `age1` and has 62 characters; with `age1pq1` or `age1NAME1` (a plugin's) it has more"
            raise source.error(("audit", "recipients", number), "this is not an age public key", hint)
    for number, text in enumerate(audit.anchors or ()):
        if (wrong := _anchor_problem(text))[0]:
            raise source.error(("audit", "anchors", number), f'`audit.anchors`: "{text}" {wrong[0]}', wrong[1])
    for key, value, least, most in (
        ("keep_days", audit.keep_days, 0, _MOST_DAYS),
        ("segment_bytes", audit.segment_bytes, _LEAST_SEGMENT, _MOST_SEGMENT),
        ("segment_hours", audit.segment_hours, _LEAST_HOURS, _MOST_HOURS),
    ):
        if value is not None and not least <= value <= most:  # also where it is no number (`nan`)
            raise source.error(("audit", key), f"`audit.{key}` is a number from {least} to {most}, not {value}")


def _anchor_problem(text: str) -> tuple[str, str]:
    from wrapper.policy.anchors import problem  # noqa: PLC0415 (for policies with anchors only)

    return problem(text)


def _provenance(source: Source) -> None:
    for place, what, hint in provenance.problems(source.document):
        raise source.error(place, what, hint)


def _rest(source: Source) -> None:
    document = source.document
    for number, name in enumerate(document.run.allow_degraded or ()):
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise source.error(("run", "allow_degraded", number), f'"{name}" is not the name of a protection')
    for path, value in (
        (("limits", "body_bytes"), document.limits.body_bytes),
        (("files", "scan", "max_bytes"), document.files.scan.max_bytes),
    ):
        if value is not None and value < 1:
            raise source.error(path, f"`{'.'.join(path)}` is a number of bytes, at least 1")
