"""Secrets, by name and never by list: those that profiles name, and the fleets' own credentials.

Read on reconcile, and again by a slow poll that notices rotations. Writes nothing.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.ports import Clock, Cluster, ClusterError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.store import FleetKey

IN_FLIGHT = 20

FRESH_SECONDS = 2.0
"""A value read so recently is not read again: bursts of reconciles ask once."""

Data = Mapping[str, bytes]


@dataclass(slots=True)
class _Known:
    data: Data | None
    read_at: float


def secret_ref(namespace: str, name: str) -> ObjectRef:
    """Names a Secret."""
    return ObjectRef("v1", "Secret", namespace, name)


class SecretReader:
    """The Secrets that profiles name, as last read."""

    def __init__(self, cluster: Cluster, clock: Clock, notify: Callable[[FleetKey], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._notify = notify
        self._known: dict[tuple[str, str], _Known] = {}
        self._users: dict[FleetKey, frozenset[str]] = {}

    async def read(self, fleet: FleetKey, names: Iterable[str]) -> dict[str, Data]:
        """The data of Secrets in the fleet's namespace; those that do not exist are absent. Raises ClusterError."""
        wanted = frozenset(names)
        if self._users.get(fleet) != wanted:
            self._users[fleet] = wanted
            self._drop_unused()
        stale = [name for name in sorted(wanted) if not self._is_fresh((fleet[0], name))]
        await asyncio.gather(*(self._read_one((fleet[0], name)) for name in stale))
        known = {name: self._known[fleet[0], name].data for name in wanted}
        return {name: data for name, data in known.items() if data is not None}

    def forget(self, fleet: FleetKey) -> None:
        """Stop polling for a fleet that is gone."""
        self._users.pop(fleet, None)
        self._drop_unused()

    async def poll(self) -> None:
        """Read all again; fleets whose Secrets have changed are notified. An API server that is away is waited for."""

        async def look(key: tuple[str, str]) -> None:
            try:
                await self._read_one(key)
            except ClusterError:
                return

        await for_each(sorted(self._used()), IN_FLIGHT, look)
        # Meanwhile a fleet may have been deleted, or have come to name other Secrets.
        self._drop_unused()

    def _used(self) -> set[tuple[str, str]]:
        return {(namespace, name) for (namespace, _), names in self._users.items() for name in names}

    def _drop_unused(self) -> None:
        """Passwords that nobody names any more are not kept."""
        for key in self._known.keys() - self._used():
            del self._known[key]

    def _is_fresh(self, key: tuple[str, str]) -> bool:
        known = self._known.get(key)
        return known is not None and self._clock() - known.read_at < FRESH_SECONDS

    async def _read_one(self, key: tuple[str, str]) -> None:
        try:
            data = decode_data(await self._cluster.get(secret_ref(*key)))
        except (NotFoundError, RejectedError):
            # Forbidden is, to the profile's owner, as good as absent; what is served stays served either way.
            data = None
        before = self._known.get(key)
        self._known[key] = _Known(data, self._clock())
        if before is not None and before.data != data:
            # Whoever read it, it is news to all: the next to look would see no change any more.
            self._notify_users(key)

    def _notify_users(self, key: tuple[str, str]) -> None:
        for fleet, names in self._users.items():
            if fleet[0] == key[0] and key[1] in names:
                self._notify(fleet)


def decode_data(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The data of a Secret; a value that is no base64 (the API server takes none) is left out."""
    found: dict[str, bytes] = {}
    for name, value in (manifest.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            continue
    return found
