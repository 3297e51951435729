"""A login that is made inside and stays outside: what the provider's authorisation hosts answer, without its secrets.

Rules of this file:
1. Every answer of these hosts that reaches the inside passes here, whatever its path, status and field names: what is
   named like a secret, or looks like one, is a placeholder inside. What cannot be read as JSON is not passed on.
2. Only the strings change: all other bytes are as the host sent them.
3. A placeholder that was given out here works at these hosts, in a body and as a bearer, and nowhere else.
4. Of a JWT only the signature is a secret: clients read its claims (`tokens.parted`).
5. A refresh token is good once. Whoever renews the login is alone with it (`turns`); a token that another session has
   used up meanwhile is replaced by the one that the login file holds now, and what the provider gives for it is in that
   file before the inside hears of it. So the file is valid whatever becomes of the inside.
"""

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote_plus

from wrapper.gateway.destination import Destination
from wrapper.gateway.inplace import write_in_place
from wrapper.gateway.intercept.bindings import Binding
from wrapper.gateway.intercept.exchange import RequestHead
from wrapper.gateway.login import LoginFile
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.turns import Turn, nobody_else
from wrapper.policy.egress import Where
from wrapper.tokens import claims, parted

_PORT: Final = 443
_WHERE: Final = (Where("body"), Where("header", "authorization"))
_LITERAL: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SECRET: Final = re.compile(
    r"(?i)token|secret|key|jwt|assertion|password|cookie|session|^(?:authorization_)?code$|verifier"
)
_OPEN: Final = re.compile(r"(?i)_type$|expire|endpoint|_url$|_uri$")
_OPAQUE: Final = re.compile(r"[A-Za-z0-9._~+/=-]{40,}")  # longer than a UUID
_DIGIT, _CAPITAL = re.compile(r"\d"), re.compile(r"[A-Z]")
_SHORTEST: Final = 16  # characters; the shortest tokens have more than twenty


class Known(Protocol):
    """The login as it is outside now; see `login.Identity`."""

    @property
    def login(self) -> LoginFile | None:
        """The login file."""


@dataclass(slots=True)
class LoginCapture:
    """One client's logins (`pipeline.Capture`).

    `hosts` are its authorisation hosts, `client` is its id there, `kind` that of the placeholders. `issue` makes a
    value known and gives its placeholder, `bind` lets one work at a host. `current` reads the login anew; `own_turn` is
    that of its file. `made` hears of a new login, and of whom it is, "" where the provider does not say.
    """

    name: str
    hosts: Collection[str]
    client: str
    kind: str
    issue: Callable[[str, bytes], str] = field(repr=False)
    bind: Callable[[Binding], None] = field(repr=False)
    current: Callable[[], Known | None] = field(repr=False)
    own_turn: Turn = nobody_else
    made: Callable[[str], object] = lambda _account: None
    clock: Callable[[], float] = time.time
    _ours: set[str] = field(default_factory=set, repr=False)  # refresh tokens that this login had
    _asked: str = ""  # what kind of grant this client has asked for
    _renewing: LoginFile | None = field(default=None, repr=False)

    def wants(self, head: RequestHead, destination: Destination) -> bool:
        """Want all that goes to these hosts."""
        del head
        return destination.host in self.hosts and destination.port == _PORT

    def turn(self, head: RequestHead, destination: Destination) -> AbstractAsyncContextManager[None]:
        """Be alone with the token endpoint."""
        del destination
        return self.own_turn() if _renews(head) else nobody_else()

    def asked(self, head: RequestHead, body: bytes) -> bytes:
        """Put the newest refresh token in the place of one that was this login's."""
        if not _renews(head):
            return body  # it may run beside one that does
        given = _fields(body)
        self._asked = given.get("grant_type", "") if given.get("client_id") == self.client else ""
        self._renewing = None
        login = self._login()
        token, newest = given.get("refresh_token", ""), _refresh_token(login)
        if self._asked != "refresh_token" or token not in (*self._ours, newest):
            return body
        self._renewing = login
        return _replaced(body, token, newest) if newest else body

    def answered(self, head: RequestHead, status: int, body: bytes) -> bytes:
        """Keep the secrets. RefusedError for an answer that could hold some and cannot be read."""
        renewed, asked = None, ""
        if _renews(head):
            renewed, asked, self._renewing, self._asked = self._renewing, self._asked, None, ""
        try:
            told = json.loads(body, object_pairs_hook=_Pairs) if body.strip() else None
        except (ValueError, RecursionError):
            return _unreadable(status)
        if renewed is not None and status == 200:
            self._keep(renewed, body)
        if asked and isinstance(told, _Pairs):
            self._ours |= {one for key, one in told if key == "refresh_token" and isinstance(one, str)}
            if asked == "authorization_code" and status == 200:
                self.made(_account(dict(told)))
        return self._masked(body, _secrets(told))

    def learn(self, values: Iterable[bytes]) -> None:
        """Let the provider's tokens that there are already work at these hosts: a logout asks for their end."""
        for value in values:
            self._placeholder(value.decode("utf-8", "replace"))
        self._ours.add(_refresh_token(self._login()))

    def _login(self) -> LoginFile | None:
        known = self.current()
        return None if known is None else known.login

    def _keep(self, login: LoginFile, answer: bytes) -> None:
        """Write what was granted into the real file, at once. What is no grant changes nothing."""
        try:
            write_in_place(login.path, login.renewed(answer, self.clock()))
        except (OSError, ValueError, TypeError, KeyError):
            return  # the client inside has it all the same, and writes it down itself

    def _masked(self, body: bytes, secrets: Iterable[str]) -> bytes:
        shown = {value: self._placeholder(value) for value in sorted(set(secrets), key=len, reverse=True)}

        def written(found: re.Match[bytes]) -> bytes:
            text = before = json.loads(found[0], strict=False)
            for value, placeholder in shown.items():
                text = text.replace(value, placeholder)
            return found[0] if text == before else json.dumps(text).encode()

        return _LITERAL.sub(written, body) if shown else body

    def _placeholder(self, value: str) -> str:
        readable, secret = parted(value)
        hidden = secret.encode("utf-8", "surrogatepass")
        placeholder = self.issue(self.kind, hidden)
        self.bind(Binding(self.name, placeholder.encode(), hidden, _WHERE, self._covers))
        return readable + placeholder

    def _covers(self, host: str, port: int) -> bool:
        return host in self.hosts and port == _PORT


