"""Keeps what goes wrong with one repo its own: others' canaries have to be watched whatever somebody's object holds.

Used by the keepers around everything that they do for single repos. What is caught is logged, and becomes
a Failure that names the repo, which the fleet's reconcile counts and tells.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from headgate_operator.reconcile.apply import Failure
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.world import RepoKey

ISOLATED = "rollout"
"""The kind under which such failures are told: they are of no object of the API server."""
TRACED = 3
"""Failures of one pass that are logged with their traces: what breaks thousands of repos is one bug."""

logger = logging.getLogger("headgate.rollouts")


class Isolation:
    """What could not be done in one pass, by repo."""

    def __init__(self, fleet: FleetKey) -> None:
        self._fleet = fleet
        self.failures: dict[RepoKey, Failure] = {}

    @contextmanager
    def of(self, repo: RepoKey, verb: str = "decide") -> Iterator[None]:
        """Whatever is raised within stops only what is done within. Nothing is awaited there."""
        try:
            yield
        except Exception as error:
            # The point of this module: one repo's broken object must not stop all others.
            traced = len(self.failures) < TRACED
            logger.error("cannot %s the rollout of %s/%s: %s", verb, *repo, error, exc_info=traced)
            key = ISOLATED, self._fleet[0], "/".join(repo)
            message = f"{type(error).__name__}: {error}"
            self.failures[repo] = Failure(key, verb, message, retryable=False, repo=repo)
