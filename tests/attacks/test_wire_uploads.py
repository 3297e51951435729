"""Attacks on promise 1 by files that a search over bytes does not read: uploaded, or attached to a conversation."""

import base64
import gzip
import io
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.wire import World, forge_token, in_loop, plain, tarball, wired, zipped
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


def pdf_of(content: bytes) -> bytes:
    """Make a PDF as programs write them: letters placed singly, the page's content deflated."""
    shown = b"".join(b"[(%b) -20 (%b)] TJ T*\n" % (line[:9], line[9:]) for line in content.splitlines())
    page = zlib.compress(b"BT /F1 12 Tf 72 712 Td\n" + shown.replace(b"\\", b"\\\\") + b"ET\n")
    return b"%PDF-1.7\n4 0 obj\n<< /Filter /FlateDecode >>\nstream\r\n" + page + b"\nendstream\nendobj\n%%EOF\n"


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zipped,
    "zip": zip_of,
    "tarball": tarball,
    "PDF": pdf_of,
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
            assert {one.action for one in world.sink.of(Judged)} == {"blocked"}
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


def stored(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("word/document.xml", content)
    return file.getvalue()


FILES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zipped,
    "zip": zip_of,
    "files as they are in a zip": stored,
    "tarball": tarball,
    "PDF": pdf_of,
    "UTF-16": lambda content: b"\xff\xfe" + content.decode().encode("utf-16-le"),
}


def claude_document(letters: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": letters}
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]}


def codex_file(letters: str) -> dict[str, Any]:
    file = {"type": "input_file", "filename": "a.docx", "file_data": f"data:application/x-any;base64,{letters}"}
    return {"model": "m", "input": [{"role": "user", "content": [file]}]}


def in_a_tools_text(letters: str) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": "t", "content": f"$ base64 notes\n{letters}\n$"}
    return {"model": "m", "messages": [{"role": "user", "content": [result]}]}


SHAPES: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "Claude": (claude_document, "messages[0].content[0].source.data"),
    "Codex": (codex_file, "input[0].content[0].file_data"),
}


def letters_of(packing: str, secret: bytes, *, wrapped: bool) -> str:
    """Give base64 of a file that holds a secret."""
    file = FILES[packing](FILLER + b"VALUE=" + secret + b"\n" + FILLER)
    return (base64.encodebytes(file) if wrapped else base64.b64encode(file)).decode()


IN_TEXTS = [one for one in FILES if one != "UTF-16"]  # nothing tells base64 of that from a word


@pytest.mark.parametrize("packing", IN_TEXTS)
@pytest.mark.parametrize("is_wrapped", [False, True], ids=["", "in lines"])
def test_base64_of_a_file_with_a_secret_is_replaced_where_it_stands_in_a_text(packing: str, is_wrapped: bool) -> None:  # noqa: FBT001
    """Promise 1, and the conversation goes on: what a command has printed cannot be taken back."""

    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            for secret in (SECRET, TOKEN):
                letters = letters_of(packing, secret, wrapped=is_wrapped)
                assert (await world.ask_json(in_a_tools_text(letters.strip()))).status == 200
                text = json.loads(world.provider.requests[-1].body)["messages"][0]["content"][0]["content"]
                assert re.fullmatch(r"\$ base64 notes\nMASKED-[A-Z0-9-]+\n\$", text)
            assert SECRET not in world.recorded()
            assert TOKEN not in world.recorded()

    scenario()


