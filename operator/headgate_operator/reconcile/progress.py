"""Since when the newest template of a StatefulSet gets no further: its controller, unlike a Deployment's, never gives up.

Called by the fleet's reconcile. A restart of the operator begins to count anew.
"""

from dataclasses import dataclass, replace

from headgate_operator.status.observation import WorkloadProgress

DEADLINE_SECONDS = 600.0
"""As Deployments have it where nobody sets another."""


@dataclass(slots=True)
class ProgressWatch:
    """Watches the workload of one fleet."""

    _stands: tuple[WorkloadProgress, float] | None = None
    """As it is, and since when."""

    def judge(self, progress: WorkloadProgress | None, now: float) -> WorkloadProgress | None:
        """The same, with a reason for being stuck where nothing has changed for so long."""
        if progress is None or not progress.revision or progress.complete or progress.settled:
            self._stands = None
            return progress
        if self._stands is None or self._stands[0] != progress:
            self._stands = progress, now
        if now - self._stands[1] < DEADLINE_SECONDS:
            return progress
        told = f"no gateway of the newest template has become ready for {DEADLINE_SECONDS / 60:.0f} minutes"
        return replace(progress, stuck=told)
