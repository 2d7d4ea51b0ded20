"""The operator as a process on this machine, against the testbed's API server. Ends only what it started."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.integration.operator.world import World, read, wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OperatorProcess:
    """One running operator."""

    def __init__(self, world: World, log: Path, *arguments: str) -> None:
        self.port, self.log = free_port(), log
        namespaces = [f"--namespace={name}" for name in world.namespaces]
        with log.open("a") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "headgate_operator",
                    *namespaces,
                    f"--lease-namespace={world.namespace}",
                    f"--metrics-port={self.port}",
                    "--log-format=text",
                    *("--lease-duration=4s", "--lease-renew-deadline=3s", "--lease-retry=500ms"),
                    *arguments,
                ],
                env={**os.environ, "KUBECONFIG": str(world.cluster.kubeconfig)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
            )

    def fetch(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, name: str) -> float:
        """Sum over all series of a sample; 0 where there is none."""
        status, text = self.fetch("/metrics")
        if status != 200:
            return 0.0
        families = text_string_to_metric_families(text)
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    @property
    def leads(self) -> bool:
        return self.metric("headgate_leader") == 1

    def wait_until_leading(self, seconds: float = 20.0) -> None:
        wait_for(f"leadership: {read(self.log)[-2000:]}", lambda: self.leads, seconds)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def running(world: World, log: Path, *arguments: str) -> Iterator[OperatorProcess]:
    operator = OperatorProcess(world, log, *arguments)
    try:
        yield operator
    finally:
        operator.end(signal.SIGKILL)
