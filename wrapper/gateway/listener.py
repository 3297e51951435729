"""The HTTP server below the gateway: accepts on a given socket, says nothing of its own."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LINE = 2**16  # longest request line and header, bytes: long query strings fit, a flood does not
_CLOSING = 0.2  # seconds that open streams get at the end of the session: whoever read them is gone
_SERVER_FAULT = 500


class _Connection(web.RequestHandler):
    """A connection whose protocol errors are answered in the provider's shape and written to no stderr."""

    __slots__ = ("_fault",)

    def __init__(self, server: "_Server") -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=_silent(),
            auto_decompress=False,
            logger=_silent(),
            max_line_size=_LINE,
            max_field_size=_LINE,
        )
        self._fault = server.fault

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = _SERVER_FAULT,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused; where an answer has begun, break the connection off."""
        del exc, message  # they quote the request
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun")
        response = self._fault(status)
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, handler: Handler, fault: Callable[[int], web.Response]) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.fault = fault

    def __call__(self) -> web.RequestHandler:
        return _Connection(self)


class Listener:
    """Runs `handle` for each request; a client that goes away cancels it.

    `fault(status)` answers what is no HTTP.
    """

    def __init__(self, handle: Handler, fault: Callable[[int], web.Response]) -> None:
        self._handle = handle
        self._fault = fault
        self._runner: web.ServerRunner | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept from `sock`, which is listening."""
        self._runner = web.ServerRunner(
            _Server(self._handle, self._fault), handle_signals=False, shutdown_timeout=_CLOSING
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def close(self) -> None:
        """Stop accepting, end open connections."""
        if self._runner is not None:
            await self._runner.cleanup()


def _silent() -> logging.Logger:
    """Make a logger that nobody hears: its messages would quote requests on the user's terminal."""
    logger = logging.getLogger("safe-agent.gateway")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
