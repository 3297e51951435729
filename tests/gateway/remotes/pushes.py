"""Pushes as git writes them, byte by byte."""

from wrapper.gateway.remotes.pktline import packet

ZERO = "0" * 40
OLD = "1" * 40
NEW = "2" * 40
USUAL = "report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5"


def push(*refs: str, capabilities: str = USUAL, options: tuple[str, ...] = (), old: str = OLD, new: str = NEW) -> bytes:
    """Write the beginning of a push of these refs."""
    lines = [f"{old} {new} {ref}".encode() for ref in refs]
    if lines:
        lines[0] += b"\0 " + capabilities.encode()
    more = b"".join(packet(one.encode()) for one in options) + b"0000" if "push-options" in capabilities else b""
    return b"".join(map(packet, lines)) + b"0000" + more
