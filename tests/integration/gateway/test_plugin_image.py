"""examples/plugin/Dockerfile, built over the gateway's image: the gateway in it finds the plugin and runs it."""

import json
from collections.abc import Iterator

import pytest
import yaml
from tests.e2e.images import ROOT, reference_of
from tests.testbed import building
from tests.testbed.engine.docker import Docker
from tests.testbed.session import opened
from tests.testbed.settings import Settings

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

EXAMPLE = ROOT / "examples" / "plugin"
PLUGIN = "headgate/gateway-truncate-ip:dev"
PYTHON = "/opt/headgate/venv/bin/python"
SCRIPT = """\
import json, sys
from headgate_gateway.config.executors import Executor
from headgate_gateway.pipeline.executors import ExecutorContext, compile_executors
executors = [Executor.model_validate(each) for each in json.loads(sys.argv[1])]
try:
    chain = compile_executors(executors, ExecutorContext("plugins", "visits", {}))
except ValueError as error:
    sys.exit(str(error))
print(json.dumps(chain({"client_ip": "10.20.30.40"})))
"""


@pytest.fixture(scope="module")
def images() -> Iterator[tuple[Docker, str, str]]:
    """The engine, the gateway's image and the example's over it."""
    settings = Settings.read()
    gateway = reference_of("gateway")
    with opened(settings, None, quiet=True) as session:
        docker, base = session.docker, session.images.python
        if not docker.has_image(gateway):
            building.build_image(docker, settings, base, ROOT / "Dockerfile.gateway", gateway)
        building.build_image(
            docker, settings, base, EXAMPLE / "Dockerfile", PLUGIN,
            files=("pyproject.toml", "headgate_truncate_ip"), arguments=(f"GATEWAY_IMAGE={gateway}",),
        )  # fmt: skip
    yield docker, gateway, PLUGIN
    docker.try_call("rmi", PLUGIN)


def test_the_gateway_of_the_example_image_compiles_and_runs_the_examples_repo(images: tuple[Docker, str, str]) -> None:
    docker, plain, derived = images
    fleet = list(yaml.safe_load_all((EXAMPLE / "fleet.yaml").read_text()))
    (executors,) = [each["spec"]["executors"] for each in fleet if each["kind"] == "EventRepo"]
    command = ("--entrypoint", PYTHON, "--network", "none", "--read-only")
    told = docker.call("run", "--rm", *command, derived, "-c", SCRIPT, json.dumps(executors))
    assert json.loads(told) == {"client_ip": "10.20.0.0"}
    refused = "try:\n    exec(sys.argv[2])\nexcept SystemExit as error:\n    print(error)\n"
    told = docker.call("run", "--rm", *command, plain, "-c", "import sys\n" + refused, json.dumps(executors), SCRIPT)
    assert "no plugin 'truncate-ip' is installed in this image (installed: none)" in told


def test_the_example_image_is_a_gateway_still(images: tuple[Docker, str, str]) -> None:
    docker, _, derived = images
    assert "--max-connections" in docker.call("run", "--rm", "--network", "none", derived, "--help")
    user = docker.call("image", "inspect", "--format", "{{.Config.User}}", derived)
    assert user.strip() == "65532:65532"
