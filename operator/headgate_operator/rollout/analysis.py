"""The judgement of a canary: each measurement with value, threshold and verdict, and what they say together.

Decides nothing about a rollout: the machine does. Formulas are in `statistics`; docs/rollouts.md tells people the same.

A measurement fails when its estimate is over the threshold and a one-sided confidence bound says so too, at the alpha
that this look may spend. Looks are taken only when the canary's requests have grown by a fifth, so that judging at
every poll costs little certainty. It passes when its estimate is within the threshold and there are enough requests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headgate_gateway.config.analysis import LineSums
from headgate_operator.api.rollout import Analysis, MetricBounds, MetricQuery, parse_share
from headgate_operator.rollout.latency import count_slower, percentile, show_seconds
from headgate_operator.rollout.model import Change, Measurement, QueryResult, Verdict
from headgate_operator.rollout.samples import Totals
from headgate_operator.rollout.statistics import (
    NOTHING,
    Proportion,
    Rate,
    excess_lower,
    rate_per_request,
    rates_differ,
    share_of_lines,
    share_of_requests,
    spend_alpha,
)

FIRST_LOOK = 10
"""Requests of the canary before the first look: fewer could prove nothing, and would spend alpha."""
LOOK_GROWTH = 1.2
"""How much the canary's requests grow from look to look."""
COMPARABLE = 10
"""Requests of the stable side below which there is nothing to compare with."""
FAMILIES = 6
"""Measurements that share alpha; the topics of writeRate share one part."""
SLOW_SHARE = 0.01
"""The share of requests that may be slower than a p99."""
NO_VALUE = "-"
"""Shown of a query without a number."""
SICK_ALPHA = 0.01
"""How sure it has to be that the stable side fails by itself; this only withholds a verdict, so it spends nothing."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Statistical looks of a rollout: how many were taken, and how many requests the canary had at the last."""

    taken: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the measurements say now, one by one and together."""

    measurements: tuple[Measurement, ...]
    verdict: Verdict
    looks: Looks
    sick: bool = False
    """Whether the stable side itself surely fails: these counters say little about the revision."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What every measurement is judged by."""

    canary: Totals
    stable: Totals
    enough: bool
    alpha: float | None
    """What one measurement may spend; None when this is no look, so that nothing can fail."""

    @property
    def comparable(self) -> bool:
        return self.stable.requests >= COMPARABLE


@dataclass(frozen=True, slots=True)
class _Share:
    """A share to be judged: the estimates of both sides, and the bounds."""

    name: str
    canary: Proportion
    stable: Proportion
    highest: float
    factor: float
    noun: str


def judge(
    policy: Analysis, change: Change, canary: Totals, stable: Totals, queries: Mapping[str, QueryResult], looks: Looks
) -> Judgement:
    """Judge the canary's totals since the step's marks against the stable side's over the same time."""
    taken = _next_looks(looks, canary.requests)
    alpha = None if taken == looks else spend_alpha(_alpha(policy), taken.taken) / FAMILIES
    case = _Case(canary, stable, canary.requests >= policy.min_requests, alpha)
    sick = _is_sick(case, policy.metrics.server_errors)
    measurements = (
        _judge_server_errors(case, policy.metrics.server_errors, sick=sick),
        _judge_share(case, _unfit(case, "rejected", policy.metrics.rejected, change, lambda side: side.rejected)),
        _judge_share(case, _dropped(case, policy, change)),
        _judge_share(
            case, _unfit(case, "deadLettered", policy.metrics.dead_lettered, change, lambda side: side.dead_lettered)
        ),
        _judge_latency(case, float(policy.metrics.latency_factor), policy.metrics.latency_floor / 1_000),
        *(
            ()
            if change.constraint or change.topics
            else _judge_rates(case, max(1.0, float(policy.metrics.write_rate_factor)))
        ),
        *(_judge_query(case, query, queries.get(query.name)) for query in policy.queries),
    )
    return Judgement(measurements, _together(measurements), taken, sick)


def _alpha(policy: Analysis) -> float:
    return max(1e-6, 1.0 - parse_share(policy.confidence))


def _next_looks(looks: Looks, requests: int) -> Looks:
    due = requests >= FIRST_LOOK and requests >= LOOK_GROWTH * looks.at and requests > looks.at
    return Looks(looks.taken + 1, requests) if due else looks


def _together(measurements: tuple[Measurement, ...]) -> Verdict:
    verdicts = {measurement.verdict for measurement in measurements}
    order = (Verdict.FAIL, Verdict.WAITING, Verdict.INCONCLUSIVE)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.PASS)


# Shares


def _is_sick(case: _Case, bounds: MetricBounds) -> bool:
    stable = share_of_requests(case.stable.failed, case.stable.requests)
    return case.comparable and stable.exceeds(parse_share(bounds.max), SICK_ALPHA)


