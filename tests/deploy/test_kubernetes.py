"""The Helm chart and the manifests: valid on Kubernetes, and as safe as they say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitpip.config import load_settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "gitpip"
BIN = Path(sys.executable).parent
VERSIONS = ("1.29", "1.34", "1.35", "1.36", "1.37")
"""The oldest that the chart claims, and those that Kubernetes itself still supports."""
VALUES = {
    "as it comes": [],
    "a database outside": ["postgresql.enabled=false", "networkPolicy.databasePort=6432"],
    "one replica": ["replicas=1", "networkPolicy.enabled=false"],
    "two parts": ["web.replicas=3", "replicas=1"],
    "everything": [
        "ingress.enabled=true",
        "ingress.tlsSecret=certificate",
        "ingress.className=nginx",
        "serviceMonitor.enabled=true",
        "serviceMonitor.labels.release=prometheus",
        "prometheusRule.enabled=true",
        "dashboard.enabled=true",
        "settings.GITPIP_CHECK_INTERVAL=1h",
        "settings.GITPIP_FEED=false",
        "trustedProxies[0]=10.0.0.0/8",
        "trustedProxies[1]=fd00::/8",
        "image.tag=1.2.3",
        "postgresql.storageClass=fast",
        "networkPolicy.from[0].namespaceSelector.matchLabels.name=ingress",
    ],
}

PROBES = {"startup": "/ready", "readiness": "/ready", "liveness": "/health"}

Manifest = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "helm", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def rendered(values: list[str], chart: Path = CHART) -> str:
    chosen = [part for value in values for part in ("--set", value)]
    result = helm("template", "gitpip", str(chart), "--namespace", "gitpip", *chosen)
    assert result.returncode == 0, result.stderr
    return result.stdout


def notes(values: list[str], folder: Path) -> str:
    """What Helm tells after an installation, which it shows only after a real one."""
    chart = folder / "gitpip"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "notes")
    shown = """{"kind": "Notes", "metadata": {"name": "shown"},"""
    shown += """ "text": {{ tpl (.Files.Get "notes") . | toJson }}}"""
    (chart / "templates" / "notes.yaml").write_text(shown)
    text: str = manifests(rendered(values, chart))["Notes/shown"]["text"]
    return text


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
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert {"readinessProbe", "livenessProbe"} <= container.keys()


def container(manifest: Manifest) -> Manifest:
    found: Manifest = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(manifest: Manifest) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(manifest)["env"]}


def selects(manifest: Manifest, pods_of: Manifest) -> bool:
    """Whether a service, a budget or a policy is about the pods of a deployment."""
    chosen = manifest["spec"].get("podSelector") or manifest["spec"]["selector"]
    labels = pods_of["spec"]["template"]["metadata"]["labels"]
    return bool(chosen.get("matchLabels", chosen).items() <= labels.items())


def test_as_it_comes_two_replicas_are_replaced_one_by_one_and_kept_apart() -> None:
    found = manifests(rendered([]))
    deployed = found["Deployment/gitpip"]["spec"]
    pod = deployed["template"]["spec"]
    assert deployed["replicas"] == 2
    assert deployed["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    probes = {name: container(found["Deployment/gitpip"])[f"{name}Probe"] for name in PROBES}
    assert {name: probe["httpGet"]["path"] for name, probe in probes.items()} == PROBES
    # Killed before its time is over, a migration would begin anew again and again.
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] == 600
    assert environment(found["Deployment/gitpip"])["GITPIP_DATABASE_WAIT"] == "300s"
    chosen = manifests(rendered(["settings.GITPIP_DATABASE_WAIT=20s"]))["Deployment/gitpip"]
    assert environment(chosen)["GITPIP_DATABASE_WAIT"] == "20s"
    assert deployed["progressDeadlineSeconds"] > 600
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        assert selects(found[f"{kind}/gitpip"], found["Deployment/gitpip"])
        assert not selects(found[f"{kind}/gitpip"], found["StatefulSet/gitpip-postgresql"])
    claim = found["StatefulSet/gitpip-postgresql"]["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"


def test_secrets_are_mounted_and_never_written_into_a_manifest() -> None:
    found = manifests(rendered(VALUES["everything"]))
    assert not any(kind.startswith("Secret/") for kind in found)
    deployed = found["Deployment/gitpip"]
    volumes = {volume["name"]: volume for volume in deployed["spec"]["template"]["spec"]["volumes"]}
    mounts = {mount["name"]: mount for mount in container(deployed)["volumeMounts"]}
    assert volumes["secrets"]["secret"]["secretName"] == "gitpip"
    assert environment(deployed)["GITPIP_SECRETS_DIR"] == mounts["secrets"]["mountPath"]
    outside = manifests(rendered(VALUES["a database outside"]))["Deployment/gitpip"]
    assert "POSTGRES_CONNECTION_STRING" not in environment(outside)


def test_the_service_accepts_the_settings_that_it_is_given(tmp_path: Path) -> None:
    for values in VALUES.values():
        for name, item in manifests(rendered(values)).items():
            if not name.startswith("Deployment/"):
                continue
            given = environment(item) | {"GITPIP_SECRETS_DIR": str(tmp_path)}
            settings = load_settings(given, env_file=None)
            if "GITPIP_TRUSTED_PROXIES" in given:
                assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
                assert settings.feed is False


def test_web_and_work_can_be_scaled_apart() -> None:
    found = manifests(rendered([*VALUES["two parts"], "serviceMonitor.enabled=true"]))
    web, work = found["Deployment/gitpip-web"], found["Deployment/gitpip-work"]
    assert (web["spec"]["replicas"], work["spec"]["replicas"]) == (3, 1)
    assert container(web)["args"] == ["serve", "--only", "web"]
    assert container(work)["args"] == ["serve", "--only", "work"]
    assert "Deployment/gitpip" not in found
    assert selects(found["Service/gitpip"], web)
    assert not selects(found["Service/gitpip"], work)
    assert selects(found["PodDisruptionBudget/gitpip-web"], web)
    assert not selects(found["PodDisruptionBudget/gitpip-web"], work)
    for pods in (web, work):
        assert selects(found["NetworkPolicy/gitpip"], pods)
    wanted = found["ServiceMonitor/gitpip"]["spec"]["selector"]["matchLabels"].items()
    read = [
        item
        for name, item in found.items()
        if name.startswith("Service/") and wanted <= item["metadata"]["labels"].items()
    ]
    assert [any(selects(service, pods) for service in read) for pods in (web, work)] == [True] * 2
    assert len(read) == 2


def test_prometheus_shows_a_key_unless_reading_is_open_to_all() -> None:
    monitored = manifests(rendered(VALUES["everything"]))["ServiceMonitor/gitpip"]["spec"]
    assert monitored["endpoints"][0]["authorization"] == {
        "credentials": {"name": "gitpip-metrics", "key": "key"}
    }
    open_to_all = rendered([*VALUES["everything"], "serviceMonitor.existingSecret="])
    assert "authorization" not in open_to_all


def test_the_notes_say_how_to_sign_in(tmp_path: Path) -> None:
    plain = notes([], tmp_path / "plain")
    assert "kubectl --namespace gitpip port-forward service/gitpip 8080:80" in plain
    assert "gitpip-admin-key in the secret gitpip" in plain
    assert "exec deploy/gitpip -- gitpip keys create" in plain
    assert "exec deploy/gitpip-work --" in notes(VALUES["two parts"], tmp_path / "parts")
    open_to_all = notes(["settings.GITPIP_ALLOW_ANONYMOUS=all"], tmp_path / "open")
    assert "Everybody who reaches it may do everything" in open_to_all
    watched = notes(["ingress.enabled=true", "serviceMonitor.enabled=true"], tmp_path / "watched")
    assert "trustedProxies" in watched
    assert "create secret generic gitpip-metrics" in watched


def test_the_network_policy_lets_out_names_the_database_and_https_only() -> None:
    def ports(*values: str) -> list[list[int]]:
        policy = manifests(rendered(list(values)))["NetworkPolicy/gitpip"]["spec"]
        return [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]

    assert ports() == [[53, 53], [5432], [443]]
    assert ports(*VALUES["a database outside"]) == [[53, 53], [6432], [443]]
    assert ports("networkPolicy.outgoingPorts={3128}") == [[53, 53], [5432], [3128]]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("replicas=0", "replicas"),
        ("replica=2", "replica"),
        ("service.port=http", "port"),
        ("settings.PIPEDRIVE_TOKEN=secret", "PIPEDRIVE_TOKEN"),
        ("settings.GITPIP_ADMIN_KEY=secret", "GITPIP_ADMIN_KEY"),
        ("settings.GITPIP_PORT=9000", "GITPIP_PORT"),
        ("settings.CHECK_INTERVAL=1h", "CHECK_INTERVAL"),
        ("web.replicas=-1", "web.replicas"),
        ("startupSeconds=5", "startupSeconds"),
        ("trustedProxies={everybody}", "trustedProxies"),
        ("serviceMonitor.interval=often", "interval"),
        ("postgresql.storage=10", "storage"),
        ("ingress.host=two words", "ingress.host"),
        ("ingress.host=https://gitpip.example.com", "ingress.host"),
    ],
)
def test_wrong_values_are_refused(value: str, named: str) -> None:
    result = helm("template", "gitpip", str(CHART), "--set", value)
    assert result.returncode != 0
    assert named in result.stderr
