"""Tells the kinds of recipients apart by their text, without a cipher; pure.

`age1…` is X25519, `age1pq1…` the hybrid post-quantum kind, and `age1NAME1…` belongs to the plugin NAME
(https://c2sp.org/age, https://c2sp.org/age-plugin).
"""

import re
from types import MappingProxyType
from typing import Final, NamedTuple

from wrapper.audit import bech32
from wrapper.errors import AuditError

X25519: Final = "x25519"
HYBRID: Final = "hybrid"
PLUGIN: Final = "plugin"

HYBRID_PREFIX: Final = "age1pq"
PLUGIN_NAME: Final = re.compile(r"[a-z0-9+._-]{1,64}")  # what may stand in a file name behind `age-plugin-`

_X25519_PREFIX: Final = "age"
_PLUGIN_PREFIX: Final = "age1"
_PRIVATE: Final = ("age-secret-key-", "age-plugin-")
# an ML-KEM-768 key (FIPS 203, table 3) has 1184 bytes, one of X25519 comes behind it
_SIZES: Final = MappingProxyType({X25519: 32, HYBRID: 1216})


class Kind(NamedTuple):
    """A kind of recipient; `plugin` is the name of its plugin, "" for the native kinds."""

    name: str
    plugin: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.plugin}".strip()


class Recipient(NamedTuple):
    """A recipient as it is written, and the bytes of its public key."""

    text: str
    kind: Kind
    public: bytes


def kind(recipient: str) -> Kind:
    """Return the kind of a recipient. Raises AuditError as `parse` does."""
    return parse(recipient).kind


def public_half(recipient: str) -> bytes:
    """Return the bytes of a recipient. Raises AuditError as `parse` does."""
    return parse(recipient).public


def parse(recipient: str) -> Recipient:
    """Read a recipient. Raises AuditError where it is none; a private key is never quoted."""
    if recipient.strip().lower().startswith(_PRIVATE):
        raise AuditError(
            "this is a private key, not a recipient",
            hint="a recipient begins `age1`; a private key that others may have seen must be replaced",
        )
    try:
        prefix, public = bech32.decode(recipient.strip())
    except AuditError as error:
        raise _none(recipient, error.what) from error
    found = _kind(prefix)
    if found is None or len(public) != _SIZES.get(found.name, len(public)):
        raise _none(recipient, "its prefix or its length is that of no kind")
    return Recipient(recipient.strip(), found, public)


def _kind(prefix: str) -> Kind | None:
    if prefix in (_X25519_PREFIX, HYBRID_PREFIX):
        return Kind(HYBRID if prefix == HYBRID_PREFIX else X25519)
    name = prefix.removeprefix(_PLUGIN_PREFIX)
    return Kind(PLUGIN, name) if name != prefix and PLUGIN_NAME.fullmatch(name) else None


def _none(recipient: str, why: str) -> AuditError:
    shown = recipient if len(recipient) <= 80 else f"{recipient[:40]}…"
    return AuditError(f"`{shown}` is not an age recipient: {why}", hint="it must look like `age1…`")
