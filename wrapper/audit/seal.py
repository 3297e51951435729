"""The envelope around a log key: an age v1 file for one recipient or several (https://c2sp.org/age).

`wrapper.audit.age` has the parts. The payload is small and held in memory; recipients of unknown types are skipped
when reading. Files written here open with the stock `age` tool and the other way round.
"""

import hmac
import os
from collections.abc import Iterable, Iterator, Sequence

from wrapper.audit.age import armor, header, passphrase, payload
from wrapper.audit.age.asking import Asking, Nobody
from wrapper.audit.age.faults import HeaderError, MacError
from wrapper.audit.age.header import Stanza
from wrapper.audit.age.kinds import HYBRID, PLUGIN, parse
from wrapper.audit.age.kinds import public_half as public_key
from wrapper.audit.age.openers import Identities, Opener
from wrapper.audit.age.wrapping import FILE_KEY, derive
from wrapper.audit.age.x25519 import Identity, wrap_for
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

__all__ = ("Identities", "Identity", "Opener", "decrypt", "encrypt", "opened", "protect", "public_key")


def encrypt(recipients: Sequence[str], plaintext: bytes, asking: Asking | None = None) -> bytes:
    """Return an age file that each of `recipients` can open; `asking` is whom a plugin may ask, at first nobody.

    Raises AuditError where a recipient is not usable.
    """
    if not recipients:
        raise AuditError("the log has no recipient", hint="run `safe-agent keys make`")
    file_key = os.urandom(FILE_KEY)
    return _file(file_key, [s for one in recipients for s in _wrap(one, file_key, asking or Nobody())], plaintext)


def protect(words: passphrase.Passphrase, plaintext: bytes) -> bytes:
    """Return an age file that a passphrase opens."""
    file_key = os.urandom(FILE_KEY)
    return _file(file_key, [words.wrap(file_key)], plaintext)


def decrypt(data: bytes, identities: Iterable[Opener]) -> bytes:
    """Open an age file, also an armored one.

    Raises NoKeyError where no identity is among its recipients, a subclass of AuditError where it is damaged.
    """
    return b"".join(opened(data, identities))


def opened(data: bytes, identities: Iterable[Opener]) -> Iterator[bytes]:
    """Yield what `decrypt` returns, chunk by chunk; raises at the chunk that is not as it was written."""
    data = armor.decode(data) if armor.is_armored(data) else data
    parts = header.parse(data)
    file_key = _unwrap(parts.stanzas, identities)
    if not hmac.compare_digest(_mac(file_key, parts.authenticated), parts.mac):
        raise MacError("its header was changed")
    yield from payload.opened(file_key, data[parts.end :])


def _file(file_key: bytes, stanzas: Sequence[Stanza], plaintext: bytes) -> bytes:
    authenticated = header.write(stanzas)
    mac = header.encode64(_mac(file_key, authenticated))
    return authenticated + b" " + mac + b"\n" + payload.seal(file_key, plaintext)


def _wrap(recipient: str, file_key: bytes, asking: Asking) -> tuple[Stanza, ...]:
    found = parse(recipient)
    if found.kind.name == PLUGIN:
        from wrapper.audit.age import plugins  # noqa: PLC0415 (where one is used: it starts programs)

        return plugins.wrap_for(found.text, found.kind.plugin, file_key, asking)
    if found.kind.name == HYBRID:
        from wrapper.audit.age import hybrid  # noqa: PLC0415 (where one is used)

        return (hybrid.wrap_for(found, file_key),)
    return (wrap_for(found, file_key),)


def _unwrap(stanzas: Sequence[Stanza], identities: Iterable[Opener]) -> bytes:
    if len(stanzas) > 1 and any(stanza.type == passphrase.TYPE for stanza in stanzas):
        raise HeaderError("a passphrase stands beside other recipients")
    for identity in identities:
        key = identity.unwrap(stanzas)
        if key is not None:
            return key
    raise NoKeyError(
        "the log is not encrypted to the key on this machine",
        hint="read it where one of the private keys of its recipients is",
    )


def _mac(file_key: bytes, authenticated: bytes) -> bytes:
    return hmac.digest(derive(file_key, b"", b"header"), authenticated, "sha256")
