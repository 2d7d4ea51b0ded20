"""kopf's handlers: they store what they are told and enqueue the fleet, nothing else. Beside `__main__` the only kopf import.

`on.event` handlers alone: every other kind of kopf handler writes finalizers or annotations into users' objects.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import kopf

from headgate_operator.reconcile.records import version_of
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.reconcile.watched import NAMESPACES, WATCHED, WatchedKind

SERVER_TIMEOUT = 60  # kopf writes it into the URL as it is, and the API server parses whole numbers only
"""Seconds after which the API server ends a watch: a stream that has died is replaced within that time."""


class Patience:
    """Delays between attempts, in seconds, that never end. kopf iterates anew for each request."""

    def __iter__(self) -> Iterator[float]:
        yield from (1, 1, 2, 3, 5, 8)
        yield from repeat(10)


class _NoDiffs(kopf.DiffBaseStorage):
    """No diffs: only other kinds of handlers ask for them, and kopf copies each object twice to make them."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of it."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Nowhere."""


class _NoProgress(kopf.ProgressStorage):
    """No progress of handlers, for the same reason."""

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Nowhere."""

    def purge(self, **_: Any) -> None:
        """There is nothing."""

    def touch(self, **_: Any) -> None:
        """No object."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """It holds nothing of ours."""
        return essence


def build_settings(*, cluster_wide: bool) -> kopf.OperatorSettings:
    """kopf's settings: no Events of its own, no peering, and no object watched that is not labelled as ours."""
    settings = kopf.OperatorSettings()
    # Without the right to list namespaces and CRDs, kopf would try for ever and never begin to watch.
    settings.scanning.disabled = not cluster_wide
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.connect_timeout = 10.0
    settings.watching.chunk_size = 500
    # An API server that is away is waited for: kopf's default gives up after a minute, and the process would end.
    settings.networking.error_backoffs = Patience()
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    # A worker for each object lives on for so long: thousands of them at a time would only fill memory.
    settings.queueing.idle_timeout = 0.02
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = 25.0
    for each in WATCHED:
        if each.selector:
            settings.watching.label_selectors[_selector(each)] = each.selector
    return settings


def build_registry(
    store: Store, watchdog: Watchdog, kubeconfig: str | None, *, cluster_wide: bool
) -> kopf.OperatorRegistry:
    """One handler for each watched kind, on a registry of our own."""
    registry = kopf.OperatorRegistry()
    for each in (*WATCHED, NAMESPACES) if cluster_wide else WATCHED:
        group, version, plural = _selector(each)
        kopf.on.event(group, version, plural, registry=registry)(
            _build_handler(each, store, watchdog, cluster_wide=cluster_wide)
        )
    _add_login(registry, kubeconfig)
    return registry


def _selector(kind: WatchedKind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


def _build_handler(kind: WatchedKind, store: Store, watchdog: Watchdog, *, cluster_wide: bool) -> Callable[..., Any]:
    async def take_in(event: kopf.RawEvent, **_: Any) -> None:
        manifest: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, **event["object"]}
        metadata = manifest["metadata"]
        watchdog.shown((kind.kind, "" if cluster_wide else metadata["namespace"]), version_of(manifest))
        if event["type"] == "DELETED":
            # The version is that of the event: of the deletion, or of the write that took the object from the selector.
            store.remove(
                kind.kind, metadata.get("namespace", ""), metadata["name"], metadata["uid"], version_of(manifest)
            )
        else:
            store.upsert(manifest)

    take_in.__name__ = f"take_in_{kind.plural}"
    return take_in


def _add_login(registry: kopf.OperatorRegistry, kubeconfig: str | None) -> None:
    """kopf's own minimal logins: the default ones would import the synchronous Kubernetes client as well."""

    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) if kubeconfig else kopf.login_with_service_account(**kwargs)

    kopf.on.login(registry=registry)(login)
