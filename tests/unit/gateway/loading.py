"""A loader with a fake pool of producers behind it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.gateway.builders import FakeLease, FakeProducer

from headgate_gateway.config import ProducerConfig
from headgate_gateway.directory import ConfigDirectory, ConfigFiles
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.router import Router
from headgate_gateway.reload import Loader


@dataclass
class FakePool:
    leases: list[FakeLease] = field(default_factory=list)
    acquired: list[tuple[ProducerConfig, Mapping[str, bytes]]] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    """What making a producer ends in, by bootstrap server."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> FakeLease:
        needed = config.sasl.password_file if config.sasl else None
        if needed and needed not in credentials:
            raise ValueError(f"file {needed} is missing")
        if config.bootstrap_servers[0] in self.errors:
            raise self.errors[config.bootstrap_servers[0]]
        self.acquired.append((config, credentials))
        self.leases.append(FakeLease(FakeProducer()))
        return self.leases[-1]

    @property
    def held(self) -> int:
        return sum(not lease.released for lease in self.leases)


class Running:
    """A loader with a fake pool behind it."""

    def __init__(self, directory: Path = Path("unused")) -> None:
        self.pool, self.traffic, self.swaps = FakePool(), TrafficCounters(), 0
        self.router: Router = {}
        self.loader = Loader(ConfigDirectory(directory), self.pool, self.traffic, self._swap)

    def _swap(self, router: Router) -> None:
        self.router, self.swaps = router, self.swaps + 1

    async def load(self, *entries: dict[str, Any], credentials: dict[str, bytes] | None = None) -> bytes:
        content = shard(*entries)
        await self.loader.load(ConfigFiles({"07": content}, credentials or {}))
        return content

    @property
    def revisions(self) -> dict[str, str]:
        return {path: route.repo.config.revision for path, route in self.router.items()}


def shard(*entries: dict[str, Any], version: int = 1) -> bytes:
    return json.dumps({"contractVersion": version, "repos": list(entries)}).encode()
