"""Names of files, which need not be text: as records of text keep them, and as they are shown; pure.

A name that is no UTF-8 is kept as a NUL, which stands in no name, and hexadecimal digits.
"""

_ODD = "\0"


def kept(name: bytes) -> str:
    """Give the form in which a record of text can keep any name."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return _ODD + name.hex()


def meant(kept_name: str) -> bytes:
    """Give the name that is kept so."""
    return bytes.fromhex(kept_name[1:]) if kept_name.startswith(_ODD) else kept_name.encode()


def shown(kept_name: str) -> str:
    r"""Give a name as people read it; bytes that are no UTF-8 as `\xff`."""
    return meant(kept_name).decode("utf-8", "backslashreplace")
