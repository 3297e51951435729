"""Whom programs inside trust where the egress proxy ends TLS: the system's authorities, the user's, and the session's.

Each kind of program reads a variable of its own. Those that take a file in place of the system's get all of them; those
that take one in addition get what is not the system's. The files are written by the guard, which alone has the
session's authority, before the client starts.
"""

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from wrapper.plan.certificates import Trusted, only_certificates
from wrapper.plan.launch import EGRESS_PORT

INSIDE: Final = "/run/safe-agent"
"""The folder inside in which a session's own files are shown, read-only."""

BUNDLE: Final = "authorities.pem"
SYSTEM: Final = "system-authorities.pem"
EXTRA: Final = "more-authorities.pem"
JAVA: Final = "authorities.p12"
JAVA_PASSWORD: Final = "changeit"  # noqa: S105 (Java's own for such files: it protects nothing there)

_NPM: Final = "npm_config_cafile"
_IN_PLACE: Final = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE", _NPM, "NIX_SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)  # fmt: skip
_IN_ADDITION: Final = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
_SYSTEMS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)
_SHOWN: Final = ("/etc/ssl/certs/", "/etc/pki/")  # of /etc, as the inside has it


@dataclass(frozen=True, slots=True)
class Trust:
    """What the guard writes into `folder`: `hosts` are what the session's authority is for.

    `system` is the file of the system's authorities ("": there is none), or what the user has in its place, `extra` the
    user's own (PEM). `java`: for Java too. `place` is where the system's own file stands, "" where the inside has none.
    """

    folder: str
    hosts: tuple[str, ...]
    system: str
    extra: bytes = field(repr=False)
    java: bool
    place: str

    @property
    def shown(self) -> dict[str, str]:
        """The system's authorities and ours by where programs find them that read no variable (wget, apt)."""
        return {self.place: f"{self.folder}/{SYSTEM}"} if self.place else {}

    def variables(self, inside: Mapping[str, str]) -> dict[str, str]:
        """Give what is set for the programs inside, whose environment is `inside` else."""
        everyone = (*_IN_PLACE, *(name for name in inside if name.lower() == _NPM))  # npm takes any case, and the last
        found = dict.fromkeys(everyone, f"{INSIDE}/{BUNDLE}") | dict.fromkeys(_IN_ADDITION, f"{INSIDE}/{EXTRA}")
        if self.java:
            options = (
                f"-Djavax.net.ssl.trustStore={INSIDE}/{JAVA} -Djavax.net.ssl.trustStoreType=PKCS12 "
                f"-Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD} "
                f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={EGRESS_PORT}"  # it reads no HTTPS_PROXY
            )
            found["JAVA_TOOL_OPTIONS"] = f"{inside.get('JAVA_TOOL_OPTIONS', '')} {options}".strip()
        return found


def plan_trust(
    folder: str, hosts: tuple[str, ...], inside: Mapping[str, str], trusted: Trusted, path: tuple[str, ...]
) -> Trust:
    """Say what is trusted; `inside` are the variables there, `trusted` all files that they and settings name.

    `path` is the user's PATH.
    """
    named = inside.get("SSL_CERT_FILE", "")
    candidates = (*((named,) if only_certificates(named) else ()), *_SYSTEMS)
    system = next((one for one in candidates if os.path.isfile(one)), "")  # noqa: PTH113 (as all paths here)
    place = os.path.realpath(next((one for one in _SYSTEMS if os.path.isfile(one)), ""))  # noqa: PTH113
    place = place if place.startswith(_SHOWN) else ""
    return Trust(folder, hosts, system, b"".join(_beside(trusted, inside)), any(_has_java(one) for one in path), place)


def _beside(trusted: Trusted, inside: Mapping[str, str]) -> Iterator[bytes]:
    """Give what is not the system's, but where a variable adds that: to what Node has built in, say."""
    systems = {os.path.realpath(one) for one in _SYSTEMS}
    added = {posixpath.normpath(inside[name]) for name in _IN_ADDITION if inside.get(name)}
    files = trusted.files.items()
    yield from dict.fromkeys(data for path, data in files if path in added or os.path.realpath(path) not in systems)


def _has_java(folder: str) -> bool:
    return os.path.exists(f"{folder}/java")  # noqa: PTH110