def _renews(head: RequestHead) -> bool:
    return head.method == "POST" and head.target.partition("?")[0].rstrip("/").endswith("/token")


def _refresh_token(login: LoginFile | None) -> str:
    """Give the refresh token of a login, as its own renewal names it; empty where there is none."""
    return "" if login is None or login.renewal is None else _fields(login.renewal.body).get("refresh_token", "")


def _fields(body: bytes) -> dict[str, str]:
    """Read a request to the token endpoint, JSON or a form (RFC 6749, section 4.1.3)."""
    try:
        asked = json.loads(body)
    except ValueError:
        asked = dict(parse_qsl(body.decode("utf-8", "replace")))
    if not isinstance(asked, dict):
        return {}
    return {key: value for key, value in asked.items() if isinstance(value, str)}


def _replaced(body: bytes, old: str, new: str) -> bytes:
    for form in (json.dumps, quote_plus):
        body = body.replace(form(old).encode(), form(new).encode())
    return body


def _unreadable(status: int) -> bytes:
    """Pass nothing on: an error's page is not needed, and what says that it went well would hold the tokens."""
    if status < 300:
        raise RefusedError(502, "the provider's answer to a login cannot be read, so nothing of it is passed on")
    return b""


class _Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object with all of its entries, also those that have one name."""

    __slots__ = ()


def _account(told: dict[str, Any]) -> str:
    """Say of whom a new login is, as its provider says it: in the answer itself, or in a JWT's claims."""
    account = told.get("account")
    mail = (
        dict(account).get("email_address") if isinstance(account, _Pairs) else claims(told.get("id_token")).get("email")
    )
    return mail if isinstance(mail, str) else ""


def _secrets(told: Any, name: str = "") -> Iterator[str]:
    """Yield the strings that are named like secrets, and what looks like one in the others."""
    if isinstance(told, _Pairs):
        for key, one in told:
            yield from _secrets(key)
            yield from _secrets(one, key)
    elif isinstance(told, list):
        for one in told:
            yield from _secrets(one, name)
    elif isinstance(told, str):
        yield from (told,) if _is_named(name, told) else filter(_looks_secret, _OPAQUE.findall(told))


def _is_named(name: str, value: str) -> bool:
    named = _SECRET.search(name) and not _OPEN.search(name)
    return bool(named) and len(value) >= _SHORTEST and " " not in value and "://" not in value


def _looks_secret(text: str) -> bool:
    return bool(_DIGIT.search(text) and _CAPITAL.search(text))
