"""What git inside is set to, so that it sends placeholders where values are wanted; pure.

Rules of this file:
1. An empty `helper` takes back those of the user's settings (gitcredentials(7)): none of them is inside, and one that
   hangs would hang git. An empty `extraheader` takes back a token that a CI job's checkout has written into the
   repository's settings: masked, it would only be refused.
2. Placeholders and user names are of letters that no shell reads.
3. Nobody sits at a terminal: where a placeholder does not work, git ends instead of asking.
4. HTTP/1.1: by HTTP/2 some versions of libcurl (7.88, Debian 12's) ask git for more of a push behind its end, and git
   waits for ever for what is not to come; pushes of more than `http.postBuffer` hang every few times.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from wrapper.policy.egress import RemoteRule, SecretRule

ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({"GIT_TERMINAL_PROMPT": "0"})
"""Variables of git inside, beside its settings."""

_USER: Final = "x-access-token"  # what forges take with a token: any name will do
_HTTPS: Final = 443
_VERSION: Final = (("http.version", "HTTP/1.1"),)


def git_settings(
    secrets: Iterable[SecretRule], placeholders: Mapping[str, str], remotes: Iterable[RemoteRule]
) -> tuple[tuple[str, str], ...]:
    """Give settings (key and value, in order), those for hosts where a secret works in basic authentication among them.

    `placeholders` has that of each secret by its name. Hosts are those that the secrets name, and those of https
    remotes that a secret's wider pattern covers.
    """
    usable = [one for one in secrets if placeholders.get(one.name) and any(at.place == "basic" for at in one.where)]
    found: dict[str, SecretRule] = {}
    remotes = tuple(remotes)
    for url, secret in (*_named(usable), *_covered(usable, remotes)):
        found.setdefault(url, secret)
    version = _VERSION if usable or any(not one.ssh for one in remotes) else ()
    lines = (line for url, secret in found.items() for line in _lines(url, secret, placeholders[secret.name]))
    return (*version, *lines)


def _named(secrets: Iterable[SecretRule]) -> Iterator[tuple[str, SecretRule]]:
    for secret in secrets:
        for host in secret.hosts:
            if host != "*" and not host.endswith(":80"):  # what covers every host is not sent to any by itself
                yield f"https://{host.removesuffix(f':{_HTTPS}')}", secret


def _covered(secrets: Iterable[SecretRule], remotes: tuple[RemoteRule, ...]) -> Iterator[tuple[str, SecretRule]]:
    for secret in secrets:
        for one in remotes:
            if not one.ssh and secret.covers(one.host, one.port or _HTTPS):
                yield f"https://{one.host}" + (f":{one.port}" if one.port not in (0, _HTTPS) else ""), secret


def _lines(url: str, secret: SecretRule, placeholder: str) -> Iterator[tuple[str, str]]:
    yield f"credential.{url}.helper", ""
    yield f"credential.{url}.helper", _helper(secret.username or _USER, placeholder)
    yield f"http.{url}/.extraheader", ""


def _helper(user: str, placeholder: str) -> str:
    """Write a helper as a function of the shell (gitcredentials(7), "Custom helpers")."""
    words = [re.sub(r"[\x00-\x1f\x7f]", "", one) for one in (f"username={user}", f"password={placeholder}")]
    return f'!f() {{ test "$1" = get && printf "%s\\n" {" ".join(map(shlex.quote, words))}; }}; f'
