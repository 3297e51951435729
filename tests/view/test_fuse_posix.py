"""The view against a plain folder of the same disk, in the same namespaces: each case of POSIX is run on both.

As root; as somebody whom root's process has become, in root's view; and as an ordinary user in a view of the user's own,
which is all that is run where the tests have no root.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.machine import ORDINARY
from tests.view.entered import become, called, served_by
from tests.view.posix import attributes, content, listings, names, opening, special
from tests.view.posix.trying import Case, Outcome
from tests.view.served import served

_CASES: Final = (
    *opening.CASES, *content.CASES, *names.CASES, *attributes.CASES, *listings.CASES, *special.CASES,
)  # fmt: skip
_IS_ROOT: Final = os.getuid() == 0
_BECOMES: Final = "became another"
_WHO: Final = ("root", _BECOMES, "user") if _IS_ROOT else ("user",)

_NO_DEVICE = "devices are not served (they would be a way to the disk)"
_NO_XATTR = "the kernel is told to ask for no extended attributes: it would ask before each write"
_MEANT: Final[Mapping[tuple[str, str, str], tuple[object, str]]] = MappingProxyType({
    ("open_without_name", "unnamed", ""): ("ENOTSUP", "a file without a name cannot be judged by its name; programs fall back"),
    ("holes", "data", ""): (0, "where the disk has holes is not told: the masked content has other places; this is what lseek(2) allows"),
    ("holes", "hole", ""): ((1 << 20) + 3, "as above: one piece of data, and a hole at the end"),
    ("fallocate_modes", "beyond, same size", ""): (("ENOTSUP", 9000), "only what write(2) can do as well; programs fall back"),
    ("fallocate_modes", "hole", ""): (("ENOTSUP", b"xxx"), "as above"),
    ("extended_attributes", "set", ""): ("ENOTSUP", _NO_XATTR),
    ("extended_attributes", "get", ""): ("ENOTSUP", _NO_XATTR),
    ("extended_attributes", "list", ""): ("ENOTSUP", _NO_XATTR),
    ("devices", "made", "root"): ("EPERM", _NO_DEVICE),
    ("devices", "block", "root"): ("EPERM", _NO_DEVICE),
    ("asked_of_a_file", "made of", ""): ("ENOTTY", "flags of the disk's own file system (immutable, compressed) are the host's"),
})  # fmt: skip
"""By case, what was tried and for whom ("" for all): what the view answers instead, and why that is meant."""


@pytest.fixture
def inside(who: str) -> Iterator[Path]:
    """A view of a user, open to everyone; beside it lies a folder that is not served."""
    with tempfile.TemporaryDirectory(prefix="view-", dir="/var/tmp") as made:
        top = Path(made)
        top.chmod(0o755)
        for name in ("plain", "real"):
            (top / name).mkdir()
            (top / name).chmod(0o777)
            if _IS_ROOT and who == "user":
                os.chown(top / name, ORDINARY, ORDINARY)
        with served_by(ORDINARY, top / "real") if _IS_ROOT and who == "user" else served(top / "real") as view:
            yield view


def _outcome(case: Case, folder: Path, who: str) -> Outcome:
    def once() -> Outcome:
        return dict(case(lambda: become(ORDINARY) if who == _BECOMES else None))

    return called(once, folder, uid=ORDINARY if _IS_ROOT and who == "user" else None)


@pytest.mark.parametrize("who", _WHO)
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.__name__)
def test_the_view_answers_as_a_plain_folder_does(case: Case, who: str, inside: Path) -> None:
    plain = dict(_outcome(case, inside.parent / "plain", who))
    wanted = dict(plain)
    for (name, tried, whose), (instead, _reason) in _MEANT.items():
        if name == case.__name__ and whose in {"", who}:
            assert plain[tried] != instead, f"{tried} is no difference any more"
            wanted[tried] = instead
    assert _outcome(case, inside, who) == wanted


def test_every_meant_difference_is_one_of_a_case() -> None:
    assert {name for name, _, _ in _MEANT} <= {case.__name__ for case in _CASES}
