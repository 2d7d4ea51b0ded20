"""A canary gateway tries its brokers: real listeners, real rights, and a broker that makes topics when asked carelessly."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka import admin as admin_module
from tests.integration.gateway.process import GatewayProcess, repo, running, until, write_config
from tests.integration.kafka.producing import new_name
from tests.testbed import ports, waiting
from tests.testbed.kafka import Kafka
from tests.testbed.kafka_config import CONFIG_FOLDER, START, build_properties
from tests.testbed.kafka_listeners import PORTS_OF_A_BROKER, BrokerPorts, build_broker
from tests.testbed.settings import LABEL

pytestmark = pytest.mark.kafka

api: Any = admin_module
NOWHERE = "127.0.0.1:1"
CAREFREE = "headgate-testbed-kafka-auto-create"


async def report(gateway: GatewayProcess, name: str = "logs") -> dict[str, Any]:
    found = (await gateway.status())["preflights"]
    (own,) = [each for each in found if each["name"] == name]
    return dict(own)


async def is_in(gateway: GatewayProcess, state: str, revision: str = "r1") -> bool:
    told = await report(gateway)
    return (told["state"], told["revision"]) == (state, revision)


async def settles_at(gateway: GatewayProcess, state: str, revision: str = "r1") -> str:
    """Wait for a state; the problems told with it."""
    await gateway.port()
    await until(partial(is_in, gateway, state, revision))
    return "; ".join((await report(gateway))["problems"])


def canary(config: Path) -> Any:
    return running(config, "--track", "canary", "--drain-delay", "0s")


def grant(kafka: Kafka, topic: str, user: str, operation: str) -> None:
    """Give a user one right; whoever has none is refused from then on."""
    admin = kafka.admin()
    acl = api.AclBinding(
        api.ResourceType.TOPIC,
        topic,
        api.ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        api.AclOperation[operation],
        api.AclPermissionType.ALLOW,
    )
    for future in admin.create_acls([acl]).values():
        future.result(30)


def secured(config: Path, kafka: Kafka, topic: str, password: str) -> dict[str, Any]:
    """A repo on the listener that wants a password."""
    for name, content in (("ca", Path(kafka.ca).read_text()), ("user", kafka.plain_user), ("password", password)):
        (config / f"credential.{name}").write_text(content)
    sasl = {"mechanism": "PLAIN", "usernameFile": "credential.user", "passwordFile": "credential.password"}
    return repo("logs", kafka.bootstrap_plain, topic, producer={"tls": {"caFile": "credential.ca"}, "sasl": sasl})


async def test_a_repo_whose_topic_may_be_written_passes(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("passes")
    kafka.create_topic(topic, partitions=3)
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic))
    async with canary(tmp_path) as gateway:
        assert await settles_at(gateway, "Passed") == ""
        told = await report(gateway)
        assert (told["namespace"], told["name"], told["revision"]) == ("default", "logs", "r1")


async def test_a_stable_gateway_runs_none(kafka: Kafka, tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", kafka.bootstrap, new_name("unasked")))
    async with running(tmp_path, "--drain-delay", "0s") as gateway:
        await gateway.port()
        assert (await gateway.status())["preflights"] == []


async def test_a_missing_topic_fails_and_passes_in_a_later_revision_that_names_another(
    kafka: Kafka, tmp_path: Path
) -> None:
    missing, there = new_name("missing"), new_name("there")
    kafka.create_topic(there, partitions=1)
    write_config(tmp_path, repo("logs", kafka.bootstrap, missing))
    async with canary(tmp_path) as gateway:
        assert f"topic {missing} does not exist" in await settles_at(gateway, "Failed")
        write_config(tmp_path, repo("logs", kafka.bootstrap, there, revision="r2"))
        assert await settles_at(gateway, "Passed", "r2") == ""


async def test_a_topic_that_is_made_a_moment_later_passes(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("later")
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic))
    async with canary(tmp_path) as gateway:
        await gateway.port()
        assert (await report(gateway))["state"] == "Pending"
        await asyncio.to_thread(kafka.create_topic, topic, 1)
        assert await settles_at(gateway, "Passed") == ""
        assert not [line for line in gateway.logs if line["message"] == "preflight Failed"]


async def test_brokers_out_of_reach_are_waited_for(tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", NOWHERE, "t"))
    async with canary(tmp_path) as gateway:
        await gateway.port()
        await until(partial(is_told, gateway, NOWHERE))
        assert (await report(gateway))["state"] == "Pending"


async def is_told(gateway: GatewayProcess, text: str) -> bool:
    return any(text in problem for problem in (await report(gateway))["problems"])


async def test_a_wrong_password_fails(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("password")
    kafka.create_topic(topic, partitions=1)
    write_config(tmp_path, secured(tmp_path, kafka, topic, "wrong"))
    async with canary(tmp_path) as gateway:
        assert "Authentication failed" in await settles_at(gateway, "Failed")


async def test_rights_on_the_topic_decide(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("rights")
    kafka.create_topic(topic, partitions=1)
    grant(kafka, topic, "somebody-else", "WRITE")
    entry = secured(tmp_path, kafka, topic, kafka.plain_password)
    write_config(tmp_path, entry)
    async with canary(tmp_path) as gateway:
        assert "TOPIC_AUTHORIZATION_FAILED" in await settles_at(gateway, "Failed")
        grant(kafka, topic, kafka.plain_user, "READ")
        write_config(tmp_path, entry | {"revision": "r2"})
        assert "may not write" in await settles_at(gateway, "Failed", "r2")
        grant(kafka, topic, kafka.plain_user, "WRITE")
        write_config(tmp_path, entry | {"revision": "r3"})
        assert await settles_at(gateway, "Passed", "r3") == ""


@pytest.fixture
def carefree(kafka: Kafka) -> Iterator[Kafka]:
    """A broker that makes the topics that it is asked about."""
    own = BrokerPorts(*ports.free(len(PORTS_OF_A_BROKER), 21_600))
    folder = Path(kafka.certificates.folder).parent / CAREFREE
    folder.mkdir(exist_ok=True)
    broker = replace(build_broker(0, [own]), extra={"auto.create.topics.enable": "true"})
    (folder / "server.properties").write_text(build_properties(broker))
    image = (kafka.docker.inspect(kafka.container(0)) or {})["Image"]
    kafka.docker.remove_containers(CAREFREE)
    kafka.docker.call(
        "run", "--detach", "--name", CAREFREE, "--label", LABEL, "--label", "headgate.dev/testbed-kafka=1",
        "--network", "host", "--user", "0", "--volume", f"{folder}:{CONFIG_FOLDER}:ro",
        "--volume", f"{kafka.certificates.folder}:{CONFIG_FOLDER}-tls:ro", "--entrypoint", "sh", image, "-c", START,
    )  # fmt: skip
    try:
        waiting.until(partial(ports.answers, own.plaintext), 90, f"{CAREFREE} accepts connections")
        yield replace(kafka, ports=(own,))
    finally:
        kafka.docker.remove_containers(CAREFREE)
        shutil.rmtree(folder)


def topics_of(kafka: Kafka) -> set[str]:
    return set(kafka.admin().list_topics(timeout=20).topics)


async def test_asking_makes_no_topic_even_where_asking_may(carefree: Kafka, tmp_path: Path) -> None:
    asked, careless = new_name("asked"), new_name("careless")
    settings = {"bootstrap.servers": carefree.bootstrap, "group.id": "tests", "allow.auto.create.topics": True}
    consumer = Consumer(settings)
    consumer.list_topics(careless, timeout=20)
    consumer.close()
    write_config(tmp_path, repo("logs", carefree.bootstrap, asked))
    async with canary(tmp_path) as gateway:
        await settles_at(gateway, "Failed")
    assert careless in topics_of(carefree)
    assert asked not in topics_of(carefree)
