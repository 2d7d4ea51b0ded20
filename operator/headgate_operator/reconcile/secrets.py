"""Secrets, by name and never by list: those that profiles and repos name, and the fleets' own credentials.

Read on reconcile, and again by a slow poll that notices rotations. Writes nothing.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.ports import Clock, Cluster, ClusterError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.world import SecretKey

IN_FLIGHT = 20

FRESH_SECONDS = 2.0
"""A value read so recently is not read again: bursts of reconciles ask once."""

BESIDE_REPOS_PER_POLL = 500
"""A poll reads so many Secrets of other namespaces than the fleets', those first that were not read for longest: thousands
of repos with a Secret each must not cost the API server thousands of reads every ten seconds."""

Data = Mapping[str, bytes]


@dataclass(slots=True)
class _Known:
    data: Data | None
    read_at: float


def secret_ref(namespace: str, name: str) -> ObjectRef:
    """Names a Secret."""
    return ObjectRef("v1", "Secret", namespace, name)


class SecretReader:
    """The Secrets that profiles and repos name, as last read."""

    def __init__(self, cluster: Cluster, clock: Clock, notify: Callable[[FleetKey], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._notify = notify
        self._known: dict[SecretKey, _Known] = {}
        self._users: dict[FleetKey, frozenset[SecretKey]] = {}

    async def read(self, fleet: FleetKey, wanted: Iterable[SecretKey]) -> dict[SecretKey, Data]:
        """The data of the Secrets that a fleet needs; those that do not exist are absent. Raises ClusterError."""
        keys = frozenset(wanted)
        if self._users.get(fleet) != keys:
            self._users[fleet] = keys
            self._drop_unused()
        stale = [key for key in sorted(keys) if not self._is_fresh(key, fleet[0])]
        await for_each(stale, IN_FLIGHT, self._read_one)
        return {key: known.data for key in keys if (known := self._known[key]).data is not None}

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

        await for_each(self._due(), IN_FLIGHT, look)
        # Meanwhile a fleet may have been deleted, or have come to name other Secrets.
        self._drop_unused()

    def _due(self) -> list[SecretKey]:
        fleets = {namespace for namespace, _ in self._users}
        used = sorted(self._used())
        ours, theirs = ([key for key in used if (key[0] in fleets) is beside] for beside in (True, False))
        theirs.sort(key=lambda key: known.read_at if (known := self._known.get(key)) is not None else 0.0)
        return ours + theirs[:BESIDE_REPOS_PER_POLL]

    def _used(self) -> set[SecretKey]:
        return set().union(*self._users.values())

    def _drop_unused(self) -> None:
        """Passwords that nobody names any more are not kept."""
        for key in self._known.keys() - self._used():
            del self._known[key]

    def _is_fresh(self, key: SecretKey, fleet: str) -> bool:
        known = self._known.get(key)
        if known is None:
            return False
        # Those beside repos may be thousands, and a reconcile comes every second: only the poll reads them again.
        return key[0] != fleet or self._clock() - known.read_at < FRESH_SECONDS

    async def _read_one(self, key: SecretKey) -> None:
        try:
            data = decode_data(await self._cluster.get(secret_ref(*key)))
        except (NotFoundError, RejectedError):
            # Forbidden is, to the owner of the profile or repo, as good as absent; what is served stays served either way.
            data = None
        before = self._known.get(key)
        self._known[key] = _Known(data, self._clock())
        if before is not None and before.data != data:
            # Whoever read it, it is news to all: the next to look would see no change any more.
            self._notify_users(key)

    def _notify_users(self, key: SecretKey) -> None:
        for fleet, keys in self._users.items():
            if key in keys:
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
