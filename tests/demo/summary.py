"""What the demo leaves on the screen: the picture, the figures, how to look around and how to leave."""

from dataclasses import dataclass

from tests.testbed.cluster import Cluster


@dataclass(frozen=True)
class Outcome:
    """What was seen, in the two rounds before and after the change."""

    lines: tuple[int, int]
    kept: tuple[int, int]
    change_seconds: float
    seconds: float
    gateways: int


def summary(cluster: Cluster, outcome: Outcome) -> str:
    """The demo's last screen."""
    shell = " ".join(
        f"{name}={value}" for name, value in cluster.environment.items() if name in {"KUBECONFIG", "DOCKER_HOST"}
    )
    lines, kept = outcome.lines, outcome.kept
    return f"""
  nginx ──access.log──▶ Envoy ──/log/repo/nginx-access──▶ {outcome.gateways} gateways ──lz4, acks=all──▶ Kafka
                                                            ▲
                        EventRepo, KafkaProducerProfile ──▶ operator (config, routes, status)

  {lines[0]:,} lines shipped, {kept[0]:,} with status >= 400 in Kafka: each once, and no other.
  Then the constraint was edited: on every gateway after {outcome.change_seconds:.2f} s, without a restart.
  {lines[1]:,} more lines shipped, {kept[1]:,} with status >= 500 in Kafka: each once, and no other.
  All of it took {outcome.seconds:.0f} s.

  Look around:
    export {shell} PATH={cluster.kubectl.parent}:{cluster.helm.parent}:$PATH
    kubectl get headgate -A
    kubectl describe eventrepo nginx-access
    kubectl edit eventrepo nginx-access
    curl -d '{{"status": 500, "hello": "world"}}' {cluster.edge_url}/log/repo/nginx-access
    kubectl logs -n headgate-system -l app.kubernetes.io/name=headgate-operator
    Kafka answers on {cluster.kafka_bootstrap}, topic nginx-access.

  Leave:
    make demo-down      stops the cluster; what was built stays, so that the next time is quick
    make clean          removes everything
"""
