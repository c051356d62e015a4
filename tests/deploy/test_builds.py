"""The single-file build serves on a Python that has nothing else."""

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
