"""git's objects as bytes, taken apart and put together again: git-mktree(1), git-cat-file(1), gitformat-signature(5).

Names in a tree are never taken for paths: whatever one says (`../x`, `.git/config`), it goes back as it came. All that
does not parse raises ObjectFormError.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_FOLDERS: Final = frozenset((b"40000", b"040000"))
_ID: Final = rb"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_COMMIT: Final = re.compile(rb"tree (%b)\n((?:parent %b\n)*)" % (_ID, _ID))
_TAG: Final = re.compile(rb"object (%b)\ntype ([a-z]+)\n" % _ID)
_SIGNED: Final = re.compile(rb"^gpgsig(?:-sha256)? .*\n(?: .*\n)*", re.MULTILINE)
_SIGNATURE: Final = re.compile(
    rb"^-----BEGIN (?:PGP (?:SIGNATURE|MESSAGE)|SIGNED MESSAGE|SSH SIGNATURE)-----", re.MULTILINE
)


class ObjectFormError(ValueError):
    """An object that is not as git writes them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a tree; `id` as hexadecimal digits, `mode` as it stands there."""

    mode: bytes
    name: bytes
    id: str

    @property
    def is_folder(self) -> bool:
        """Say whether it is a tree itself."""
        return self.mode in _FOLDERS

    @property
    def is_file(self) -> bool:
        """Say whether it is a file: neither a link nor a submodule (gitformat-index(5))."""
        return self.mode.startswith(b"100")


def items(tree: bytes, id_bytes: int) -> list[Item]:
    """Take a tree apart."""
    found = []
    at = 0
    while at < len(tree):
        space, end = tree.find(b" ", at), tree.find(b"\0", at)
        if not at < space < end or end + id_bytes >= len(tree):
            raise ObjectFormError("a tree that is cut")
        found.append(Item(tree[at:space], tree[space + 1 : end], tree[end + 1 : end + 1 + id_bytes].hex()))
        at = end + 1 + id_bytes
    return found


def tree_of(found: Sequence[Item]) -> bytes:
    """Put a tree together; the order stays, since no name has changed."""
    return b"".join(b"%b %b\0%b" % (item.mode, item.name, bytes.fromhex(item.id)) for item in found)


def links(commit: bytes) -> tuple[str, list[str]]:
    """Give a commit's tree and parents."""
    found = _COMMIT.match(commit)
    if found is None:
        raise ObjectFormError("a commit without a tree")
    return found[1].decode(), [line[7:].decode() for line in found[2].splitlines()]


def relinked(commit: bytes, tree: str, parents: Sequence[str]) -> tuple[bytes, bool]:
    """Give the commit with another tree and parents, and whether it had a signature: that cannot stay true.

    All else stays byte for byte.
    """
    found = _COMMIT.match(commit)
    if found is None:
        raise ObjectFormError("a commit without a tree")
    head, blank, message = commit[found.end() :].partition(b"\n\n")
    unsigned = _SIGNED.sub(b"", head + b"\n")
    lines = b"".join(b"parent %b\n" % parent.encode() for parent in parents)
    made = b"tree %b\n%b%b%b" % (tree.encode(), lines, unsigned[:-1], blank + message)
    return made, unsigned != head + b"\n"


def target(tag: bytes) -> tuple[str, str]:
    """Give what an annotated tag names, and of what kind that is."""
    found = _TAG.match(tag)
    if found is None:
        raise ObjectFormError("a tag without an object")
    return found[1].decode(), found[2].decode()


def retargeted(tag: bytes, changed: Mapping[str, str]) -> tuple[bytes, bool]:
    """Give the tag with what stands for its object now, and whether it had a signature: that is cut off."""
    named, _ = target(tag)
    made = b"object " + changed[named].encode() + tag[7 + len(named) :]
    head, blank, message = made.partition(b"\n\n")
    unsigned = _SIGNED.sub(b"", head + b"\n")[:-1]
    signature = _SIGNATURE.search(message)
    if signature is not None:
        message = message[: signature.start()]
    return unsigned + blank + message, signature is not None or unsigned != head
