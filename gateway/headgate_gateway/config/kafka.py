"""How a line becomes a Kafka record: topic, key, headers, timestamp, and when the client gets its answer."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath, ObjectName, TopicName, cel
from headgate_gateway.config.constraint import MatchExpression
from headgate_gateway.config.endpoint import HeaderName


class Delivery(StrEnum):
    """When a request is answered."""

    SYNC = "Sync"
    ASYNC = "Async"


class TimestampFormat(StrEnum):
    """How a timestamp is written in its field."""

    RFC3339 = "RFC3339"
    UNIX_SECONDS = "UnixSeconds"
    UNIX_MILLISECONDS = "UnixMilliseconds"


class OnFailure(StrEnum):
    """What becomes of lines that Kafka does not take in time."""

    REJECT = "Reject"
    SPOOL = "Spool"


class KeySource(ContractModel):
    """Where a record's key comes from."""

    field: FieldPath
    """Dotted path. A string's bytes, or a number's or boolean's source text, become the key; an absent or null field means no key; anything else is a line error."""


class TimestampSource(ContractModel):
    """Where a record's timestamp comes from."""

    field: FieldPath
    """Dotted path. An absent or null field means the time of acceptance; a value that is no timestamp is a line error."""
    format: TimestampFormat = TimestampFormat.RFC3339
    """RFC3339 (`2026-11-21T08:00:00Z`), UnixSeconds (a number or numeric string, fractions allowed) or UnixMilliseconds."""


class HeaderSource(ContractModel):
    """One header of every record of the repo."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "[has(self.value), has(self.requestHeader), has(self.field)].exists_one(x, x)",
                "a header takes exactly one of value, requestHeader and field",
            )
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The Kafka header's name."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """A fixed value."""
    request_header: HeaderName | None = None
    """The name of an HTTP request header whose value is taken; without it in the request, the record has no such header."""
    field: FieldPath | None = None
    """Dotted path of a field of the line, read as a key is."""

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if sum(source is not None for source in (self.value, self.request_header, self.field)) != 1:
            raise ValueError("a header takes exactly one of value, requestHeader and field")
        return self


class TopicRule(ContractModel):
    """Sends some lines elsewhere."""

    when: Annotated[tuple[MatchExpression, ...], Field(min_length=1, max_length=32)]
    """The comparisons; the rule takes a line when all of them hold for what the executors made of it."""
    topic: TopicName
    """The topic that takes these lines."""
    producer_profile: ObjectName | None = None
    """The profile that takes them there, such as one of a second cluster; the repo's own without it."""


class DeadLetter(ContractModel):
    """Takes what cannot be processed: lines that are no event, that an executor refuses, or that have no usable key, header or timestamp."""

    topic: TopicName
    """The topic. Its records hold the bytes received; their headers headgate-reason, headgate-step and headgate-message say why they are there. A line that the constraint rejects, or that is too large, is refused all the same."""
    producer_profile: ObjectName | None = None
    """The profile that takes them there; the repo's own without it."""


REPO_HEADER = "headgate-repo"
REVISION_HEADER = "headgate-revision"
PROVENANCE_RULE = (
    (
        "!has(self.provenance) || !self.provenance || !has(self.headers)"
        f" || self.headers.all(h, !(h.name in ['{REPO_HEADER}', '{REVISION_HEADER}']))"
    ),
    f"with provenance, {REPO_HEADER} and {REVISION_HEADER} are Headgate's own headers",
)


class KafkaRouting(ContractModel):
    """Where the repo's lines go, and how."""

    model_config = ConfigDict(json_schema_extra=cel(PROVENANCE_RULE))

    producer_profile: ObjectName
    """Name of a KafkaProducerProfile in the fleet's namespace."""
    topic: TopicName
    """The topic that takes the lines. Headgate never creates topics."""
    delivery: Delivery = Delivery.SYNC
    """Sync: a 200 only after Kafka has acknowledged every line at the profile's acks. Async: a 200 once the lines are on the gateway's disk, in a fleet with a spool; without one once they are in its memory, and a gateway that dies loses them. The receipt's durability says which."""
    on_failure: OnFailure = OnFailure.REJECT
    """What Sync does with lines that Kafka does not take in time. Reject: a 503, the client sends them again. Spool: they go to the gateway's disk, and from there to Kafka once it takes them; the receipt's durability is then `disk`. Takes a fleet with a spool. With Async it says that memory is not enough."""
    topics: Annotated[tuple[TopicRule, ...], Field(max_length=32)] = ()
    """Rules that send lines to other topics, or to another cluster. The first that matches counts; lines that none takes go to `topic`."""
    dead_letter: DeadLetter | None = None
    """Where lines go that cannot be processed. Without it they are refused."""
    key: KeySource | None = None
    """The record's key. Without one, lines are spread over the partitions."""
    headers: Annotated[tuple[HeaderSource, ...], Field(max_length=32)] = ()
    """Headers that every record carries, beside `traceparent`, which is passed on where the request has one."""
    timestamp: TimestampSource | None = None
    """The record's timestamp. Without one, the time of acceptance."""
    provenance: bool = False
    """Each record carries its repo and revision in the headers headgate-repo (namespace/name) and headgate-revision, so that readers can tell what a bad revision wrote."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of all profiles that lines may take, the repo's own first, each once."""
        named = (self.producer_profile, *(rule.producer_profile for rule in self.topics))
        dead = (self.dead_letter.producer_profile,) if self.dead_letter else ()
        return tuple(dict.fromkeys(name for name in (*named, *dead) if name is not None))

    @model_validator(mode="after")
    def _check_provenance_is_ours(self) -> Self:
        if self.provenance and any(header.name in {REPO_HEADER, REVISION_HEADER} for header in self.headers):
            raise ValueError(PROVENANCE_RULE[1])
        return self
