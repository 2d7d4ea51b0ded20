"""Kafka on loopback: one broker or three, as containers of the testbed's engine, for tests without a cluster.

Owns the containers, their ports and what tests do to them (stop, pause, kill). Ports of a broker stay the same for as
long as its container exists. Kafka inside of the cluster is in `cluster_kafka`.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from . import ports, tls, waiting
from .artifacts import key_of
from .engine.docker import Docker
from .errors import CommandError, TestbedError
from .kafka_config import CONFIG_FOLDER, START, build_properties
from .kafka_listeners import PLAIN_PASSWORD, PLAIN_USER, PORTS_OF_A_BROKER, BrokerPorts, build_broker
from .progress import Progress
from .session import Session, opened
from .settings import LABEL, Settings
from .tls import Certificates

READY_SECONDS = 90
ADMIN_SECONDS = 30
PAUSE_ATTEMPTS = 10
FIRST_PORT = {1: 21_100, 3: 21_300}
Mechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class Kafka:
    """Running brokers, numbered from 0. Every `bootstrap...` is a comma-separated list of 127.0.0.1:port."""

    brokers: int
    ports: tuple[BrokerPorts, ...]
    certificates: Certificates
    docker: Docker

    # The user that the PLAIN listener knows.
    plain_user: str = PLAIN_USER
    plain_password: str = PLAIN_PASSWORD

    @property
    def bootstrap(self) -> str:
        """PLAINTEXT, no authentication."""
        return self._join("plaintext")

    @property
    def bootstrap_tls(self) -> str:
        """SSL, no SASL; client certificates are welcome and not required."""
        return self._join("tls")

    @property
    def bootstrap_scram(self) -> str:
        """SASL_SSL with SCRAM-SHA-256 and SCRAM-SHA-512; users by `add_scram_user`."""
        return self._join("scram")

    @property
    def bootstrap_plain(self) -> str:
        """SASL_SSL with PLAIN; one user, `plain_user`."""
        return self._join("plain")

    @property
    def bootstrap_oauth(self) -> str:
        """SASL_SSL with OAUTHBEARER; takes unsigned tokens, as only a test may."""
        return self._join("oauth")

    @property
    def bootstrap_proxied(self) -> str:
        """SASL_PLAINTEXT with SCRAM, by way of proxies that whoever uses it starts there, each in front of `proxied`."""
        return self._join("proxy")

    @property
    def ca(self) -> str:
        """Path of the PEM file that clients have to trust."""
        return str(self.certificates.ca)

    def container(self, broker: int) -> str:
        """Name of a broker's container."""
        return container_name(self.brokers, broker)

    def stop(self, broker: int = 0) -> None:
        """Shut a broker down in good order."""
        self.docker.call("stop", "--time", "30", self.container(broker))

    def kill(self, broker: int = 0) -> None:
        """End a broker at once (SIGKILL)."""
        self.docker.call("kill", self.container(broker))

    def start(self, broker: int = 0, wait: bool = True) -> None:
        """Start a stopped or killed broker; it has its data and ports of before."""
        self.docker.call("start", self.container(broker))
        if wait:
            self.wait_until_ready(broker)

    def pause(self, broker: int = 0) -> None:
        """Freeze a broker: connections stay open, nothing answers."""
        for attempt in range(1, PAUSE_ATTEMPTS + 1):
            try:
                self.docker.call("pause", self.container(broker))
                break
            except CommandError:  # on a busy machine, Linux may not get hold of all threads at once
                if attempt == PAUSE_ATTEMPTS:
                    raise
                time.sleep(0.5)

    def unpause(self, broker: int = 0) -> None:
        """Let a frozen broker go on."""
        self.docker.call("unpause", self.container(broker))

    def wait_until_ready(self, *brokers: int) -> None:
        """Wait until these (or all) brokers accept clients, and enough of them lead."""
        for broker in brokers or range(self.brokers):
            ready = partial(ports.answers, self.ports[broker].plaintext)
            waiting.until(ready, READY_SECONDS, f"{self.container(broker)} accepts connections")

    def heal(self) -> None:
        """Bring every broker back to running, whatever a test has done to it."""
        for broker in range(self.brokers):
            found = self.docker.inspect(self.container(broker))
            if found and found["State"]["Paused"]:
                self.unpause(broker)
            elif found and not found["State"]["Running"]:
                self.start(broker, wait=False)
        self.wait_until_ready()

    def admin(self) -> Any:
        """A confluent_kafka AdminClient on the PLAINTEXT listener. Needs confluent-kafka on this side."""
        return _admin_api().AdminClient({"bootstrap.servers": self.bootstrap})

    def create_topic(self, name: str, partitions: int = 3, config: Mapping[str, str] | None = None) -> None:
        """Create a topic on as many brokers as it may have replicas, and wait for it."""
        create_topic(self.bootstrap, name, partitions, min(3, self.brokers), config)

    def delete_topics(self, *names: str) -> None:
        """Delete topics."""
        admin = self.admin()  # it has to outlive its futures
        for future in admin.delete_topics(list(names), operation_timeout=ADMIN_SECONDS).values():
            future.result(ADMIN_SECONDS)

    def add_scram_user(self, user: str, password: str, mechanism: Mechanism = "SCRAM-SHA-512") -> None:
        """Create a user of the SCRAM listener, or give it another password."""
        api = _admin_api()
        information = api.ScramCredentialInfo(_scram_mechanism(mechanism), 4096)
        wish = api.UserScramCredentialUpsertion(user, information, password.encode())
        self._alter_scram(wish)

    def delete_scram_user(self, user: str, mechanism: Mechanism = "SCRAM-SHA-512") -> None:
        """Remove a user of the SCRAM listener."""
        self._alter_scram(_admin_api().UserScramCredentialDeletion(user, _scram_mechanism(mechanism)))

    def delete(self) -> None:
        """Remove the containers and their data."""
        self.docker.remove_containers(*(self.container(broker) for broker in range(self.brokers)))

    def _alter_scram(self, wish: Any) -> None:
        admin = self.admin()
        for future in admin.alter_user_scram_credentials([wish]).values():
            future.result(ADMIN_SECONDS)

    def _join(self, listener: str) -> str:
        return ",".join(f"127.0.0.1:{getattr(each, listener)}" for each in self.ports)


