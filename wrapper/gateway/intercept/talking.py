"""A WebSocket's messages on their way out: each is judged whole, recorded, and sent in a frame of ours.

Extensions are not agreed on (`masking.asking_readable` drops the offer), so what is framed is what was said.
"""

import secrets
from collections.abc import AsyncIterator, Callable

from wrapper.errors import AuditError
from wrapper.gateway.answer import Offload
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Body
from wrapper.gateway.intercept.finding import Weighing
from wrapper.gateway.intercept.frames import CLOSE, LONGEST_CONTROL, Message, Messages, framed
from wrapper.gateway.intercept.recording import Entry
from wrapper.gateway.intercept.searching import looked_at
from wrapper.gateway.intercept.weighed import weigh
from wrapper.gateway.intercept.wholes import WITHIN
from wrapper.gateway.refusal import RefusedError


async def messages(
    body: Body,
    opened: Entry,
    destination: Destination,
    weighing: Weighing,
    offload: Offload,
    broken: Callable[[RefusedError | AuditError], None],
) -> AsyncIterator[bytes]:
    """Give the frames of what the client says; `broken` hears why no more is sent, before that is raised."""
    coming = Messages(WITHIN)
    try:
        async for data in body:
            for message in coming.feed(data):
                yield await _judged(message, opened.message(), destination, weighing, offload)
    except (RefusedError, AuditError) as error:
        broken(error)
        raise


async def _judged(
    message: Message, entry: Entry, destination: Destination, weighing: Weighing, offload: Offload
) -> bytes:
    payload = message.payload
    if payload:
        looked, packed = await looked_at(payload, b"", weighing, offload)
        try:
            weigh((*looked.notes, *packed), entry, destination)
        except RefusedError as error:
            entry.refused(error.what)
            raise
        await entry.leaves(looked.logged)
        payload = looked.leaving if message.opcode < CLOSE else looked.leaving[:LONGEST_CONTROL]
    return framed(message._replace(payload=payload), secrets.token_bytes(4))
