"""The start of a process: the only place where all parts are put together."""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial

import uvicorn

from gitpip.actions.access_mode import AccessMode, access_mode_of
from gitpip.actions.noted_access import noting_access
from gitpip.config import Settings, format_duration, is_loopback
from gitpip.config.reload import Credentials, following
from gitpip.errors import AccessUndecided, AddressInUse, ServiceFailed
from gitpip.model import Part
from gitpip.observability.logging import get_logger
from gitpip.observability.redaction import hide
from gitpip.publish.policy import Policies
from gitpip.publish.preview import RenderOptions, previewed
from gitpip.runtime.account_access import tokens_of
from gitpip.runtime.account_lists import AccountLists
from gitpip.runtime.account_targets import AccountTargets
from gitpip.runtime.heartbeat import heartbeat
from gitpip.runtime.http_server import ClientLimits, HttpServer, connection_limit
from gitpip.runtime.memory import keep_large_blocks_apart
from gitpip.runtime.opening import opened_with
from gitpip.runtime.scheduler import describe, failure
from gitpip.runtime.stalled_work import watching_stalls
from gitpip.runtime.token_tests import CachedTokenTests
from gitpip.runtime.worker import Worker, reaching, working
from gitpip.status.modes import overall_mode
from gitpip.store.database import Database
from gitpip.terminal import Terminal
from gitpip.version import VERSION
from gitpip.web.app import create_app
from gitpip.web.auth.first_key import FirstKey, new_code
from gitpip.web.context import AppContext, Preview

ANY_IPV6 = "::"

console = Terminal(stderr=True)
log = get_logger()


async def serve(
    settings: Settings,
    *,
    part: Part = Part.ALL,
    ready: Callable[[str, Database], Awaitable[None]] | None = None,
    prints_code: bool = True,
) -> None:
    """Do a process's part until SIGINT, SIGTERM or SIGHUP.

    `ready` is given its address and database. Without `prints_code`, only the command can make the
    first access key.

    Raises AddressInUse, AccessUndecided, ServiceRunning, what `opened_with` raises, and
    ServiceFailed if a part ends that was not stopped.
    """
    keep_large_blocks_apart()
    credentials = Credentials(settings)
    with listening(settings.host, settings.port) as listener:
        async with opened_with(credentials) as database:
            mode = await access_mode_of(credentials.settings, database)
            _check_access(credentials.settings, mode)
            takes_code = mode is AccessMode.THIS_MACHINE and part is not Part.WORK
            code = new_code() if takes_code and prints_code else None

            async def is_ready(address: str) -> None:
                if code:
                    _print_code(code)
                if ready:
                    await ready(address, database)

            first_key = FirstKey(code)
            shows = part is not Part.WORK
            async with noting_access(database, credentials, mode) if shows else nullcontext():
                await _serve(
                    listener, database, credentials, part, first_key=first_key, ready=is_ready
                )
    _log_end("service.stopped")


async def _serve(
    listener: socket.socket,
    database: Database,
    credentials: Credentials,
    part: Part,
    *,
    first_key: FirstKey,
    ready: Callable[[str], Awaitable[None]],
) -> None:
    settings, patience = credentials.settings, credentials.settings.health_patience
    targets = AccountTargets(lambda: credentials.settings)

    def health_problems() -> tuple[str, ...]:
        return worker.scheduler.health_problems(patience) + stalls.health_problems(patience)

    async with (
        _reached(settings, database, part) as worker,
        watching_stalls(
            database,
            publishes=worker.publishes,
            mode=partial(overall_mode, settings=settings),
            works=part is not Part.WEB,
        ) as stalls,
        heartbeat(
            database,
            part,
            health_problems,
            lambda: worker.github.clock_ahead,
            lambda: tokens_of(credentials.settings),
        ) as life,
        following(credentials, worker.use_settings),
    ):
        context = AppContext(
            whole_database=database,
            credentials=credentials,
            find_account=worker.find_account,
            wake=worker.wake,
            scheduler_is_alive=worker.is_alive,
            health_problems=lambda: life.health_problems(patience) + health_problems(),
            instance_id=life.instance_id,
            forecast=worker.forecast,
            look_up=worker.look_up,
            preview=_preview(settings),
            check_settings=AccountLists(lambda: credentials.settings).check,
            check_target=targets.check,
            search_targets=targets.search,
            token_tests=CachedTokenTests(lambda: credentials.settings),
            first_key=first_key,
        )
        server = _server_of(create_app(context, part), settings)
        _keep_what_is_loaded()
        with _signals(server):
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            _log_start(settings, address := _address(settings.host, listener), part)
            await ready(address)
            lasting = {"the HTTP server": serving, "the heartbeat": life.task}
            lasting |= {"the work queue": worker.task} if worker.task else {}
            await _until_one_ends(lasting, serving, server)
        _log_end("service.stopping")