def create_topic(
    bootstrap: str, name: str, partitions: int = 3, replicas: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Create a topic at any Kafka (the cluster's, too) and wait until it is there."""
    api = _admin_api()
    admin = api.AdminClient({"bootstrap.servers": bootstrap})
    topic = api.NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config or {}))
    admin.create_topics([topic], operation_timeout=ADMIN_SECONDS)[name].result(ADMIN_SECONDS)


def ensure(brokers: Literal[1, 3] = 1, progress: Progress | None = None, settings: Settings | None = None) -> Kafka:
    """Running brokers, all of them healed; made where there are none. One and three may run side by side."""
    with opened(settings, progress) as session:
        return ensure_in(session, brokers)


def ensure_in(session: Session, brokers: int) -> Kafka:
    """The same, in a session that holds the lock already."""
    if brokers not in (1, 3):
        raise TestbedError(f"{brokers} brokers are not on offer: 1 or 3")
    certificates = tls.ensure(session.settings.kafka / "tls")
    known = _find(session, brokers, certificates)
    if known is None:
        with session.progress.step(f"starting Kafka on loopback ({brokers} broker{'s' if brokers > 1 else ''})", 8):
            known = _create(session, brokers, certificates)
            known.wait_until_ready()
    known.heal()
    return known


def remove_all(session: Session) -> None:
    """Remove every broker container of this testbed."""
    session.docker.remove_containers(*session.docker.ids("container", "label=headgate.dev/testbed-kafka"))
    session.state.put("kafka", None)


def container_name(brokers: int, broker: int) -> str:
    """Stable, so that a broker is found again without a record."""
    return f"headgate-testbed-kafka-{brokers}-{broker}"


def _admin_api() -> Any:
    """confluent-kafka's admin module, imported when a test asks for it: the rest works without."""
    return importlib.import_module("confluent_kafka.admin")


def _scram_mechanism(name: Mechanism) -> Any:
    return getattr(_admin_api().ScramMechanism, name.replace("-", "_"))


def _fingerprint(session: Session, brokers: int) -> str:
    sample = build_broker(0, [BrokerPorts(*range(len(PORTS_OF_A_BROKER)))] * brokers)
    return key_of(session.images.kafka, START, str(FIRST_PORT), build_properties(sample))


def _find(session: Session, brokers: int, certificates: Certificates) -> Kafka | None:
    """The brokers of an earlier run, if they are complete and made from the same inputs."""
    record = (session.state.get("kafka") or {}).get(str(brokers))
    if not record or record["made_from"] != _fingerprint(session, brokers):
        return None
    known = Kafka(brokers, tuple(BrokerPorts(**each) for each in record["ports"]), certificates, session.docker)
    complete = all(session.docker.inspect(known.container(broker)) for broker in range(brokers))
    return known if complete else None


def _create(session: Session, brokers: int, certificates: Certificates) -> Kafka:
    numbers = ports.free(brokers * len(PORTS_OF_A_BROKER), FIRST_PORT[brokers])
    size = len(PORTS_OF_A_BROKER)
    chosen = [BrokerPorts(*numbers[size * index : size * (index + 1)]) for index in range(brokers)]
    made = Kafka(brokers, tuple(chosen), certificates, session.docker)
    made.delete()
    _record(session, made)
    for index in range(brokers):
        folder = session.settings.kafka / made.container(index)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.properties").write_text(build_properties(build_broker(index, chosen)))
        session.docker.call(
            "run", "--detach", "--name", made.container(index), "--label", LABEL,
            "--label", "headgate.dev/testbed-kafka=1", "--network", "host", "--user", "0",
            "--volume", f"{folder}:{CONFIG_FOLDER}:ro", "--volume", f"{certificates.folder}:{CONFIG_FOLDER}-tls:ro",
            "--entrypoint", "sh", session.images.kafka, "-c", START,
        )  # fmt: skip
    return made


def _record(session: Session, made: Kafka) -> None:
    entry = {
        "ports": json.loads(json.dumps([vars(each) for each in made.ports])),
        "made_from": _fingerprint(session, made.brokers),
    }
    session.state.put("kafka", {**(session.state.get("kafka") or {}), str(made.brokers): entry})
