"""What reconcile asks of the outside world: small protocols, and the errors that cross them.

Does no I/O and imports no layer, so that `reconcile` and `adapters`, which never import each other, can share it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headgate_operator.api.names import FIELD_MANAGER

Clock = Callable[[], float]
"""Monotonic seconds."""


class ClusterError(Exception):
    """The API server did not do what was asked. `retryable`: whether the same request may succeed later by itself."""

    retryable = False

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """No such object, or no such API."""


class ConflictError(ClusterError):
    """The object changed, or was replaced, since it was read: read again and decide again."""

    retryable = True


class RejectedError(ClusterError):
    """The API server understood and refused (invalid, forbidden): the same bytes will be refused again."""


class UnavailableError(ClusterError):
    """No answer, or one that says "later"."""

    retryable = True


class NotLeaderError(ClusterError):
    """This process does not hold the lease (any more), so it does not write."""

    retryable = True


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Names one object of a namespace."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Cluster(Protocol):
    """The API server. Objects are plain dicts; every method raises ClusterError."""

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        """Read one object."""
        ...

    def list(self, api_version: str, kind: str, namespace: str | None, selector: str) -> AsyncIterator[dict[str, Any]]:
        """Read all objects of a kind, page by page; of all namespaces if none is named."""
        ...

    async def apply(self, ref: ObjectRef, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply by force; a resourceVersion in the manifest must match."""
        ...

    async def delete(self, ref: ObjectRef, uid: str, *, orphan: bool = False) -> None:
        """Delete this very object, its dependents in the background; `orphan`: without them."""
        ...

    async def patch(self, ref: ObjectRef, patch: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        """JSON merge patch."""
        ...

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create, failing with ConflictError where it exists."""
        ...
