"""`python -m tests.testbed VERB`: the testbed for people and for make."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable

from . import building, cluster, kafka, removal
from .errors import TestbedError
from .progress import Progress
from .session import opened
from .settings import Settings


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit status is 1 where it could not be done."""
    options = _parser().parse_args(argv)
    try:
        settings = Settings.read(images=options.images)
        options.run(settings, options)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("testbed: interrupted; what was finished stays in the cache", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.testbed", description=__doc__)
    parser.add_argument(
        "--images", choices=["auto", "pull", "build"], help="default: $HEADGATE_TESTBED_IMAGES, or auto"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, run: Callable[[Settings, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        chosen = verbs.add_parser(name, help=text, description=text)
        chosen.set_defaults(run=run)
        return chosen

    up = verb("up", _up, "engine, images, cluster with Envoy Gateway and Kafka; uses what runs")
    up.add_argument("--nodes", type=int, choices=[1, 2], default=2)
    down = verb("down", _down, "delete the cluster and the brokers; keep images, caches and the engine")
    down.add_argument("--engine", action="store_true", help="stop our engine too; it starts again when it is needed")
    verb("clean", _clean, "remove everything that was made: cluster, containers, our engine, caches")
    images = verb("images", _images, "build or pull the testbed's images; build the operator's and the gateway's")
    images.add_argument("--testbed-only", action="store_true", help="leave out the operator's and the gateway's")
    brokers = verb("kafka-up", _kafka_up, "brokers on loopback, without a cluster")
    brokers.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    verb("kafka-down", _kafka_down, "remove the brokers on loopback")
    verb("status", _status, "what exists")
    verb("env", _env, "shell exports: KUBECONFIG, DOCKER_HOST, addresses, PATH with kubectl, helm and kind")
    load = verb("load", _load, "bring images of the engine into the cluster's nodes")
    load.add_argument("image", nargs="+")
    return parser


def _up(settings: Settings, options: argparse.Namespace) -> None:
    made = cluster.ensure(Progress(), settings, workers=options.nodes - 1)
    print(f"edge {made.edge_url}, Kafka {made.kafka_bootstrap}, KUBECONFIG={made.kubeconfig}")


def _down(settings: Settings, options: argparse.Namespace) -> None:
    with opened(settings, Progress()) as session:
        removal.down(session)
        if options.engine:
            removal.stop_engine(session)


def _clean(settings: Settings, _options: argparse.Namespace) -> None:
    removal.clean(settings, Progress())


def _images(settings: Settings, options: argparse.Namespace) -> None:
    with opened(settings, Progress()) as session:
        base = session.images.python
        if not options.testbed_only:
            for tag, dockerfile in building.DOCKERFILES.items():
                building.build_image(session.docker, settings, base, dockerfile, tag, session.progress)


def _kafka_up(settings: Settings, options: argparse.Namespace) -> None:
    made = kafka.ensure(options.brokers, Progress(), settings)
    for name in ("bootstrap", "bootstrap_tls", "bootstrap_scram", "bootstrap_plain", "bootstrap_oauth", "ca"):
        print(f"{name}: {getattr(made, name)}")


def _kafka_down(settings: Settings, _options: argparse.Namespace) -> None:
    with opened(settings, Progress()) as session:
        kafka.remove_all(session)


def _status(settings: Settings, _options: argparse.Namespace) -> None:
    for line in removal.describe(settings):
        print(line)


def _env(settings: Settings, _options: argparse.Namespace) -> None:
    for name, value in _running(settings).environment.items():
        print(f"export {name}={shlex.quote(value)}")


def _load(settings: Settings, options: argparse.Namespace) -> None:
    _running(settings).load_image(*options.image)


def _running(settings: Settings) -> cluster.Cluster:
    found = cluster.find(settings)
    if found is None:
        raise TestbedError("no cluster runs: python -m tests.testbed up")
    return found


if __name__ == "__main__":
    sys.exit(main())