def _judge_server_errors(case: _Case, bounds: MetricBounds, *, sick: bool) -> Measurement:
    """As every share; but where the stable side itself surely fails too, it is Kafka and no reason to promote."""
    stable = share_of_requests(case.stable.failed, case.stable.requests)
    share = _Share(
        "serverErrors",
        share_of_requests(case.canary.failed, case.canary.requests), stable,
        parse_share(bounds.max), float(bounds.factor), "requests failed",
    )  # fmt: skip
    measurement = _judge_share(case, share)
    if not sick or measurement.verdict in (Verdict.FAIL, Verdict.WAITING):
        return measurement
    told = f"the stable side fails too ({_percent(stable.share)} of its requests), so this is not the revision's doing"
    return measurement.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "explanation": told})


_Pick = Callable[[Totals], LineSums]


def _lines(case: _Case, name: str, bounds: MetricBounds, pick: _Pick, of_stable: _Pick | None = None) -> _Share:
    return _Share(
        name, _line_share(case.canary, pick), _line_share(case.stable, of_stable or pick),
        parse_share(bounds.max), float(bounds.factor), f"lines were {_LINE_WORDS[name]}",
    )  # fmt: skip


def _unfit(case: _Case, name: str, bounds: MetricBounds, change: Change, pick: _Pick) -> _Share:
    """Where the change gives or takes a dead letter, the lines that one side refuses are those that the other sends there."""
    return _lines(case, name, bounds, pick, _most_unfit if change.dead_letter else None)


def _most_unfit(side: Totals) -> LineSums:
    return max(side.rejected, side.dead_lettered, key=lambda sums: sums.total)


_LINE_WORDS = {"rejected": "rejected", "dropped": "dropped", "deadLettered": "sent to the dead-letter topic"}


def _dropped(case: _Case, policy: Analysis, change: Change) -> _Share:
    """Where the change alters what is dropped, only an absolute bound counts, and the stable share if that is more."""
    metrics = policy.metrics
    bounds = MetricBounds(max=metrics.dropped_max, factor="1") if change.constraint else metrics.dropped
    return _lines(case, "dropped", bounds, lambda side: side.dropped)


def _line_share(side: Totals, pick: Callable[[Totals], LineSums]) -> Proportion:
    sums = pick(side)
    return share_of_lines(
        side.requests, side.received, side.received_squares, sums.total, sums.squares, sums.products
    )  # fmt: skip


def _judge_share(case: _Case, share: _Share) -> Measurement:
    relative = share.factor * share.stable.share if case.comparable else 0.0
    threshold = min(1.0, max(share.highest, relative))
    over = share.canary.share > threshold
    failed = over and _is_sure(case, share)
    verdict = _verdict(case, over=over, failed=failed)
    return Measurement(
        name=share.name,
        value=_percent(share.canary.share),
        stable=_percent(share.stable.share) if case.stable.requests else None,
        threshold=_percent(threshold),
        requests=case.canary.requests,
        verdict=verdict,
        explanation=_explain_share(case, share, threshold, verdict),
    )


def _is_sure(case: _Case, share: _Share) -> bool:
    """Whether the canary surely exceeds both bounds: the fixed one, and the factor of the stable side where there is one."""
    if case.alpha is None or not share.canary.exceeds(share.highest, case.alpha):
        return False
    return not case.comparable or excess_lower(share.canary, share.stable, share.factor, case.alpha) > 0.0


def _verdict(case: _Case, *, over: bool, failed: bool) -> Verdict:
    if failed:
        return Verdict.FAIL
    if not case.enough:
        return Verdict.WAITING
    return Verdict.INCONCLUSIVE if over else Verdict.PASS


def _explain_share(case: _Case, share: _Share, threshold: float, verdict: Verdict) -> str:
    beside = f", {_percent(share.stable.share)} on the stable side" if case.comparable else ""
    fact = f"{_percent(share.canary.share)} of the {share.noun}{beside}"
    return f"{fact}; {_conclusion(case, verdict, _percent(threshold))}"


def _conclusion(case: _Case, verdict: Verdict, threshold: str) -> str:
    match verdict:
        case Verdict.FAIL:
            return f"surely more than {threshold} over {case.canary.requests} requests"
        case Verdict.WAITING:
            return f"{case.canary.requests} requests are too few to pass"
        case Verdict.INCONCLUSIVE:
            return f"more than {threshold}, but {case.canary.requests} requests are too few to be sure"
        case Verdict.PASS:
            return f"within {threshold}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


# Latency


