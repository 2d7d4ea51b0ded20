"""Writes only while the lease is held: wraps the API server so that a leader past its deadline refuses its own writes.

Reads pass. Built by the composition root; reconcile sees nothing but `ports.Cluster`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from headgate_operator.api.names import FIELD_MANAGER
from headgate_operator.ports import Cluster, NotLeaderError, ObjectRef, UnavailableError

T = TypeVar("T")


class GuardedCluster:
    """Implements `ports.Cluster`. `remaining`: seconds for which this process may still write; 0 where it may not."""

    def __init__(self, cluster: Cluster, remaining: Callable[[], float]) -> None:
        self._cluster = cluster
        self._remaining = remaining

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        """Read one object."""
        return await self._cluster.get(ref)

    def list(self, api_version: str, kind: str, namespace: str | None, selector: str) -> AsyncIterator[dict[str, Any]]:
        """Read all objects of a kind."""
        return self._cluster.list(api_version, kind, namespace, selector)

    async def apply(self, ref: ObjectRef, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply, as leader."""
        return await self._write(lambda: self._cluster.apply(ref, manifest, manager))

    async def delete(self, ref: ObjectRef, uid: str, *, orphan: bool = False) -> None:
        """Delete, as leader."""
        await self._write(lambda: self._cluster.delete(ref, uid, orphan=orphan))

    async def patch(self, ref: ObjectRef, patch: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        """Merge patch, as leader."""
        return await self._write(lambda: self._cluster.patch(ref, patch, subresource))

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create, as leader."""
        return await self._write(lambda: self._cluster.create(ref, manifest))

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T:
        remaining = self._remaining()
        if remaining <= 0:
            raise NotLeaderError("this replica does not hold the lease")
        try:
            # A write that hangs must not land after somebody else has taken over.
            async with asyncio.timeout(remaining):
                return await write()
        except TimeoutError as error:
            raise UnavailableError("the lease ran out while a write was waiting") from error
