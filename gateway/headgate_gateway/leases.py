"""A repo's leases: its producers, with the spool behind them where the repo uses it. Called by reload, decides nothing else."""

from collections.abc import Mapping
from typing import Any, Protocol

from headgate_gateway.config.kafka import OnFailure
from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.http.ports import Lease, Spool
from headgate_gateway.http.router import uses_spool


class ProducerSource(Protocol):
    """Where producers come from: `headgate_gateway.kafka`'s pool."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> Lease:
        """The producer of a profile's content, shared with whoever has the same."""
        ...


class RepoSpool(Spool, Protocol):
    """The spool as a reload uses it: `headgate_gateway.spool`'s."""

    def bind(self, config: RepoConfig, profile: str, lease: Any) -> Lease:
        """A repo's way to one of its profiles, with the disk behind it. Takes over the pool's own lease."""
        ...

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        """The contents of all credential files, at each load."""
        ...


class SpoolNotEnabledError(ValueError):
    """A repo wants its lines on disk, and the gateway has none for them."""


def check_spool(config: RepoConfig, spool: RepoSpool | None) -> None:
    """Raises SpoolNotEnabledError."""
    if spool is None and config.kafka.on_failure is OnFailure.SPOOL:
        raise SpoolNotEnabledError(
            "SpoolNotEnabled: kafka.onFailure is Spool, and this gateway has no spool: enable the fleet's, or leave onFailure out"
        )


def acquire_leases(
    config: RepoConfig, credentials: Mapping[str, bytes], producers: ProducerSource, spool: RepoSpool | None = None
) -> dict[str, Lease]:
    """A lease of every profile that the repo's lines may take; all or none."""
    leases: dict[str, Lease] = {}
    try:
        for profile in config.kafka.profiles:
            leases[profile] = producers.acquire(config.producers[profile], credentials)
            if spool is not None and uses_spool(config):
                leases[profile] = spool.bind(config, profile, leases[profile])
    except BaseException:
        release_leases(leases)
        raise
    return leases


def release_leases(leases: Mapping[str, Lease]) -> None:
    """Give all of them back."""
    for lease in leases.values():
        lease.release()
