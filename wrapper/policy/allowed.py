"""The text of `allowed.toml`: hosts that the user allowed with `safe-agent allow`, one on a line; pure.

It is a policy file of the user's layer that says nothing but `network.allow`. The command writes it anew each time; a
remark behind a host stays with it.
"""

import re
from collections.abc import Mapping
from typing import Final

from wrapper.errors import PolicyError
from wrapper.policy import hosts
from wrapper.policy.parse import VERSION, Source, parse, printable
from wrapper.policy.schema import Document, Network

_HEAD: Final = """\
# Hosts that you allowed with `safe-agent allow`, on top of your policy.toml. `safe-agent allow --remove HOST` takes one
# off again; only `version` and `network.allow` may stand here.
version = 1

[network]
"""
_ENTRY: Final = r'\s*"(?P<host>[^"]+)"\s*,?\s*#\s*(?P<remark>.*?)\s*'


def checked(source: Source) -> Source:
    """Give the parsed file back. Raises PolicyError where it says more than which hosts are allowed."""
    file, allow = source.file, source.document.network.allow
    if source.document != Document(version=VERSION, network=Network(allow=allow)):
        raise PolicyError(
            f"{file}: says more than `network.allow`", hint="put the rest into `policy.toml`, in the same folder"
        )
    return source


def with_host(text: str, host: str, comment: str, file: str = "allowed.toml") -> str:
    """Add a host, written as in `network.allow`; where it is there already, its remark becomes `comment`.

    `text` is empty where there is no file. Raises PolicyError for a text that `checked` refuses, and for no host.
    """
    name = host.lower()
    if wrong := hosts.problem(name):
        raise PolicyError(
            f'"{printable(host)}" {wrong}', hint="as in `example.org`, `*.example.org`, `example.org:8443`"
        )
    return _written({**_hosts(text, file), name: printable(" ".join(comment.split()))})


def without_host(text: str, host: str, file: str = "allowed.toml") -> str:
    """Take a host off; the same text comes back where it is not there. Raises PolicyError as `with_host` does."""
    known, name = _hosts(text, file), host.lower()
    return _written({one: known[one] for one in known if one != name}) if name in known else text


def _hosts(text: str, file: str) -> Mapping[str, str]:
    """Give each host's remark, in the order of the file."""
    if not text.strip():
        return {}
    found = (re.fullmatch(_ENTRY, line) for line in text.splitlines())
    remarks = {one["host"]: one["remark"] for one in found if one}
    return {host: remarks.get(host, "") for host in checked(parse(text.encode(), file)).document.network.allow or ()}


def _written(known: Mapping[str, str]) -> str:
    entries = "".join(f'  "{host}",{f"  # {remark}" if remark else ""}\n' for host, remark in known.items())
    return f"{_HEAD}allow = [\n{entries}]\n"
