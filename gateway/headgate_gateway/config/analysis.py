"""What a gateway counts for the judgement of a canary, served at `/analysis` on its admin port: contract.

Counters run since the process started, by repo and revision, and are never reset: the operator takes differences.
Fields are only ever added; unknown ones are passed over. The request is the sampling unit, since the lines of a body
go together: beside each sum of lines stand the sum of its squares over requests, and of its products with the lines
received, from which the variance of a ratio follows (Cochran, Sampling Techniques, 3rd ed., 6.3 and 9A).
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from headgate_gateway.config.base import StatusModel

LATENCY_BOUNDS = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the latency buckets, in seconds; one more bucket takes what is slower."""


class LineSums(StatusModel):
    """Of one outcome of lines, over judged requests: y lines of it in a request of x lines received."""

    total: int = 0
    """Sum of y."""
    squares: int = 0
    """Sum of y * y."""
    products: int = 0
    """Sum of x * y."""


class RecordSums(StatusModel):
    """Records made for one topic, over judged requests: r records in a request."""

    total: int = 0
    squares: int = 0


class WrittenRange(StatusModel):
    """What one revision wrote to one partition, as far as Kafka's answers say."""

    topic: str
    partition: int
    first: int
    """The lowest offset."""
    last: int
    """The highest offset."""
    records: int
    """How many of the offsets between are its own."""


class RepoSample(StatusModel):
    """The counters of one revision of one repo in one process."""

    namespace: str
    name: str
    revision: str
    requests: int = 0
    """Judged requests: those answered 200, 207, 400 or 5xx."""
    excluded: int = 0
    """Requests that say nothing about a revision: every other status (401, 403, 404, 405, 408, 413, 415, 429, 499, ...)."""
    server_errors: int = 0
    """Judged requests answered 5xx, or 200 because lines that Kafka did not take went to disk (`onFailure: Spool`)."""
    lost: int = 0
    """Judged requests that were answered from memory (delivery Async), and of which records did not reach Kafka then."""
    received: int = 0
    """Lines received, over judged requests: the sum of x."""
    received_squares: int = 0
    rejected: LineSums = LineSums()
    dropped: LineSums = LineSums()
    dead_lettered: LineSums = LineSums()
    records: Annotated[dict[str, RecordSums], Field(default_factory=dict)]
    """By topic."""
    latency: tuple[int, ...] = ()
    """Judged requests by seconds from the complete body to the answer: one count for each of LATENCY_BOUNDS, and the rest."""
    written: tuple[WrittenRange, ...] = ()


class AnalysisReport(StatusModel):
    """The body of `GET /analysis?repo=NAMESPACE/NAME&repo=...` (all repos without a query)."""

    track: str
    started: str
    """Names this run of the process: counters of another run cannot be compared."""
    uptime_seconds: float
    requests: int = 0
    """Requests of all repos that this process has answered, whether or not they are asked for here."""
    repos: tuple[RepoSample, ...] = ()

    def by_repo(self) -> Mapping[tuple[str, str], tuple[RepoSample, ...]]:
        """The samples of each repo, as (namespace, name), in the order of the report."""
        found: dict[tuple[str, str], list[RepoSample]] = {}
        for sample in self.repos:
            found.setdefault((sample.namespace, sample.name), []).append(sample)
        return {key: tuple(samples) for key, samples in found.items()}


class PreflightReport(StatusModel):
    """Whether a canary gateway could deliver a revision; a part of `/status` of gateways on the canary track.

    Asked of the brokers without creating anything: they answer, credentials hold, every named topic exists and may be
    written.
    """

    namespace: str
    name: str
    revision: str
    state: str = "Pending"
    """Pending, Passed or Failed. Failed: the brokers answered, and the answer will not change by waiting alone."""
    problems: tuple[str, ...] = ()
    """What is wrong, for people; also while Pending, what is being waited for."""
