"""Compiles a repo's config, once, into closures that turn bodies into records. The package's front door.

Never decides what a refused line means for its body: that is the HTTP side's, by the repo's `partial`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any

from headgate_gateway.config.constraint import OnMismatch
from headgate_gateway.config.endpoint import Endpoint
from headgate_gateway.config.kafka import Delivery
from headgate_gateway.config.producer import Acks
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.constraint import Select, compile_constraint
from headgate_gateway.pipeline.fields import FieldSet
from headgate_gateway.pipeline.headers import compile_row_headers, compile_shared_headers, provenance_of
from headgate_gateway.pipeline.key import compile_key
from headgate_gateway.pipeline.lines import DecodedRun, Run, bounded_runs, compile_decode
from headgate_gateway.pipeline.records import RECORD_OVERHEAD, Records
from headgate_gateway.pipeline.result import MAX_DETAILS, LineError, LineReason, Processed
from headgate_gateway.pipeline.step import StepError
from headgate_gateway.pipeline.timestamp import compile_timestamp

CutBody = Callable[[bytes | bytearray], Iterator[Run]]
"""Cuts a whole body into runs of lines."""

FeedRun = Callable[[bytes, list[bytes]], int]
"""Takes a run of whole lines, as one piece and one by one; returns about how many bytes it keeps: records, ranges of refused lines."""


class BodyRun:
    """One body on its way through an endpoint's steps: `cut` it, `feed` the runs in order, then read `result`."""

    __slots__ = ("cut", "feed", "result")

    def __init__(self, cut: CutBody, feed: FeedRun, result: Processed) -> None:
        self.cut = cut
        self.feed = feed
        self.result = result


BeginBody = Callable[[Mapping[str, bytes], int], BodyRun]
"""Takes the request's headers by lower-case name, and the time of acceptance in ms since the epoch."""


@dataclass(frozen=True, slots=True)
class CompiledEndpoint:
    """An endpoint, ready to take bodies."""

    endpoint: Endpoint
    begin: BeginBody
    """Starts a body."""


@dataclass(frozen=True, slots=True)
class CompiledRepo:
    """A repo with its endpoints."""

    config: RepoConfig
    endpoints: tuple[CompiledEndpoint, ...]


def _needed_paths(config: RepoConfig) -> list[str]:
    routing = config.kafka
    paths = [e.field for e in config.constraint.match_expressions] if config.constraint else []
    paths += [source.field for source in (routing.key, routing.timestamp) if source]
    return paths + [header.field for header in routing.headers if header.field is not None]


def compile_repo(config: RepoConfig) -> CompiledRepo:
    """Compiles a config. Raises ValueError when it cannot run: a broken pattern, a bound that is no number."""
    _check_producers(config)
    return CompiledRepo(config, tuple(_compile_endpoint(config, endpoint) for endpoint in config.endpoints))


def _check_producers(config: RepoConfig) -> None:
    for profile in config.kafka.profiles:
        if profile not in config.producers:
            raise ValueError(f"the entry carries no producer for profile {profile!r}")
        if config.kafka.delivery is Delivery.SYNC and config.producers[profile].acks is Acks.NONE:
            # The operator accepts no such repo; a config from elsewhere must not make receipts promise what nobody said.
            raise ValueError("delivery Sync answers once Kafka has acknowledged, and with acks none it never does")


def _compile_endpoint(config: RepoConfig, endpoint: Endpoint) -> CompiledEndpoint:
    fields = FieldSet(_needed_paths(config))
    decode_run = compile_decode(fields, config.limits.line_bytes)
    refine = _compile_refine(config, fields)
    add_records = _compile_add_records(config, fields)
    shared_headers = compile_shared_headers(config.kafka.headers, provenance_of(config))

    def begin(request_headers: Mapping[str, bytes], now_ms: int) -> BodyRun:
        result = Processed()
        headers = shared_headers(request_headers)

        def feed(run: bytes, lines: list[bytes]) -> int:
            decoded = decode_run(run, lines, result.counted)
            result.counted += decoded.counted
            result.received += len(decoded.lines) + len(decoded.errors)
            refine(decoded, result)
            added = add_records(decoded, result, headers, now_ms) if decoded.lines else 0
            kept = added * RECORD_OVERHEAD + len(run) if added else 0
            return kept + _note_errors(decoded.errors, result) * RECORD_OVERHEAD if decoded.errors else kept

        return BodyRun(bounded_runs, feed, result)

    return CompiledEndpoint(endpoint, begin)


