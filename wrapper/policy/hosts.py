"""Host patterns: `example.org`, `*.example.org` (not the domain itself), `*`, each with an optional `:port`; pure.

A pattern of `allow` without a port means 443 and 80, the only ports the egress proxy opens by itself; one of `deny`
means every port. Numbers are no hosts: an address literal would go round every rule about names (and round the check
that a name does not lead into a private range), so it never matches `*`, and patterns cannot name one.
"""

import re
from collections.abc import Iterable
from typing import Final

from wrapper.policy.globs import Best, Pattern

_WEB_PORTS: Final = frozenset({443, 80})
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = rf"(?:{_LABEL}\.)*{_LABEL}"  # RFC 1123, and the `_` that real names have
_LONGEST_NAME: Final = 253  # RFC 1035, written without the final dot


def _is_name(host: str) -> bool:
    last = host.rpartition(".")[2]
    numeric = last.isdigit() or last.startswith("0x")  # WHATWG URL: a host whose last label is a number is IPv4
    return len(host) <= _LONGEST_NAME and re.fullmatch(_NAME, host) is not None and not numeric


def _split(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    return (host, port) if colon else (text, "")


def problem(text: str) -> str:
    """Say what is wrong with a host pattern (without its `!`), or return an empty string."""
    host, port = _split(text)
    if "/" in text or "@" in text:
        return "is not a host name but a URL: leave out all but the host and its port"
    if ":" in text and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return "has a port that is not between 1 and 65535"
    name = host if host == "*" else host.removeprefix("*.")
    if "*" in name.removeprefix("*"):
        return "has `*` elsewhere than alone or as the first label (`*.example.org`)"
    if name != "*" and not _is_name(name.lower()):
        return "is not a host name (no address; names outside ASCII in their `xn--` form)"
    return ""


class HostMatcher:
    """Patterns over `host:port`. Even list numbers are the loose lists, for which no port means the web's two."""

    def __init__(self, patterns: Iterable[Pattern], lists: int) -> None:
        self._lists = lists
        self._patterns = tuple((*_split(pattern.text.lower()), pattern) for pattern in patterns)

    def best(self, subject: str) -> Best:
        """Give the last match of each list; see `wrapper.policy.globs.Matcher`."""
        host, _, port = subject.rpartition(":")
        host = host.lower().removesuffix(".")
        if not self._patterns or not _is_name(host):
            return None
        best = [-1] * self._lists
        for name, wanted, pattern in self._patterns:
            if _name_fits(name, host) and self._port_fits(wanted, port, pattern):
                best[pattern.list] = max(best[pattern.list], pattern.place)
        return tuple(best) if any(place >= 0 for place in best) else None

    @staticmethod
    def _port_fits(wanted: str, port: str, pattern: Pattern) -> bool:
        if wanted:
            return int(wanted) == int(port)
        return pattern.list % 2 == 1 or int(port) in _WEB_PORTS


def _name_fits(name: str, host: str) -> bool:
    return name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:]) and host != name[2:])
