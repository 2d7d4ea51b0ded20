"""Compiles a repo's config, once, into closures that turn bodies into records. The package's front door.

Never decides what a refused line means for its body: that is the HTTP side's, by the repo's `partial`.

cut -> decode -> constraint -> executors -> key, headers, timestamp -> rules -> records
          |          |             |                   |
          +----------+-------------+-------------------+--> refused, or to the dead letter
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from headgate_gateway.config.endpoint import Endpoint, ResponseFormat
from headgate_gateway.config.kafka import Delivery
from headgate_gateway.config.producer import Acks
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.columns import NO_COLUMNS, add_own, compile_columns
from headgate_gateway.pipeline.executors import ExecutorContext, compile_executors
from headgate_gateway.pipeline.fields import ObjectFields
from headgate_gateway.pipeline.formats import Form, compile_form
from headgate_gateway.pipeline.headers import compile_shared_headers, provenance_of
from headgate_gateway.pipeline.placing import BodyState, compile_placing
from headgate_gateway.pipeline.records import HEADER_OVERHEAD, RECORD_OVERHEAD
from headgate_gateway.pipeline.refine import compile_refine
from headgate_gateway.pipeline.refuse import Refuse, compile_refuse
from headgate_gateway.pipeline.reshape import Reshape, compile_reshape, cut_again
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.run import CutBody, DecodedRun, DecodeRun, FeedRun
from headgate_gateway.pipeline.single import ReadSingle, compile_single
from headgate_gateway.pipeline.topic import ChooseTopic, compile_topic
from headgate_gateway.pipeline.whole import WholeBody


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
    choose_topic: ChooseTopic
    """Where a request's lines go that no rule takes. Raises TopicRefusedError; a request's head is enough to know."""
    begin: BeginBody
    """Starts a body. Raises TopicRefusedError too."""
    single: ReadSingle | None
    """The short way of a body that is one good event; None: every body takes the long one."""


@dataclass(frozen=True, slots=True)
class CompiledRepo:
    """A repo with its endpoints."""

    config: RepoConfig
    endpoints: tuple[CompiledEndpoint, ...]


def compile_repo(config: RepoConfig, credentials: Mapping[str, bytes] | None = None) -> CompiledRepo:
    """Compiles a config; `credentials` are the contents of the files beside the shards.

    Raises ValueError when it cannot run: a broken pattern, a bound that is no number, a key that is not there.
    """
    _check_promises(config)
    return CompiledRepo(config, tuple(_compile_endpoint(config, e, credentials or {}) for e in config.endpoints))


def _check_promises(config: RepoConfig) -> None:
    # The operator accepts no such repo; a config from elsewhere must not make answers promise what nobody said.
    kafka = config.kafka
    for profile in kafka.profiles:
        if profile not in config.producers:
            raise ValueError(f"the entry carries no producer for profile {profile!r}")
    silent = any(config.producers[profile].acks is Acks.NONE for profile in kafka.profiles)
    if kafka.delivery is Delivery.SYNC and silent:
        raise ValueError("delivery Sync answers once Kafka has acknowledged, and with acks none it never does")
    if kafka.delivery is Delivery.ASYNC and any(e.response is ResponseFormat.OFFSET for e in config.endpoints):
        raise ValueError("response Offset waits for Kafka's answer, and delivery Async does not")


def _needed_paths(config: RepoConfig) -> list[str]:
    """The fields that are read of a line as it came."""
    routing = config.kafka
    paths = [e.field for e in config.constraint.match_expressions] if config.constraint else []
    if config.executors:
        return paths  # the others are read of what executors made
    paths += [source.field for source in (routing.key, routing.timestamp) if source]
    paths += [e.field for rule in routing.topics for e in rule.when]
    return paths + [header.field for header in routing.headers if header.field is not None]


def _compile_endpoint(config: RepoConfig, endpoint: Endpoint, credentials: Mapping[str, bytes]) -> CompiledEndpoint:
    form = compile_form(config, endpoint, _needed_paths(config))
    choose_topic = compile_topic(endpoint, config.kafka.topic)
    shared_headers = compile_shared_headers(config.kafka.headers, provenance_of(config))
    refuse = compile_refuse(config)
    feed_run = _compile_feed(config, form, credentials, refuse)

    def begin(request_headers: Mapping[str, bytes], now_ms: int) -> BodyRun:
        taken = form if form.for_request is None else form.for_request(request_headers)
        result = Processed(may_be_empty=taken.may_be_empty)
        topic, headers = choose_topic(request_headers), shared_headers(request_headers)
        body = BodyState(result, topic, headers, now_ms, taken.source_headers)
        feed = partial(feed_run, body, taken.decode)
        cut = partial(cut_again, body, taken.cut) if config.executors else taken.cut
        if taken.is_json:
            whole = WholeBody(body, cut, feed, refuse, document=taken.is_document)
            return BodyRun(whole.cut, whole.feed, result)
        return BodyRun(cut, feed, result)

    single = compile_single(config, endpoint, form, choose_topic, shared_headers)
    return CompiledEndpoint(endpoint, choose_topic, begin, single)


Feed = Callable[[BodyState, DecodeRun, bytes, list[bytes]], int]
"""As FeedRun, for any body."""


def _compile_feed(config: RepoConfig, form: Form, credentials: Mapping[str, bytes], refuse: Refuse) -> Feed:
    wrap, write_again = form.wrap, form.write_again
    read = _compile_read(config, form)
    reshape = _compile_reshape(config, form, credentials)
    fields = form.fields if reshape is None else ObjectFields()
    read_columns = compile_columns(config.kafka, fields)
    place = compile_placing(config.kafka, fields)

    def place_rows(body: BodyState, decoded: DecodedRun, nbytes: int) -> int:
        columns = NO_COLUMNS if read_columns is None else read_columns(decoded, body.now_ms)
        count = len(decoded.lines)
        if not count:
            return 0
        if wrap is not None:
            decoded.values = list(map(wrap, decoded.lines if decoded.values is None else decoded.values))
        if decoded.values is not None:
            nbytes = sum(map(len, decoded.values))
        if decoded.headers is not None:
            columns = add_own(columns, decoded)
            nbytes += sum(len(value) + HEADER_OVERHEAD for headers in decoded.headers for _, value in headers)
        body.result.accepted += count if body.result.one_each else len(set(decoded.numbers))
        place(body, decoded, columns)
        return nbytes + count * RECORD_OVERHEAD

    def feed(body: BodyState, decode: DecodeRun, run: bytes, lines: list[bytes]) -> int:
        result = body.result
        decoded, body.rest = body.rest or read(result, decode, run, lines), None
        before = result.counted - decoded.counted
        if reshape is not None:
            body.rest = reshape(decoded, result)
            if write_again is not None:
                write_again(decoded)
        kept = place_rows(body, decoded, len(run)) if decoded.lines else 0
        if body.rest is not None:
            body.rest.errors = decoded.errors  # told together, in the order of their lines
        elif decoded.errors:
            kept += refuse(body, decoded.errors, lambda number: lines[number - before - 1])
        return kept

    return feed


def _compile_read(config: RepoConfig, form: Form) -> Callable[[Processed, DecodeRun, bytes, list[bytes]], DecodedRun]:
    """What a repo's executors, or records, get to see of a run."""
    refine = compile_refine(config.constraint, form.fields) if config.constraint else None

    def read(result: Processed, decode: DecodeRun, run: bytes, lines: list[bytes]) -> DecodedRun:
        decoded = decode(run, lines, result.counted)
        result.counted += decoded.counted
        result.received += len(decoded.lines) + len(decoded.errors)
        if refine is not None:
            refine(decoded, result)
        return decoded

    return read


def _compile_reshape(config: RepoConfig, form: Form, credentials: Mapping[str, bytes]) -> Reshape | None:
    if not config.executors:
        return None
    context = ExecutorContext(config.namespace, config.name, credentials)
    return compile_reshape(compile_executors(config.executors, context), form.open_event)
