"""The file of `--policy`: TOML of version 1, read into a `CorpusPolicy`; pure.

Each key that a file leaves out is that of the built-in policy, and a list that it gives stands in place of the built-in
one. Unknown keys are errors with the file, the line and the nearest key that there is.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from wrapper.corpus.policy import VERSION, Bounds, Columns, CorpusPolicy
from wrapper.errors import PolicyError
from wrapper.policy import globs
from wrapper.policy.lines import Path, positions
from wrapper.policy.parse import MOST_BYTES, printable
from wrapper.provenance.model import Kind

BUILT_IN: Final = """\
# What `safe-agent corpus check` refuses. A file given with --policy changes what it names and leaves the rest as here.
version = 1

# A document is refused if one span (a run of text that came from one emission) has `least_lines` lines or
# `least_tokens` tokens, or if all its spans together hold the share `coverage` of its tokens (0: this never decides).
# Of lines no more count than the span has tokens for, six to a line.
[refuse]
coverage = 0.3
least_lines = 10
least_tokens = 120
kinds = ["text", "input", "write"]  # what a model said, what it gave to tools, what processes inside wrote; "claim"
models = []                         # globs; none: all. "claude-*" would let everything else pass
sessions = []                       # globs over session ids; none: all

# Below that, it is put aside for a person to look at. "claim": what somebody else's records say of a text.
[quarantine]
coverage = 0.05
least_lines = 5
least_tokens = 50
kinds = ["text", "input", "write", "claim"]
models = []
sessions = []

# What becomes of documents that cannot be compared: "refuse", "quarantine" or "accept".
[undecided]
unreadable = "quarantine"        # broken JSON, missing columns, cut archives, what could not be opened or is too large
binary = "accept"                # a binary file in which nothing was found: text may be packed in it
incomplete_index = "quarantine"  # nothing was found, but the index lacks something

# Rows of JSONL and Parquet. Dots lead into tables, and through lists: "messages.content". All texts that are there
# make one document, joined by line feeds. "*": every text in the row but its id.
[columns]
id = "id"
text = ["*"]

# Which files of a folder are read: patterns as in .gitignore, counted from the folder that was named.
[paths]
include = []  # none: all
exclude = []

# Of a git repository: "history" (every version of every file that a ref leads to, and the files of the folder),
# "objects" (also what no ref leads to any more: deleted branches), "files" (the files of the folder only).
[git]
read = "history"

