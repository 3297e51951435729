"""Attacks on promise 1 by way of an upload: a file for the provider's storage that a search over bytes does not read."""

import base64
import gzip
import io
import secrets
import zipfile
from collections.abc import Callable

import pytest

from tests.gateway.wire import World, forge_token, in_loop, tarball, wired, zipped
from wrapper.audit.events import Judged, Request

SECRET = b"Tr0ub4dor-" + secrets.token_urlsafe(18).encode()
TOKEN = forge_token("Hs8mK2wVx5Tn9Qc3Rb7Lp4Yd6Zf1Jg")
FILLER = b"x = 1\n" * 40


def zip_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes/readme.md", FILLER)
        archive.writestr("notes/.env", content)
    return file.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zipped,
    "zip": zip_of,
    "tarball": tarball,
    "gzip in base64": lambda content: base64.encodebytes(zipped(content)),
    "UTF-16": lambda content: b"\xff\xfe" + content.decode().encode("utf-16-le"),
    "UTF-32": lambda content: content.decode().encode("utf-32-be"),
}


def multipart(file: bytes) -> tuple[bytes, str]:
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="notes.bin"\r\n'
    return head + b"Content-Type: application/octet-stream\r\n\r\n" + file + b"\r\n--B--\r\n", (
        "multipart/form-data; boundary=B"
    )


async def upload(world: World, file: bytes, *, alone: bool) -> int:
    body, content_type = (file, "application/octet-stream") if alone else multipart(file)
    return (await world.ask("/v1/files", body, headers=[f"Content-Type: {content_type}"])).status


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("secret", [SECRET, TOKEN], ids=["known", "issued"])
def test_a_secret_that_is_packed_in_an_upload_keeps_it_here(packing: str, alone: bool, secret: bytes) -> None:  # noqa: FBT001
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            file = PACKINGS[packing](FILLER + b"VALUE=" + secret + b"\n" + FILLER)
            assert await upload(world, file, alone=alone) == 400
            assert world.provider.bytes == b""
            assert [one.action for one in world.sink.of(Judged)] == ["blocked"]
            assert secret not in world.recorded()

    scenario()


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_file_without_a_secret_arrives_byte_for_byte(packing: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            file = PACKINGS[packing](FILLER + b"password = os.environ['PASSWORD']\nid = vR8kPq2nZt6Ls4WdYx\n")
            assert await upload(world, file, alone=False) == 200
            assert world.provider.requests[0].body == multipart(file)[0]

    scenario()


@in_loop
async def test_what_policy_only_watches_leaves_packed_too_and_is_recorded() -> None:
    async with wired(policy='[wire]\nmonitor = ["GITHUB-TOKEN"]\n') as world:
        assert await upload(world, zip_of(FILLER + TOKEN), alone=False) == 200
        assert len(world.sink.of(Request)) == 1


@in_loop
async def test_a_bomb_in_an_upload_costs_what_a_long_body_costs() -> None:
    """Promise 5: beyond the bound nothing is read, and the upload itself was searched as it stands."""
    async with wired() as world:
        world.knows(SECRET)
        bomb = gzip.compress(bytes(300 * 2**20), compresslevel=9, mtime=0)
        assert await upload(world, bomb, alone=True) == 200
