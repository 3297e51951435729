"""The test vectors of C2SP for age (`cctv-age`), all of them: each says how the attempt to open it must end."""

import base64
import collections
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from tests.machine import CLIENTS
from wrapper.audit import seal
from wrapper.audit.age import armor, faults
from wrapper.audit.age.passphrase import Passphrase
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

_VECTORS = CLIENTS / "node_modules" / "cctv-age" / "index.js"
_VECTOR = re.compile(r'^// \.\./testdata/(\S+)\nvar \w+ = __toBinary\("([^"]*)"\)', re.MULTILINE)
_ENDS = {
    faults.HeaderError: "header failure",
    faults.MacError: "HMAC failure",
    faults.PayloadError: "payload failure",
    faults.ArmorError: "armor failure",
    NoKeyError: "no match",
}


class Vector(NamedTuple):
    said: Mapping[str, Sequence[str]]
    file: bytes

    def openers(self) -> list[seal.Opener]:
        identities = [seal.Identities.parse(line) for line in self.said["identity"]]
        return [*identities, *(Passphrase(words) for words in self.said["passphrase"])]

    def ends(self) -> tuple[str, str]:
        """Open it; returns how that ends, and the hash of what was given out until then."""
        given = hashlib.sha256()
        end = "success"
        try:
            file = armor.decode(self.file) if self.said["armored"] == ["yes"] else self.file
            for chunk in seal.opened(file, self.openers()):
                given.update(chunk)
        except AuditError as error:
            end = _ENDS[type(error)]
        return end, given.hexdigest()


def _vector(content: bytes) -> Vector:
    head, _, file = content.partition(b"\n\n")
    said = collections.defaultdict(list)
    for line in head.decode().splitlines():
        key, _, value = line.partition(": ")
        said[key].append(value)
    return Vector(said, zlib.decompress(file) if said["compressed"] == ["zlib"] else file)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Vector]:
    return {name: _vector(base64.b64decode(text)) for name, text in _VECTOR.findall(_VECTORS.read_text())}


def test_every_vector_ends_as_it_says_and_gives_out_what_it_says(vectors: dict[str, Vector]) -> None:
    wrong = []
    for name, vector in vectors.items():
        (expected,) = vector.said["expect"]
        end, given = vector.ends()
        payload = vector.said["payload"] or [given]
        if (end, [given]) != (expected, payload):
            wrong.append(f"{name}: {end}, not {expected}, or other content ({vector.said['comment']})")
    assert wrong == []


def test_no_vector_is_left_out(vectors: dict[str, Vector]) -> None:
    ends = collections.Counter(vector.said["expect"][0] for vector in vectors.values())
    assert ends == {
        "success": 26,
        "header failure": 62,
        "armor failure": 22,
        "payload failure": 19,
        "no match": 13,
        "HMAC failure": 1,
    }


def test_a_vector_opens_without_being_told_that_it_is_armored(vectors: dict[str, Vector]) -> None:
    good = [one for one in vectors.values() if one.said["expect"] == ["success"] and one.said["armored"] == ["yes"]]
    assert good
    for vector in good:
        content = seal.decrypt(vector.file, vector.openers())
        assert [hashlib.sha256(content).hexdigest()] == vector.said["payload"]
