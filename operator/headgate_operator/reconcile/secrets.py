"""Secrets, by name and never by list: those that profiles and repos name, and the fleets' own credentials.

Read on reconcile, and again by a slow poll that notices rotations. Writes nothing.
"""

import base64
import binascii
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate_operator.api.names import LABEL_FLEET
from headgate_operator.ports import (
    Clock,
    Cluster,
    ClusterError,
    NotFoundError,
    NotLeaderError,
    ObjectRef,
    RejectedError,
)
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.records import owner_of
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.world import ORDINARY, SecretKey, SecretNote

logger = logging.getLogger(__name__)

IN_FLIGHT = 20

FAILURES_MAX = 20
"""After so many reads without an answer a reconcile asks for no more Secrets beside repos."""

FRESH_SECONDS = 2.0
"""A value read so recently is not read again: bursts of reconciles ask once."""

BESIDE_REPOS_PER_POLL = 500
"""A poll reads so many Secrets that only repos name, those first that were not read for longest: thousands
of repos with a Secret each must not cost the API server thousands of reads every ten seconds."""

Data = Mapping[str, bytes]


@dataclass(slots=True)
class _Known:
    data: Data | None
    """None: there is none, or it is not read."""
    read_at: float
    """When it was last asked for, whatever came of it."""
    note: SecretNote = ORDINARY


@dataclass(frozen=True, slots=True)
class FoundSecrets:
    """What is known of the Secrets that a fleet needs."""

    data: Mapping[SecretKey, Data] = field(default_factory=dict)
    """Of those that exist."""
    notes: Mapping[SecretKey, SecretNote] = field(default_factory=dict)
    """What is out of the ordinary about them."""
    unasked: bool = False
    """Whether some were not even asked for, since others got no answer."""

    @property
    def unread(self) -> frozenset[SecretKey]:
        """Those of which nothing is known yet."""
        return frozenset(key for key, note in self.notes.items() if note.unread)


@dataclass(frozen=True, slots=True)
class _Wanted:
    of_profiles: frozenset[SecretKey]
    beside_repos: frozenset[SecretKey]

    @property
    def all(self) -> frozenset[SecretKey]:
        return self.of_profiles | self.beside_repos


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
        self._users: dict[FleetKey, _Wanted] = {}

    async def read(
        self, fleet: FleetKey, of_profiles: Iterable[SecretKey], beside_repos: Iterable[SecretKey] = ()
    ) -> FoundSecrets:
        """What is known of the Secrets that a fleet needs. Raises ClusterError for those of profiles alone.

        One beside a repo that cannot be read is as it was last known, else unread until the poll reaches it.
        """
        platform = frozenset(of_profiles)
        wanted = _Wanted(platform, frozenset(beside_repos) - platform)
        if self._users.get(fleet) != wanted:
            self._users[fleet] = wanted
            self._drop_unused()
        stale = [key for key in sorted(wanted.of_profiles) if not self._is_fresh(key)]
        await for_each(stale, IN_FLIGHT, self._read_one)
        await self._read_first(key for key in sorted(wanted.beside_repos) if key not in self._known)
        return self._found(wanted)

    async def _read_first(self, keys: Iterable[SecretKey]) -> None:
        """Secrets beside repos that were never asked for. An API server that does not answer is not asked for thousands."""
        failed: list[SecretKey] = []

        async def look(key: SecretKey) -> None:
            if len(failed) < FAILURES_MAX and not await self._try_one(key):
                failed.append(key)

        await for_each(keys, IN_FLIGHT, look)

    def _found(self, wanted: _Wanted) -> FoundSecrets:
        known = {key: self._known.get(key, _UNASKED) for key in wanted.all}
        return FoundSecrets(
            {key: each.data for key, each in known.items() if each.data is not None},
            {key: each.note for key, each in known.items() if each.note != ORDINARY},
            any(each is _UNASKED for each in known.values()),
        )

    def forget(self, fleet: FleetKey) -> None:
        """Stop polling for a fleet that is gone."""
        self._users.pop(fleet, None)
        self._drop_unused()

    async def poll(self) -> None:
        """Read all again; fleets whose Secrets have changed are notified. An API server that is away is waited for."""

        async def look(key: SecretKey) -> None:
            await self._try_one(key)

        await for_each(self._due(), IN_FLIGHT, look)
        # Meanwhile a fleet may have been deleted, or have come to name other Secrets.
        self._drop_unused()

    def _due(self) -> list[SecretKey]:
        # By who names them, not by where they are: thousands of repos may live in their fleet's namespace.
        ours = frozenset[SecretKey]().union(*(wanted.of_profiles for wanted in self._users.values()))
        theirs = sorted(
            self._used() - ours,
            key=lambda key: (known.read_at if (known := self._known.get(key)) is not None else 0.0, key),
        )
        return sorted(ours) + theirs[:BESIDE_REPOS_PER_POLL]

    def _used(self) -> frozenset[SecretKey]:
        return frozenset[SecretKey]().union(*(wanted.all for wanted in self._users.values()))

    def _drop_unused(self) -> None:
        """Passwords that nobody names any more are not kept."""
        for key in self._known.keys() - self._used():
            del self._known[key]

    def _is_fresh(self, key: SecretKey) -> bool:
        known = self._known.get(key)
        return known is not None and not known.note.unread and self._clock() - known.read_at < FRESH_SECONDS

    async def _try_one(self, key: SecretKey) -> bool:
        """Whether the API server answered. Raises NotLeaderError only."""
        try:
            await self._read_one(key)
        except NotLeaderError:
            raise
        except ClusterError as error:
            known = self._known.setdefault(key, _Known(None, 0.0, SecretNote(unread=True)))
            known.read_at = self._clock()
            logger.warning("cannot read Secret %s/%s, asking again later: %s", *key, error)
            return False
        return True

    async def _read_one(self, key: SecretKey) -> None:
        try:
            manifest = await self._cluster.get(secret_ref(*key))
        except (NotFoundError, RejectedError):
            # Forbidden is, to the owner of the profile or repo, as good as absent; what is served stays served either way.
            now = _Known(None, self._clock())
        else:
            now = _Known(decode_data(manifest), self._clock(), _note_of(manifest))
        before = self._known.get(key)
        self._known[key] = now
        if before is not None and (before.data, before.note) != (now.data, now.note) and not now.note.ours:
            # Whoever read it, it is news to all: the next to look would see no change any more.
            self._notify_users(key)

    def _notify_users(self, key: SecretKey) -> None:
        for fleet, wanted in self._users.items():
            if key in wanted.all:
                self._notify(fleet)


_UNASKED = _Known(None, 0.0, SecretNote(unread=True))


def _note_of(manifest: Mapping[str, Any]) -> SecretNote:
    metadata = manifest.get("metadata") or {}
    ours = LABEL_FLEET in (metadata.get("labels") or {}) or owner_of(metadata) != ""
    return SecretNote(type=manifest.get("type") or ORDINARY.type, ours=ours)


def decode_data(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The data of a Secret; a value that is no base64 (the API server takes none) is left out."""
    found: dict[str, bytes] = {}
    for name, value in (manifest.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            continue
    return found
