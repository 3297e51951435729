"""How the texts of `[[secrets]]`, `[[hosts]]` and `[[remotes]]` are read; pure.

Each reader gives a frozen value, or raises ValueError with what is wrong and what would be right. None of them repeats
what it was given where that may be a secret: people paste tokens into the wrong place.
"""

import re
from typing import Final

import msgspec

from wrapper.policy import globs, hosts
from wrapper.policy.egress import PLACES, SOURCES, Request, Source, Where
from wrapper.policy.schema import SecretTable
from wrapper.policy.wire import remote_name

_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_HEADER: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2: names of headers
_METHOD: Final = r"[A-Z][A-Z-]{0,31}|\*"
# Without these nothing runs, or they say how the session itself is reached, trusted and run: no place for a secret.
_SESSIONS: Final = (
    r"(?:HOME|PATH|PWD|OLDPWD|SHELL|TERM|TMPDIR|USER|LOGNAME|LANG|LANGUAGE|TZ|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS)"
    r"|(?:NODE_OPTIONS|PYTHONHOME|PYTHONPATH|PERL5OPT|PERL5LIB|RUBYOPT|RUBYLIB|_?JAVA_(?:TOOL_)?OPTIONS)"
    r"|(?:LD|DYLD|LC|XDG|SAFE_AGENT|GIT_CONFIG|GIT_SSH|GIT_SSL)(?:_.*)?|GIT_(?:DIR|WORK_TREE|EXEC_PATH|ASKPASS)"
    r"|(?i:.*_PROXY|NPM_CONFIG_(?:CAFILE|NOPROXY))|(?:ANTHROPIC|OPENAI)_BASE_URL|CLAUDE_CONFIG_DIR|CODEX_HOME"
    r"|SSL_CERT_.*|(?:REQUESTS|CURL|AWS)_CA_BUNDLE|(?:PIP|DENO)_CERT|NODE_EXTRA_CA_CERTS|CARGO_HTTP_CAINFO"
    r"|CARGO_NET_GIT_FETCH_WITH_CLI|NIX_SSL_CERT_FILE|GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
)
_LONGEST_WORD: Final = 24  # of letters and digits in one name; longer ones that have both are tokens, not names
_MOST_TEXT: Final = 4096
# Swapping there would change how a message is read, or where it goes.
_FRAMING: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "content-type"}
    | {"content-encoding", "proxy-authorization", "proxy-connection", "keep-alive", "accept-encoding"}
)  # fmt: skip
_SSH: Final = r"(?i)ssh://(?:(?P<user>[^@/:]*)@)?(?P<host>[^/:@]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/.+)"
_WEB: Final = r"(?i)https://(?P<host>[^/:@?#]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/.+)"
_SCP: Final = r"(?:(?P<user>[^@/:]*)@)?(?P<host>[^/:@]+):(?P<path>[^:]+)"
_USER: Final = r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}"
_PATH: Final = r"/?(?:[A-Za-z0-9_.~+@][A-Za-z0-9_.~+@-]*/)*[A-Za-z0-9_.~+@][A-Za-z0-9_.~+@-]*/?"  # nothing for a shell
_REFUSED_IN_BRANCH: Final = r"[\x00-\x20\x7f~^:\\]|\.\.|//|@\{|^[-/.]|/$|\.$|\.lock$|/\."  # git-check-ref-format(1)


def source(text: str) -> Source:
    """Read `env:NAME`, `file:PATH[#key]`, `cmd:COMMAND` or `keyring:SERVICE/USER`."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in SOURCES:
        raise ValueError(
            "`from` says where the value is, and never the value itself",
            "write `env:VARIABLE`, `file:~/path#json.key`, `cmd:command` or `keyring:SERVICE/USER`",
        )
    if not rest.strip() or not rest.isprintable() or len(rest) > _MOST_TEXT:
        raise ValueError(f"`from`: what follows `{kind}:` is one line of text", "")
    wrong = {"env": _variable_problem, "file": _file_problem, "cmd": _command_problem, "keyring": _keyring_problem}
    if (said := wrong[kind](rest))[0]:
        raise ValueError(*said)
    return Source(kind, rest.strip() if kind == "cmd" else rest)


def _variable_problem(text: str) -> tuple[str, str]:
    return ("", "") if is_variable(text) else ("`from`: no variable can be named so", "write `env:NAME`, no value")


def is_variable(text: str) -> bool:
    """Whether a text is the name of a variable, and does not look like a token in its place."""
    long = [word for word in text.split("_") if len(word) > _LONGEST_WORD]
    mixed = any(re.search("[0-9]", word) and re.search("[A-Za-z]", word) for word in long)
    return re.fullmatch(_VARIABLE, text) is not None and not mixed


def is_sessions(name: str) -> bool:
    """Whether a variable is the session's own, so that a placeholder in it would break it."""
    return re.fullmatch(_SESSIONS, name) is not None


def _file_problem(text: str) -> tuple[str, str]:
    path, mark, key = text.partition("#")
    if not path.startswith(("/", "~/")):
        return "`from`: the path begins with neither `/` nor `~/`", "write `file:~/path` or `file:/path`"
    if path.endswith("/") or ".." in path.split("/"):
        return "`from`: the path leads to no file", "write it without `..`, with the file's name at its end"
    if mark and not all(key.split(".")):
        return "`from`: what follows `#` is no key of a JSON document", "write it with dots: `#auth.token`"
    return "", ""


