"""What a machine may do, what is taken out of a container's spec, and how rules are put back."""

import json
import sys
from pathlib import Path

import pytest
from tests.testbed.engine import capabilities, firewall, oci_runtime

FULL = "Name:\tx\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n"
WITHOUT = "Name:\tx\nCapBnd:\t000001fffeffffff\n"


@pytest.mark.parametrize(("status", "expected"), [(FULL, True), (WITHOUT, False), ("Name:\tx\n", True)])
def test_the_bounding_set_says_whether_sys_resource_can_be_had(status: str, expected: bool) -> None:
    assert capabilities.has_sys_resource(capabilities.bounding_set(status)) is expected


def test_a_spec_loses_the_capability_and_its_negative_score_and_nothing_else() -> None:
    spec = {
        "ociVersion": "1.0.2",
        "process": {
            "args": ["sh"],
            "oomScoreAdj": -500,
            "capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "ambient": None},
        },
    }
    assert oci_runtime.strip_spec(spec) == {
        "ociVersion": "1.0.2",
        "process": {"args": ["sh"], "capabilities": {"bounding": ["CAP_KILL"], "ambient": []}},
    }


def test_a_positive_score_stays() -> None:
    assert oci_runtime.strip_process({"oomScoreAdj": 100}) == {"oomScoreAdj": 100}


@pytest.mark.parametrize(
    "args", [["create", "--bundle", "/b", "id"], ["create", "--bundle=/b", "id"], ["create", "-b", "/b", "id"]]
)
def test_options_are_found_however_they_are_written(args: list[str]) -> None:
    assert oci_runtime.value_after(args, "--bundle", "-b") == "/b"


def test_create_rewrites_the_bundle_and_becomes_runc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": {"capabilities": {"effective": ["CAP_SYS_RESOURCE"]}}}))
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _path, words: became.append(words))
    oci_runtime.main(["/usr/sbin/runc", "--root", "/r", "create", "--bundle", str(tmp_path), "id"])
    assert json.loads(config.read_text()) == {"process": {"capabilities": {"effective": []}}}
    assert became == [["/usr/sbin/runc", "--root", "/r", "create", "--bundle", str(tmp_path), "id"]]


def test_the_runtime_imports_nothing_that_an_isolated_interpreter_lacks() -> None:
    source = Path(oci_runtime.__file__).read_text()
    modules = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= set(sys.stdlib_module_names)


def test_rules_are_undone_before_their_chains_and_old_ones_stay() -> None:
    old = {"-P FORWARD ACCEPT", "-A INPUT -j MINE"}
    now = ["-P FORWARD DROP", "-N DOCKER", "-A INPUT -j MINE", "-A FORWARD -j DOCKER"]
    assert firewall.undo(old, now) == [
        ["-P", "FORWARD", "ACCEPT"],
        ["-D", "FORWARD", "-j", "DOCKER"],
        ["-F", "DOCKER"],
        ["-X", "DOCKER"],
    ]
