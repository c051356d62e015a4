"""The socket: it serves, it stops at once, it leaves no thread behind."""

import threading
import time

import httpx2
import pytest

from gitpip_standins import Fault, GitHub, Server


def test_it_stops_at_once_though_requests_hang() -> None:
    github = GitHub()
    github.faults.script(Fault.hang(), times=None)
    server = Server(github.app).start()
    errors: list[Exception] = []

    def ask() -> None:
        try:
            httpx2.get(f"{server.url}/users/ada")
        except httpx2.TransportError as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(5)]
    for asker in askers:
        asker.start()
    github.wait_until(lambda: len(github.requests) == 5)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 20
    for asker in askers:
        asker.join()
    assert len(errors) == 5


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    Server(GitHub().app).stop()


def test_a_taken_port_is_told_when_the_server_is_made() -> None:
    with Server(GitHub().app) as server, pytest.raises(OSError, match="in use"):
        Server(GitHub().app, port=server.port)


def test_no_thread_stays_behind() -> None:
    before = set(threading.enumerate())
    with Server(GitHub().app) as server:
        httpx2.get(f"{server.url}/users/ada")
    assert set(threading.enumerate()) <= before


def test_an_application_can_come_back_at_the_same_address() -> None:
    github = GitHub()
    github.add_user("ada")
    with Server(github.app) as server:
        port = server.port
    with Server(github.app, port=port) as server:
        assert httpx2.get(f"{server.url}/users/ada").status_code == 200
