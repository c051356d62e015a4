"""A real socket for an ASGI application, in a background thread of its own."""

import asyncio
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

CONNECTION = "gitpip.connection"
"""The key under which a scope's `extensions` hold the asyncio transport of the request."""


class Server:
    """Serves `app` over HTTP/1.1 between start() and stop(), or inside a `with` block.

    The socket is bound at once, so `url` is known before start() and a port that is taken raises
    OSError here. Signals and logging are left alone. stop() cuts every connection and cancels what
    is still running, so it is quick even when requests hang.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = socket.create_server((host, port), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=60,
        )
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"standin-{self.port}", daemon=True)

    def start(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._socket.close()
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _serve(self) -> None:
        self._config.load()
        state = ServerState()
        listener = await self._loop.create_server(
            lambda: _Protocol(self._config, state, {}), sock=self._socket
        )
        self._ready.set()
        await self._stopping.wait()
        listener.close()
        await accept_the_last()
        for connection in list(state.connections):
            if isinstance(connection, _Protocol):
                connection.transport.abort()
        await asyncio.sleep(0)
        running = list(state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def accept_the_last() -> None:
    """Wait until a connection is accepted that was made just before the listener closed.

    That takes the loop some rounds; missed, it would stay open.
    """
    for _ in range(5):
        await asyncio.sleep(0)


class _Protocol(H11Protocol):
    """Uvicorn's protocol, which also tells the application the connection it talks through."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        app: ASGIApp = self.app

        async def told(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[CONNECTION] = self.transport
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # Only stop() cancels, after it has cut the connection: nobody waits for an answer.
                if not self.transport.is_closing():
                    raise

        self.app = told

    def connection_made(  # type: ignore[override]  # as narrow as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        # Headers and body are two writes; without this each answer waits for the client's late ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
