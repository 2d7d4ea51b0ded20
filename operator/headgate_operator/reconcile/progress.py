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
    _begun: bool = False
    """Whether anything was seen before."""
    _completed: str = ""
    """The newest revision of which all gateways were ready once."""

    def judge(self, progress: WorkloadProgress | None, now: float) -> WorkloadProgress | None:
        """The same, with a reason for being stuck where nothing has changed for so long."""
        if progress is None or not progress.revision or self._has_completed(progress):
            self._begun, self._stands = True, None
            return progress
        if self._stands is None or self._stands[0] != progress:
            self._stands = progress, now
        if now - self._stands[1] < DEADLINE_SECONDS:
            return progress
        told = f"no other gateway of the newest template has become ready for {DEADLINE_SECONDS / 60:.0f} minutes"
        return replace(progress, stuck=told)

    def _has_completed(self, progress: WorkloadProgress) -> bool:
        """Whether the newest template has been rolled out once: what is missing since is missing for another reason.

        The controller's word says that of a set that was just made as well. A process that finds one running takes it.
        """
        found, self._begun = not self._begun and progress.settled and progress.ready > 0, True
        if progress.complete or found:
            self._completed = progress.revision
        return progress.complete or progress.revision == self._completed
