"""What the demo leaves on the screen: the picture, the figures, how to look around and how to leave."""

from dataclasses import dataclass

from tests.demo.change import Walk
from tests.testbed.cluster import Cluster


@dataclass(frozen=True)
class Outcome:
    """What was seen."""

    lines: int
    kept: int
    good: Walk
    bodies: int
    bad: Walk
    touched: float
    """Per cent of the lines that the bad change dropped."""
    seconds: float
    gateways: int


def summary(cluster: Cluster, outcome: Outcome) -> str:
    """The demo's last screen."""
    shell = " ".join(
        f"{name}={value}" for name, value in cluster.environment.items() if name in {"KUBECONFIG", "DOCKER_HOST"}
    )
    return f"""
  nginx ──access.log──▶ Envoy ──/log/repo/nginx-access──▶ {outcome.gateways} gateways ──lz4, acks=all──▶ Kafka
                                                            ▲
                        EventRepo, KafkaProducerProfile ──▶ operator (config, routes, status)

  {outcome.lines:,} lines shipped, {outcome.kept:,} with status >= 400 in Kafka: each once, and no other.
  A good change went 10 % → 50 % → all in {outcome.good.seconds:.0f} s: {outcome.bodies:,} requests beside it, none failed.
  A bad one went back by itself after {outcome.bad.seconds:.0f} s, and touched {outcome.touched:.1f} % of the lines.
  All of it took {outcome.seconds:.0f} s.

  Look around:
    export {shell} PATH={cluster.kubectl.parent}:{cluster.helm.parent}:$PATH
    kubectl get headgate -A
    kubectl describe eventrepo nginx-access
    kubectl edit eventrepo nginx-access
    .venv/bin/headgate rollout watch nginx-access
    .venv/bin/headgate rollout history nginx-access
    curl -d '{{"status": 500, "hello": "world"}}' {cluster.edge_url}/log/repo/nginx-access
    kubectl logs -n headgate-system -l app.kubernetes.io/name=headgate-operator
    Kafka answers on {cluster.kafka_bootstrap}, topic nginx-access.

  Leave:
    make demo-down      stops the cluster; what was built stays, so that the next time is quick
    make clean          removes everything
"""
