"""What is stored of a fleet's rollouts: revisions and states, read from the store's children. Decides and writes nothing.

A child is parsed again only where it has changed; intents are parsed only where somebody asks for them.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from headgate_operator.api.names import revision_name
from headgate_operator.reconcile.apply import ObjectKey
from headgate_operator.reconcile.records import ChildRecord
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.intent import Intent, IntentError
from headgate_operator.render.revisions import StoredRevision, read_revision, read_state
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import RolloutState
from headgate_operator.rollout.store_form import BrokenStateError, load_state

logger = logging.getLogger("headgate.rollouts")

REVISION = "ControllerRevision"
STATE_SUFFIX = ".rollout"


@dataclass(frozen=True, slots=True)
class Stored:
    """One fleet's stored rollouts at one moment."""

    states: Mapping[RepoKey, RolloutState] = field(default_factory=dict)
    revisions: Mapping[RepoKey, frozenset[str]] = field(default_factory=dict)
    """Names of the revisions that are kept of each repo."""


class Ledger:
    """Reads one fleet's revisions and states."""

    def __init__(self, store: Store, fleet: FleetKey) -> None:
        self._store = store
        self._fleet = fleet
        self._states: dict[str, tuple[str, RepoKey, RolloutState | None]] = {}
        self._known: dict[str, tuple[str, StoredRevision | None]] = {}

    def read(self) -> Stored:
        """Everything that is stored now."""
        states: dict[RepoKey, RolloutState] = {}
        revisions: dict[RepoKey, set[str]] = {}
        seen: set[str] = set()
        for child in self._store.children_of(self._fleet):
            if child.owner != self._fleet[1]:
                continue
            if child.kind == REVISION and (named := self._split(child.name)):
                revisions.setdefault(named[0], set()).add(named[1])
                seen.add(child.name)
            elif child.kind == "ConfigMap" and child.name.endswith(STATE_SUFFIX):
                seen.add(child.name)
                found = self._state_of(child)
                if found is not None and found[1] is not None:
                    states[found[0]] = found[1]
        self._forget_others(seen)
        return Stored(states, {key: frozenset(found) for key, found in revisions.items()})

    def intent(self, repo: RepoKey, revision: str | None) -> Intent | None:
        """A stored intent; None where it is not there, or somebody has broken it."""
        found = self.revision(repo, revision)
        return found.intent if found is not None else None

    def revision(self, repo: RepoKey, revision: str | None) -> StoredRevision | None:
        """A stored revision; None as above."""
        if revision is None:
            return None
        name = revision_name(self._fleet[1], *repo, revision)
        child = self._store.child((REVISION, self._fleet[0], name))
        if child is None or child.owner != self._fleet[1]:
            return None
        known = self._known.get(name)
        if known is None or known[0] != child.digest:
            known = self._known[name] = child.digest, _read_revision(child)
        return known[1]

    def sequences(self, repo: RepoKey, revisions: Iterable[str]) -> dict[str, int]:
        """The sequence of each of these revisions of a repo that can be read."""
        found = ((revision, self.revision(repo, revision)) for revision in revisions)
        return {revision: stored.sequence for revision, stored in found if stored is not None}

    def keys_of(self, repo: RepoKey, revisions: Iterable[str]) -> list[ObjectKey]:
        """The objects that hold these revisions."""
        return [(REVISION, self._fleet[0], revision_name(self._fleet[1], *repo, each)) for each in sorted(revisions)]

    def _split(self, name: str) -> tuple[RepoKey, str] | None:
        """Repo and revision of `{fleet}.{namespace}.{repo}.{revision}`: only a repo's name may have dots."""
        namespace, _, rest = name.removeprefix(f"{self._fleet[1]}.").partition(".")
        repo, _, revision = rest.rpartition(".")
        return ((namespace, repo), revision) if namespace and repo and revision else None

    def _state_of(self, child: ChildRecord) -> tuple[RepoKey, RolloutState | None] | None:
        known = self._states.get(child.name)
        if known is None or known[0] != child.digest:
            read = _read_state(child)
            if read is None:
                return None
            known = self._states[child.name] = child.digest, *read
        return known[1], known[2]

    def _forget_others(self, seen: set[str]) -> None:
        for table in (self._states, self._known):
            for gone in table.keys() - seen:
                del table[gone]


def _read_revision(child: ChildRecord) -> StoredRevision | None:
    try:
        return read_revision(json.loads(child.content))
    except IntentError as error:
        logger.warning("ControllerRevision %s/%s %s; what is served stays", child.namespace, child.name, error)
        return None


def _read_state(child: ChildRecord) -> tuple[RepoKey, RolloutState | None] | None:
    try:
        repo, text = read_state(json.loads(child.content))
    except IntentError as error:
        logger.warning("ConfigMap %s/%s: %s", child.namespace, child.name, error)
        return None
    try:
        return repo, load_state(text.encode())
    except BrokenStateError as error:
        logger.warning("ConfigMap %s/%s: %s; what is served counts as promoted", child.namespace, child.name, error)
        return repo, None
