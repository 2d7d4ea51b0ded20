"""Statuses and Events as a user sees them, against a real API server."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.operator.gateway import StandInGateway
from tests.integration.operator.process import OperatorProcess, running
from tests.integration.operator.world import World, wait_for

from headgate_gateway.config import API_KEYS_PART, repo_secret_file, shard_of
from headgate_gateway.config.status import RefusedRepo
from headgate_operator.api.names import shard_name
from headgate_operator.render.profiles import credential_file

pytestmark = pytest.mark.cluster


@pytest.fixture
def gateway(world: World) -> Iterator[StandInGateway]:
    gateway = StandInGateway(world, "stand-in-1", "127.0.71.1")
    yield gateway
    gateway.close()


@pytest.mark.usefixtures("operator")
def test_a_repo_whose_fleet_does_not_exist_says_so_until_it_does(world: World) -> None:
    world.profile()
    world.repo("early")
    world.wait_for_condition("eventrepo", "early", "Accepted", "False", "FleetNotFound")
    assert world.conditions("eventrepo", "early")["Ready"] == ("False", "FleetNotFound")
    assert world.conditions("eventrepo", "early")["Stalled"] == ("True", "FleetNotFound")
    world.wait_for_condition("kafkaproducerprofile", "local", "Accepted", "False", "NoFleet")
    world.fleet()
    world.wait_for_condition("eventrepo", "early", "Accepted", "True", "Accepted")
    world.wait_for_condition("kafkaproducerprofile", "local", "Ready", "True", "Ready")
    wait_for("repos 1", lambda: (world.get("kafkaproducerprofile", "local") or {})["status"]["repos"] == 1)
    world.delete("gatewayfleet", "main")
    world.wait_for_condition("eventrepo", "early", "Accepted", "False", "FleetNotFound")
    wait_for("children collected", lambda: not world.list("deployments"), 60)


@pytest.mark.usefixtures("operator")
def test_a_missing_profile_and_a_missing_secret_are_named(world: World) -> None:
    world.fleet()
    world.repo("lonely")
    world.wait_for_condition("eventrepo", "lonely", "Accepted", "False", "ProfileNotFound")
    world.profile(sasl={"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "absent"}})
    world.wait_for_condition("kafkaproducerprofile", "local", "Accepted", "False", "SecretNotFound")
    world.wait_for_condition("eventrepo", "lonely", "Accepted", "False", "ProfileNotAccepted")
    secret = {"username": "user", "password": "first"}
    metadata = {"name": "absent", "namespace": world.namespace}
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret})
    world.wait_for_condition("eventrepo", "lonely", "Accepted", "True", "Accepted")


def test_a_rotated_password_reaches_the_credentials_secret(world: World, log: Path) -> None:
    metadata = {"name": "kafka", "namespace": world.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    world.apply({**secret, "data": {"username": "dQ==", "password": "b2xk"}})
    world.fleet()
    world.profile(sasl={"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "kafka"}})
    world.repo("access")
    with running(world, log, "--secret-poll=1s"):
        key = credential_file("local", "password", "kafka", "password")

        def password() -> str:
            return str(((world.get("secret", "main-credentials") or {}).get("data") or {}).get(key, ""))

        wait_for("the old password", lambda: password() == "b2xk")
        world.apply({**secret, "data": {"username": "dQ==", "password": "bmV3"}})
        wait_for("the new password", lambda: password() == "bmV3", 5)


def test_a_repos_own_keys_come_from_its_namespace_and_rotate_without_a_rollout(world: World, log: Path) -> None:
    team = world.add_namespace()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": team}}
    world.fleet(allowedRepos={"namespaces": {"from": "All"}})
    world.profile()
    world.repo("guarded", team, auth={"apiKeys": {"secretRef": {"name": "keys"}}})
    file = repo_secret_file(team, "keys", API_KEYS_PART)

    def names() -> list[str]:
        data = (world.get("secret", "main-credentials") or {}).get("data") or {}
        return [key["name"] for key in json.loads(base64.b64decode(data[file]))["keys"]] if file in data else []

    with running(world, log, "--secret-poll=1s"):
        world.wait_for_condition("eventrepo", "guarded", "Accepted", "False", "SecretNotFound", team)
        world.apply({**secret, "data": {"one": "Zmlyc3Qga2V5IG9mIDE2IGJ5dGVz"}})
        world.wait_for_condition("eventrepo", "guarded", "Accepted", "True", "Accepted", team)
        wait_for("the first key", lambda: names() == ["one"])
        revision = (world.get("eventrepo", "guarded", team) or {})["status"]["revision"]
        world.apply(
            {**secret, "data": {"one": "Zmlyc3Qga2V5IG9mIDE2IGJ5dGVz", "two": "c2Vjb25kIGtleSBvZiAxNiBieXRlcw=="}}
        )
        wait_for("both keys", lambda: names() == ["one", "two"], 5)
        assert (world.get("eventrepo", "guarded", team) or {})["status"]["revision"] == revision
        world.cluster.run_kubectl("delete", "secret", "keys", "-n", team)
        world.wait_for_condition("eventrepo", "guarded", "Accepted", "False", "SecretNotFound", team)
        assert names() == ["one", "two"]


@pytest.mark.usefixtures("operator")
def test_of_two_repos_on_one_path_the_older_serves_and_the_other_names_it(world: World) -> None:
    world.fleet()
    world.profile()
    endpoints = [{"path": "/shared"}]
    world.repo("first", endpoints=endpoints)
    world.wait_for_condition("eventrepo", "first", "Accepted", "True", "Accepted")
    world.repo("second", endpoints=endpoints)
    world.wait_for_condition("eventrepo", "second", "Accepted", "False", "Conflict")
    found = world.get("eventrepo", "second") or {}
    assert f"{world.namespace}/first" in str(found["status"]["conditions"])
    assert world.conditions("eventrepo", "first")["Accepted"] == ("True", "Accepted")
    wait_for("an Event", lambda: "Conflict" in {each["reason"] for each in world.list("events.events.k8s.io")})


def test_a_fleet_takes_repos_of_the_namespaces_that_its_selector_matches(world: World, log: Path) -> None:
    inside, outside = world.add_namespace(team="web"), world.add_namespace(team="none")
    selector = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "web"}}}}
    world.fleet(allowedRepos=selector)
    world.profile()
    world.repo("a", inside)
    world.repo("b", outside)
    with running(world, log):
        world.wait_for_condition("eventrepo", "a", "Accepted", "True", "Accepted", inside)
        world.wait_for_condition("eventrepo", "b", "Accepted", "False", "NamespaceNotAllowed", outside)


def test_repos_without_a_reference_belong_to_the_default_fleet(world: World, log: Path) -> None:
    world.fleet()
    world.profile()
    world.repo("plain", fleetRef=None)
    with running(world, log, f"--default-fleet={world.namespace}/main"):
        world.wait_for_condition("eventrepo", "plain", "Accepted", "True", "Accepted")
        assert (world.get("eventrepo", "plain") or {})["status"]["fleet"] == f"{world.namespace}/main"


@pytest.mark.usefixtures("operator")
def test_programmed_follows_what_gateways_report(world: World, gateway: StandInGateway) -> None:
    world.fleet()
    world.profile()
    world.repo("access")
    world.wait_for_condition("eventrepo", "access", "Programmed", "False", "NoGatewaysReady")
    gateway.load()
    gateway.start_pod()
    world.wait_for_condition("eventrepo", "access", "Programmed", "True", "Programmed")
    assert (world.get("eventrepo", "access") or {})["status"]["gateways"] == "1/1"
    assert world.conditions("eventrepo", "access")["Ready"] == ("True", "Ready")
    assert gateway.nudged() == ""
    world.repo("access", topic="other")
    world.wait_for_condition("eventrepo", "access", "Programmed", "False", "Pending")
    assert world.conditions("eventrepo", "access")["Serving"] == ("True", "Serving")
    assert world.conditions("eventrepo", "access")["Ready"] == ("Unknown", "Pending")
    assert gateway.nudged() != ""
    gateway.load()
    world.wait_for_condition("eventrepo", "access", "Programmed", "True", "Programmed")


@pytest.mark.usefixtures("operator")
def test_a_repo_that_a_gateway_refuses_says_why(world: World, gateway: StandInGateway) -> None:
    world.fleet()
    world.profile()
    world.repo("access")
    wait_for("shards", lambda: len(world.list("configmaps")) >= 32)
    gateway.load(RefusedRepo(namespace=world.namespace, name="access", reason="no such regular expression"))
    gateway.start_pod()
    world.wait_for_condition("eventrepo", "access", "Programmed", "False", "RefusedByGateway")
    assert "no such regular expression" in str(world.get("eventrepo", "access"))


@pytest.mark.usefixtures("operator")
def test_a_neighbours_change_leaves_a_repo_programmed(world: World, gateway: StandInGateway) -> None:
    shard = shard_of(world.namespace, "steady")
    neighbour = next(f"n{number}" for number in range(10_000) if shard_of(world.namespace, f"n{number}") == shard)
    world.fleet()
    world.profile()
    world.repo("steady")
    wait_for("a shard", lambda: "steady" in str(world.get("configmap", shard_name("main", shard))))
    gateway.load()
    gateway.start_pod()
    world.wait_for_condition("eventrepo", "steady", "Programmed", "True", "Programmed")
    before = world.versions()["EventRepo", "steady"]
    world.repo(neighbour)
    world.wait_for_condition("eventrepo", neighbour, "Programmed", "False", "Pending")
    gateway.load()
    world.wait_for_condition("eventrepo", neighbour, "Programmed", "True", "Programmed")
    assert world.versions()["EventRepo", "steady"] == before


def test_a_gateway_that_cannot_be_reached_is_named(world: World, operator: OperatorProcess) -> None:
    world.fleet()
    world.profile()
    world.repo("access")
    silent = StandInGateway(world, "silent", "127.0.71.2")
    silent.close()
    silent.start_pod()
    world.wait_for_condition("eventrepo", "access", "Programmed", "False", "GatewayUnreachable")
    assert operator.metric("headgate_gateway_polls_total") > 0
