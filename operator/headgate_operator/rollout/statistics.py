"""Confidence bounds for shares, differences of shares and rates, and how error is spent over repeated looks.

Owns formulas, each with its source; knows nothing of repos or policies. `analysis` and the split of traffic call it.
The request is the sampling unit: lines of one body go together, so shares of lines are ratio estimates over clusters.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_PRECISION = 1e-12


def normal_quantile(alpha: float) -> float:
    """The z that a standard normal variable exceeds with probability `alpha` (0 < alpha < 1)."""
    return -_NORMAL.inv_cdf(alpha)


def spend_alpha(alpha: float, look: int) -> float:
    """What the look (1-based) may spend of `alpha`: alpha * 6 / (pi^2 * look^2), which sums to alpha over all looks.

    By the union bound the chance of any false alarm over any number of looks is then at most alpha, however the looks
    depend on each other.
    """
    return alpha * 6.0 / (math.pi**2 * look**2)


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in it."""
        return self.low <= value <= self.high


def wilson(successes: float, trials: float, confidence: float) -> Interval:
    """The score interval of a share (Wilson 1927); all of [0, 1] where nothing was tried. The share is clamped to it."""
    if trials <= 0:
        return Interval(0.0, 1.0)
    successes = min(max(successes, 0.0), trials)
    z = normal_quantile((1.0 - confidence) / 2.0)
    share, weight = successes / trials, z * z / trials
    middle = share + weight / 2.0
    reach = z * math.sqrt(share * (1.0 - share) / trials + weight / (4.0 * trials))
    # Exact at its ends, which rounding would leave outside.
    low = 0.0 if successes <= 0 else max(0.0, (middle - reach) / (1.0 + weight))
    high = 1.0 if successes >= trials else min(1.0, (middle + reach) / (1.0 + weight))
    return Interval(low, high)


@dataclass(frozen=True, slots=True)
class Proportion:
    """An estimated share, and how many independent trials it is worth."""

    share: float
    trials: float
    """Effective sample size; for shares of requests their number."""
    freedom: float | None = None
    """Degrees of freedom of the variance behind `trials`; None where no variance was estimated."""

    def lower(self, alpha: float) -> float:
        """What the true share exceeds with confidence 1 - alpha (one-sided)."""
        return _exact_lower(self.share, self._trials_at(alpha), alpha)

    def exceeds(self, bound: float, alpha: float) -> bool:
        """Whether `lower(alpha)` is over the bound; far cheaper than finding it."""
        trials = self._trials_at(alpha)
        bad = self.share * trials
        if self.share <= bound or bad <= 0.0:
            return False
        return _incomplete_beta(bound, bad, trials - bad + 1.0) < alpha

    def upper(self, alpha: float) -> float:
        """What the true share stays under with confidence 1 - alpha (one-sided)."""
        return 1.0 - _exact_lower(1.0 - self.share, self._trials_at(alpha), alpha)

    def _trials_at(self, alpha: float) -> float:
        """Korn & Graubard 1998: a variance estimated from few clusters is worth fewer trials, by (z / t)^2."""
        if self.freedom is None:
            return self.trials
        if self.freedom < 1.0:
            return 0.0
        return self.trials * (normal_quantile(alpha) / student_quantile(alpha, self.freedom)) ** 2


NOTHING = Proportion(0.0, 0.0)


def share_of_requests(bad: int, requests: int) -> Proportion:
    """A share of requests: each is one trial.

    At most 1, whatever gateways count: a derived image that counts wrongly must not stop its fleet's reconcile.
    """
    return Proportion(min(1.0, bad / requests), float(requests)) if requests else NOTHING


