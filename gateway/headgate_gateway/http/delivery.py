"""What became of a request's lines, from what became of its records. Pure.

A request may have records on several topics and clusters, and a line may have become several records.
"""

from collections.abc import Sequence

from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.records import Records

Part = tuple[Records, Outcome]
"""The records of one submission, and their fate."""


def join_outcomes(parts: Sequence[Part]) -> Outcome:
    """The fate of every line, each in exactly one list, in ascending order.

    A line is acked when all its records are, spooled when some of them are on disk and the others acked, failed when
    surely none was written, else unknown: nobody can tell whether all of it is there, and it is to be sent again.
    """
    acked = {line for _, outcome in parts for line in outcome.acked}
    spooled = {line for _, outcome in parts for line in outcome.spooled}
    failed = {line for _, outcome in parts for line in outcome.failed}
    doubtful = {line for _, outcome in parts for line in outcome.unknown}
    halved = ((acked | spooled) & failed) - doubtful
    mixed = doubtful | halved
    joined = Outcome(sorted(acked - mixed - spooled), sorted(failed - mixed), sorted(mixed), halved=len(halved))
    joined.spooled = sorted(spooled - mixed)
    for _, outcome in parts:
        joined.acks += outcome.acks
        joined.reasons |= outcome.reasons
        joined.retry_after = max(joined.retry_after, outcome.retry_after)
        if joined.reason is None:
            joined.reason, joined.message = outcome.reason, outcome.message
    return joined
