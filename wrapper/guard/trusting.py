"""Makes the session's authority, and writes down for the programs inside whom they trust."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from wrapper.errors import SessionError
from wrapper.gateway.intercept.authority import Authority
from wrapper.plan.certificates import only_certificates
from wrapper.plan.trust import BUNDLE, EXTRA, JAVA, JAVA_PASSWORD, SYSTEM, Trust


def make_authority(trust: Trust) -> Authority:
    """Make it, and the files in `trust.folder`, of which the inside sees the folder already.

    Raises SessionError where they cannot be written.
    """
    authority = Authority(trust.hosts)
    folder = Path(trust.folder)
    ours = trust.extra + authority.certificate
    everyone = (only_certificates(trust.system) if trust.system else b"") + ours
    made = {EXTRA: ours, BUNDLE: everyone, **({JAVA: _store(everyone)} if trust.java else {})}
    if trust.place:
        made[SYSTEM] = only_certificates(trust.place) + ours
    try:
        for name, data in made.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise SessionError(
            f"the certificates that the session trusts cannot be written to `{folder}`: {error.strerror}",
            hint="make room there, or point XDG_STATE_HOME elsewhere",
        ) from error
    return authority


def _store(pem: bytes) -> bytes:
    """Make what Java takes in place of its own authorities: PKCS #12 with the mark that they are trusted."""
    named = [
        pkcs12.PKCS12Certificate(certificate, f"authority-{number}".encode())
        for number, certificate in enumerate(_readable(pem))
    ]
    return pkcs12.serialize_java_truststore(named, serialization.BestAvailableEncryption(JAVA_PASSWORD.encode()))


def _readable(pem: bytes) -> Iterator[x509.Certificate]:
    """Give the certificates that the library takes: some old authorities break rules that Java would not mind."""
    for block in re.findall(rb"-----BEGIN [^-]+-----[^-]+-----END [^-]+-----", pem):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield x509.load_pem_x509_certificate(block)
            except ValueError:
                continue
