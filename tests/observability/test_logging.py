"""What operators read: one event a line, with ids, and never a secret."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx2
import pytest
import structlog
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gitpip.observability.logging import configure_logging, get_logger
from tests.support.tokens import TOKEN

Form = Literal["console", "json"]
EVERY_FORMAT: tuple[Form, ...] = ("console", "json")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, show = list(root.handlers), root.level, warnings.showwarning
    configured = structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def written(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_severity_time_and_fields() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    before = datetime.now(UTC)
    get_logger().warning("gist.found", gist_id="abc", user="octocat", files=2, waited=0.5)
    (event,) = written(stream)
    timestamp = str(event.pop("timestamp"))
    assert timestamp.endswith("Z")
    assert abs((datetime.fromisoformat(timestamp) - before).total_seconds()) < 10
    assert event == {
        "severity": "WARNING",
        "event": "gist.found",
        "gist_id": "abc",
        "user": "octocat",
        "files": 2,
        "waited": 0.5,
    }


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    configure_logging("WARNING", "json", stream=stream)
    get_logger().info("check.started")
    logging.getLogger("pgqueuer").info("quiet")
    logging.getLogger("pgqueuer").error("loud")
    assert [event["event"] for event in written(stream)] == ["loud"]


def test_bound_context_follows_every_event() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    with structlog.contextvars.bound_contextvars(publication_id=7):
        get_logger().info("publication.claimed")
        get_logger().info("publication.published", activity_id=9)
    assert [event["publication_id"] for event in written(stream)] == [7, 7]


def test_a_repeated_set_up_writes_each_event_once_and_to_the_last_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    log = get_logger()
    configure_logging("INFO", "json", stream=first)
    log.info("one")
    configure_logging("INFO", "json", stream=second)
    configure_logging("INFO", "json", stream=second)
    log.info("two")
    logging.getLogger("uvicorn.error").info("three")
    assert [event["event"] for event in written(first)] == ["one"]
    assert [event["event"] for event in written(second)] == ["two", "three"]


def test_an_exception_is_one_field_without_local_variables() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    hidden = "a local variable's " + "value"
    try:
        raise RuntimeError(f"no answer for {len(hidden)}")
    except RuntimeError:
        get_logger().exception("check.failed")
        logging.getLogger("uvicorn.error").exception("lost")
    ours, theirs = written(stream)
    for event in (ours, theirs):
        assert event["severity"] == "ERROR"
        assert "RuntimeError: no answer for" in str(event["exception"])
        assert "a local variable's value" not in str(event)


def test_the_access_log_is_an_event_without_the_query() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5000", "GET", "/users?key=private", "1.1", 200
    )
    (event,) = written(stream)
    assert "private" not in stream.getvalue()
    assert {name: event[name] for name in ("event", "method", "path", "status", "client")} == {
        "event": "http.request",
        "method": "GET",
        "path": "/users",
        "status": 200,
        "client": "127.0.0.1:5000",
    }


async def test_uvicorn_and_httpx2_log_a_real_request_without_its_secrets() -> None:
    stream = io.StringIO()
    configure_logging("DEBUG", "json", stream=stream)

    async def application(_request: Request) -> Response:
        return Response(status_code=204, headers={"set-cookie": f"key={TOKEN}"})

    config = uvicorn.Config(Starlette(routes=[Route("/users", application)]), log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(headers={"x-api-token": TOKEN}) as client:
            answer = await client.get(f"{address}/users", params={"api_token": TOKEN})
        server.should_exit = True
        await serving
    assert answer.status_code == 204
    requests = [event for event in written(stream) if event["event"] == "http.request"]
    assert [(event["path"], event["status"]) for event in requests] == [("/users", 204)]
    assert TOKEN not in stream.getvalue()


def test_warnings_become_events() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("old spelling", DeprecationWarning, "file.py", 1)
    (event,) = written(stream)
    assert event["severity"] == "WARNING"
    assert "old spelling" in str(event["event"])


LEAKS = {
    "header line": f"x-api-token: {TOKEN}",
    "header pair": f"[(b'x-api-token', b'{TOKEN}')]",
    "header mapping": f"{{'Authorization': 'Bearer {TOKEN}'}}",
    "query": f"GET https://api.pipedrive.com/v1/deals?api_token={TOKEN}&limit=1",
    "other query": f"https://api.github.com/user?access_token={TOKEN}",
    "address": f"postgresql://gitpip:{TOKEN}@db:5432/gitpip",
    "connection string": f"host=db password='{TOKEN}' dbname=gitpip",
    "token of a kind": "ghp_" + TOKEN[:36],
    "key of ours": f"/feeds/gitpip_89ab89ab_{TOKEN}{TOKEN[:8]}/feed.atom",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("form", EVERY_FORMAT)
def test_text_that_looks_like_a_secret_is_hidden(leak: str, form: Form) -> None:
    stream = io.StringIO()
    configure_logging("INFO", form, stream=stream)
    get_logger().info(leak, deep=[{"deeper": (leak,)}])
    logging.getLogger("pgqueuer").error("failed: %s", leak)
    with contextlib.suppress(RuntimeError):
        try:
            raise RuntimeError(leak)
        except RuntimeError:
            get_logger().exception("failed")
            raise
    assert "[secret]" in stream.getvalue()
    assert TOKEN[:20] not in stream.getvalue()


def test_headers_given_as_values_are_hidden() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    get_logger().info(
        "sent",
        headers={"X-Api-Token": TOKEN, "accept": "json"},
        raw=[(b"authorization", TOKEN.encode())],
        password=TOKEN,
    )
    (event,) = written(stream)
    assert TOKEN not in stream.getvalue()
    assert event["headers"] == {"X-Api-Token": "[secret]", "accept": "json"}


secrets = st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=12).filter(
    lambda text: len(set(text)) > 6
)
texts = st.text(st.characters(), max_size=40)


@given(secret=secrets, before=texts, after=texts, form=st.sampled_from(EVERY_FORMAT))
def test_no_given_secret_is_ever_written(secret: str, before: str, after: str, form: Form) -> None:
    stream = io.StringIO()
    configure_logging("INFO", form, [secret], stream)
    text = before + secret + after
    get_logger().info(
        text, field=text, deep={text: [text, (text,), {text: text.encode("utf-8", "replace")}]}
    )
    get_logger().info("an object", error=ValueError(text), path=Path(text.replace("\0", "")))
    logging.getLogger("uvicorn.error").error("%s and %r", text, text)
    try:
        raise RuntimeError(text) from ValueError(text)
    except RuntimeError:
        get_logger().exception("failed")
    raw = stream.getvalue()
    readable = json.dumps(written(stream), ensure_ascii=False) if form == "json" else raw
    for spelling in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert spelling not in raw
        assert spelling not in readable


@given(
    event=texts,
    name=st.text(min_size=1, max_size=10),
    value=st.recursive(
        texts | st.binary() | st.integers() | st.floats() | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    form=st.sampled_from(EVERY_FORMAT),
)
def test_one_event_is_one_line(event: str, name: str, value: object, form: Form) -> None:
    stream = io.StringIO()
    configure_logging("INFO", form, stream=stream)
    get_logger().info(event, field=value)
    logging.getLogger("alembic").warning("%s", {name: value})
    text = stream.getvalue()
    assert len(text.splitlines()) == text.count("\n") == 2
    assert text.removesuffix("\n").replace("\n", "").isprintable()
    if form == "json":
        for line in text.splitlines():
            json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_a_traceback_on_the_console_can_not_pass_for_an_event() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "console", stream=stream)
    try:
        raise RuntimeError("first\n2026-01-01T00:00:00Z [info] gist.found\u202e\rforged")
    except RuntimeError:
        get_logger().exception("check.failed")
    first, *others = stream.getvalue().splitlines()
    assert "check.failed" in first
    assert others
    assert all(line.startswith("  | ") and line.isprintable() for line in others)


def test_no_colors_off_a_terminal() -> None:
    stream = io.StringIO()
    configure_logging("INFO", "console", stream=stream)
    get_logger().info("service.started", port=8080)
    assert "\x1b" not in stream.getvalue()
    assert re.search(r"\[info *\] service\.started .*port=8080", stream.getvalue())


def test_a_closed_pipe_a_full_disk_and_a_closed_stream_do_not_stop_the_service(
    capfd: pytest.CaptureFixture[str],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = os.fdopen(writer, "w")
    configure_logging("INFO", "json", stream=pipe)
    get_logger().info("into a pipe nobody reads")
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
    get_logger().info("into a closed stream")
    full = Path("/dev/full").open("w")  # noqa: SIM115 (closing it fails too)
    configure_logging("INFO", "json", stream=full)
    get_logger().info("onto a full disk")
    with contextlib.suppress(OSError):
        full.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", EVERY_FORMAT)
def test_a_process_without_an_error_stream_runs(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure_logging("INFO", form)
    get_logger().info("nobody reads this")


def test_a_record_that_can_not_be_rendered_is_told_without_its_contents(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest's own handlers raise where others only complain.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    logging.getLogger("pgqueuer").error("%d items", TOKEN)
    (event,) = written(stream)
    assert event["event"] == "log.lost"
    assert TOKEN not in stream.getvalue()
    assert capfd.readouterr() == ("", "")


def test_an_object_that_can_not_be_shown_does_not_lose_the_event() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    stream = io.StringIO()
    configure_logging("INFO", "json", stream=stream)
    circle: list[object] = []
    circle.append(circle)
    get_logger().info("odd", broken=Broken(), circle=circle)
    (event,) = written(stream)
    assert event["broken"] == "<Broken>"


def test_uncaught_errors_are_logged_without_secrets() -> None:
    program = f"""
import threading
from gitpip.observability.logging import configure_logging, log_uncaught

configure_logging("INFO", "json", secrets=["{TOKEN}"])
log_uncaught()

def fail():
    raise ValueError("{TOKEN} is no number")

class Closing:
    def __del__(self):
        fail()

thread = threading.Thread(target=fail)
thread.start()
thread.join()
Closing()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == ""
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [one["event"] for one in told] == ["thread.failed", "finalizer.failed"]
    assert all("ValueError: [secret] is no number" in one["exception"] for one in told)
    assert TOKEN not in ended.stderr
