"""Calls the load generator and reads what it tells. Holds requests in files, as that program wants them."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import programs
from tests.bench.machine import LOAD_CORE, SERVER_CORE, pinned

SLACK_SECONDS = 90
"""For answers that come late; the generator itself gives up after 40 s."""


@dataclass(frozen=True)
class Load:
    """What is sent: for so long, over so many connections; in open loop where there is a rate."""

    requests: tuple[bytes, ...]
    events: int
    """Records that each request becomes."""
    connections: int
    seconds: float
    rate: float = 0
    limit: int = 0


@dataclass(frozen=True)
class Report:
    """What the load generator saw."""

    seconds: float
    """From the first request to the last answer."""
    statuses: dict[int, int]
    lost: int
    """Requests whose connection ended, or that had no answer."""
    busy: float
    """Share of the sending time, without what the host gave to others, in which the server's core was not idle."""
    network: float
    """Share of it that went into interrupts: the kernel's work for connections, which no process is charged with."""
    stolen: float
    """Share of the sending time that the host gave to others, of the server's core."""
    load_stolen: float
    """Of the other core."""
    load_busy: float
    cpu_seconds: float
    """CPU time of the server while requests were sent."""
    load_cpu_seconds: float
    """The load generator's own; the rest of its core is Kafka's."""
    sending_seconds: float
    behind_seconds: float
    """Open loop: how late the last requests were, for want of a free connection."""
    p50_ms: float
    p99_ms: float

    @property
    def accepted(self) -> int:
        """Requests answered 200."""
        return self.statuses.get(200, 0)

    @property
    def own(self) -> float:
        """Share of its core that went into the server and its connections; the rest of what was busy was others' work."""
        return self.cpu_seconds / (self.sending_seconds * (1 - self.stolen)) + self.network


def send(port: int, load: Load, pid: int) -> Report:
    """Load a server. Raises CalledProcessError where it goes away."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            command(port, load, pid, Path(directory)),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            start_new_session=True,
            timeout=load.seconds + SLACK_SECONDS,
        )
    return read_report(done.stdout.splitlines()[-1])


def command(port: int, load: Load, pid: int, directory: Path, *extra: str) -> list[str]:
    """How the generator is called; its requests are written to `directory`."""
    files = write_requests(load.requests, directory)
    return pinned(
        LOAD_CORE,
        programs.ensure(programs.LOAD),
        *("-address", f"127.0.0.1:{port}", "-connections", str(load.connections), "-duration", f"{load.seconds}s"),
        *("-rate", str(load.rate), "-limit", str(load.limit), "-pid", str(pid)),
        *(word for path in files for word in ("-request", str(path))),
        *extra,
    )


def write_requests(requests: Sequence[bytes], directory: Path) -> list[Path]:
    """One file each."""
    paths = [directory / f"request-{number}" for number in range(len(requests))]
    for path, request in zip(paths, requests, strict=True):
        path.write_bytes(request)
    return paths


def read_report(line: str) -> Report:
    """The generator's last line."""
    told = json.loads(line)
    return Report(
        seconds=told["seconds"],
        statuses={int(status): count for status, count in told["statuses"].items()},
        lost=told["lost"] + told["unanswered"],
        busy=told["busy"][SERVER_CORE],
        network=told["network"][SERVER_CORE],
        stolen=told["stolen"][SERVER_CORE],
        load_stolen=told["stolen"][LOAD_CORE],
        load_busy=told["busy"][LOAD_CORE],
        cpu_seconds=told["processSeconds"],
        load_cpu_seconds=told["loadSeconds"],
        sending_seconds=told["sendingSeconds"],
        behind_seconds=told["behindSeconds"],
        p50_ms=told["p50Micros"] / 1e3,
        p99_ms=told["p99Micros"] / 1e3,
    )