def _command_problem(text: str) -> tuple[str, str]:
    import shlex  # noqa: PLC0415 (for policies with a command only)

    try:
        shlex.split(text)
    except ValueError:
        return "`from`: the command's quotes are not closed", "it is split as a shell does, and run without one"
    return "", ""


def _keyring_problem(text: str) -> tuple[str, str]:
    service, _, user = text.rpartition("/")
    return ("", "") if service and user else ("`from`: names no entry of a keyring", "write `keyring:SERVICE/USER`")


def variables(table: SecretTable) -> tuple[str, ...]:
    """Give the variables that a secret sets inside: those it says, else the one that it comes from."""
    kind, _, name = table.from_.partition(":")
    return table.variables if table.variables is not None else (name,) if kind == "env" else ()


def where(text: str) -> Where:
    """Read `header:NAME`, `basic`, `query:NAME` or `body`."""
    place, colon, name = text.partition(":")
    named = place in ("header", "query")
    if place not in PLACES or named != bool(colon):
        raise ValueError("`where` has an entry that is no place", 'use "header:NAME", "basic", "query:NAME" or "body"')
    if place == "header" and not re.fullmatch(_HEADER, name):
        raise ValueError("`where`: no header can be named so", 'write it as "header:X-Api-Key"')
    if place == "header" and name.lower() in _FRAMING:
        raise ValueError(f"`where`: `{name.lower()}` says how a request is read or where it goes", "")
    if place == "query" and not re.fullmatch(r"[!-~]{1,100}", name):
        raise ValueError("`where`: no parameter can be named so", 'write it as "query:key"')
    return Where(place, name.lower())


def request(text: str) -> Request:
    """Read `GET /repos/**`."""
    method, _, pattern = text.partition(" ")
    if not re.fullmatch(_METHOD, method):
        raise ValueError(f'`allow`: "{text}" begins with no method', 'write it in capitals, as in "GET /repos/**"')
    if not pattern.startswith("/") or not pattern.isprintable() or " " in pattern or len(pattern) > _MOST_TEXT:
        raise ValueError(f'`allow`: "{text}" has no path after its method', 'it begins with "/": "GET /repos/**"')
    if "?" in pattern or "#" in pattern or "%" in pattern:
        what = f'`allow`: "{text}" is about more than a path'
        raise ValueError(what, "leave out the query; write characters as they are, not as `%2F`")
    segments = pattern.split("/")[1:]
    if any(segment in ("..", ".") for segment in segments):
        raise ValueError(f'`allow`: "{text}" has a `.` or `..`', "")
    if any("**" in segment and segment != "**" for segment in segments):
        raise ValueError(f'`allow`: "{text}" has `**` within a segment', "write `/**/`, or `*` for a part of one")
    return Request(method, pattern)


class Remote(msgspec.Struct, frozen=True):
    """A repository's URL, read. `ssh` is `user@host`, or empty for https; port 0: none said."""

    name: str
    host: str
    port: int
    path: str
    ssh: str


def remote(url: str) -> Remote:
    """Read `git@host:owner/name.git`, `ssh://git@host[:port]/owner/name.git` or `https://host[:port]/owner/name.git`."""
    by_web = re.fullmatch(_WEB, url)
    found = by_web or re.fullmatch(_SSH if "://" in url else _SCP, url)
    said = found.groupdict() if found else {}
    user, host, port, path = (said.get(key) or "" for key in ("user", "host", "port", "path"))
    if re.match("(?i)https?://[^/]*@", url):
        raise ValueError("`url` has a user or a password in it", "leave it out: bind a `[[secrets]]` to the host")
    if re.match("(?i)http://", url):
        raise ValueError("`url` is plain http: what is fetched and sent could be read and changed", "use https")
    if found is None:
        raise ValueError("`url` is no repository's", "write git@host:owner/name.git, ssh://… or https://…")
    if (wrong := hosts.problem(host)) or "*" in host:
        raise ValueError(f"`url`: its host {wrong or 'is a pattern'}", "name each repository")
    if port and not 0 < int(port) < 1 << 16:
        raise ValueError("`url` has a port that is not between 1 and 65535", "")
    if not re.fullmatch(_PATH, path) or any(part in ("..", ".") for part in path.split("/")) or not remote_name(url):
        raise ValueError("`url` has a path that is not taken", "letters, digits and `/ . _ ~ + @ -`, without `..`")
    if user and not re.fullmatch(_USER, user):
        raise ValueError("`url` has a user that is not taken", "as in `git@host`")
    host = host.lower()
    path = path.removeprefix("/") if path.startswith("/~") and not by_web else path  # as git does it for ssh
    ssh = "" if by_web else f"{user}@{host}" if user else host
    return Remote(remote_name(url), host, int(port or 0), path.rstrip("/"), ssh)


def branch_problem(text: str) -> str:
    """Say what is wrong with a pattern over names of branches, or return an empty string."""
    if text.startswith("refs/"):
        return "is a whole ref: name the branch, as in `agent/*`"
    if text.startswith("!"):
        return "takes back: patterns are about what may be pushed, and nothing else may"
    if not text or re.search(_REFUSED_IN_BRANCH, text):
        return "can be the name of no branch"
    return globs.problem(text)
