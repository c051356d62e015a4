"""Tries the Dockerfile where there is no container engine: `sudo python deploy/try_image.py`.

The Dockerfile's own instructions run, one by one, in a clean Debian with its Python, made by
mmdebstrap, which takes the place of the base image. The result is started the way a careful
operator would start the image: as its user, on a read-only root, with /tmp and its volumes in
memory. Then the health check of the Dockerfile, `/ready` and the demo must answer. What the base
image is like, and what an engine does beyond this, stays untried.
"""

import json
import os
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
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
WHEELS = "/wheels"
"""Where packages lie inside, downloaded before: the clean root reaches no registry."""


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
    with tempfile.TemporaryDirectory(prefix="gitpip-image-") as name:
        work = Path(name)
        base = work / "base"
        _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, base)
        _download(base / WHEELS.lstrip("/"))
        stage = build(work, base)
        try_service(stage)
        try_demo(stage)
    print("the Dockerfile's steps run, and the result serves")


def build(work: Path, base: Path) -> Stage:
    """Carry out every instruction; gives the last stage. Raises ValueError for an unknown one."""
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for number, (word, rest) in enumerate(instructions((ROOT / "Dockerfile").read_text())):
        print(f"{word} {rest[:90]}", flush=True)
        match word:
            case "FROM":
                stage = Stage(work / f"stage-{number}")
                _run("cp", "--archive", base, stage.root)
                stages[rest.partition(" AS ")[2] or "last"] = stage
            case "RUN":
                _inside(stage, ["sh", "-ec", rest])
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
    """Start the image's command, and ask it how it is."""
    with _started(stage, stage.command) as port:
        _wait_for(f"http://127.0.0.1:{port}/ready", "ready")
        check = [part.replace("8080", str(port)) for part in stage.health]
        _inside(stage, check)


def try_demo(stage: Stage) -> None:
    """Start the demo, and wait until something was published."""
    with _started(stage, ["demo"]) as port:
        _wait_for(f"http://127.0.0.1:{port}/api/v1/publications?state=published", '"activity_id":')


@contextmanager
def _started(stage: Stage, command: list[str]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    root = shlex.quote(str(stage.root))
    uid, gid = stage.user.split(":")
    memory = " && ".join(
        f"mount -t tmpfs -o uid={uid},gid={gid} tmpfs {root}{place}"
        for place in ("/tmp", *stage.volumes)  # noqa: S108 - the image's, in memory
    )
    settings = stage.environment | {"GITPIP_PORT": str(port), "GITPIP_LOG_LEVEL": "ERROR"}
    inner = shlex.join(
        [
            "chroot",
            f"--userspec={stage.user}",
            str(stage.root),
            "env",
            "--ignore-environment",
            f"--chdir={stage.folder}",
            *(f"{name}={value}" for name, value in settings.items()),
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


def _inside(stage: Stage, command: list[str]) -> None:
    environment = stage.environment | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS}
    _run(
        *("chroot", stage.root, "env", "--ignore-environment", f"--chdir={stage.folder}"),
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


def _download(folder: Path) -> None:
    """Fetch what the locked requirements name, for the Python of the clean root."""
    found = subprocess.run(
        ["chroot", folder.parent, "python3", "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    )
    version = ".".join(found.stdout.split())
    _run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--only-binary=:all:", "--python-version", version),
        *("-r", ROOT / "requirements.txt", "-r", ROOT / "requirements-build.txt", "-d", folder),
    )


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
