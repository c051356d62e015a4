"""Tries the Dockerfile where there is no container engine: `sudo python deploy/try_image.py`.

The Dockerfile's own instructions run, one by one, in a clean Debian made by mmdebstrap, which takes
the place of the base image: the same release of Debian, with the same minor version of Python. The
result is started the way a careful operator would start the image: as its user, on a read-only
root, with /tmp and its volumes in memory, and an admin key as a secret file. Then the health check
of the Dockerfile, `/ready` and the demo must answer, and the service must ask for the key. What the
base image is like, and what an engine does beyond this, stays untried.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
WHEELS = "/wheels"
"""Where packages lie inside, downloaded before: the clean root reaches no registry."""
SECRETS = "/run/secrets"


@dataclass
class Stage:
    """One stage of the Dockerfile as far as it was carried out: a root, and what was declared."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    folder: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def main() -> None:
    """Build, and try the result; exits with 1 where something fails."""
    if os.geteuid() != 0:
        sys.exit("this needs root: it makes a root of its own and enters it")
    recipe = (ROOT / "Dockerfile").read_text()
    with tempfile.TemporaryDirectory(prefix="gitpip-image-") as name:
        work = Path(name)
        base = work / "base"
        _make_base(base, recipe)
        stage = build(recipe, work, base)
        try_service(stage)
        try_demo(stage)
    print("the Dockerfile's steps run, and the result serves")


def build(recipe: str, work: Path, base: Path) -> Stage:
    """Carry out every instruction; gives the last stage. Raises ValueError for an unknown one."""
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for number, (word, rest) in enumerate(instructions(recipe)):
        print(f"{word} {rest[:90]}", flush=True)
        match word:
            case "FROM":
                stage = Stage(work / f"stage-{number}")
                _run("cp", "--archive", base, stage.root)
                stages[rest.partition(" AS ")[2] or "last"] = stage
            case "RUN":
                _inside(stage, ["sh", "-ec", rest], PIP_NO_INDEX="1", PIP_FIND_LINKS=WHEELS)
            case "COPY":
                _copy(stage, shlex.split(rest), stages)
            case "ARG" | "LABEL" | "EXPOSE":
                continue
            case _:
                _declare(stage, word, rest)
    shutil.rmtree(stage.root / WHEELS.lstrip("/"))
    return stage


def _declare(stage: Stage, word: str, rest: str) -> None:
    match word:
        case "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "ENV":
            for name, _, value in (pair.partition("=") for pair in shlex.split(rest)):
                stage.environment[name] = value.replace("$PATH", stage.environment["PATH"])
        case "VOLUME":
            stage.volumes.append(rest)
        case "USER":
            stage.user = rest
        case "HEALTHCHECK":
            stage.health = json.loads(rest.partition("CMD ")[2])
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case _:
            raise ValueError(f"{word} is an instruction that this can't carry out")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def try_service(stage: Stage) -> None:
    """Start the image's command, ask it how it is, and whether it asks for the key."""
    key = secrets.token_hex(24)
    folder = stage.root / SECRETS.lstrip("/")
    folder.mkdir()
    (folder / "gitpip-admin-key").write_text(key)
    with _started(stage, stage.command, GITPIP_SECRETS_DIR=SECRETS) as port:
        _wait_for(f"http://127.0.0.1:{port}/ready", "ready")
        _inside(stage, stage.health, GITPIP_PORT=str(port))
        guarded = f"http://127.0.0.1:{port}/api/v1/status"
        answers = _status_of(guarded), _status_of(guarded, Authorization=f"Bearer {key}")
    if answers != (401, 200):
        sys.exit(f"{guarded} answered {answers[0]} without a key and {answers[1]} with one")


def try_demo(stage: Stage) -> None:
    """Start the demo, and wait until something was published."""
    with _started(stage, ["demo"], GITPIP_ALLOW_ANONYMOUS="all") as port:
        _wait_for(f"http://127.0.0.1:{port}/api/v1/publications?state=published", '"activity_id":')


@contextmanager
def _started(stage: Stage, command: list[str], **settings: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    root = shlex.quote(str(stage.root))
    uid, gid = stage.user.split(":")
    memory = " && ".join(
        f"mount -t tmpfs -o uid={uid},gid={gid} tmpfs {root}{place}"
        for place in ("/tmp", *stage.volumes)  # noqa: S108 - the image's, in memory
    )
    settings |= {"GITPIP_PORT": str(port), "GITPIP_LOG_LEVEL": "ERROR"}
    inner = shlex.join(
        [
            "chroot",
            f"--userspec={stage.user}",
            str(stage.root),
            "env",
            "--ignore-environment",
            f"--chdir={stage.folder}",
            *(f"{name}={value}" for name, value in (stage.environment | settings).items()),
            *stage.entrypoint,
            *command,
        ]
    )
    script = (
        f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && {memory}"
        f" && mount --bind /dev {root}/dev && mount -t proc proc {root}/proc && exec {inner}"
    )
    with subprocess.Popen(["unshare", "--mount", "sh", "-ec", script]) as process:
        try:
            yield port
        finally:
            process.terminate()
            if process.wait(timeout=30) != 0:
                sys.exit(f"{shlex.join(command)} ended with {process.returncode}")


def _inside(stage: Stage, command: list[str], **settings: str) -> None:
    environment = stage.environment | settings
    _run(
        *("chroot", f"--userspec={stage.user}", stage.root),
        *("env", "--ignore-environment", f"--chdir={stage.folder}"),
        *(f"{name}={value}" for name, value in environment.items()),
        *command,
    )


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *names, goal = words
    target = stage.root / stage.folder.lstrip("/") / goal
    if goal.startswith("/"):
        target = stage.root / goal.lstrip("/")
    for name in names:
        place = source / name.lstrip("/")
        if place.is_dir():
            shutil.copytree(place, target, symlinks=True, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place, target / place.name)


def _make_base(folder: Path, recipe: str) -> None:
    """Make the root that takes the place of the base image, with the wheels for its Python."""
    named = re.search(r"^ARG BASE=python:([\d.]+)-slim-([a-z]+)$", recipe, re.MULTILINE)
    if not named:
        raise ValueError("the Dockerfile names no base like python:3.13-slim-trixie")
    python, suite = named.groups()
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, folder)
    if not (folder / f"usr/bin/python{python}").exists():
        raise ValueError(f"Debian's {suite} has no Python {python}, so the base can't be replaced")
    _download(folder / WHEELS.lstrip("/"), python)


def _download(folder: Path, python: str) -> None:
    """Fetch what the locked requirements name for another Python than this one.

    pip would judge by this Python which of them are needed at all, so uv writes them out before.
    """
    folder.mkdir()
    needed = folder / "needed.txt"
    _run(
        *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--no-deps"),
        *("--python-version", python, "--generate-hashes", "--output-file", needed),
        *(ROOT / "requirements.txt", ROOT / "requirements-build.txt"),
    )
    _run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--only-binary=:all:", "--python-version", python),
        *("--requirement", needed, "--dest", folder),
    )


def _status_of(url: str, **headers: str) -> int:
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def _wait_for(url: str, expected: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
                if expected in answer.read().decode():
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    sys.exit(f"{url} did not answer with {expected} within a minute")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