def _note_errors(errors: list[LineError], result: Processed) -> int:
    """Notes refused lines; returns how many ranges they added."""
    errors.sort(key=lambda error: error.line)
    ranges = len(result.refused.ranges)
    result.refused.extend(error.line for error in errors)
    result.errors.extend(errors[: MAX_DETAILS - len(result.errors)])
    if result.too_large is None:
        result.too_large = next((error for error in errors if error.reason is LineReason.TOO_LARGE), None)
    return len(result.refused.ranges) - ranges


Refine = Callable[[DecodedRun, Processed], None]


def _compile_refine(config: RepoConfig, fields: FieldSet) -> Refine:
    if config.constraint is None:
        return lambda decoded, result: None
    select: Select = compile_constraint(config.constraint, fields)
    rejects = config.constraint.on_mismatch is OnMismatch.REJECT
    message = "the line does not meet the repo's constraint"

    def refine(decoded: DecodedRun, result: Processed) -> None:
        holds = select(decoded.rows)
        if holds is None:
            return
        if rejects:
            missed = (number for number, held in zip(decoded.numbers, holds, strict=True) if not held)
            decoded.errors.extend(LineError(number, LineReason.MISMATCH, message) for number in missed)
        else:
            result.dropped += holds.count(False)
        _keep(decoded, holds)

    return refine


def _keep(decoded: DecodedRun, holds: list[bool]) -> None:
    decoded.lines = list(compress(decoded.lines, holds))
    decoded.rows = list(compress(decoded.rows, holds))
    decoded.numbers = list(compress(decoded.numbers, holds))


AddRecords = Callable[[DecodedRun, Processed, tuple[tuple[str, bytes], ...], int], int]


def _compile_add_records(config: RepoConfig, fields: FieldSet) -> AddRecords:
    routing = config.kafka
    key = compile_key(routing.key, fields) if routing.key else None
    timestamp = compile_timestamp(routing.timestamp, fields) if routing.timestamp else None
    row_headers = compile_row_headers(routing.headers, fields)
    plain = key is None and timestamp is None and row_headers is None

    def columns_of(decoded: DecodedRun, now_ms: int, errors: list[StepError]) -> tuple[list[Any] | None, ...]:
        return (
            key(decoded.rows, decoded.lines, errors) if key else None,
            timestamp(decoded.rows, now_ms, errors) if timestamp else None,
            row_headers(decoded.rows, decoded.lines, errors) if row_headers else None,
        )

    def add_records(decoded: DecodedRun, result: Processed, headers: tuple[tuple[str, bytes], ...], now_ms: int) -> int:
        errors: list[StepError] = []
        columns = (None, None, None) if plain else columns_of(decoded, now_ms, errors)
        if errors:
            columns = _without_errors(decoded, columns, errors)
        if decoded.lines:
            _append(
                result,
                decoded,
                columns,
                lambda: Records(routing.producer_profile, routing.topic, [], [], headers=headers),
            )
        return len(decoded.lines)

    return add_records


def _without_errors(
    decoded: DecodedRun, columns: tuple[list[Any] | None, ...], errors: list[StepError]
) -> tuple[list[Any] | None, ...]:
    first = {index: (reason, message) for index, reason, message in reversed(errors)}
    decoded.errors.extend(LineError(decoded.numbers[index], *why) for index, why in first.items())
    holds = [index not in first for index in range(len(decoded.lines))]
    _keep(decoded, holds)
    return tuple(None if column is None else list(compress(column, holds)) for column in columns)


def _append(
    result: Processed, decoded: DecodedRun, columns: tuple[list[Any] | None, ...], start: Callable[[], Records]
) -> None:
    keys, timestamps, row_headers = columns
    result.accepted += len(decoded.lines)
    if not result.records:
        records = start()
        result.records.append(records)
        records.values, records.lines = decoded.lines, decoded.numbers
        records.keys, records.timestamps, records.row_headers = keys, timestamps, row_headers
        return
    records = result.records[0]
    records.values += decoded.lines
    records.lines += decoded.numbers
    for so_far, added in ((records.keys, keys), (records.timestamps, timestamps), (records.row_headers, row_headers)):
        if so_far is not None and added is not None:
            so_far.extend(added)
