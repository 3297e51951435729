"""The text form of an age file (https://c2sp.org/age, "ASCII armor": strict PEM of RFC 7468, figure 3); pure."""

import base64
import binascii
import re
from typing import Final

from wrapper.audit.age.faults import ArmorError

_BEGIN: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END: Final = b"-----END AGE ENCRYPTED FILE-----"
_SPACE: Final = b" \t\r\n"
_COLUMNS: Final = 64
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


def is_armored(data: bytes) -> bool:
    """Say whether `data` begins as the text form does."""
    return data.lstrip(_SPACE).startswith(_BEGIN)


def decode(text: bytes) -> bytes:
    """Return the file in `text`, around which only white space may stand. Raises ArmorError."""
    lines = text.replace(b"\r\n", b"\n").strip(_SPACE).split(b"\n")
    if len(lines) < 2 or lines[0] != _BEGIN or lines[-1] != _END:
        raise ArmorError("its text form has no beginning or no end")
    *full, last = lines[1:-1] or [b""]
    if any(len(line) != _COLUMNS for line in full) or len(last) > _COLUMNS or (full and not last):
        raise ArmorError("a line of its text form has the wrong length")
    return _decode64(b"".join((*full, last)))


def _decode64(text: bytes) -> bytes:
    if not _BASE64.fullmatch(text):
        raise ArmorError("its text form is not base64")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ArmorError("its text form is not base64") from error
    if base64.b64encode(data) != text:
        raise ArmorError("its text form is base64 that is not canonical")
    return data
