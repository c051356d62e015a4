"""The single file serves on a Python with nothing else, and is installed as the document says."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.deploy.test_document import snippet

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "gitpip.service"
PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    architecture = os.uname().machine
    made = ROOT / "dist" / f"gitpip-linux-{architecture}.pyz"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "lock").open("w") as lock:
        # Tests of this module that run side by side build into the same place.
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [ROOT / "deploy" / "build-single-file.sh", "linux", architecture],
            env={**os.environ, "PYTHON": sys.executable},
            check=True,
        )
        return made.rename(tmp_path_factory.mktemp("build") / "gitpip")


@pytest.mark.skipif(sys.platform != "linux", reason="the Linux build is tried on Linux")
def test_it_serves_with_nothing_but_a_python(build: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "GITPIP_DATA_DIR": str(tmp_path),
        "GITPIP_PORT": "0",
        "GITPIP_LOG_FORMAT": "json",
    }
    version = subprocess.run(
        [PYTHON, "-I", build, "settings"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GITPIP_PORT" in version.stdout
    with subprocess.Popen(
        [PYTHON, "-I", build, "serve"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout
            started = next(line for line in process.stdout if "service.started" in line)
            address = started.partition('"address": "')[2].partition('"')[0]
            with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:  # noqa: S310
                assert answer.read() == b"Alive"
        finally:
            process.terminate()
        assert process.wait(timeout=60) == 0


def another_python() -> Path | None:
    """A Python of another minor version, if one is on the path or next to this one."""
    beside = [folder / "bin" for folder in Path(sys.base_prefix).parent.iterdir()]
    for minor in {9, 10, 11, 12, 13, 14} - {sys.version_info.minor}:
        for folder in [*map(Path, os.get_exec_path()), *beside]:
            python = folder / f"python3.{minor}"
            if python.exists() and _works(python):
                return python
    return None


def _works(python: Path) -> bool:
    """A launcher of Pythons can stand in for one that is not there."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def test_another_python_is_told_which_it_needs(build: Path, tmp_path: Path) -> None:
    other = another_python()
    if other is None:
        pytest.skip("there is no Python of another minor version")
    result = subprocess.run(
        [other, "-I", build, "settings"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    needed = f"3.{sys.version_info.minor}"
    assert result.stderr.startswith(f"gitpip: this file needs Python {needed}, and this is ")
    assert len(result.stderr.splitlines()) == 1


INSTALLATION = """
mount --make-rprivate /
cp --archive /etc "$COPY"
mount --bind "$COPY" /etc
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
sudo() {{
    [ "$1" = -u ] || {{ "$@"; return; }}
    shift 3
    runuser -u gitpip -- env HOME=/var/lib/gitpip "$@"
}}
systemctl() {{
    install -d -m 700 -o gitpip -g gitpip /var/lib/gitpip  # as StateDirectory= does
    # In place of the service, which is not started here and would make the database.
    (cd /etc/gitpip && sudo -u gitpip -H gitpip keys create ada --role admin > /dev/null)
}}
{commands}
{afterwards}
sudo -u gitpip -H gitpip settings --json > "$COPY.json"
stat --format %U /var/lib/gitpip/.local/share/gitpip/gitpip.db
"""


def test_the_commands_for_systemd_install_it(build: Path, tmp_path: Path) -> None:
    unshared = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if unshared.returncode != 0:
        pytest.skip("an installation needs root, and mounts of its own")
    if not Path(f"/usr/bin/{PYTHON.name}").exists():
        pytest.skip("this Python is not one that another user can run")
    (tmp_path / "dist").mkdir()
    shutil.copy(build, tmp_path / "dist" / f"gitpip-linux-{os.uname().machine}.pyz")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    commands = INSTALLATION.format(
        commands=snippet("useradd").replace("x86_64", os.uname().machine),
        afterwards=snippet("gitpip status"),
    )
    result = subprocess.run(
        ["unshare", "--mount", "bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "COPY": str(tmp_path / "etc"),
        },
        input="the-token\nanother-token\n",  # what a person pastes
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "publishing: stopped: no worker is running" in result.stdout
    assert result.stdout.splitlines()[-1] == "gitpip"
    settings = {row["name"]: row for row in json.loads((tmp_path / "etc.json").read_text())}
    for name, file in (("PIPEDRIVE_TOKEN", "pipedrive-token"), ("GITHUB_TOKEN", "github-token")):
        assert settings[name]["source"] == f"file /etc/gitpip/secrets/{file}"
    installed = (tmp_path / "etc" / "systemd" / "system" / "gitpip.service").read_text()
    assert installed == UNIT.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_the_unit_is_understood_and_gives_the_service_few_rights(tmp_path: Path) -> None:
    unit = tmp_path / "gitpip.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/gitpip", sys.executable))
    read = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (read.returncode, read.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout
