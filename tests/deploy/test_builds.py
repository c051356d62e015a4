"""The single-file build serves on a Python with nothing else, and tells others what it needs."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    architecture = os.uname().machine
    subprocess.run(
        [ROOT / "deploy" / "build-single-file.sh", "linux", architecture],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
    )
    made = ROOT / "dist" / f"gitpip-linux-{architecture}.pyz"
    kept = tmp_path_factory.mktemp("build") / "gitpip"
    return made.rename(kept)


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
            with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:  # noqa: S310
                assert answer.read() == b"Alive"
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0


def another_python() -> Path | None:
    """A Python of another minor version, if this machine has one on its path or beside this one."""
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
