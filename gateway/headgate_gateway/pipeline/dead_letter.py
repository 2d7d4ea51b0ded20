"""Sends lines that cannot be processed to the repo's dead letter, as they came, with the reason in headers.

Not those that the constraint rejects, which is what it is there for, nor those too large to be kept.
"""

from collections.abc import Callable

from headgate_gateway.config.kafka import REPO_HEADER, REVISION_HEADER
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.headers import Header
from headgate_gateway.pipeline.placing import BodyState
from headgate_gateway.pipeline.records import DEAD_LETTER_OVERHEAD, RECORD_OVERHEAD, Records
from headgate_gateway.pipeline.result import LineError, LineReason

REASON_HEADER = "headgate-reason"
STEP_HEADER = "headgate-step"
MESSAGE_HEADER = "headgate-message"
MAX_MESSAGE = 400
"""Characters of a message that are kept."""

STEPS = {
    LineReason.INVALID_UTF8: "decode",
    LineReason.INVALID_JSON: "decode",
    LineReason.NOT_AN_OBJECT: "decode",
    LineReason.INVALID_CLOUD_EVENT: "decode",
    LineReason.NESTED_TOO_DEEPLY: "decode",
    LineReason.EXECUTOR_REFUSED: "executors",
    LineReason.INVALID_KEY: "key",
    LineReason.INVALID_TIMESTAMP: "timestamp",
    LineReason.INVALID_HEADER: "headers",
}
"""The reasons that lead to the dead letter, and the step that each comes from where the error names none."""

SourceOf = Callable[[int], bytes]
"""Takes a line's number, returns its bytes as received."""

Bury = Callable[[BodyState, list[LineError], SourceOf], tuple[list[LineError], int]]
"""Takes errors in order of their lines; returns those that the dead letter does not take, and about how many bytes it keeps of the others."""


def compile_dead_letter(config: RepoConfig) -> Bury | None:
    """None where the repo has no dead letter."""
    dead_letter = config.kafka.dead_letter
    if dead_letter is None:
        return None
    profile = dead_letter.producer_profile or config.kafka.producer_profile
    # Always, whatever `provenance` says: a dead letter of several repos would be of little use without.
    shared: tuple[Header, ...] = (
        (REPO_HEADER, f"{config.namespace}/{config.name}".encode()),
        (REVISION_HEADER, config.revision.encode()),
    )

    def bury(body: BodyState, errors: list[LineError], source_of: SourceOf) -> tuple[list[LineError], int]:
        taken = [error for error in errors if error.reason in STEPS]
        if not taken:
            return errors, 0
        records = next((found for found in body.result.records if found.dead_letter), None)
        if records is None:
            records = Records(profile, dead_letter.topic, [], [], headers=shared, row_headers=[], dead_letter=True)
            body.result.records.append(records)
        values = [source_of(error.line) for error in taken]
        records.values += values
        records.lines += [error.line for error in taken]
        if records.row_headers is not None:
            records.row_headers += [_headers_of(error) + body.source_headers for error in taken]
        body.result.accepted += len(taken)
        body.result.dead_lettered += len(taken)
        size = sum(map(len, values)) + (RECORD_OVERHEAD + DEAD_LETTER_OVERHEAD) * len(values)
        return [error for error in errors if error.reason not in STEPS], size

    return bury


def _headers_of(error: LineError) -> tuple[Header, ...]:
    return (
        (REASON_HEADER, error.reason.encode()),
        (STEP_HEADER, (error.step or STEPS[error.reason]).encode()),
        (MESSAGE_HEADER, error.message[:MAX_MESSAGE].encode(errors="replace")),
    )
