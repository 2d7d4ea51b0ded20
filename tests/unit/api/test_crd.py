"""The generated CRDs: what a structural schema may not hold, and what ours promise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate_operator.api.crd import RESOURCES, build_crd, build_schema, crd_files, main
from headgate_operator.api.repo import RepoSpec
from headgate_operator.api.resource import Resource

ROOT = Path(__file__).parents[3]


def _walk(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield path, schema
        for name, child in schema.items():
            yield from _walk(child, f"{path}.{name}")
    if isinstance(schema, list):
        for index, child in enumerate(schema):
            yield from _walk(child, f"{path}[{index}]")


@pytest.mark.parametrize("resource", RESOURCES)
def test_schema_is_structural(resource: type[Resource]) -> None:
    for path, part in _walk(build_schema(resource)):
        assert "$ref" not in part, path
        assert "$defs" not in part, path
        if not path.endswith(".properties"):
            assert "title" not in part, path
            assert part.get("type") != "null", path
            assert not ("additionalProperties" in part and "properties" in part), path


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_field_of_a_spec_is_described(resource: type[Resource]) -> None:
    spec = build_schema(resource)["properties"]["spec"]
    for path, part in _walk(spec, "spec"):
        if path.endswith(".properties"):
            missing = [name for name, field in part.items() if not field.get("description")]
            assert not missing, f"{path}: {missing}"


@pytest.mark.parametrize("resource", RESOURCES)
def test_nobody_has_looked_at_a_fresh_object(resource: type[Resource]) -> None:
    status = build_schema(resource)["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert status["properties"]["observedGeneration"]["default"] == -1


def test_defaults_of_nested_objects_are_written_whole() -> None:
    spec = build_schema(RESOURCES[0])["properties"]["spec"]["properties"]
    assert spec["routing"]["default"] == {"provider": "None", "routes": "PerRepo"}
    assert spec["allowedRepos"]["default"] == {"namespaces": {"from": "Same"}}
    assert spec["terminationGracePeriod"]["default"] == "1m"
    assert "default" not in spec["scheduling"]


def test_a_rollout_has_its_defaults_one_level_down_so_that_no_stored_repo_is_full_of_them() -> None:
    rollout = build_schema(RESOURCES[2])["properties"]["spec"]["properties"]["rollout"]
    assert "default" not in rollout
    written = rollout["properties"]
    assert written["steps"]["default"] == [{"weight": 10, "hold": "60s"}, {"weight": 50, "hold": "60s"}]
    analysis = written["analysis"]["default"]
    assert analysis["metrics"]["serverErrors"] == {"max": "1%", "factor": "1.5"}
    assert (written["progressDeadline"]["default"], analysis["deadline"]) == ("10m", "30m")
    assert "queries" not in analysis


def test_defaults_written_out_by_the_api_server_mean_what_python_takes_them_for() -> None:
    spec = {"kafka": {"producerProfile": "p", "topic": "t"}}
    parts = build_schema(RESOURCES[2])["properties"]["spec"]["properties"]["rollout"]["properties"]
    written = {name: part["default"] for name, part in parts.items()}
    assert RepoSpec.model_validate(spec | {"rollout": written}) == RepoSpec.model_validate(spec)


def test_columns_of_a_repo_say_whether_it_is_fine_and_where_its_canary_is() -> None:
    columns = build_crd(RESOURCES[2])["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if not column.get("priority")]
    assert shown == ["Ready", "Phase", "Step", "Weight", "Revision", "Gateways", "Age"]


@pytest.mark.parametrize("resource", RESOURCES)
def test_no_rule_list_is_empty(resource: type[Resource]) -> None:
    for path, part in _walk(build_schema(resource)):
        if not path.endswith(".properties"):
            assert part.get("x-kubernetes-validations") != [], path


def test_bounds_of_durations_and_sizes_are_rules() -> None:
    spec = build_schema(RESOURCES[1])["properties"]["spec"]["properties"]
    rules = [rule["rule"] for rule in spec["deliveryTimeout"]["x-kubernetes-validations"]]
    assert rules == ["duration(self) >= duration('100ms')", "duration(self) <= duration('10m')"]
    assert spec["maxBufferBytes"]["x-kubernetes-validations"][0]["message"] == "must be at least 65536 bytes"


@pytest.mark.parametrize("resource", RESOURCES)
def test_names_and_scope(resource: type[Resource]) -> None:
    crd = build_crd(resource)
    assert crd["metadata"]["name"] == f"{resource.PLURAL}.headgate.dev"
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert crd["spec"]["names"]["categories"] == ["headgate"]
    columns = [column["name"] for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns[0] == "Ready"
    assert columns[-1] == "Age"


@pytest.mark.parametrize("directory", ["crds", "charts/headgate/files/crds"])
def test_generated_files_are_up_to_date(directory: str) -> None:
    for name, text in crd_files().items():
        assert (ROOT / directory / name).read_text() == text, "run 'make generate'"
        yaml.safe_load(text)


def test_check_names_the_file_that_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert main(["--out", str(tmp_path), "--check"]) == 0
    stale = tmp_path / "headgate.dev_eventrepos.yaml"
    stale.write_text("old")
    assert main(["--out", str(tmp_path), "--check"]) == 1
    assert f"{stale} is not what the types say: run 'make generate'" in capsys.readouterr().err
    assert stale.read_text() == "old"
