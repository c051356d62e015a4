"""What is surely not sent is no doubt, and what is given up does not live on for a quarter hour."""

import asyncio
import gc
import socket
from collections.abc import Iterator, Mapping
from datetime import timedelta

import httpcore2
import httpx2
import pytest
from pydantic import SecretStr

from gitpip.http_client import USER_TIMEOUT, Sending, client
from gitpip.model import DealId
from gitpip.publish.delivery import Ambiguous, NotProcessed, Outcome
from gitpip.publish.destination import Place
from gitpip.publish.pipedrive.client import Pipedrive
from tests.support.network import Listener

SOON = timedelta(milliseconds=400)


async def outcome_at(url: str) -> Outcome:
    """What becomes of an activity that is sent there."""
    async with Pipedrive(
        api_url=url, token=SecretStr("a-token"), timeout=SOON, rest=timedelta(0)
    ) as pipedrive:
        return await pipedrive.create_activity(place=Place.deal(DealId(1)), subject="a", note="b")


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says anything."""

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    with Listener(say_nothing) as listener:
        yield listener.port


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a server that takes no more connections: they wait, and are not refused."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for each in waiting:
            each.close()


async def test_a_connection_that_is_not_made_in_time_is_no_doubt(full: int) -> None:
    assert isinstance(await outcome_at(f"http://127.0.0.1:{full}"), NotProcessed)


async def test_a_handshake_that_is_not_finished_in_time_is_no_doubt(silent: int) -> None:
    assert isinstance(await outcome_at(f"https://127.0.0.1:{silent}"), NotProcessed)
    gc.collect()


async def test_no_answer_to_what_was_sent_is_a_doubt(silent: int) -> None:
    assert isinstance(await outcome_at(f"http://127.0.0.1:{silent}"), Ambiguous)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
async def test_the_kernel_gives_up_what_is_not_acknowledged(silent: int) -> None:
    limits: list[object] = []

    class Watched(Sending):
        async def trace(self, event: str, told: Mapping[str, object]) -> None:
            await super().trace(event, told)
            stream = told.get("return_value")
            if event.endswith("connect_tcp.complete"):
                assert isinstance(stream, httpcore2.AsyncNetworkStream)
                connected = stream.get_extra_info("socket")
                limits.append(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    async with client(timeout=0.2) as asking:
        with pytest.raises(httpx2.ReadTimeout):
            await asking.get(f"http://127.0.0.1:{silent}", extensions={"trace": Watched().trace})
    assert limits == [USER_TIMEOUT / timedelta(milliseconds=1)]
