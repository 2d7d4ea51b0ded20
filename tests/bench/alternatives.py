"""This gateway beside itself with confluent-kafka (librdkafka) in its own producer's place.

    python -m tests.bench.alternatives --quick

librdkafka batches in threads of its own and reports each record by a callback. It runs with its default linger (5 ms)
and without any. Both are interpreted, from the checkout: the image has no librdkafka.
"""

import sys
from dataclasses import replace
from pathlib import Path

from tests.bench import events, session
from tests.bench.closed_loop import compare_bodies
from tests.bench.contenders import Contender, Place, gateway, gateway_command
from tests.integration.gateway.process import repo, write_config

LINGERS = ("0", "5")


def confluent(linger: str) -> Contender:
    """The gateway with the other producer."""

    def command(place: Place) -> list[str | Path]:
        write_config(
            place.directory, repo("bench", place.bootstrap, place.topic, timeout="30s", constraint=events.TWO_FIELDS)
        )
        words = gateway_command(place, "tests.bench.confluent_gateway", python=[sys.executable])
        return [*words[:3], linger, *words[3:]]

    return replace(gateway(f"confluent-kafka, linger {linger} ms"), command=command)


def main() -> None:
    options = session.parser(__doc__).parse_args()
    contenders = [
        gateway(python=[sys.executable], constraint=events.TWO_FIELDS),
        *(confluent(linger) for linger in LINGERS),
    ]
    with session.opened(options) as bench:
        print(compare_bodies(bench, contenders))


if __name__ == "__main__":
    main()
