"""A server that can be measured: how it is started on its core, where it takes events; and this gateway as one.

Owns processes and ports. All have the same acknowledgements (all), codec (lz4) and topic layout; the others are in
`peers`.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import events, shipped
from tests.bench.machine import SERVER_CORE, pinned
from tests.bench.topics import PARTITIONS, fresh_topic
from tests.integration.gateway.process import repo, write_config
from tests.testbed import ports, waiting
from tests.testbed.kafka import Kafka

FIRST_PORT = 23_100
READY_SECONDS = 30
STOP_SECONDS = 15
VARIANTS = 16
"""Different requests that are sent in turn, where they are small."""

Requests = Callable[[int], tuple[bytes, ...]]


@dataclass(frozen=True)
class Place:
    """What a server is given."""

    bootstrap: str
    topic: str
    port: int
    admin_port: int
    directory: Path


@dataclass(frozen=True)
class Contender:
    """A server that can be started. `requests` makes the bodies of a number of events, `command` may write files."""

    name: str
    command: Callable[[Place], Sequence[str | Path]]
    requests: Requests
    partitions: int = PARTITIONS
    beside: Callable[["Server"], AbstractContextManager[None]] = lambda _: nullcontext()
    """What goes on while it is loaded."""
    answers_first: bool = False
    """Whether it answers before Kafka has the records: a run then lasts until Kafka has them."""


@dataclass(frozen=True)
class Server:
    """A running contender."""

    contender: Contender
    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    topic: str
    directory: Path

    @property
    def name(self) -> str:
        """The contender's."""
        return self.contender.name


@contextmanager
def serving(kafka: Kafka, contenders: Sequence[Contender], bootstrap: str = "") -> Iterator[list[Server]]:
    """All contenders, running side by side: those that are not loaded do nothing.

    `bootstrap` is where they find Kafka, if not where it is.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_running(kafka, contender, bootstrap)) for contender in contenders]


@contextmanager
def _running(kafka: Kafka, contender: Contender, bootstrap: str) -> Iterator[Server]:
    with placed(kafka, contender, bootstrap) as place, started(contender, place) as server:
        yield server


@contextmanager
def placed(kafka: Kafka, contender: Contender, bootstrap: str = "") -> Iterator[Place]:
    """A topic, ports and a directory, for one contender that may be started there more than once."""
    with (
        tempfile.TemporaryDirectory() as directory,
        fresh_topic(kafka, "topic", contender.partitions) as topic,
    ):
        port, admin_port = ports.free(2, FIRST_PORT)
        yield Place(bootstrap or kafka.bootstrap, topic, port, admin_port, Path(directory))


@contextmanager
def started(contender: Contender, place: Place) -> Iterator[Server]:
    """A contender, until it is stopped; what it leaves in its directory stays."""
    log = place.directory / "log"
    command = pinned(SERVER_CORE, *contender.command(place))
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        waiting.until(lambda: ports.answers(place.port), READY_SECONDS, f"{contender.name} answers")
        time.sleep(1)  # its first look at the topic
        yield Server(contender, process, place.port, place.admin_port, place.topic, place.directory)
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-4_000:])
        raise
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End it: asked first, then at once."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def single_or_lines(path: str) -> Requests:
    """Requests with JSONL bodies; a body of one event comes in many variants."""

    def requests(count: int) -> tuple[bytes, ...]:
        variants = VARIANTS if count <= 100 else 1
        return tuple(events.post(path, events.jsonl(count, seed)) for seed in range(variants))

    return requests


GATEWAY_PATH = "/log/repo/bench"


def gateway(
    name: str = "headgate",
    *,
    module: str = "headgate_gateway",
    python: Sequence[str | Path] | None = None,
    flags: Sequence[str] = (),
    **changes: Any,
) -> Contender:
    """This gateway with one repo; `changes` are changes to the repo's entry, `module` what stands for its program.

    It runs as it ships unless another `python` is named.
    """

    def command(place: Place) -> list[str | Path]:
        write_config(place.directory, repo("bench", place.bootstrap, place.topic, timeout="30s", **changes))
        return gateway_command(place, module, *flags, python=python)

    return Contender(name, command, single_or_lines(GATEWAY_PATH))


def gateway_command(
    place: Place, module: str, *flags: str, python: Sequence[str | Path] | None = None
) -> list[str | Path]:
    """The gateway's process over a directory that holds its config; `python` runs it, if not the image's."""
    return [
        *(*(python or shipped.interpreter()), "-m", module, "--config", place.directory),
        *("--host", "127.0.0.1", "--port", str(place.port)),
        *("--admin-port", str(place.admin_port), "--drain-delay", "0s", "--log-level", "warning", *flags),
    ]
