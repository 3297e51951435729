"""Certificates of a company's own authority: files that the environment or settings name for programs inside.

A file below HOME or /etc is not inside by itself, and a program that is told of a missing one trusts nobody. What is
shown must be certificates and no more: a name in the environment is no reason to show a key. So it is a copy of the
certificates alone: what stands between them is dropped, and a file that another session swaps for a link after it was
looked at leads nowhere.
"""

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wrapper.plan.facts import HostFacts

VARIABLES: Final = (
    "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT",
    "CARGO_HTTP_CAINFO", "npm_config_cafile", "NPM_CONFIG_CAFILE", "DENO_CERT", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE",
)  # fmt: skip

_LABEL: Final = re.compile(rb"-----BEGIN ([^\n-]{1,40})-----")
_BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>(?:X509 |TRUSTED )?CERTIFICATE)-----[A-Za-z0-9+/=\s]+-----END (?P=label)-----"
)
_SETTING: Final = re.compile(
    r"(?mi)^[ \t]*(cafile|cert|sslcainfo|cainfo|ssl_verify)[ \t]*[=:][ \t]*[\"']?(/[^\"'\r\n]++)[\"']?[ \t]*+\r?$"
)
_MOST_SETTINGS: Final = 1 << 20
_MOST_BYTES: Final = 8 << 20  # the system's own bundle is 0.2 MB


@dataclass(frozen=True, slots=True)
class Trusted:
    """The files to show, absolute, with their certificates (PEM), and what to tell of those that are not shown."""

    files: Mapping[str, bytes]
    notices: tuple[str, ...]


def choose(inside: Mapping[str, str], shown: Iterable[str], settings: Iterable[str] = ()) -> Trusted:
    """Choose among the files that variables of the inside name, and the files `settings` of git and package managers.

    `shown` are folders that are inside already.
    """
    folders = tuple(f"{folder.rstrip('/')}/" for folder in shown)
    files: dict[str, bytes] = {}
    notices: list[str] = []
    for who, path in (*_named(inside), *_named_in(settings)):
        place = os.path.realpath(path) if path.startswith(folders) else path  # a link that is inside leads there
        if place.startswith(folders):
            continue
        certificates = only_certificates(place)
        if certificates:
            files[place] = certificates
        else:
            notices.append(
                f"{who} names `{path}`, which is not shown inside: it must hold certificates (PEM) and nothing else"
            )
    return Trusted(files, tuple(notices))


def shown_already(facts: HostFacts) -> Iterator[str]:
    """Give the folders that stand inside whatever variables say."""
    yield facts.workspace
    yield from (*facts.toolchains, *facts.system_folders, *facts.links)
    yield from (f"/etc/{name}" for name in facts.etc)


def only_certificates(path: str) -> bytes:
    """Give a file's certificates (PEM, RFC 7468), without what stands between them.

    Empty where it holds none, another block, or is no file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would hold the start
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(_MOST_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError:
        return b""
    blocks = [block[0] for block in _BLOCK.finditer(data)]
    is_pure = len(blocks) == len(_LABEL.findall(data)) and len(data) <= _MOST_BYTES
    return b"".join(block + b"\n" for block in blocks) if is_pure else b""


def _named_in(settings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give file of settings and path, as `_named`; npm, pip, git, Cargo and conda each have a word of their own."""
    for name in settings:
        try:
            with Path(name).open("rb") as file:
                text = os.fsdecode(file.read(_MOST_SETTINGS))
        except OSError:
            continue
        for path in (found.rstrip() for _, found in _SETTING.findall(text)):
            if os.path.isfile(path):  # noqa: PTH113 (as below)
                yield f"`{name}`", posixpath.normpath(path)


def _named(inside: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give variable and path where that is an absolute one of a file which is there."""
    for name in VARIABLES:
        path = inside.get(name, "")
        if path.startswith("/") and os.path.isfile(path):  # noqa: PTH113 (strings, as all paths of the plan)
            yield name, posixpath.normpath(path)
