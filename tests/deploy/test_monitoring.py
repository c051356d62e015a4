"""The alerts and the dashboard: what they ask for is there, and each alert calls when it should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.web.conftest import Served, serving

HERE = Path(__file__).parent
MONITORING = HERE.parents[1] / "deploy" / "helm" / "gitpip" / "monitoring"
DOCUMENT = HERE.parents[1] / "docs" / "metrics.md"
ALERTS = MONITORING / "alerts.yaml"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Prometheus reads of a running gitpip that has published something."""
    folder = tmp_path_factory.mktemp("gitpip")
    with serving(folder, f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3") as served:
        served.track("octocat", {"hello.txt": "hello"})
        return served.gitpip.wait_for(
            lambda: (
                text
                if 'gitpip_deliveries_total{state="published"} 1' in (text := metrics(served))
                else None
            ),
            "a delivery to be counted",
        )


def metrics(served: Served) -> str:
    return served.gitpip.get("/metrics").text


@pytest.fixture(scope="module")
def exposed(exposition: str) -> dict[str, frozenset[str]]:
    """Every name under which samples are given, with their labels where there are any."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    found: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(exposition):
        for ending in endings.get(family.type, []):
            name = family.name + ending
            samples = [sample for sample in family.samples if sample.name == name]
            found[name] = frozenset[str]().union(*(sample.labels for sample in samples))
    return found


def expressions() -> Iterator[str]:
    """Every expression of the alerts and of the dashboard."""
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in PANELS:
        yield from (target["expr"] for target in panel.get("targets", []))


def test_every_metric_and_label_that_is_asked_for_is_there(
    exposed: dict[str, frozenset[str]],
) -> None:
    from_prometheus = {"job", "instance", "namespace"}
    asked = 0
    for expression in expressions():
        for name, selector in re.findall(
            r"\b((?:gitpip|process)_\w+)(?:\{(.*?)\})?(?=[\s\[)]|$)", expression
        ):
            assert name in exposed, expression
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) - from_prometheus
            if exposed[name]:
                assert labels <= exposed[name], expression
            asked += 1
    assert asked > len(PANELS)


@promtool
def test_the_metrics_are_named_as_prometheus_wants_them(exposition: str) -> None:
    result = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@promtool
def test_every_expression_can_be_read_by_prometheus(tmp_path: Path) -> None:
    rules = [
        {
            "record": f"dashboard:{number}",
            "expr": expression.replace("$__rate_interval", "5m").replace("$job", ".*"),
        }
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    for checked in (file, ALERTS):
        result = subprocess.run(
            ["promtool", "check", "rules", "--lint=all", "--lint-fatal", checked],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr


@promtool
def test_each_alert_calls_when_it_should_and_only_then() -> None:
    tests = HERE / "alerts_test.yaml"
    result = subprocess.run(
        ["promtool", "test", "rules", tests], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text())
    assert alerts
    assert set(alerts) <= set(re.findall(r'alertname="(\w+)"', tests.read_text()))


@promtool
def test_prometheus_accepts_the_settings_that_are_documented(tmp_path: Path) -> None:
    (settings,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    folder = "/etc/prometheus/gitpip"
    assert f"[{folder}/alerts.yaml]" in settings
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / "key").touch()
    file = tmp_path / "prometheus.yml"
    file.write_text(settings.replace(folder, str(tmp_path)))
    result = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rules = len(re.findall("alert:", ALERTS.read_text()))
    assert f"{rules} rules found" in result.stdout


def test_each_alert_is_documented() -> None:
    documented = re.findall(r"^\| `(Gitpip\w+)`", DOCUMENT.read_text(), re.MULTILINE)
    assert documented == re.findall(r"alert: (\w+)", ALERTS.read_text())


def test_each_panel_has_its_own_place_and_number() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
