"""How many pods a canary gets. Pure arithmetic; whoever builds the canary's Deployment calls it."""

import math
from collections.abc import Mapping

RESERVE = 1.5
"""Room for requests that come unevenly, since a canary of few pods has nowhere to even them out."""
TWO_FROM = 50
"""The weight from which one pod's failure would hurt too many: two pods at least."""

RepoKey = tuple[str, str]


def canary_replicas(fleet_replicas: int, share: float, weight: int) -> int:
    """Pods of a canary that takes `weight` per cent of a repo with this share (0 to 1) of the fleet's traffic.

    At least one, two from 50 % on, also where the fleet itself has one. Otherwise no more than the fleet has: so many
    carry all of its traffic today.
    """
    least = 2 if weight >= TWO_FROM else 1
    wanted = math.ceil(round(fleet_replicas * share * weight / 100 * RESERVE, 9))
    return max(least, min(wanted, fleet_replicas))


def traffic_share(requests: Mapping[RepoKey, float], key: RepoKey) -> float:
    """The repo's share of its fleet's requests, counted or as rates over the same time.

    A repo of which nothing was counted is taken for an average one among those with traffic: all of the traffic would
    make a canary as large as the fleet, and none of it one that the first burst overruns.
    """
    busy = {repo: count for repo, count in requests.items() if count > 0}
    if key in busy:
        return busy[key] / sum(busy.values())
    return 1.0 / (len(busy) + 1)


def upgrade_replicas(fleet_replicas: int, shares: Mapping[str, float], weights: Mapping[str, int]) -> int:
    """Gateways of an image upgrade that takes these per cents of these repos, by share of the fleet's traffic.

    Bounded as a canary is; two as soon as one repo has half of its requests there. A repo without a share came later,
    and is taken for an average one.
    """
    average = 1.0 / (len(shares) + 1)
    load = sum(shares.get(repo, average) * weight / 100 for repo, weight in weights.items())
    least = 2 if any(weight >= TWO_FROM for weight in weights.values()) else 1
    wanted = math.ceil(round(fleet_replicas * load * RESERVE, 9))
    return max(least, min(wanted, fleet_replicas))


def traffic_shares(requests: Mapping[str, float]) -> dict[str, float]:
    """Each repo's share of the requests counted of all; equal ones where nothing was counted."""
    total = sum(requests.values())
    if total <= 0:
        return {repo: round(1.0 / len(requests), 6) for repo in requests}
    return {repo: round(count / total, 6) for repo, count in requests.items()}