def _keep_what_is_loaded() -> None:
    """Make the garbage collector skip the 170,000 objects that stay until the end.

    A full collection would visit them for 110 ms, and five of them run while 100,000 users are
    listed. CPython also waits with it until a quarter as many new objects have aged: memory grew
    for minutes.
    """
    gc.freeze()


async def _until_one_ends(
    lasting: Mapping[str, asyncio.Task[None]], serving: asyncio.Task[None], server: "_Server"
) -> None:
    """Stop serving once one of these has ended; raise its error unless it was asked to stop."""
    await asyncio.wait(lasting.values(), return_when=asyncio.FIRST_COMPLETED)
    stopped, server.should_exit = server.should_exit, True
    await asyncio.wait({serving})
    if not stopped:
        raise _failed(lasting)
    await serving


def _preview(settings: Settings) -> Preview:
    policies = Policies(settings.publishing)
    return partial(previewed, options=RenderOptions(settings.on_edit, settings.on_delete, policies))


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server_of(app: Callable[..., object], settings: Settings) -> "_Server":
    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=5,
            h11_max_incomplete_event_size=32 * 1024,
            proxy_headers=False,  # the application's own middleware reads them
        ),
        ClientLimits(connections=connection_limit(settings.database_connections)),
    )


def _failed(lasting: Mapping[str, asyncio.Task[None]]) -> ServiceFailed:
    """Return the error to raise when one of the lasting tasks has ended on its own."""
    ended = {name: failure(task) for name, task in lasting.items() if task.done()}
    name, error = next(
        ((name, error) for name, error in ended.items() if error), ("a part of the service", None)
    )
    reason = describe(error) if error else "without an error"
    return ServiceFailed(
        f"{name} ended: {reason}; see the log, and run `gitpip doctor` before starting it again"
    )


def _print_code(code: str) -> None:
    """Print a code to the people who see what this process prints.

    It is not logged: logs are often kept where others read them. From now on it is hidden in them.
    """
    console.say(
        "No access key exists yet, so programs on this machine need none. To create the "
        f"first key, enter this code on the page Access keys or in POST /api/v1/keys: {code}"
    )
    hide([code])


def _check_access(settings: Settings, mode: AccessMode) -> None:
    """Raise AccessUndecided if other machines could ask, and nothing says which may."""
    if settings.serves_only_this_machine:
        return
    if mode is AccessMode.NOBODY:
        address = settings.public_url if is_loopback(settings.host) else settings.host
        raise AccessUndecided(
            f"{address} can be reached from other machines, and there is no access key: "
            "create one with `gitpip keys create NAME --role admin`, or set GITPIP_ADMIN_KEY; "
            "or let everyone read with GITPIP_ALLOW_ANONYMOUS=read"
        )


def _reached(
    settings: Settings, database: Database, part: Part
) -> AbstractAsyncContextManager[Worker]:
    return reaching(settings, database) if part is Part.WEB else working(settings, database)


def _log_start(settings: Settings, address: str, part: Part) -> None:
    log.info(
        "service.started",
        address=address,
        part=part.value,
        version=VERSION,
        database=settings.masked_database_url,
        check_interval=format_duration(settings.check_interval),
    )
    if part is Part.WEB or console.is_terminal:  # where the greeting says what is missing
        return
    if settings.github_token is None:
        log.warning(
            "watching.is_slow",
            reason="GITHUB_TOKEN is not set, so GitHub allows 60 requests an hour: "
            f"{settings.capacity_without_token or 'no'} users can be checked every "
            f"{format_duration(settings.check_interval)}",
        )
    if settings.pipedrive_token is None:
        log.warning(
            "publishing.waits",
            reason="PIPEDRIVE_TOKEN is not set. New gists are collected, and sent once it is",
        )


def _log_end(event: str) -> None:
    if not console.is_terminal:  # where a line says that it has stopped
        log.info(event)


class _Server(HttpServer):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn would raise the signal again before our own work is released.
        yield


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    # A terminal that is closed ends this process as well; nohup makes it ignore that.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that accepts connections to this address. Raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server(
            (host, port),
            family=family,
            backlog=512,
            # Python's default is IPv6 alone; every other server serves IPv4 too on this address.
            dualstack_ipv6=host == ANY_IPV6 and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"port {port} on {host} is already in use. Stop the other program, or set "
                "another port, e.g. GITPIP_PORT=8081"
            ) from error
        raise AddressInUse(
            f"can't listen on {host}:{port}: {error.strerror}. Set GITPIP_HOST and GITPIP_PORT to "
            "an address of this machine"
        ) from error
    with listener:
        # asyncio sets this only on sockets that name their protocol; those accepted here don't, and
        # every answer's body would wait 40 ms for the client to acknowledge its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener
