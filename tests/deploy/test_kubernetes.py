"""The Helm chart and the manifests: valid on Kubernetes, and as safe as they say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "gitpip"
BIN = Path(sys.executable).parent
VERSIONS = ("1.29", "1.34", "1.35", "1.36", "1.37")
"""The oldest that the chart claims, and those that Kubernetes itself still supports."""
VALUES = {
    "as it comes": [],
    "a database outside": ["postgresql.enabled=false", "networkPolicy.databasePort=6432"],
    "one replica": ["replicas=1", "networkPolicy.enabled=false"],
    "everything": [
        "ingress.enabled=true",
        "ingress.tlsSecret=certificate",
        "ingress.className=nginx",
        "serviceMonitor.enabled=true",
        "serviceMonitor.labels.release=prometheus",
        "prometheusRule.enabled=true",
        "dashboard.enabled=true",
        "settings.GITPIP_CHECK_INTERVAL=1h",
        "image.tag=1.2.3",
        "postgresql.storageClass=fast",
        "networkPolicy.from[0].namespaceSelector.matchLabels.name=ingress",
    ],
}

Manifest = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "helm", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def rendered(values: list[str]) -> str:
    chosen = [part for value in values for part in ("--set", value)]
    result = helm("template", "gitpip", str(CHART), "--namespace", "gitpip", *chosen)
    assert result.returncode == 0, result.stderr
    return result.stdout


def manifests(text: str) -> dict[str, Manifest]:
    found = [document for document in yaml.safe_load_all(text) if document]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


def test_the_chart_is_linted() -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_rendered_is_valid(version: str, tmp_path: Path) -> None:
    files = []
    for name, values in VALUES.items():
        known = [
            yaml.safe_dump(item)
            for item in manifests(rendered(values)).values()
            if not item["apiVersion"].startswith("monitoring.coreos.com/")  # only its operator does
        ]
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text("---\n".join(known))
    result = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", "-k", version, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_chart_brings_the_alerts_and_the_dashboard() -> None:
    found = manifests(rendered(VALUES["everything"]))
    alerts = yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text())
    assert found["PrometheusRule/gitpip"]["spec"] == alerts
    dashboard = found["ConfigMap/gitpip-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["gitpip.json"])["title"] == "gitpip"
    assert found["ServiceMonitor/gitpip"]["metadata"]["labels"]["release"] == "prometheus"


def test_the_plain_manifests_are_those_of_the_chart() -> None:
    assert (ROOT / "deploy" / "kubernetes" / "gitpip.yaml").read_text() == rendered([]), (
        "run make manifests"
    )


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_container_is_bounded_and_has_no_rights(values: list[str]) -> None:
    found = manifests(rendered(values))
    assert found["ServiceAccount/gitpip"]["automountServiceAccountToken"] is False
    assert not any(kind.partition("/")[0].endswith(("Role", "RoleBinding")) for kind in found)
    for item in found.values():
        if item["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        pod = item["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert {"readinessProbe", "livenessProbe"} <= container.keys()


def test_the_network_policy_lets_out_names_the_database_and_https_only() -> None:
    inside = manifests(rendered([]))["NetworkPolicy/gitpip"]["spec"]["egress"]
    outside = manifests(rendered(VALUES["a database outside"]))["NetworkPolicy/gitpip"]["spec"]
    assert [[port["port"] for port in rule["ports"]] for rule in inside] == [
        [53, 53],
        [5432],
        [443],
    ]
    assert [port["port"] for rule in outside["egress"] for port in rule["ports"]] == [
        53,
        53,
        6432,
        443,
    ]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("replicas=0", "replicas"),
        ("replica=2", "replica"),
        ("service.port=http", "port"),
        ("settings.PIPEDRIVE_TOKEN=secret", "settings"),
        ("postgresql.storage=10", "storage"),
    ],
)
def test_wrong_values_are_refused(value: str, named: str) -> None:
    result = helm("template", "gitpip", str(CHART), "--set", value)
    assert result.returncode != 0
    assert named in result.stderr
