"""Which records go where: the first rule that takes a line decides, then the request's own topic."""

from collections.abc import Callable
from dataclasses import dataclass

from headgate_gateway.config.kafka import KafkaRouting
from headgate_gateway.pipeline.columns import Columns, keep_columns
from headgate_gateway.pipeline.constraint import Select, compile_expressions
from headgate_gateway.pipeline.fields import Fields
from headgate_gateway.pipeline.headers import Header
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.run import DecodedRun


@dataclass(slots=True)
class BodyState:
    """What the steps know of the request that a run belongs to."""

    result: Processed
    topic: str
    """Takes the lines that no rule takes."""
    headers: tuple[Header, ...]
    """Of all its records."""
    now_ms: int
    source_headers: tuple[Header, ...] = ()
    """What the request's headers say of its one event: a dead letter would be of little use without."""
    rest: DecodedRun | None = None
    """What the executors have not got to of the run that was fed last."""


Place = Callable[[BodyState, DecodedRun, Columns], None]
"""Takes a run that is not empty; its lists may become the records' own."""


def compile_placing(routing: KafkaRouting, fields: Fields) -> Place:
    """The way of a repo's lines to their records."""
    own = routing.producer_profile
    rules: list[tuple[Select, str, str]] = [
        (compile_expressions(rule.when, fields), rule.producer_profile or own, rule.topic) for rule in routing.topics
    ]

    def place(body: BodyState, decoded: DecodedRun, columns: Columns) -> None:
        for select, profile, topic in rules:
            holds = select(decoded.rows)
            if holds is None:
                add_records(body, profile, topic, decoded, columns)
                return
            if True in holds:
                taken = part_of(decoded, holds)
                add_records(body, profile, topic, taken, keep_columns(columns, holds))
                left = [not held for held in holds]
                decoded.keep(left)
                columns = keep_columns(columns, left)
        add_records(body, own, body.topic, decoded, columns)

    return place


def part_of(decoded: DecodedRun, holds: list[bool]) -> DecodedRun:
    """A run of some of its rows; the run itself stays as it is."""
    part = DecodedRun(decoded.lines, decoded.rows, decoded.numbers, 0, values=decoded.values)
    part.keep(holds)
    return part


def add_records(body: BodyState, profile: str, topic: str, decoded: DecodedRun, columns: Columns) -> None:
    """Add a run's rows to the records of one topic."""
    values = decoded.lines if decoded.values is None else decoded.values
    for records in body.result.records:
        if records.topic == topic and records.profile == profile and not records.dead_letter:
            _extend(records, values, decoded.numbers, columns)
            return
    keys, timestamps, row_headers = columns
    made = Records(profile, topic, values, decoded.numbers, keys, timestamps, body.headers, row_headers)
    body.result.records.append(made)


def _extend(records: Records, values: list[bytes], numbers: list[int], columns: Columns) -> None:
    records.values += values
    records.lines += numbers
    keys, timestamps, row_headers = columns
    if records.keys is not None and keys is not None:
        records.keys += keys
    if records.timestamps is not None and timestamps is not None:
        records.timestamps += timestamps
    if records.row_headers is not None and row_headers is not None:
        records.row_headers += row_headers
