"""Checks of `[[secrets]]`, `[[hosts]]`, `[[remotes]]`, `[[loopback]]` and of `network.unknown` in one file; pure.

No complaint about a `[[secrets]]` repeats what stands there: people paste tokens into the wrong place.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from wrapper.policy import egressforms, hosts
from wrapper.policy.egress import INSPECT, ON_FOUND, PROTOCOLS, UNKNOWN
from wrapper.policy.lines import Path
from wrapper.policy.schema import Document, HostTable, LoopbackTable, RemoteTable, SecretTable
from wrapper.policy.wirechecks import Problem, nearest

_Table = TypeVar("_Table")

_MOST_TABLES: Final = 500  # of a list of tables: each is tried for each connection
_MOST_ENTRIES: Final = 200
_PORTS: Final = range(1, 65536)
_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
# The longest that issuers use have 13; a whole token is no prefix, and a placeholder is none either.
_PREFIX: Final = r"(?!.*MASKED-)[A-Za-z0-9_.-]{0,20}"
_USERNAME: Final = r"[!-9;-~]{0,64}"  # no colon: RFC 7617
_PLAIN_PORT: Final = "80"
_SECOND: Final = 1
_DAY: Final = 86_400
_MOST_WAIT: Final = 3_600
_MOST_CONNECTIONS: Final = 10_000
_MOST_BYTES: Final = 1 << 50


def problems(document: Document) -> Iterator[Problem]:
    """Give what is wrong in these tables, in their order."""
    yield from _network(document)
    yield from _tables(document.secrets or (), "secrets", _secret)
    yield from _twice([table.name for table in document.secrets or ()], "secrets", "name", "name")
    yield from _variables(document.secrets or ())
    yield from _tables(document.hosts or (), "hosts", _host)
    yield from _tables(document.remotes or (), "remotes", _remote)
    yield from _repositories(document.remotes or ())
    yield from _tables(document.loopback or (), "loopback", _loopback)
    yield from _twice([table.port for table in document.loopback or ()], "loopback", "port", "port")


def _tables(
    tables: Sequence[_Table], key: str, check: Callable[[_Table, Path], Iterator[Problem]]
) -> Iterator[Problem]:
    for number, table in enumerate(tables):
        if number >= _MOST_TABLES:
            yield (key, number), f"there are more than {_MOST_TABLES} of `{key}`", ""
        yield from check(table, (key, number))


def _twice(said: Sequence[object], table: str, key: str, what: str) -> Iterator[Problem]:
    for number, one in enumerate(said):
        if one in said[:number]:
            yield (table, number, key), f"this {what} stands in `{table}` twice", "put both into one table"


def _network(document: Document) -> Iterator[Problem]:
    unknown, seconds = document.network.unknown, document.network.wait_seconds
    if unknown is not None and unknown not in UNKNOWN:
        yield ("network", "unknown"), f'`network.unknown` cannot be "{unknown}"', nearest(unknown, UNKNOWN)
    yield from _number(("network", "wait_seconds"), seconds, _SECOND, _MOST_WAIT)


def _secret(table: SecretTable, place: Path) -> Iterator[Problem]:
    if not re.fullmatch(_NAME, table.name):
        yield (*place, "name"), "this is not a secret's name (a-z, 0-9, `-`, `_`, `.`)", "it is yours to choose"
    yield from _read((*place, "from"), table.from_, egressforms.source)
    yield from _hosts(place, table.hosts, _bound_problem)
    for number, text in enumerate(table.where or ()):
        yield from _read((*place, "where", number), text, egressforms.where)
    if table.where is not None and not table.where:
        yield (*place, "where"), "`where` is empty: the secret would work nowhere", "leave it out for the usual places"
    for number, name in enumerate(table.variables or ()):
        if not egressforms.is_variable(name):
            yield (*place, "variables", number), "`variables`: no variable can be named so", "names only, no values"
    if table.prefix is not None and not re.fullmatch(_PREFIX, table.prefix):
        yield (*place, "prefix"), "`prefix` is what such values begin with, as `ghp_`", "never more of the value"
    if table.username is not None and not re.fullmatch(_USERNAME, table.username):
        yield (*place, "username"), "`username` is one word without `:`", "as in `x-access-token`"


def _variables(tables: Sequence[SecretTable]) -> Iterator[Problem]:
    """Find a variable that must keep its value, and one that two secrets would set; each source has been read."""
    seen: set[str] = set()
    for number, table in enumerate(tables):
        names = egressforms.variables(table)
        if broken := next(filter(egressforms.is_sessions, names), ""):
            what = f"`variables`: without the real `{broken}` the session does not work"
            yield ("secrets", number), what, "say other `variables` for the placeholder, or none: []"
        if taken := sorted(seen.intersection(names)):
            what = f"`{taken[0]}` is set by a secret above"
            yield ("secrets", number), what, "say other `variables` for one of them, or none: []"
        seen.update(names)


def _hosts(place: Path, patterns: Sequence[str], problem: Callable[[str], str]) -> Iterator[Problem]:
    if not 0 < len(patterns) <= _MOST_ENTRIES:
        yield (*place, "hosts"), f"`hosts` has 1 to {_MOST_ENTRIES} entries", ""
    for number, text in enumerate(patterns):
        if wrong := problem(text):
            yield (*place, "hosts", number), f'`hosts`: "{text}" {wrong}', ""


def _bound_problem(text: str) -> str:
    """Say why a secret cannot be bound to a pattern: it would be given to whoever answers there."""
    host, _, port = text.partition(":")
    if host == "*":
        return "is every host: a secret is bound to those that may have it"
    if host.startswith("*.") and "." not in host.removeprefix("*."):
        return "is a whole top-level domain: name two labels at least, as in `*.example.org`"
    if port == _PLAIN_PORT:
        return "is plain http: a secret is sent over TLS only"
    return _host_problem(text)


def _host_problem(text: str) -> str:
    return "takes back: that is for `network.allow` and `network.deny`" if text.startswith("!") else hosts.problem(text)


def _host(table: HostTable, place: Path) -> Iterator[Problem]:
    yield from _hosts(place, table.hosts, _host_problem)
    for key, value, order in (("inspect", table.inspect, INSPECT), ("found", table.found, ON_FOUND)):
        if value is not None and value not in order:
            yield (*place, key), f'`{key}` cannot be "{value}"', nearest(value, order)
    if len(table.allow or ()) > _MOST_ENTRIES:
        yield (*place, "allow"), f"`allow` has more than {_MOST_ENTRIES} entries", ""
    for number, text in enumerate(table.allow or ()):
        yield from _read((*place, "allow", number), text, egressforms.request)
    yield from _number((*place, "send_bytes"), table.send_bytes, 0, _MOST_BYTES)
    yield from _number((*place, "receive_bytes"), table.receive_bytes, 0, _MOST_BYTES)
    yield from _number((*place, "connections"), table.connections, 1, _MOST_CONNECTIONS)
    yield from _number((*place, "idle_seconds"), table.idle_seconds, _SECOND, _DAY)


def _remote(table: RemoteTable, place: Path) -> Iterator[Problem]:
    yield from _read((*place, "url"), table.url, egressforms.remote)
    for number, text in enumerate(table.push or ()):
        if wrong := egressforms.branch_problem(text):
            yield (*place, "push", number), f'`push`: "{text}" {wrong}', ""


def _repositories(tables: Sequence[RemoteTable]) -> Iterator[Problem]:
    """Find a repository that stands there twice by the same way; each url has been read."""
    read = [egressforms.remote(table.url) for table in tables]
    yield from _twice([(one.name, bool(one.ssh)) for one in read], "remotes", "url", "repository")


def _loopback(table: LoopbackTable, place: Path) -> Iterator[Problem]:
    if table.port not in _PORTS:
        yield (*place, "port"), f"{table.port} is not a port (1 to 65535)", ""
    if table.protocol not in PROTOCOLS:
        yield (*place, "protocol"), f'"{table.protocol}" is no protocol', nearest(table.protocol, PROTOCOLS)
    if table.from_ is not None:
        yield from _read((*place, "from"), table.from_, egressforms.source)
        if table.protocol == "tcp":
            what = 'of a service of protocol "tcp" nobody knows where a password goes'
            yield (*place, "from"), what, f"say its `protocol`: {', '.join(PROTOCOLS[1:])}"


def _read(place: Path, text: str, reader: Callable[[str], object]) -> Iterator[Problem]:
    try:
        reader(text)
    except ValueError as error:
        what, hint = error.args
        yield place, what, hint


def _number(place: Path, value: float | None, least: int, most: int) -> Iterator[Problem]:
    if value is not None and not least <= value <= most:  # also where it is no number (`nan`)
        yield place, f"`{place[-1]}` is a number from {least} to {most}, not {value}", ""
