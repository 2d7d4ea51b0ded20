"""Kafka's properties and how a broker is started, for brokers in the cluster and on loopback. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTER_ID = "aGVhZGdhdGUtdGVzdGJlZA"
CONFIG_FOLDER = "/etc/kafka-testbed"
DATA_FOLDER = "/var/lib/kafka-testbed/log"
JAVA = 'java -cp "/opt/kafka/libs/*" -Dlog4j2.level=WARN -Dorg.apache.logging.log4j.level=WARN'
# Works in our image and in the public one: both have their jars in /opt/kafka/libs and java on PATH.
START = f"""set -eu
if [ ! -f {DATA_FOLDER}/meta.properties ]; then
  {JAVA} -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted \\
    --cluster-id {CLUSTER_ID} --config {CONFIG_FOLDER}/server.properties
fi
exec {JAVA} -Xms256m -Xmx512m kafka.Kafka {CONFIG_FOLDER}/server.properties
"""


@dataclass(frozen=True)
class Listener:
    """One way in: where the broker listens, what it tells clients, and how it talks there."""

    name: str
    bind: str
    advertised: str
    protocol: str = "PLAINTEXT"
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broker:
    """A node of a KRaft quorum that is controller and broker in one. `quorum` is id -> host:port."""

    node_id: int
    quorum: Mapping[int, str]
    controller_bind: str
    listeners: tuple[Listener, ...]
    extra: Mapping[str, str] = field(default_factory=dict)


def build_properties(broker: Broker) -> str:
    """The text of server.properties; the first listener is the one between brokers."""
    replicas = min(3, len(broker.quorum))
    in_sync = 2 if replicas == 3 else 1
    listeners = [f"{each.name}://{each.bind}" for each in broker.listeners]
    protocols = [f"{each.name}:{each.protocol}" for each in broker.listeners]
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(broker.node_id),
        "controller.quorum.voters": ",".join(f"{node}@{where}" for node, where in sorted(broker.quorum.items())),
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*listeners, f"CONTROLLER://{broker.controller_bind}"]),
        "advertised.listeners": ",".join(f"{each.name}://{each.advertised}" for each in broker.listeners),
        "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
        "inter.broker.listener.name": broker.listeners[0].name,
        "log.dirs": DATA_FOLDER,
        "auto.create.topics.enable": "false",
        "num.partitions": "3",
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(replicas),
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker comes back only once its old session has ended, and a frozen one keeps its partitions until
        # then; the default is 9 s.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        # Allows all until a test writes ACLs; PLAINTEXT clients may do everything.
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "super.users": "User:ANONYMOUS",
    }
    for each in broker.listeners:
        prefix = f"listener.name.{each.name.lower()}."
        properties.update({prefix + key: value for key, value in each.settings.items()})
    properties.update(broker.extra)
    return "".join(f"{key}={value}\n" for key, value in properties.items())
