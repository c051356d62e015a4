"""The commands for deploying it do what is said, as far as no engine or cluster is needed."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitpip.config import load_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
BIN = Path(sys.executable).parent

HELM = """#!/bin/sh
# Renders where the real one would install, and waits for nothing.
shift
rest=$(echo "$@" | sed "s/--reset-then-reuse-values//; s/--wait --timeout 10m//")
exec "{helm}" template --output-dir "$OUT" $rest
"""
KUBECTL = """#!/bin/sh
# Notes what is asked of it; what is to run in a pod runs here.
printf '%s\\n' "$*" >> "$OUT/kubectl"
case "$*" in *--from-file=*) cp -r "${7#--from-file=}" "$OUT/secret" ;; esac
case "$*" in *" exec "*) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;; esac
"""
NOTED = """#!/bin/sh
printf '%s\\n' "$*" >> "$OUT/$(basename "$0")"
"""


def snippet(holding: str) -> str:
    """The one block of commands in the documents that holds a text."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", DOCUMENTS, re.DOTALL)
    found = [block for block in blocks if holding in block]
    assert len(found) == 1, holding
    return found[0]


class Shell:
    """A shell in which docker, kubectl and helm change nothing but notes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "noted"
        self.out.mkdir()
        self._tools = folder / "tools"
        self._tools.mkdir()
        helm = HELM.format(helm=BIN / "helm")
        for name, text in {"docker": NOTED, "kubectl": KUBECTL, "helm": helm}.items():
            (self._tools / name).write_text(text)
            (self._tools / name).chmod(0o755)

    def run(self, commands: str, folder: Path) -> None:
        """Run commands as they stand, in a folder; the first that fails ends it."""
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=folder,
            env={
                "PATH": os.pathsep.join(map(str, (self._tools, BIN, os.environ["PATH"]))),
                "HOME": str(self.out),
                "GITPIP_DATA_DIR": str(self.out),
                # As in a cluster, where nothing starts without one.
                "GITPIP_ADMIN_KEY": "an-admin-key-of-at-least-32-characters",
                "OUT": str(self.out),
            },
            input="the-token\nanother-token\n",  # what a person pastes
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr

    def noted(self, tool: str) -> list[str]:
        """How a tool was called, call by call."""
        return (self.out / tool).read_text().splitlines()

    def rendered(self, name: str) -> list[dict[str, object]]:
        """What a template of the chart became at last."""
        text = (self.out / "gitpip" / "templates" / name).read_text()
        return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_secrets_for_compose_are_what_the_service_and_the_database_expect(
    shell: Shell, tmp_path: Path
) -> None:
    shell.run(snippet("mkdir -m 700 secrets"), tmp_path)
    assert shell.noted("docker") == ["compose up -d --wait"]
    files = tmp_path / "secrets"
    named = yaml.safe_load((ROOT / "compose.yaml").read_text())["secrets"]
    assert {file.name for file in files.iterdir()} == named.keys()
    assert {Path(secret["file"]).name for secret in named.values()} == named.keys()

    password = (files / "postgres-password").read_text()
    (files / "postgres-password").unlink()  # the database's alone
    settings = load_settings({"GITPIP_SECRETS_DIR": str(files)}, env_file=None)
    assert settings.postgres_dsn == f"postgresql://gitpip:{password}@database/gitpip"
    assert settings.admin_key
    assert settings.github_token
    assert settings.pipedrive_token
    assert settings.pipedrive_token.get_secret_value() == "the-token"


def test_the_commands_for_kubernetes_install_the_chart_with_its_secrets(shell: Shell) -> None:
    shell.run(snippet("helm install"), ROOT)
    build, push = shell.noted("docker")
    assert re.fullmatch(
        r"build --build-arg REVISION=[0-9a-f]{40} -t registry\.example\.com/gitpip:0\.2\.0 \.",
        build,
    )
    assert push == "push registry.example.com/gitpip:0.2.0"
    asked = shell.noted("kubectl")
    assert asked[0] == "create namespace gitpip"
    assert asked[-1] == "-n gitpip port-forward service/gitpip 8080:80"

    assert asked[1] == "-n gitpip create secret generic gitpip --from-file=gitpip-secrets"
    settings = load_settings({"GITPIP_SECRETS_DIR": str(shell.out / "secret")}, env_file=None)
    assert settings.admin_key
    assert settings.github_token
    assert settings.github_token.get_secret_value() == "another-token"
    assert settings.pipedrive_token
    assert settings.pipedrive_token.get_secret_value() == "the-token"
    assert not (ROOT / "gitpip-secrets").exists()
    assert re.fullmatch(
        r"-n gitpip create secret generic gitpip-postgresql --from-literal=password=[0-9a-f]{48}",
        asked[2],
    )
    assert "registry.example.com/gitpip:0.2.0" in str(shell.rendered("deployment.yaml"))


def test_the_commands_for_the_ingress_publish_it_with_a_certificate(shell: Shell) -> None:
    shell.run(snippet("ingress.enabled"), ROOT)
    (ingress,) = shell.rendered("ingress.yaml")
    assert "gitpip.example.com" in str(ingress)
    assert "gitpip-tls" in str(ingress)
    (deployment,) = shell.rendered("deployment.yaml")
    trusted = {"name": "GITPIP_TRUSTED_PROXIES", "value": "10.0.0.0/8"}
    assert str(trusted) in str(deployment)


def test_the_commands_for_an_upgrade_build_and_install_the_same_version(shell: Shell) -> None:
    shell.run(snippet("image.tag"), ROOT)
    build, push = shell.noted("docker")
    assert build.endswith(" -t registry.example.com/gitpip:0.3.0 .")
    assert push == "push registry.example.com/gitpip:0.3.0"
    assert "gitpip:0.3.0" in str(shell.rendered("deployment.yaml"))


def test_the_commands_for_prometheus_put_a_new_key_into_its_secret(shell: Shell) -> None:
    shell.run(snippet("gitpip-metrics"), ROOT)
    assert re.fullmatch(
        r"-n gitpip create secret generic gitpip-metrics --from-literal=key=gitpip_\w{50,}",
        shell.noted("kubectl")[-1],
    )


def test_each_command_of_gitpip_that_is_shown_exists(shell: Shell) -> None:
    for name in ("grafana", "prometheus"):
        shell.run(snippet(f"gitpip keys create {name} --role viewer\n"), ROOT)
        for file in shell.out.glob("gitpip.db*"):
            file.unlink()


@pytest.mark.parametrize("copied", [".backup '", "VACUUM INTO '", "VACUUM INTO ?"])
def test_a_backup_is_a_whole_copy_of_a_database_in_use(copied: str, tmp_path: Path) -> None:
    if "?" not in copied and not shutil.which("sqlite3"):
        pytest.skip("there is no program sqlite3")
    used = sqlite3.connect(tmp_path / "gitpip.db")
    used.execute("PRAGMA journal_mode = WAL")
    used.execute("CREATE TABLE gists (id)")
    used.execute("INSERT INTO gists VALUES (7)")
    used.commit()
    commands = snippet(copied).replace("/.local/share/gitpip/", "/")
    Shell(tmp_path).run(commands.replace("/var/lib/gitpip", str(tmp_path)), tmp_path)
    [copy] = tmp_path.glob("backup*.db")
    assert sqlite3.connect(copy).execute("SELECT id FROM gists").fetchall() == [(7,)]
    used.close()