def share_of_lines(
    requests: int, received: int, received_squares: int, total: int, squares: int, products: int
) -> Proportion:
    """A share of lines as a ratio of sums over requests (Cochran, Sampling Techniques, 3rd ed., 6.3 and 9A).

    With y bad lines in a request of x, p = sum(y) / sum(x) has the variance
    n / (n - 1) * sum((y - p x)^2) / sum(x)^2; the effective sample size is that of a binomial share with the same
    variance, p (1 - p) / variance, at most the number of lines. Where all lines are alike (the variance is zero) it is
    the number of requests. Degrees of freedom: (sum x)^2 / sum(x^2) - 1, the number of requests that bodies of such
    unequal sizes are worth (Kish 1965), so that one huge body decides nothing.
    """
    if not received:
        return NOTHING
    share = min(1.0, total / received)
    spread = squares - 2.0 * share * products + share * share * received_squares
    if share in (0.0, 1.0) or spread <= 0.0:
        return Proportion(share, float(requests))
    if requests < 2:
        return Proportion(share, 0.0)
    variance = requests / (requests - 1) * spread / received**2
    trials = min(float(received), share * (1.0 - share) / variance)
    return Proportion(share, trials, freedom=received**2 / received_squares - 1.0)


def excess_lower(canary: Proportion, stable: Proportion, factor: float, alpha: float) -> float:
    """Lower confidence bound of canary - factor * stable (one-sided, 1 - alpha).

    MOVER, the method of variance estimates recovery: (p - k q) - sqrt((p - l)^2 + k^2 (u - q)^2) with the single
    limits l and u (Newcombe 1998, method 10; Zou & Donner 2008). The single limits here are exact ones.
    """
    below = canary.share - canary.lower(alpha)
    above = stable.upper(alpha) - stable.share
    return canary.share - factor * stable.share - math.hypot(below, factor * above)


@dataclass(frozen=True, slots=True)
class Rate:
    """Records per request: its mean and its squared coefficient of variation."""

    mean: float
    relative_variance: float
    requests: int


def rate_per_request(total: int, squares: int, requests: int) -> Rate:
    """The mean of `total` over requests; a zero count is taken as half a record (Woolf's and Haldane's correction)."""
    if total <= 0:
        return Rate(0.5 / max(requests, 1), 2.0, requests)
    mean = total / requests
    spread = squares / total**2 - 1.0 / requests
    return Rate(mean, max(0.0, spread) * requests / max(requests - 1, 1), requests)


RATE_REQUESTS = 30
"""Requests on both sides below which rates are not compared (Cochran 6.3: large-sample results need more than 30)."""


def rates_differ(canary: Rate, stable: Rate, factor: float, alpha: float) -> bool:
    """Whether the ratio of two rates surely lies outside [1 / factor, factor]: error at most alpha over both sides.

    By the logarithm of the ratio, whose variance is the sum of the relative variances (Katz et al. 1978).
    """
    if min(canary.requests, stable.requests) < RATE_REQUESTS:
        return False
    freedom = min(canary.requests, stable.requests) - 1.0
    reach = student_quantile(alpha / 2.0, freedom) * math.sqrt(canary.relative_variance + stable.relative_variance)
    return abs(math.log(canary.mean / stable.mean)) - reach > math.log(factor)


def student_quantile(alpha: float, freedom: float) -> float:
    """The t that Student's distribution exceeds with probability `alpha` (0 < alpha < 0.5)."""
    x = _inverse_beta(2.0 * alpha, freedom / 2.0, 0.5)
    return math.sqrt(freedom * (1.0 - x) / max(x, _TINY))


def _exact_lower(share: float, trials: float, alpha: float) -> float:
    """Clopper & Pearson 1934, also for trials that are no whole number.

    Wilson's limit would do in the middle, but at the small alphas of repeated looks it alarms several times too often
    when few bad requests are expected: 5 of 100 lie over its limit for 1 % at alpha 0.001 and come with 0.0034.
    """
    bad = share * trials
    if bad <= 0.0:
        return 0.0
    if share >= 1.0:
        return float(alpha ** (1.0 / trials))
    return _inverse_beta(alpha, bad, trials - bad + 1.0)


def _inverse_beta(probability: float, a: float, b: float) -> float:
    """The x at which the regularised incomplete beta function is `probability`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2.0
        if _incomplete_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
        if high - low <= _PRECISION * high:
            break
    return (low + high) / 2.0


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation (modified by Thompson and Barnett) of the continued fraction of I_x(a, b)."""
    c, d = 1.0, 1.0 / _kept_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 500):
        change = 1.0
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _kept_from_zero(1.0 + term * d)
            c = _kept_from_zero(1.0 + term / c)
            change = c * d
            value *= change
        if abs(change - 1.0) < _PRECISION:
            break
    return value


def _kept_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
