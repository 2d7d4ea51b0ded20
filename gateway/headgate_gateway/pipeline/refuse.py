"""What becomes of refused lines: they go to the repo's dead letter, or are named in the answer."""

from collections.abc import Callable
from operator import attrgetter

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.dead_letter import SourceOf, compile_dead_letter
from headgate_gateway.pipeline.placing import BodyState
from headgate_gateway.pipeline.records import RECORD_OVERHEAD
from headgate_gateway.pipeline.result import MAX_DETAILS, LineError, LineReason, Processed

Refuse = Callable[[BodyState, list[LineError], SourceOf], int]
"""Takes errors of one run and how to find their lines; returns about how many bytes are kept of them."""

_line_of = attrgetter("line")


def compile_refuse(config: RepoConfig) -> Refuse:
    """The way of a repo's refused lines."""
    bury = compile_dead_letter(config)

    def refuse(body: BodyState, errors: list[LineError], source_of: SourceOf) -> int:
        errors.sort(key=_line_of)
        kept = 0
        if bury is not None:
            errors, kept = bury(body, errors, source_of)
        return kept + _note(errors, body.result) * RECORD_OVERHEAD

    return refuse


def _note(errors: list[LineError], result: Processed) -> int:
    """Notes refused lines; returns how many ranges they added."""
    ranges = len(result.refused.ranges)
    result.refused.extend(error.line for error in errors)
    result.errors.extend(errors[: MAX_DETAILS - len(result.errors)])
    if result.too_large is None:
        result.too_large = next((error for error in errors if error.reason is LineReason.TOO_LARGE), None)
    return len(result.refused.ranges) - ranges
