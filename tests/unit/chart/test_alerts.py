"""The alerts of the chart, judged by Prometheus' own promtool, and by the series that gateways have."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from tests.unit.chart.conftest import Render

from headgate_gateway.admin.metrics import Gauges, snapshot_metrics
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.kafka.counters import Counters, Histogram, ProducerSnapshot
from headgate_gateway.spool.report import SpoolMetrics
from headgate_operator.metrics import Metrics, SpoolFigures

TESTS = Path(__file__).with_name("alerts.yaml")
KNOWS_RULES = "--api-versions=monitoring.coreos.com/v1/PrometheusRule"
ALERTS = {
    "HeadgateSpoolBacklogGrowing",
    "HeadgateSpooledEventTooOld",
    "HeadgateEventsLeft",
    "HeadgateSpoolNearlyFull",
    "HeadgateDeadLetters",
    "HeadgateProducerDown",
}


def rules(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What Prometheus loads of the chart's PrometheusRule."""
    (found,) = (each for each in objects if each["kind"] == "PrometheusRule")
    spec: dict[str, Any] = found["spec"]
    return spec


def alerts(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in spec["groups"] for rule in group["rules"]]


@pytest.fixture
def file(render: Render, tmp_path: Path) -> Path:
    """The rules with the chart's default values."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules(render({}, KNOWS_RULES))))
    return path


def judge(promtool: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *words], capture_output=True, text=True, timeout=60, check=False)


def test_prometheus_takes_the_rules(promtool: str, file: Path) -> None:
    done = judge(promtool, "check", "rules", "--lint-fatal", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_each_alert_fires_when_it_should_and_not_before(promtool: str, file: Path, tmp_path: Path) -> None:
    suite = yaml.safe_load(TESTS.read_text()) | {"rule_files": [str(file)]}
    asked = [each for test in suite["tests"] for each in test["alert_rule_test"]]
    assert {each["alertname"] for each in asked if each.get("exp_alerts")} == ALERTS
    assert {each["alertname"] for each in asked if not each.get("exp_alerts")} == ALERTS
    for test in suite["tests"]:
        test.pop("name")  # promtool learnt of names later than Debian's was built
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump(suite))
    done = judge(promtool, "test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def exported() -> str:
    """All that a gateway with one repo, one profile and a spool tells Prometheus, and an operator with one such fleet."""
    traffic = TrafficCounters()
    traffic.repos.acquire("shop/orders")
    numbers: dict[str, Any] = dict.fromkeys((each.name for each in fields(Gauges)), 0)
    gauges = Gauges(**numbers | {"draining": False, "revisions": {}})
    counted: dict[str, Any] = dict.fromkeys((each.name for each in fields(SpoolMetrics)), 0)
    spool = SpoolMetrics(**counted | {"state": "Ready", "commit_seconds": Histogram()})
    producers = [ProducerSnapshot("main", Counters(), 0, 0)]
    metrics = Metrics()
    metrics.set_spool(("events", "main"), SpoolFigures(0, 0, 0.0, 0, 0))
    of_gateway = snapshot_metrics(traffic, gauges, producers, "stable", spool)()
    return (of_gateway + generate_latest(metrics.registry)).decode()


def test_alerts_go_by_series_that_there_are(render: Render) -> None:
    shown = exported()
    for alert in alerts(rules(render({}, KNOWS_RULES))):
        expression = alert["expr"].replace("headgate_dev_fleet", "")
        for name in re.findall(r"headgate_\w+", expression):
            assert re.search(rf"^{name}(\{{| )", shown, re.MULTILINE), name


def test_thresholds_are_values(render: Render) -> None:
    own = {"oldestEventSeconds": 1234, "spoolUsagePercent": 55, "deadLetters": 77, "producerDownFor": "9m"}
    spec = rules(render({"metrics": {"prometheusRule": own | {"labels": {"release": "prometheus"}}}}, KNOWS_RULES))
    found = {each["alert"]: each for each in alerts(spec)}
    assert found["HeadgateSpooledEventTooOld"]["expr"].endswith("> 1234")
    assert "> 55" in found["HeadgateSpoolNearlyFull"]["expr"]
    assert found["HeadgateDeadLetters"]["expr"].count("> 77") == 2
    assert found["HeadgateProducerDown"]["for"] == "9m"


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        pytest.param({}, (), id="a cluster that does not know the kind"),
        pytest.param({"metrics": {"prometheusRule": {"enabled": False}}}, (KNOWS_RULES,), id="switched off"),
    ],
)
def test_there_are_no_alerts_where_nobody_takes_them(
    render: Render, values: dict[str, Any], flags: tuple[str, ...]
) -> None:
    assert not [each for each in render(values, *flags) if each["kind"] == "PrometheusRule"]


def test_a_selector_of_rules_finds_them_by_label(render: Render) -> None:
    values = {"metrics": {"prometheusRule": {"labels": {"release": "prometheus"}}}}
    (found,) = (each for each in render(values, KNOWS_RULES) if each["kind"] == "PrometheusRule")
    assert found["metadata"]["labels"]["release"] == "prometheus"
