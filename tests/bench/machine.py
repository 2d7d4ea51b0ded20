"""Who runs on which core: the measured server alone on one, load generator and Kafka on the other.

Owns pinning and priority (as root, all that is measured goes before whatever else the machine does) and what the
kernel tells of a process. Never decides which run counts.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.kafka import Kafka

SERVER_CORE = 0
LOAD_CORE = 1
NICE = -19
CPU_SHARES = 71_755
"""The kernel's weight of that niceness. A container's default is 1,024."""


def pinned(core: int, *command: str | Path) -> list[str]:
    """The command, on one core. Start it in a session of its own: its priority is the session's."""
    words = ["taskset", "--cpu-list", str(core), *(str(word) for word in command)]
    if os.geteuid() != 0:
        return words
    # Where the kernel groups processes by session, niceness counts only within one, and the group has its own.
    script = f'echo {NICE} 2>/dev/null >/proc/self/autogroup; exec nice -n {NICE} "$@"'
    return ["sh", "-c", script, "sh", *words]


@contextmanager
def kafka_beside_load(kafka: Kafka) -> Iterator[None]:
    """Keep the broker off the measured core for a while, at the priority of the load."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TestbedError("the bench needs two cores: one for the server, one for the load and Kafka")
    containers = [kafka.container(broker) for broker in range(kafka.brokers)]
    kafka.docker.call("update", "--cpuset-cpus", str(LOAD_CORE), "--cpu-shares", str(CPU_SHARES), *containers)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        everywhere = ",".join(map(str, cores))
        kafka.docker.call("update", "--cpuset-cpus", everywhere, "--cpu-shares", "1024", *containers)


def resident_mib(pid: int) -> tuple[float, float]:
    """(now, highest so far) of a process."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, highest = (int(rows[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, highest


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def describe() -> str:
    """What it all ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({processor}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )
