"""Which gateways hold events on their disks, as far as anybody knows: what each said last, and for how long one never spoke.

Reads what gateways say; writes nothing. Shared by all fleets: a pass lets it see a fleet's pods first. What it remembers
is lost with the process, and a gateway whose disk nobody has asked about counts as holding events until it answers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headgate_operator.ports import Clock
from headgate_operator.rollout.leaving import REMOVE_LIMIT
from headgate_operator.status.observation import GatewayReport, PodView, SpoolReport

Reports = Callable[[str], GatewayReport | None]
"""What the gateway with this pod uid said last; None where it is out of reach."""
FleetKey = tuple[str, str]


@dataclass(slots=True)
class _Known:
    since: float
    """When it was first seen."""
    answered: bool = False
    spool: SpoolReport | None = None


class Holders:
    """Remembers gateways by their pods' uids."""

    def __init__(self, reports: Reports, clock: Clock) -> None:
        self._reports = reports
        self._clock = clock
        self._known: dict[FleetKey, dict[str, _Known]] = {}

    def see(self, fleet: FleetKey, pods: Iterable[PodView]) -> None:
        """Listen to all gateways of a fleet that run still; any other is forgotten."""
        known = self._known.get(fleet, {})
        found = {pod.uid: known.get(pod.uid) or _Known(self._clock()) for pod in pods}
        if found:
            self._known[fleet] = found
        else:
            self._known.pop(fleet, None)
        for uid, each in found.items():
            self._listen(uid, each)

    def spool(self, pod: PodView) -> SpoolReport | None:
        """What its gateway said last of its spool, though it be out of reach since: its disk stays as it is."""
        return self._of(pod).spool

    def is_unheard(self, pod: PodView) -> bool:
        """Whether it has a spool of which its gateway has never told this process."""
        return pod.spooling and not self._of(pod).answered

    def holds(self, pod: PodView) -> bool:
        """Whether it has events on its disk that Kafka does not take. One that has never answered may, for a while."""
        known = self._of(pod)
        if known.answered:
            return known.spool is not None and known.spool.holds
        return pod.spooling and self._clock() - known.since < REMOVE_LIMIT

    def may_speak_yet(self, pod: PodView) -> bool:
        """Whether its gateway has never answered, and is given time to."""
        known = self._of(pod)
        return not known.answered and self._clock() - known.since < REMOVE_LIMIT

    def any_holds(self, pods: Iterable[PodView]) -> bool:
        """The same of any of these."""
        return any(self.holds(pod) for pod in pods)

    def _of(self, pod: PodView) -> _Known:
        fleet = self._known.setdefault((pod.namespace, pod.fleet), {})
        known = fleet.setdefault(pod.uid, _Known(self._clock()))
        self._listen(pod.uid, known)
        return known

    def _listen(self, uid: str, known: _Known) -> None:
        report = self._reports(uid)
        if report is not None:
            known.answered, known.spool = True, report.spool
