"""A body between who receives it and who reads it."""

import asyncio
import tracemalloc

from wrapper.gateway.intercept.pieces import Pieces


def test_small_pieces_that_nobody_reads_take_no_more_than_their_bytes_do() -> None:
    async def run() -> None:
        pieces = Pieces(None, lambda _: None)
        sent = [number.to_bytes(2, "big") for number in range(50_000)]
        tracemalloc.start()
        for one in sent:
            pieces.feed(bytes(bytearray(one)))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        pieces.finish()
        assert b"".join([one async for one in pieces]) == b"".join(sent)
        assert size < 3 * 2 * len(sent)

    asyncio.run(run())
