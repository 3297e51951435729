"""What a client says on a WebSocket, message by message."""

import gzip

import pytest

from tests.gateway.intercept.desk import HOST, SECRET, Desk, run
from wrapper.gateway.intercept.exchange import RequestHead
from wrapper.gateway.intercept.finding import Weighing
from wrapper.gateway.intercept.frames import BINARY, Message, Messages, framed
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.talking import messages
from wrapper.gateway.refusal import RefusedError

MASK = b"\x01\xfe\x37\x80"


def test_what_is_packed_in_a_message_stops_it() -> None:
    desk = Desk()
    opened = desk.judge._recording.entry(HOST, RequestHead("GET", HOST.host, "/live", ()))
    weighing = Weighing(desk.judge._engine, lambda _: "redact", "stop")
    wrong: list[Exception] = []

    async def say(payload: bytes) -> bytes:
        body = Whole(framed(Message(BINARY, payload), MASK))
        given = messages(body, opened, HOST, weighing, desk.judge._offload, wrong.append)
        return b"".join([frame async for frame in given])

    harmless = gzip.compress(b"harmless")
    assert list(Messages(1000).feed(run(say(harmless)))) == [Message(BINARY, harmless)]
    with pytest.raises(RefusedError, match="a packed file"):
        run(say(gzip.compress(SECRET)))
    assert len(wrong) == 1
    desk.close()
