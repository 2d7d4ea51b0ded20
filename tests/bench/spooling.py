"""The gateway with a spool, as something that can be measured; and what it tells of its spool while it is.

Owns where the spool lies (a disk, never memory) and how /metrics is read. Used by the benches of the spool.
"""

import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.bench.contenders import Contender, Place, Server, gateway, gateway_command
from tests.bench.runs import BenchError
from tests.integration.gateway.process import repo, write_config

MAX_BYTES = "8Gi"
IN_MEMORY = {"tmpfs", "ramfs", "overlay"}
COMMITS = "headgate_spool_commit_seconds"
RECORDS = "headgate_records_total"
TIMEOUT = 30
"""Seconds for an answer of the admin port."""

Repos = Mapping[str, Mapping[str, Any]]
"""By name: what their entries have beside topic and profile."""


def spooling(name: str, repos: Repos, **changes: Any) -> Contender:
    """The gateway with a spool in its directory; its repos share a profile and a topic."""

    def command(place: Place) -> list[str | Path]:
        entries = [
            repo(each, place.bootstrap, place.topic, timeout="30s", **dict(kept)) for each, kept in repos.items()
        ]
        profile = entries[0]["producers"]
        write_config(place.directory, *({**entry, "producers": profile} for entry in entries))
        directory = spool_of(place.directory)
        require_disk(place.directory)
        flags = ("--spool", str(directory), "--spool-max-bytes", MAX_BYTES, "--log-level", "info")
        return gateway_command(place, "headgate_gateway", *flags)

    return replace(gateway(name), command=command, answers_first=True, **changes)


def spool_of(directory: Path) -> Path:
    """Where a server's spool is."""
    return directory / "spool"


def file_system(path: Path) -> str:
    """The kind of file system that holds a path."""
    words = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(path)]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def require_disk(path: Path) -> None:
    """What is made durable has to go somewhere. Raises BenchError."""
    found = file_system(path)
    if found in IN_MEMORY:
        raise BenchError(f"{path} is on {found}: set TMPDIR to a directory below /tmp that is on a disk")


@dataclass(frozen=True)
class Commits:
    """A histogram of commits: by upper bound in seconds, how many took no longer."""

    counts: Mapping[float, float]

    def __sub__(self, earlier: "Commits") -> "Commits":
        """Those since then."""
        return Commits({bound: count - earlier.counts.get(bound, 0) for bound, count in self.counts.items()})

    def __add__(self, other: "Commits") -> "Commits":
        """Both."""
        bounds = self.counts.keys() | other.counts.keys()
        return Commits({bound: self.counts.get(bound, 0) + other.counts.get(bound, 0) for bound in bounds})

    @property
    def total(self) -> int:
        """How many."""
        return int(max(self.counts.values(), default=0))

    def quantile(self, share: float) -> float:
        """Seconds, between a bucket's bounds as Prometheus would say; the highest bound where it is above that."""
        below, bound = self.bounds(share)
        if bound in {below, float("inf")}:
            return below
        counted = self.counts.get(below, 0.0)
        return below + (bound - below) * (share * self.total - counted) / (self.counts[bound] - counted)

    def bounds(self, share: float) -> tuple[float, float]:
        """Seconds between which the quantile lies: all that a histogram tells for certain."""
        below, counted = 0.0, 0.0
        for bound in sorted(self.counts):
            if self.counts[bound] >= share * self.total and self.counts[bound] > counted:
                return below, bound
            below, counted = bound, self.counts[bound]
        return below, below

    def describe(self, share: float) -> str:
        """A quantile in milliseconds, with its bounds beside it."""
        below, bound = (each * 1e3 for each in self.bounds(share))
        if bound == float("inf"):
            return f"over {below:g} ms"
        return f"{self.quantile(share) * 1e3:.1f} ms ({below:g} to {bound:g})"


@dataclass(frozen=True)
class SpoolState:
    """What /metrics says of the spool."""

    backlog: int
    """Records."""
    replayed: int
    """Records read back from disk and delivered."""
    commits: Commits
    on_disk: Mapping[str, int]
    """By repo: records whose answers told of the disk, not of Kafka."""


def look(server: Server) -> SpoolState:
    """Ask the gateway."""
    address = f"http://127.0.0.1:{server.admin_port}/metrics"
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
        return read_state(answer.read().decode())


def read_state(text: str) -> SpoolState:
    """From the exposition format."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    values = {sample.name: sample.value for sample in samples}
    commits = {float(each.labels["le"]): each.value for each in samples if each.name == f"{COMMITS}_bucket"}
    return SpoolState(
        backlog=int(values["headgate_spool_backlog_records"]),
        replayed=int(values["headgate_spool_records_replayed_total"]),
        commits=Commits(commits),
        on_disk={
            each.labels["repo"]: int(each.value)
            for each in samples
            if each.name == RECORDS and each.labels["fate"] == "spooled"
        },
    )