# Against inputs made to exhaust: how many times its size a packed file may unpack to; bytes of a document beyond which
# it is compared in parts; bytes of a binary file beyond which it is not compared.
[limits]
ratio = 250
part_bytes = 8388608
binary_bytes = 67108864
"""
_LEAST_PART: Final = 1 << 16
_KINDS: Final = 'kinds are "text", "input", "write" and "claim"'
_SHARES: Final = "a share is a number from 0 to 1"


class _Undecided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unreadable: str
    binary: str
    incomplete_index: str


def built_in() -> CorpusPolicy:
    """Give the policy that holds where no file is given."""
    return _read(tomllib.loads(BUILT_IN))


def parse(content: bytes, file: str) -> CorpusPolicy:
    """Read a policy. Raises PolicyError `FILE:LINE: …`."""
    given = _tables(content, file)
    lines = positions(content.decode().replace("\r\n", "\n"))
    known = tomllib.loads(BUILT_IN)

    def mistake(path: Path, what: str, hint: str = "") -> PolicyError:
        place = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 1)
        return PolicyError(f"{file}:{place}: {printable(what)}", hint=printable(hint))

    for path, what, hint in _unknown(given, known):
        raise mistake(path, what, hint)
    try:
        policy = _read({name: _over(table, given.get(name)) for name, table in known.items()})
    except msgspec.ValidationError as error:
        raise mistake(*_shape(str(error))) from error
    if policy.version != VERSION:
        hint = f"this safe-agent reads version {VERSION}; a newer file needs a newer safe-agent"
        raise mistake(("version",), f"version {policy.version} is not known", hint)
    for path, what, hint in _wrong(policy):
        raise mistake(path, what, hint)
    if "version" not in given:
        raise mistake((), "`version` is missing", f"write `version = {VERSION}` at the top")
    return policy


def _tables(content: bytes, file: str) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise PolicyError(f"{file}: is larger than {MOST_BYTES} bytes", hint="a policy file is short text")
    try:
        return tomllib.loads(content.decode().replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{file}:{line}: is not UTF-8 text", hint="save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at line ")
        number = place.partition(",")[0]
        line = int(number) if number.isdigit() else content.count(b"\n") + 1
        what = f"not valid TOML: {what[:1].lower()}{what[1:]}"
        raise PolicyError(f"{file}:{line}: {what}", hint="texts need quotes, lists need brackets") from error
    except RecursionError as error:
        raise PolicyError(f"{file}: lists or tables are nested too deeply") from error


def _over(known: object, given: object) -> object:
    """Lay what a file gives over what is built in; anything of another shape stands, for msgspec to complain about."""
    if given is None:
        return known
    return {**known, **given} if isinstance(known, dict) and isinstance(given, dict) else given


def _read(tables: Mapping[str, Any]) -> CorpusPolicy:
    flat = {name: table for name, table in tables.items() if name != "undecided"}
    undecided = tables["undecided"]
    if not isinstance(undecided, dict):
        raise msgspec.ValidationError("Expected `object` - at `$.undecided`")
    return msgspec.convert({**flat, **undecided}, CorpusPolicy)


def _unknown(given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    for name, value in given.items():
        if name not in known:
            yield (name,), f"unknown key `{name}`", _nearest(name, known)
        elif isinstance(value, dict) and isinstance(known[name], dict):
            for key in value:
                if key not in known[name]:
                    yield (name, key), f"unknown key `{name}.{key}`", _nearest(key, known, name)


def _nearest(key: str, known: Mapping[str, Any], table: str = "") -> str:
    """Name the known key most like `key`: among its neighbours, else where the same key stands."""
    import difflib  # noqa: PLC0415 (only a mistake needs it)

    neighbours = known[table] if table else known
    prefix = f"{table}." if table else ""
    close = difflib.get_close_matches(key, neighbours, n=1)
    if close:
        return f"did you mean `{prefix}{close[0]}`?"
    elsewhere = [around for around, inner in known.items() if isinstance(inner, dict) and key in inner]
    if elsewhere:
        return f"did you mean `{elsewhere[0]}.{key}`?"
    return "known here: " + ", ".join(f"`{prefix}{name}`" for name in neighbours)


def _shape(message: str) -> tuple[Path, str, str]:
    """Turn msgspec's `… - at `$.refuse.kinds[2]`` into a place, what is wrong, and a hint."""
    what, _, at = message.partition(" - at `$")
    parts = [part for part in at.rstrip("`").replace("[", ".[").split(".") if part]
    path: Path = tuple(int(part[1:-1]) if part[1:-1].isdigit() and part[0] == "[" else part for part in parts)
    if path and path[0] in _Undecided.__struct_fields__:
        path = ("undecided", *path)
    name = ".".join(str(part) for part in path if isinstance(part, str)) or "the file"
    what = what.replace("`array`", "a list").replace("`object`", "a table").replace("`str`", "a text")
    hint = _KINDS if "kinds" in path else ""
    if path[:1] == ("undecided",):
        hint = 'say "refuse", "quarantine" or "accept"'
    elif path == ("git", "read"):
        hint = 'say "history", "objects" or "files"'
    return path, f"`{name}`: {what[:1].lower()}{what[1:]}", hint or "see `safe-agent corpus policy`"


def _wrong(policy: CorpusPolicy) -> Iterator[tuple[Path, str, str]]:
    yield from _bounds("refuse", policy.refuse)
    yield from _bounds("quarantine", policy.quarantine)
    for key, patterns in (("include", policy.paths.include), ("exclude", policy.paths.exclude)):
        for place, pattern in enumerate(patterns):
            if problem := globs.problem(pattern.removeprefix("!")):
                yield ("paths", key, place), f"the pattern `{pattern}` {problem}", ""
    yield from _columns(policy.columns)
    limits = policy.limits
    if limits.ratio < 1:
        yield ("limits", "ratio"), "`limits.ratio` is less than 1", "packed text unpacks to 3 to 50 times its size"
    if limits.part_bytes < _LEAST_PART:
        yield ("limits", "part_bytes"), f"`limits.part_bytes` is less than {_LEAST_PART}", ""
    if limits.binary_bytes < 1:
        yield ("limits", "binary_bytes"), "`limits.binary_bytes` is less than 1", ""


def _bounds(table: str, bounds: Bounds) -> Iterator[tuple[Path, str, str]]:
    if not 0 <= bounds.coverage <= 1:
        yield (table, "coverage"), f"`{table}.coverage` is {bounds.coverage}", _SHARES
    for key in ("least_lines", "least_tokens"):
        if getattr(bounds, key) < 1:
            yield (table, key), f"`{table}.{key}` is less than 1", "a span has a line and a token at least"
    if not bounds.kinds:
        yield (table, "kinds"), f"`{table}.kinds` is empty", "nothing would ever be found; name one kind at least"
    if Kind.HOST in bounds.kinds:
        yield (table, "kinds"), "`host` is what people wrote, not an agent", _KINDS
    for key in ("models", "sessions"):
        for place, pattern in enumerate(getattr(bounds, key)):
            if problem := globs.problem(pattern):
                yield (table, key, place), f"the pattern `{pattern}` {problem}", ""


def _columns(columns: Columns) -> Iterator[tuple[Path, str, str]]:
    if not columns.text:
        yield ("columns", "text"), "`columns.text` is empty", 'name one column at least, or "*" for every text'
    for place, name in enumerate(columns.text):
        if not all(name.split(".")):
            yield ("columns", "text", place), f"`{name}` has an empty part", "dots stand between names"
