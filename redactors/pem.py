"""PEM blocks: what of them is secret (RFC 7468; OpenSSH and PGP use the same lines)."""

import re

_BLOCK = re.compile(
    rb"\s*-----BEGIN [A-Z0-9 ]{0,64}-----[ \t]*\r?\n(?P<body>.+?)\r?\n[ \t]*-----END [A-Z0-9 ]{0,64}-----\s*", re.DOTALL
)


def body(value: bytes) -> bytes:
    """Give what stands between the BEGIN and the END line if `value` is one PEM block and nothing else, else `b""`."""
    block = _BLOCK.fullmatch(value)
    return block["body"].strip() if block else b""