@pytest.mark.parametrize("packing", FILES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_wrapped", [False, True], ids=["", "in lines"])
def test_a_secret_in_a_file_that_is_attached_keeps_the_request_here(packing: str, shape: str, is_wrapped: bool) -> None:  # noqa: FBT001
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            for secret in (SECRET, TOKEN):
                document = SHAPES[shape][0](letters_of(packing, secret, wrapped=is_wrapped))
                for body in (document, document | {"more": "turns"}):  # also where it was seen before
                    reply = await world.ask_json(body)
                    assert b"was not sent" in reply.body
                    assert SHAPES[shape][1].encode() in reply.body
                    assert secret not in reply.body
            assert world.provider.bytes == b""
            assert {one.action for one in world.sink.of(Judged)} == {"blocked"}
            assert SECRET not in world.recorded()
            assert TOKEN not in world.recorded()

    scenario()


@in_loop
async def test_an_issued_token_in_a_text_that_is_attached_as_base64_keeps_the_request_here() -> None:
    async with wired() as world:
        for media in ("text/plain", "application/json", "text/csv;charset=utf-8"):
            letters = base64.b64encode(FILLER + b"VALUE=" + TOKEN + b"\n").decode()
            for file in (f"data:{media};base64,{letters}", letters):
                part = {"type": "input_file", "filename": "a.txt", "file_data": file}
                await world.ask_json({"input": [{"role": "user", "content": [part]}]})
        assert world.provider.bytes == b""


@pytest.mark.parametrize("packing", [*FILES, "image"])
def test_a_file_without_a_secret_arrives_byte_for_byte(packing: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            world.knows(SECRET)
            content = FILLER + b"password = os.environ['PASSWORD']\nid = vR8kPq2nZt6Ls4WdYx\n"
            file = b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(4_000) if packing == "image" else FILES[packing](content)
            for shape in (claude_document, codex_file, in_a_tools_text):
                body = shape(base64.b64encode(file).decode())
                assert (await world.ask_json(body)).status == 200
                assert world.provider.requests[-1].body == json.dumps(body).encode()

    scenario()


@in_loop
async def test_what_policy_only_watches_leaves_attached_too_unless_the_inside_must_not_know_it() -> None:
    async with wired(policy='[wire]\nmonitor = ["GITHUB-TOKEN", "PASSWORD"]\n') as world:
        body = claude_document(base64.b64encode(zip_of(FILLER + TOKEN)).decode())
        assert (await world.ask_json(body)).status == 200
        assert world.provider.requests[-1].body == json.dumps(body).encode()
        world.knows(SECRET)
        body = claude_document(base64.b64encode(zip_of(FILLER + TOKEN + b"\n" + SECRET)).decode())
        assert b"was not sent" in (await world.ask_json(body)).body


@in_loop
async def test_a_value_of_the_outside_that_is_attached_is_not_put_back_for_its_placeholder() -> None:
    """Promise 2: what was found in a file that stayed here is no value of the inside's."""
    async with wired() as world:
        placeholder = world.knows(SECRET)
        await world.ask_json(claude_document(base64.b64encode(zip_of(SECRET)).decode()))
        assert world.provider.bytes == b""
        world.provider.answer = plain(json.dumps({"content": [{"type": "text", "text": placeholder}]}).encode())
        reply = await world.ask_json({"messages": [{"role": "user", "content": "hi"}]})
        assert SECRET not in reply.body


@in_loop
async def test_bombs_that_are_attached_cost_what_a_body_costs_that_is_a_few_times_as_long() -> None:
    """Promise 5: who attaches a hundred bombs does not stop the session."""
    async with wired() as world:
        world.knows(SECRET)
        bomb = base64.b64encode(gzip.compress(bytes(12 * 2**20), compresslevel=9, mtime=0)).decode()
        content = [{"type": "text", "text": bomb} for _ in range(100)]
        assert (await world.ask_json({"messages": [{"role": "user", "content": content}]})).status == 200


@pytest.mark.parametrize("damage", ["cut", "flipped", "letters"])
def test_damaged_files_stop_nothing(damage: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            for packing in FILES.values():
                file = bytearray(packing(FILLER * 20))
                if damage == "cut":
                    del file[len(file) * 2 // 3 :]
                if damage == "flipped":
                    file = bytearray(byte ^ (at % 37 == 36) for at, byte in enumerate(file))
                letters = base64.b64encode(file).decode()
                letters = letters[:-3] if damage == "letters" else letters
                assert (await world.ask_json(claude_document(letters))).status == 200

    scenario()
