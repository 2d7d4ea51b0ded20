"""What gateways have counted: reads `/analysis` of the gateways of fleets that have rollouts under way, and only of their repos.

Runs beside reconcile and never within it. Decides nothing: answers are kept, and the fleet is notified after each sweep.
Built by the composition root.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

import aiohttp
from pydantic import ValidationError

from headgate_gateway.config.analysis import AnalysisReport
from headgate_operator.adapters.admin_port import admin_url, read_bounded
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Clock
from headgate_operator.status.observation import PodView

FleetKey = tuple[str, str]
RepoKey = tuple[str, str]

INTERVAL = 1.0
"""Seconds between two sweeps: what a bad step costs grows with it."""

TIMEOUT = 2.0
IN_FLIGHT = 32

REPOS_ASKED = 80
"""Repos of one request: with the longest names (63 + 63 characters) the query must fit into a head of 16 KiB."""


class CounterPoller:
    """Knows what each gateway of a watched fleet counted last."""

    def __init__(
        self,
        pods: Callable[[], Iterable[PodView]],
        notify: Callable[[FleetKey], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._pods = pods
        self._notify = notify
        self._clock = clock
        self._metrics = metrics
        self._watched: dict[FleetKey, tuple[RepoKey, ...]] = {}
        self._counted: dict[str, tuple[AnalysisReport, float]] = {}

    def watch(self, fleet: FleetKey, repos: Iterable[RepoKey]) -> None:
        """Ask for these repos of a fleet from now on; none: leave its gateways alone."""
        wanted = tuple(sorted(repos))
        if wanted:
            self._watched[fleet] = wanted
        else:
            self._watched.pop(fleet, None)

    def counted(self, uid: str) -> tuple[AnalysisReport, float] | None:
        """What the gateway with this pod uid said last, and when (monotonic seconds)."""
        return self._counted.get(uid)

    async def run(self, enabled: Callable[[], bool]) -> None:
        """Sweep while enabled, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT, force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            while True:
                if enabled() and self._watched:
                    await self._sweep(session, dict(self._watched))
                elif not self._watched:
                    self._counted.clear()
                await asyncio.sleep(INTERVAL)

    async def _sweep(self, session: aiohttp.ClientSession, watched: Mapping[FleetKey, tuple[RepoKey, ...]]) -> None:
        pods = [pod for pod in self._pods() if (pod.namespace, pod.fleet) in watched and pod.ip and not pod.leaving]
        for uid in self._counted.keys() - {pod.uid for pod in pods}:
            del self._counted[uid]
        await asyncio.gather(*(self._ask(session, pod, watched[pod.namespace, pod.fleet]) for pod in pods))
        for fleet in watched:
            self._notify(fleet)

    async def _ask(self, session: aiohttp.ClientSession, pod: PodView, repos: tuple[RepoKey, ...]) -> None:
        asked = tuple(key for key in repos if pod.repo in (None, key))
        parts = [asked[start : start + REPOS_ASKED] for start in range(0, len(asked), REPOS_ASKED)]
        try:
            reports = [await self._read(session, pod, part) for part in parts]
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._metrics.polls.labels("unreachable").inc()
            return
        except ValidationError:
            self._metrics.polls.labels("unreadable").inc()
            return
        if reports and len({report.started for report in reports}) == 1:
            samples = tuple(sample for report in reports for sample in report.repos)
            self._counted[pod.uid] = reports[0].model_copy(update={"repos": samples}), self._clock()

    async def _read(self, session: aiohttp.ClientSession, pod: PodView, repos: tuple[RepoKey, ...]) -> AnalysisReport:
        query = urlencode([("repo", f"{namespace}/{name}") for namespace, name in repos], safe="/")
        async with session.get(admin_url(pod.ip, f"/analysis?{query}"), allow_redirects=False) as response:
            response.raise_for_status()
            return AnalysisReport.model_validate_json(await read_bounded(response))
