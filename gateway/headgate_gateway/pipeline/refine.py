"""What the repo's constraint lets through, and what becomes of the rest."""

from collections.abc import Callable

from headgate_gateway.config.constraint import Constraint, OnMismatch
from headgate_gateway.pipeline.constraint import compile_expressions
from headgate_gateway.pipeline.fields import Fields
from headgate_gateway.pipeline.result import LineError, LineReason, Processed
from headgate_gateway.pipeline.run import DecodedRun

Refine = Callable[[DecodedRun, Processed], None]

_MESSAGE = "the line does not meet the repo's constraint"


def compile_refine(constraint: Constraint, fields: Fields) -> Refine:
    """Drops or refuses the lines for which not all expressions hold."""
    select = compile_expressions(constraint.match_expressions, fields)
    rejects = constraint.on_mismatch is OnMismatch.REJECT

    def refine(decoded: DecodedRun, result: Processed) -> None:
        holds = select(decoded.rows)
        if holds is None:
            return
        if rejects:
            missed = (number for number, held in zip(decoded.numbers, holds, strict=True) if not held)
            decoded.errors.extend(LineError(number, LineReason.MISMATCH, _MESSAGE) for number in missed)
        else:
            result.dropped += holds.count(False)
        decoded.keep(holds)

    return refine
