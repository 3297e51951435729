"""The certificate authority of one session: what makes the inside take the egress proxy for a host.

Rules of this file:
1. Its private key, and those of the certificates it signs, exist in this process's memory only. OpenSSL takes a key
   from a file alone: it gets one that has no name and is gone when it was read (memfd_create(2)).
2. It can sign for the hosts of policy and nothing else: they stand in it as name constraints (RFC 5280 section
   4.2.1.10), so who took it could use it for no other host. It ends by itself after a month, a host's after a day.
"""

import datetime as dt
import ipaddress
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE: Final = dt.timedelta(days=30)  # a session may run for weeks
_HOST_LIFE: Final = dt.timedelta(days=1)
_BEFORE: Final = dt.timedelta(hours=1)  # the clocks of a machine and its containers differ
_LONGEST_NAME: Final = 64  # of a common name, RFC 5280 appendix A.1
_RENEW: Final = 0.5  # of a certificate's life
# a constraint is about names of its kind only: without these it could sign for any address
_ADDRESSES: Final = [x509.IPAddress(ipaddress.ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
_MOST_KEPT: Final = 1000  # hosts, 20 KiB each: below a pattern the inside can ask for any number
_SIGNING: Final = {"digital_signature": True}
_ISSUING: Final = {"key_cert_sign": True}
_USES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Authority:
    """Signs certificates for `hosts` (patterns of policy; `*` among them: for any). Safe to share between threads."""

    def __init__(self, hosts: Iterable[str], *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("safe-agent, for this session only")
        self._certificate = self._signed(
            self._name,
            self._key.public_key(),
            _LIFE,
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_usage(_ISSUING), True),
            *((constraints, True) for constraints in _constraints(hosts)),
        )
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)
        """The authority's own certificate (PEM): nothing secret."""
        self._contexts: dict[str, tuple[float, ssl.SSLContext]] = {}
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return "<Authority of a session>"

    def context(self, host: str) -> ssl.SSLContext:
        """Give what the proxy shakes hands with as `host`: HTTP/2 or HTTP/1.1 over TLS 1.2 or later."""
        with self._making:
            made, context = self._contexts.get(host, (0.0, None))
            if context is None or self._clock() - made > _HOST_LIFE.total_seconds() * _RENEW:
                context = self._made(host)
                self._contexts.pop(host, None)
                self._contexts[host] = (self._clock(), context)
                if len(self._contexts) > _MOST_KEPT:
                    del self._contexts[next(iter(self._contexts))]
            return context

    def _made(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(
            _named(host[:_LONGEST_NAME]),
            key.public_key(),
            _HOST_LIFE,
            (x509.SubjectAlternativeName([x509.DNSName(host)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(_SIGNING), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        )
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(("h2", "http/1.1"))
        _load(context, key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
        return context

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        life: dt.timedelta,
        *extensions: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def _constraints(hosts: Iterable[str]) -> Iterable[x509.NameConstraints]:
    """Give the constraint to `hosts`; none where they are all there are. A name stands for those below it, too."""
    names = dict.fromkeys(host.rpartition(":")[0] or host for host in map(str.lower, hosts))
    if names and "*" not in names:
        yield x509.NameConstraints([x509.DNSName(name.removeprefix("*.")) for name in names], _ADDRESSES)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(on: dict[str, bool]) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: on.get(use, False) for use in _USES})


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Have OpenSSL read a key and its certificate from memory."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
