"""`filter`: lets events go on that meet its expressions, which mean what the repo's constraint means by them."""

from headgate_gateway.config.constraint import OnMismatch
from headgate_gateway.config.executors import Filter
from headgate_gateway.pipeline.constraint import compile_expression
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read
from headgate_gateway.pipeline.steps import DROP, Answer, Event, Reject, Step


def compile_filter(config: Filter, context: ExecutorContext) -> Step:
    """Raises ValueError for a pattern or a number that is none."""
    tests = [(compile_read(each.field), compile_expression(each)) for each in config.match_expressions]
    otherwise: Answer = Reject("the event does not meet the filter")
    if config.on_mismatch is OnMismatch.DROP:
        otherwise = DROP

    def select(event: Event) -> Answer:
        for read, mask in tests:
            if not mask([read(event)])[0]:
                return otherwise
        return event

    return select
