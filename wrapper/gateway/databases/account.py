"""Who a service of the user's machine knows, out of what the user's programs are given for it; pure.

Rules of this file:
1. What is understood only in part is refused: a wrong password is told late, by a server, inside.
2. No error repeats the value or a piece of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from wrapper.errors import PolicyError

_SCHEMES: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    "postgresql": frozenset({"postgres", "postgresql", "postgis"}),
    "mysql": frozenset({"mysql", "mariadb", "mysql2"}),
    "redis": frozenset({"redis", "valkey"}),
})  # fmt: skip
_OVER_TLS: Final = frozenset({"rediss", "valkeys", "mysqls"})
# RFC 3986 section 3.1, with what JDBC writes before it and SQLAlchemy behind it: `jdbc:postgresql://`, `mysql+pymysql://`
_URL: Final = re.compile(r"(?:jdbc:)?([A-Za-z][A-Za-z0-9]*)((?:[+.][A-Za-z0-9_]+)?)://(.*)", re.DOTALL)
# libpq's keyword/value strings: documentation of PostgreSQL, section 34.1.1.1
_PAIR: Final = re.compile(r"\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)
# Go's driver for MySQL: `user:password@tcp(host:port)/name`
_GO: Final = re.compile(r"([^:@/]+):(.*)@(?:tcp|unix)?(?:\([^)]*\))?/[^/]*", re.DOTALL)
_GO_HOST: Final = re.compile(r"@(?:tcp|unix)\(")
# What PostgreSQL and MySQL take; Redis has no limit of its own.
_LONGEST: Final = 4096
# JDBC reads it as a blank, libpq as itself
_PLUS: Final = re.compile(r"(?:^|&)(?:user|password)=[^&]*\+")
_ESCAPE: Final = "percent-encode them, as in `p%40ss`"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the password. `user` None: nothing was said of whose it is."""

    user: str | None
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServiceLogin:
    """Who logs in at a service. `placeholders` stand for the password inside; `why` says why it cannot be swapped."""

    protocol: str
    account: Account | None
    placeholders: tuple[bytes, ...]
    why: str


def account(protocol: str, value: str) -> Account:
    """Read a URL, a string of libpq's (`host=… user=… password=…`), Go's form for MySQL, or a bare password.

    PolicyError where `value` has no password, is no UTF-8, is for another protocol, or wants TLS, which is not spoken
    on loopback.
    """
    if any("\ud800" <= one <= "\udfff" for one in value):  # how bytes that are no UTF-8 are read
        raise _not_utf8()
    url = _URL.fullmatch(value)
    if url is not None:
        found = _of_url(protocol, url[1].lower(), _split(url[3]))
    elif protocol == "postgresql" and re.match(r"\s*[a-z_]+\s*=", value) and "password" in value:
        found = _of_pairs(value)
    elif protocol == "mysql" and _GO_HOST.search(value) and (parts := _GO.fullmatch(value.partition("?")[0])):
        found = Account(parts[1], parts[2].encode())
    else:
        found = Account(None, value.strip("\r\n").encode())
    return _checked(found)


def statement(protocol: str, port: int, *, has_value: bool) -> str:
    """Say in one line what becomes of a service's password, as `explain` and the start of a session print it."""
    if not has_value:
        return f"127.0.0.1:{port}: bytes are only moved; a password that it wants must be known inside"
    if protocol == "tcp":
        return (
            f"127.0.0.1:{port}: bytes are only moved, as no protocol is named, so a placeholder stays a placeholder: "
            "the value must be known inside, or the log-in fails"
        )
    asked = "the placeholder is swapped where a client logs in with it" if protocol == "redis" else (
        "whatever runs inside may use it as that user, the placeholder is not asked for"
    )  # fmt: skip
    return f"127.0.0.1:{port}: {protocol}, the password is put in outside; {asked}"


def _of_url(protocol: str, scheme: str, url: SplitResult) -> Account:
    if scheme in _OVER_TLS:
        raise PolicyError(
            f"`{scheme}://` wants TLS, which is not spoken to a service on loopback",
            hint=f"give it as `{scheme.removesuffix('s')}://`, and let the service listen without TLS on 127.0.0.1",
        )
    if scheme not in _SCHEMES.get(protocol, ()):
        known = ", ".join(f"`{one}://`" for one in sorted(_SCHEMES.get(protocol, ())))
        raise PolicyError(
            f"a URL of its scheme is none of {protocol}",  # which may be a piece of a password with `://` in it
            hint=f"it may begin with {known}" if known else "name the `protocol` of this port",
        )
    if _PLUS.search(url.query):
        raise PolicyError("a `+` in its query is a blank to some clients", hint="write `%2B`, or `%20` for a blank")
    try:
        asked = parse_qs(url.query, keep_blank_values=True, errors="strict")
        user = unquote(url.username or "", errors="strict") or asked.get("user", [""])[0]
        passwords = {unquote(url.password or "", errors="strict"), *asked.get("password", ())} - {""}
    except UnicodeDecodeError:
        raise _not_utf8() from None  # the error has the text in it
    if len(passwords) > 1:
        raise PolicyError("it has two passwords", hint="leave one of them out")
    password = "".join(passwords)
    # Redis logs in as `default` where only a password is given (documentation of AUTH)
    return Account(user or ("default" if protocol == "redis" else None), password.encode())


def _not_utf8() -> PolicyError:
    return PolicyError("it has bytes that are no UTF-8", hint="give the account another password")


def _split(rest: str) -> SplitResult:
    """Take a URL apart from its host on. Clients disagree where what should be escaped is not, so that is refused."""
    try:
        url = urlsplit(f"x://{rest}")
    except ValueError:
        raise PolicyError("it cannot be read as a URL", hint=_ESCAPE) from None  # the error has the text in it
    if url.netloc.count("@") > 1 or "@" in url.path + url.fragment:
        raise PolicyError("its user or password has characters that a URL takes for its own", hint=_ESCAPE)
    return url


def _of_pairs(text: str) -> Account:
    found: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise PolicyError(
                "a connection string of `keyword=value` cannot be read", hint="quote values with spaces: 'a value'"
            )
        found[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] if pair[2] is not None else pair[3], flags=re.DOTALL)
        at = pair.end()
    return Account(found.get("user") or None, found.get("password", "").encode())


def _checked(found: Account) -> Account:
    if not found.password:
        raise PolicyError("there is no password in it", hint="leave `from` out where the service wants none")
    if len(found.password) > _LONGEST or re.search(rb"[\0\r\n]", found.password):
        raise PolicyError(
            f"its password has line breaks, or more than {_LONGEST} bytes", hint="give the password or its URL only"
        )
    return found
