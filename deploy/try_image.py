"""Builds and tries the image where there is no container engine: `sudo python deploy/try_image.py`.

buildah builds the Dockerfile as it stands, without an engine. A clean Debian made by mmdebstrap
takes the place of the base image: the same release, with the same minor version of Python. The
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
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
SECRETS = "/run/secrets"


@dataclass(frozen=True)
class Image:
    """What the Dockerfile became: a root, and what was declared for a container of it."""

    root: Path
    declared: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the image gives its processes."""
        return dict(entry.split("=", 1) for entry in self.declared["Env"])


def main() -> None:
    """Build, and try the result; exits with 1 where something fails."""
    if os.geteuid() != 0:
        sys.exit("this needs root: it makes a root of its own and enters it")
    with tempfile.TemporaryDirectory(prefix="gitpip-image-") as name:
        work = Path(name)
        with _storage(work):
            image = build(work)
            try_service(image)
            try_demo(image)
    print("the Dockerfile is built, and the result serves")


def build(work: Path) -> Image:
    """Build the Dockerfile on a base of our own."""
    base, python, suite = _base()
    packed = work / "base.tar"
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, packed)
    container = _told("buildah", "from", "scratch")
    _run("buildah", "add", "--quiet", container, packed, "/")
    found = _told(*_buildah_run(container), "python", "-c", "import sys; print(sys.version)")
    if not found.startswith(f"{python}."):
        sys.exit(f"Debian's {suite} has Python {found}, so it can't take the place of {base}")
    _run("buildah", "commit", "--quiet", container, f"docker.io/library/{base}")

    # The build reaches no registry: what it installs was downloaded before.
    wheels, settings = work / "wheels", work / "pip.conf"
    _download(wheels, python)
    settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    _run(
        *("buildah", "build", "--quiet", "--isolation=chroot", "--format=docker", "--pull-never"),
        *(f"--volume={wheels}:/wheels:ro", f"--volume={settings}:/etc/pip.conf:ro"),
        *("--tag=gitpip", ROOT),
    )
    built = json.loads(_told("buildah", "inspect", "--type=image", "gitpip"))
    container = _told("buildah", "from", "--pull-never", "gitpip")
    return Image(Path(_told("buildah", "mount", container)), built["Docker"]["config"])


def try_service(image: Image) -> None:
    """Start the image's command, ask it how it is, and whether it asks for the key."""
    key = secrets.token_hex(24)
    folder = image.root / SECRETS.lstrip("/")
    folder.mkdir()
    (folder / "gitpip-admin-key").write_text(key)
    with _started(image, image.declared["Cmd"], GITPIP_SECRETS_DIR=SECRETS) as port:
        _wait_for(f"http://127.0.0.1:{port}/ready", "ready")
        _, *check = image.declared["Healthcheck"]["Test"]
        _run(*_inside(image, check, GITPIP_PORT=str(port)))
        guarded = f"http://127.0.0.1:{port}/api/v1/status"
        answers = _status_of(guarded), _status_of(guarded, Authorization=f"Bearer {key}")
    if answers != (401, 200):
        sys.exit(f"{guarded} answered {answers[0]} without a key and {answers[1]} with one")


def try_demo(image: Image) -> None:
    """Start the demo, and wait until something was published."""
    with _started(image, ["demo"], GITPIP_ALLOW_ANONYMOUS="all") as port:
        _wait_for(f"http://127.0.0.1:{port}/api/v1/publications?state=published", '"activity_id":')


@contextmanager
def _started(image: Image, command: list[str], **settings: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    root = shlex.quote(str(image.root))
    uid, gid = image.declared["User"].split(":")
    memory = " && ".join(
        f"mount -t tmpfs -o uid={uid},gid={gid} tmpfs {root}{place}"
        for place in ("/tmp", *image.declared["Volumes"])  # noqa: S108 - the image's, in memory
    )
    settings |= {"GITPIP_PORT": str(port), "GITPIP_LOG_LEVEL": "ERROR"}
    inner = shlex.join(_inside(image, [*image.declared["Entrypoint"], *command], **settings))
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


def _inside(image: Image, command: list[str], **settings: str) -> list[str]:
    """A command for a process in the image's root, as its user, with its environment."""
    return [
        *("chroot", f"--userspec={image.declared['User']}", str(image.root)),
        *("env", "--ignore-environment", f"--chdir={image.declared['WorkingDir']}"),
        *(f"{name}={value}" for name, value in (image.environment | settings).items()),
        *command,
    ]


@contextmanager
def _storage(work: Path) -> Iterator[None]:
    """Let buildah keep all it makes in a folder, and unmount it at the end."""
    settings = work / "storage.conf"
    settings.write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{work}/run"\ngraphroot = "{work}/graph"\n'
    )
    os.environ["CONTAINERS_STORAGE_CONF"] = str(settings)
    try:
        yield
    finally:
        _run("buildah", "umount", "--all", stdout=subprocess.DEVNULL)


def _base() -> tuple[str, str, str]:
    """The base image that the Dockerfile names, with its Python and its release of Debian."""
    recipe = (ROOT / "Dockerfile").read_text()
    named = re.search(r"^ARG BASE=(python:([\d.]+)-slim-([a-z]+))$", recipe, re.MULTILINE)
    if not named:
        sys.exit("the Dockerfile names no base like python:3.13-slim-trixie")
    base, python, suite = named.groups()
    return base, python, suite


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


def _buildah_run(container: str) -> list[str]:
    return ["buildah", "run", "--isolation=chroot", container, "--"]


def _run(*command: str | Path, stdout: int | None = None) -> None:
    subprocess.run(command, check=True, stdout=stdout)


def _told(*command: str | Path) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