def _judge_latency(case: _Case, factor: float, floor: float) -> Measurement:
    """The share of the canary's requests slower than the threshold, against the 1 % that a p99 allows.

    It must also exceed the stable side's share, which covers the error of the stable p99 itself. Without a stable
    side there is no saying what is slow for this repo: nothing fails.
    """
    value = percentile(case.canary.latency, 1.0 - SLOW_SHARE)
    stable = percentile(case.stable.latency, 1.0 - SLOW_SHARE)
    threshold = max(stable * factor, floor) if case.comparable else floor
    over = value > threshold
    verdict = _verdict(case, over=over, failed=over and case.comparable and _is_slower(case, threshold))
    beside = f", {show_seconds(stable)} on the stable side" if case.comparable else ", with no stable side beside it"
    return Measurement(
        name="latencyP99",
        value=show_seconds(value),
        stable=show_seconds(stable) if case.stable.requests else None,
        threshold=show_seconds(threshold),
        requests=case.canary.requests,
        verdict=verdict,
        explanation=f"99% of requests took at most {show_seconds(value)}{beside}; "
        + _conclusion(case, verdict, show_seconds(threshold)),
    )


def _is_slower(case: _Case, threshold: float) -> bool:
    slow = _slow_share(case.canary, threshold)
    if case.alpha is None or not slow.exceeds(SLOW_SHARE, case.alpha):
        return False
    return excess_lower(slow, _slow_share(case.stable, threshold), 1.0, case.alpha) > 0.0


def _slow_share(side: Totals, threshold: float) -> Proportion:
    requests = sum(side.latency)
    return share_of_requests(count_slower(side.latency, threshold), requests) if requests else NOTHING


# Records per request, by topic


def _judge_rates(case: _Case, factor: float) -> tuple[Measurement, ...]:
    """Records per request of every topic that either side wrote to; without a stable side there is nothing to judge.

    `factor`: at least 1, since neither a stored policy nor its maker may make this divide by zero.
    """
    written = {topic for side in (case.canary, case.stable) for topic, sums in side.records.items() if sums.total > 0}
    if not case.comparable:
        return ()
    return tuple(_judge_rate(case, topic, factor, len(written)) for topic in sorted(written))


def _judge_rate(case: _Case, topic: str, factor: float, topics: int) -> Measurement:
    canary, stable = _rate(case.canary, topic), _rate(case.stable, topic)
    over = case.canary.requests > 0 and not 1.0 / factor <= canary.mean / stable.mean <= factor
    failed = over and case.alpha is not None and rates_differ(canary, stable, factor, case.alpha / topics)
    verdict = _verdict(case, over=over, failed=failed)
    span = f"{stable.mean / factor:.3g} to {stable.mean * factor:.3g}"
    words = {Verdict.PASS: f"within {span}", Verdict.FAIL: f"surely outside {span}"}
    told = words.get(verdict, f"{case.canary.requests} requests are too few to be sure about {span}")
    return Measurement(
        name=f"writeRate:{topic}",
        value=f"{_mean(case.canary, topic):.3g}",
        stable=f"{_mean(case.stable, topic):.3g}",
        threshold=span,
        requests=case.canary.requests,
        verdict=verdict,
        explanation=f"{_mean(case.canary, topic):.3g} records a request went to {topic}, "
        f"{_mean(case.stable, topic):.3g} on the stable side; {told}",
    )


def _rate(side: Totals, topic: str) -> Rate:
    sums = side.records.get(topic)
    return rate_per_request(sums.total if sums else 0, sums.squares if sums else 0, side.requests)


def _mean(side: Totals, topic: str) -> float:
    sums = side.records.get(topic)
    return sums.total / side.requests if sums and side.requests else 0.0


# Queries


def _judge_query(case: _Case, query: MetricQuery, result: QueryResult | None) -> Measurement:
    """A query has no error bars: it counts once the canary has answered enough requests, and then as it is."""
    value = result.value if result else None
    span = f"{query.min or '-'} to {query.max or '-'}"
    outside = value is not None and not _is_within(query, value)
    return Measurement(
        name=query.name,
        value=NO_VALUE if value is None else f"{value:.6g}",
        threshold=span,
        requests=case.canary.requests,
        verdict=_query_verdict(case, value, outside=outside),
        explanation=_explain_query(value, result, span, outside=outside),
    )


def _is_within(query: MetricQuery, value: float) -> bool:
    above = query.min is None or value >= float(query.min)
    return above and (query.max is None or value <= float(query.max))


def _query_verdict(case: _Case, value: float | None, *, outside: bool) -> Verdict:
    if not case.enough:
        return Verdict.WAITING
    if value is None:
        return Verdict.INCONCLUSIVE
    return Verdict.FAIL if outside else Verdict.PASS


def _explain_query(value: float | None, result: QueryResult | None, span: str, *, outside: bool) -> str:
    if value is None:
        return f"the query gave no value: {result.problem if result else 'it has not been asked yet'}"
    return f"the query gave {value:.6g}, {'outside' if outside else 'within'} {span}"
