"""The in-process ceiling: split, decode, constraint, append, compress, without HTTP and Kafka, on one core.

    python -m tests.bench.ceiling --lines 100 --seconds 5

Prints lines a second. Uses the gateway's own pipeline, batches, filled to their cap as under the highest load, and
settings of memory.
"""

import argparse
import time
from collections.abc import Callable

from tests.bench import events
from tests.unit.gateway.builders import repo_config

from headgate_gateway.allocator import tune_memory
from headgate_gateway.config.producer import Compression
from headgate_gateway.kafka.batch import BatchWriter, compress_batch
from headgate_gateway.kafka.codec import build_compressor
from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.records import Records


class Batches:
    """Takes records into batches; a full one is compressed and thrown away."""

    def __init__(self) -> None:
        self._compressor = build_compressor(Compression())
        self._open = BatchWriter()
        self.bytes = 0

    def take(self, records: Records) -> None:
        """All records of a body, into as many batches as it takes."""
        left = range(len(records.values))
        while left:
            left = left[self._open.append(records, left, 1_795_248_000_000) :]
            if left:
                self.bytes += len(compress_batch(self._open.finish(), self._compressor))
                self._open = BatchWriter()


def body_taker() -> tuple[Callable[[bytes], None], Batches]:
    """What is done with each body."""
    endpoint = compile_repo(repo_config("bench", constraint=events.TWO_FIELDS)).endpoints[0]
    batches = Batches()

    def take(body: bytes) -> None:
        run = endpoint.begin({}, 0)
        for piece in run.cut(body):
            run.feed(*piece)
        for records in run.result.records:
            batches.take(records)

    return take, batches


def measure(lines: int, seconds: float) -> float:
    """Lines a second."""
    take, batches = body_taker()
    bodies = [events.jsonl(lines, seed) for seed in range(16)]
    count, begun = 0, time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        for body in bodies:
            take(body)
        count += len(bodies) * lines
    assert batches.bytes > 0
    return count / (now - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    tune_memory()
    print(f"{measure(options.lines, options.seconds):.0f}")


if __name__ == "__main__":
    main()
