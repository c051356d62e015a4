"""What a person reads first: at a terminal, after `gitpip serve` and after `gitpip demo`."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx2
import pytest

from gitpip.demo.cast import CAST, GUEST
from tests.support.network import nobody_listening
from tests.support.running import Installation, Process


@dataclass(frozen=True)
class Shown:
    """A command on a terminal of its own, and the lines that it prints there."""

    lines: Iterator[str]
    process: Process

    def interrupt(self) -> float:
        """Press Ctrl-C; gives how many seconds later the command has ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        return time.monotonic() - began


@contextmanager
def at_a_terminal(folder: Path, command: str, **environment: str) -> Iterator[Shown]:
    """A command on a terminal of its own; it is stopped afterwards."""
    own, its = pty.openpty()
    always = {"NO_COLOR": "1", "TERM": "dumb", "GITPIP_DATA_DIR": str(folder), "GITPIP_PORT": "0"}
    gitpip = Installation(folder, {**always, **environment})
    process = gitpip.begin(command, output=its)
    os.close(its)
    try:
        with os.fdopen(own, encoding="utf-8", newline="\n") as said:
            yield Shown((line.rstrip("\r\n") for line in said), process)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


def rest(lines: Iterator[str]) -> list[str]:
    """The lines up to the end."""
    read: list[str] = []
    with suppress(OSError):  # nothing has the terminal open
        read.extend(lines)
    return read


def up_to(lines: Iterator[str], last: str) -> list[str]:
    """The lines up to the first that matches."""
    read: list[str] = []
    for line in lines:
        read.append(line)
        if re.search(last, line):
            return read
    raise AssertionError(read)


@pytest.fixture
def migrated(tmp_path: Path, migrated_file: Path) -> Path:
    """A folder of data with a database that need not be made, which takes a second."""
    shutil.copy(migrated_file, tmp_path / "gitpip.db")
    return tmp_path


def test_at_a_terminal_the_start_ends_with_where_to_look(tmp_path: Path) -> None:
    with at_a_terminal(tmp_path, "serve") as shown:
        said = up_to(shown.lines, "^gitpip is running at ")
        shown.interrupt()
        assert shown.process.poll() == 0
        assert rest(shown.lines) == ["gitpip stopped."]

    assert re.fullmatch(
        r"gitpip is running at http://127\.0\.0\.1:\d+ \(Ctrl-C to stop\)", said[-1]
    )
    assert re.fullmatch(
        r"No one is tracked yet: add people at \S+/people, or with \S*gitpip users add LOGIN",
        said[-2],
    )
    to_do = r"Run \S*gitpip setup, or add it to \.env"
    assert re.fullmatch(
        rf"PIPEDRIVE_TOKEN is not set: nothing is sent to Pipedrive\. {to_do}", said[-3]
    )
    assert re.fullmatch(
        rf"GITHUB_TOKEN is not set: gitpip can check only \d+ users every \w+\. {to_do}", said[-4]
    )
    assert said[0] == "Starting gitpip …"
    # What is missing is said once, and not as an event, too.
    assert sum("is not set" in line for line in said) == 2


def test_ctrl_c_says_in_one_line_that_it_stopped_also_if_a_request_hangs(migrated: Path) -> None:
    with at_a_terminal(migrated, "serve", GITPIP_LOG_LEVEL="CRITICAL") as shown:
        address = up_to(shown.lines, "^gitpip is running at ")[-1].split()[4]
        host = address.removeprefix("http://")
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port))) as hung:
            lines = ("POST /people HTTP/1.1", f"Host: {host}", "Content-Length: 9", "", "1")
            hung.sendall("\r\n".join(lines).encode())
            httpx2.get(f"{address}/health")  # by then, the other request has begun
            shown.interrupt()
        assert rest(shown.lines) == ["gitpip stopped."]


def test_tokens_that_are_set_are_not_told_of(migrated: Path) -> None:
    tokens = {"GITHUB_TOKEN": "a", "PIPEDRIVE_TOKEN": "b"}
    with nobody_listening() as port:
        address = f"http://127.0.0.1:{port}"
        urls = {"GITHUB_API_URL": address, "PIPEDRIVE_API_URL": f"{address}/api"}
        with at_a_terminal(migrated, "serve", **tokens, **urls) as shown:
            said = up_to(shown.lines, "^gitpip is running at ")

    assert not [line for line in said if "is not set" in line]


