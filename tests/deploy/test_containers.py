"""The Dockerfile and the compose file, as far as they can be looked at without an engine."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def test_the_dockerfile_is_linted() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_the_image_holds_what_is_listed_and_runs_without_rights() -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        word
        for line in recipe.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert allowed[0] == "*"
    assert copied == {line[1:] for line in allowed if line.startswith("!")}
    assert "\nUSER 10001:10001\n" in recipe
    assert "--require-hashes" in recipe


def test_the_image_is_labelled_with_its_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    recipe = (ROOT / "Dockerfile").read_text()
    assert f"\nARG VERSION={version}\n" in recipe
    for label in ("version", "revision", "source"):
        assert f'org.opencontainers.image.{label}="${{{label.upper()}}}"' in recipe


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is missing")
def test_the_compose_file_is_understood(tmp_path: Path) -> None:
    for profile in ([], ["--profile", "demo"]):
        result = subprocess.run(
            ["docker-compose", "-f", str(ROOT / "compose.yaml"), *profile, "config", "--quiet"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            check=False,
        )
        assert result.returncode == 0, result.stderr


def test_no_secret_is_in_the_compose_file_and_nothing_is_open_to_the_network() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        for setting, value in service.get("environment", {}).items():
            if setting.endswith(("TOKEN", "PASSWORD", "STRING", "KEY")):
                pytest.fail(f"{name}: {setting} is {value}")
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    assert services["gitpip"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert "healthcheck" in services["database"]
    assert services["demo"]["profiles"] == ["demo"]
    assert not services["demo"].get("secrets")
    assert services["demo"]["environment"] == {"GITPIP_ALLOW_ANONYMOUS": "all"}
    assert "GITPIP_ALLOW_ANONYMOUS" not in services["gitpip"]["environment"]
