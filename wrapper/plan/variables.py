"""Which environment variables are secrets, by name and by the shape of their value; pure.

Rules of this file:
- A name is read as words (`npm_config_authToken`: NPM, CONFIG, AUTH, TOKEN); `TOKENIZERS` is no TOKEN, `MONKEY` no KEY.
- A name whose last word says that the value is *about* a secret (a file, a URL, an age) is no secret by name.
- A value that has a shape (a URL, a connection string) keeps it: only the password in it is secret.
- Wrong towards masking costs a variable, wrong towards passing costs a secret: doubt masks. The exceptions are
  variables without which nothing runs.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_WORDS: Final = frozenset((
    "APIKEY", "AUTH", "AUTHORIZATION", "BEARER", "COOKIE", "COOKIES", "CREDENTIAL", "CREDENTIALS", "CREDS", "JWT",
    "KEY", "KEYS", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD", "PASSWORDS", "PAT", "PWD", "SALT", "SECRET", "SECRETS",
    "SIGNATURE", "TOKEN", "TOKENS",
))  # fmt: skip
_SECRET_ENDINGS: Final = (
    "ACCESSKEY", "APIKEY", "PASSPHRASE", "PASSWD", "PASSWORD", "PRIVATEKEY", "SECRET", "SECRETKEY", "TOKEN",
)  # fmt: skip
_ABOUT: Final = frozenset((
    "AGE", "ALGORITHM", "COUNT", "DIR", "DIRS", "DIRECTORY", "DSN", "ENABLED", "ENDPOINT", "EXPIRES", "EXPIRY", "FILE",
    "FILENAME", "FOLDER", "FORMAT", "HEADER", "HOME", "HOST", "ISSUER", "LAYOUT", "LENGTH", "LIMIT", "METHOD", "MODE",
    "NAME", "PATH", "PORT", "PREFIX", "PROVIDER", "REGION", "SCOPE", "SIZE", "SOCK", "SOCKET", "TIMEOUT", "TTL",
    "TYPE", "URI", "URL", "URLS", "VERSION",
))  # fmt: skip
_PUBLIC: Final = frozenset(("PUB", "PUBLIC", "PUBLISHABLE"))
_PASSWORD_WORDS: Final = ("PASS", "PWD", "PW")

_NEEDED: Final = frozenset((
    "COLORTERM", "COLUMNS", "DISPLAY", "EDITOR", "HOME", "HOSTNAME", "LANG", "LANGUAGE", "LINES", "LOGNAME",
    "LS_COLORS", "NODE_ENV", "OLDPWD", "PAGER", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "TMPDIR", "TZ", "USER",
    "VISUAL", "_",
))  # fmt: skip
_NEEDED_PREFIXES: Final = ("LC_", "XDG_")

_PLAIN: Final = re.compile(
    r"(?i:true|false|yes|no|on|off|y|n|none|null|nil|undefined|default|auto|enabled|disabled)|[\d.,:+-]{0,6}"
    r"|\$\{?\w+\}?|MASKED-[A-Z0-9-]+"
)
_NUMBER: Final = re.compile(r"\d+")
# a base64 value may begin with `/`: a path must begin with a folder that systems have
_PATH: Final = re.compile(
    r"(?:~|\.{1,2}|/(?:Users|app|bin|data|dev|etc|home|lib\d*|media|mnt|nix|opt|private|proc|root|run|sbin|secrets|snap"
    r"|srv|sys|tmp|usr|var|work|workspace|workspaces))/[^\s=;]*"
)

_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://([^\s/?#\"'<>]*)@")
# a password with a raw `/`, `?` or `#` in it is no valid URL, but drivers accept it; a port is no password
_LOOSE_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://([^\s/?#@:]*:(?!\d{1,5}(?:[/?#]|$))[^\s@]*)@")
_ASSIGNED: Final = re.compile(
    r"(?i:passwd|password|passphrase|pwd|secret|token|signature|sig|auth|(?:api|access|account|private)[_-]?key)"
    r"[\w-]{0,16}\s{0,4}=\s{0,4}(?:'([^']+)'|\"([^\"]+)\"|([^\s&;,#'\"]+))"
)
_OPEN_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[A-Za-z0-9._:,\[\]-]{0,253}(?:/[\w.-]{0,15}){0,6}")
_LONG_USER: Final = 20  # a user name this long is a token (`https://TOKEN@host`, `https://TOKEN:x-oauth-basic@host`)
_LONGEST_KIND: Final = 40


class Span(NamedTuple):
    """Where a password stands in a value (offsets in characters), and what it is."""

    start: int
    end: int
    kind: str


def words_of(name: str) -> list[str]:
    """Split a variable's name into upper-case words at `_`, other punctuation and camel case."""
    return [word.upper() for word in _WORD.findall(name)]


def is_needed(name: str) -> bool:
    """Say whether nothing runs without this variable: it is not masked for what its value looks like."""
    return name in _NEEDED or name.startswith(_NEEDED_PREFIXES)


def is_secret_name(name: str) -> bool:
    """Say whether the name promises a secret: `GITHUB_TOKEN` does, `SSH_AUTH_SOCK` and `PWD` do not."""
    words = words_of(name)
    if len(words) < 2 and words[:1] == ["PWD"]:
        return False
    if not words or words[-1] in _ABOUT or not _PUBLIC.isdisjoint(words) or is_needed(name):
        return False
    if ("CONNECTION", "STRING") in pairwise(words):
        return True
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words)


def kind_of(name: str) -> str:
    """Name the kind of a placeholder after the variable: `GITHUB_TOKEN` becomes `GITHUB-TOKEN`."""
    kind = "-".join(words_of(name))[:_LONGEST_KIND].strip("-")
    return kind or "ENV"


def is_plain(name: str, value: str) -> bool:
    """Say whether a value is nobody's secret whatever its name says: a switch, a count, a path, a reference."""
    stripped = value.strip()
    if _NUMBER.fullmatch(stripped):
        return not any(word.startswith(_PASSWORD_WORDS) for word in words_of(name)) and len(stripped) <= 9
    return _PLAIN.fullmatch(stripped) is not None or _PATH.fullmatch(stripped) is not None


def is_open_address(value: str) -> bool:
    """Say whether the value is a URL with nothing in it that could be a secret: no user, no query, no long segment."""
    return _OPEN_ADDRESS.fullmatch(value.strip()) is not None


def passwords(value: str) -> list[Span]:
    """Find the passwords in URLs, query strings, connection strings and options; sorted, not overlapping."""
    found: list[Span] = []
    at = 0
    for span in sorted(_candidates(value)):
        if span.start >= at and span.end > span.start:
            found.append(span)
            at = span.end
    return found


def _candidates(value: str) -> Iterator[Span]:
    if "://" in value:
        for pattern in (_AUTHORITY, _LOOSE_AUTHORITY):
            for match in pattern.finditer(value):
                yield from _userinfo(match)
    if "=" in value:
        for match in _ASSIGNED.finditer(value):
            group = match.lastindex or 0
            if not _PLAIN.fullmatch(match[group]):
                yield Span(match.start(group), match.end(group), "PASSWORD")


def _userinfo(match: re.Match[str]) -> Iterator[Span]:
    """RFC 3986, 3.2.1: `user:password`; the first colon ends the user."""
    user, colon, password = match[1].partition(":")
    start, end = match.span(1)
    if len(user) >= _LONG_USER:
        yield Span(start, start + len(user), "TOKEN")
    if colon and password and not password.startswith("MASKED-"):
        yield Span(end - len(password), end, "PASSWORD")