def test_where_nobody_reads_along_there_are_events_alone(migrated: Path) -> None:
    gitpip = Installation(migrated, {"GITPIP_DATA_DIR": str(migrated), "GITPIP_PORT": "0"})
    gitpip.start()
    try:
        assert gitpip.code  # printed before the first answer
        said = gitpip.log_file.read_text()
    finally:
        gitpip.stop()

    assert "gitpip is running at" not in said
    assert "Starting gitpip" not in said
    assert {"watching.is_slow", "publishing.waits"} <= {
        json.loads(line)["event"] for line in said.splitlines() if line[:1] == "{"
    }
    assert [line[:1] for line in said.splitlines() if line[:1] != "{"] == ["N"]  # the code's line


def page_with_a_deal(address: str) -> str:
    """The page of a user, as soon as their deal is made."""
    for _ in range(600):
        if re.search(r"deal \d", page := httpx2.get(address).text):
            return page
        time.sleep(0.05)
    raise AssertionError(page)


def wait_for_acts(address: str) -> None:
    """Until there are a held, a refused and an edited file: it is all shown in a minute."""
    began, missing = time.monotonic(), {"held", "failed", "edited"}
    while missing:
        assert time.monotonic() - began < 60, missing
        for state in missing & {"held", "failed"}:
            found = httpx2.get(f"{address}/api/v1/publications?state={state}").json()
            missing -= {state} if found["total"] else set()
        if "gist.edited" in httpx2.get(f"{address}/api/v1/events").text:
            missing -= {"edited"}
        time.sleep(0.2)


def test_the_demo_says_what_to_open_whose_name_to_add_and_what_to_copy(tmp_path: Path) -> None:
    own = tmp_path / "temporary"
    own.mkdir()
    with at_a_terminal(tmp_path, "demo", TMPDIR=str(own)) as demo:
        said = up_to(demo.lines, r"^  \(cd ")
        url = str(re.findall(r"Demo ready → (\S+)", "\n".join(said))[0])
        began = time.monotonic()
        status = subprocess.run(
            ["sh", "-c", said[-1]], check=False, capture_output=True, text=True, timeout=60
        )
        for_a_command = time.monotonic() - began
        shown = page_with_a_deal(f"{url}/people/ada-lovelace")
        crm = str(re.findall(r"^  (http://\S+)$", "\n".join(said), re.MULTILINE)[0])
        led_to = [
            unescape(address)
            for address in re.findall(r'href="(http[^"]+)"', shown)
            if "127.0.0.1" in address
        ]
        places = {address: httpx2.get(address) for address in [crm, *led_to]}
        wait_for_acts(url)
        keys = httpx2.get(f"{url}/keys", headers={"accept": "text/html"}).text
        setup = httpx2.post(f"{url}/setup", follow_redirects=True, timeout=60).text
        added = httpx2.post(f"{url}/users/{GUEST.login}/customer-1")
        assert [*own.iterdir()]
        # On a machine that is busy with other tests, as long as a command takes there.
        assert demo.interrupt() < max(2, for_a_command)
        assert demo.process.poll() == 0
        assert rest(demo.lines)[-2:] == ["", "The demo stopped and deleted its data."]

    assert not [*own.iterdir()]
    assert [line.strip() for line in said[:4]] == [
        "Starting the demo …",
        "Simulated GitHub and Pipedrive are running.",
        f"Adding {len(CAST)} simulated users …",
        "Starting gitpip …",
    ]
    assert "access key" not in "\n".join(said)
    assert not [line for line in said if "info" in line or "warning" in line]
    assert [line for line in said if f"{GUEST.login} is not tracked yet" in line]
    assert status.returncode == 0, status.stderr
    assert f"users: active {len(CAST)}" in status.stdout.splitlines()
    assert "pipedrive.com" not in shown
    assert "ada-lovelace" in places[crm].text
    assert len(places) > 2, shown  # a deal, and the user's gists
    for address, answer in places.items():
        assert answer.status_code == 200, address
        assert "Nothing here is real" in answer.text, address
    assert added.is_success
    assert "A command creates the first key" in keys
    assert 'name="code"' not in keys
    assert "the token belongs to the-demo" in setup


def test_the_demo_tells_of_a_taken_port_before_all_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gitpip = Installation(tmp_path, {"GITPIP_PORT": str(port), "GITPIP_LOG_LEVEL": "INFO"})
        demo = gitpip.command("demo")

    assert demo.returncode == 1
    assert demo.stdout == "Starting the demo …\n"
    assert demo.stderr.startswith(f"gitpip: port {port} on 127.0.0.1 is already in use")


def test_the_status_exits_with_0_whatever_the_problems_are(migrated: Path) -> None:
    gitpip = Installation(migrated, {"GITPIP_DATA_DIR": str(migrated)})
    gitpip.command("keys", "create", "eve", "--role", "admin")
    status = gitpip.command("status", "--json")

    assert status.returncode == 0
    said = json.loads(status.stdout)
    assert said["all_good"] is False
    assert said["problems"]
