"""Holds what a case expects against what happened, and says where they differ. Pure."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from headgate_gateway.http.messages import Response
from headgate_gateway.pipeline.dead_letter import MESSAGE_HEADER, REASON_HEADER, STEP_HEADER
from headgate_gateway.tryout.cases import Expectation, ExpectedDeadLetter, ExpectedRecord, RejectedLine
from headgate_gateway.tryout.record import Record, readable

MAX_SHOWN = 2_000
"""Characters of a value that are shown."""


Wanted = TypeVar("Wanted", ExpectedRecord, ExpectedDeadLetter, RejectedLine)
Found = TypeVar("Found", Record, dict[str, Any])


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a case and what happened differ."""

    path: str
    """Dotted, within the case."""
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Happened:
    """What became of a request."""

    answer: Response
    records: tuple[Record, ...]
    dropped: int

    @property
    def answer_json(self) -> Any:
        """The answer's body; None where it is no JSON."""
        try:
            return json.loads(self.answer.body)
        except ValueError:
            return None

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The refused lines that the answer names."""
        body = self.answer_json
        found = body.get("lines") if isinstance(body, dict) else None
        return found if isinstance(found, list) else []


def compare(expect: Expectation, happened: Happened) -> Iterator[Difference]:
    """Every difference, none where the case holds."""
    yield from _compare_answer(expect, happened)
    if expect.dropped != happened.dropped:
        yield Difference("expect.dropped", str(expect.dropped), str(happened.dropped))
    yield from _compare_all("rejected", expect.rejected, happened.rejected, _compare_rejected, shown)
    living = [record for record in happened.records if not record.dead_letter]
    dead = [record for record in happened.records if record.dead_letter]
    yield from _compare_all("records", expect.records, living, _compare_record, describe)
    yield from _compare_all("deadLetter", expect.dead_letter, dead, _compare_dead, describe_dead)


def _compare_answer(expect: Expectation, happened: Happened) -> Iterator[Difference]:
    answer, body = happened.answer, happened.answer_json
    reason = body.get("reason") if isinstance(body, dict) else None
    if expect.status != answer.status:
        yield Difference(
            "expect.status", str(expect.status), f"{answer.status} {readable(answer.body).strip()}".strip()
        )
    elif expect.reason is not None and expect.reason != reason:
        yield Difference("expect.reason", expect.reason, f"{reason}: {readable(answer.body).strip()}")
    match expect.answer:
        case None:
            return
        case str(text):
            if text.encode() != answer.body:
                yield Difference("expect.answer", shown(text), shown(readable(answer.body)))
        case dict(members) if isinstance(body, dict):
            present = {name: body[name] for name in members if name in body}
            yield from differing("expect.answer", members, present)
        case other:
            yield from differing("expect.answer", other, body)


def _compare_all(
    path: str,
    expected: Sequence[Wanted],
    actual: Sequence[Found],
    one: Callable[[str, Wanted, Found], Iterator[Difference]],
    tell: Callable[[Found], str],
) -> Iterator[Difference]:
    """Pairs in order; what has no other half is told as a whole."""
    for index in range(max(len(expected), len(actual))):
        where = f"expect.{path}.{index}"
        if index >= len(actual):
            yield Difference(where, tell_expected(expected[index]), "nothing")
        elif index >= len(expected):
            yield Difference(where, "nothing", tell(actual[index]))
        else:
            yield from one(where, expected[index], actual[index])


def _compare_rejected(path: str, expected: RejectedLine, actual: dict[str, Any]) -> Iterator[Difference]:
    yield from _compare_texts(
        path, [("line", expected.line, actual.get("line")), ("reason", expected.reason, actual.get("reason"))]
    )
    yield from _compare_part(f"{path}.message", expected.message, str(actual.get("message", "")))


def _compare_record(path: str, expected: ExpectedRecord, actual: Record) -> Iterator[Difference]:
    yield from _compare_texts(
        path,
        [
            ("topic", expected.topic, actual.topic),
            ("producerProfile", expected.producer_profile, actual.profile),
            ("line", expected.line, actual.line),
        ],
    )
    if "key" in expected.model_fields_set:
        yield from differing(f"{path}.key", expected.key, None if actual.key is None else readable(actual.key))
    if expected.headers is not None:
        yield from _compare_headers(f"{path}.headers", expected.headers, actual)
    if expected.timestamp is not None and expected.timestamp != actual.timestamp:
        yield Difference(f"{path}.timestamp", write_time(expected.timestamp), write_time(actual.timestamp))
    yield from _compare_value(path, expected, actual)


def _compare_dead(path: str, expected: ExpectedDeadLetter, actual: Record) -> Iterator[Difference]:
    yield from _compare_texts(
        path,
        [
            ("reason", expected.reason, actual.header(REASON_HEADER)),
            ("step", expected.step, actual.header(STEP_HEADER)),
            ("topic", expected.topic, actual.topic),
            ("line", expected.line, actual.line),
        ],
    )
    yield from _compare_part(f"{path}.message", expected.message, actual.header(MESSAGE_HEADER))
    yield from _compare_value(path, expected, actual)


def _compare_texts(path: str, fields: Iterable[tuple[str, object, object]]) -> Iterator[Difference]:
    for name, expected, actual in fields:
        if expected is not None and expected != actual:
            yield Difference(f"{path}.{name}", str(expected), str(actual))


def _compare_part(path: str, part: str | None, whole: str) -> Iterator[Difference]:
    if part is not None and part not in whole:
        yield Difference(path, f"…{part}…", whole)


def _compare_headers(path: str, expected: dict[str, str], actual: Record) -> Iterator[Difference]:
    found: dict[str, str] = {}
    for name, value in actual.headers:
        # Kafka takes a name as often as it comes.
        found[name] = f"{found[name]}, {readable(value)}" if name in found else readable(value)
    yield from differing(path, expected, found)


def _compare_value(path: str, expected: ExpectedRecord | ExpectedDeadLetter, actual: Record) -> Iterator[Difference]:
    if expected.value_base64 is not None:
        found = None if actual.value is None else base64.b64encode(actual.value).decode()
        wanted = base64.b64encode(base64.b64decode(expected.value_base64)).decode()
        yield from differing(f"{path}.valueBase64", wanted, found)
    if "value" not in expected.model_fields_set:
        return
    where, wanted_value = f"{path}.value", expected.value
    if actual.value is None or wanted_value is None:
        if actual.value is not None or wanted_value is not None:
            yield Difference(where, _or_none(wanted_value), _or_none(actual.value))
    elif isinstance(wanted_value, str):
        if wanted_value.encode() != actual.value:
            yield Difference(where, shown(wanted_value), shown(readable(actual.value)))
    else:
        yield from _compare_json(where, wanted_value, actual.value)


def _compare_json(path: str, expected: Any, actual: bytes) -> Iterator[Difference]:
    try:
        found = json.loads(actual)
    except ValueError:
        yield Difference(path, shown(expected), f"{shown(readable(actual))}, which is no JSON")
        return
    yield from differing(path, expected, found)


def _or_none(value: Any) -> str:
    if value is None:
        return "no value"
    return shown(readable(value)) if isinstance(value, bytes) else shown(value)


_ABSENT = object()


def differing(path: str, expected: Any, actual: Any) -> Iterator[Difference]:
    """The places where two JSON values differ; numbers are compared by value, and true is not 1."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in [*expected, *(name for name in actual if name not in expected)]:
            yield from differing(f"{path}.{name}", expected.get(name, _ABSENT), actual.get(name, _ABSENT))
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from differing(f"{path}.{index}", one, other)
    elif not _same(expected, actual):
        yield Difference(path, shown(expected), shown(actual))


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)


def shown(value: Any) -> str:
    """A value on one line, cut where it is long."""
    text = "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters)"


def tell_expected(expected: ExpectedRecord | ExpectedDeadLetter | RejectedLine) -> str:
    """What a case writes of something that did not come."""
    return shown(expected.model_dump(mode="json", by_alias=True, exclude_unset=True))


def describe(record: Record) -> str:
    """A record that nobody expected, in the words of a case."""
    told: dict[str, Any] = {"topic": record.topic}
    if record.key is not None:
        told["key"] = readable(record.key)
    if record.headers:
        told["headers"] = {name: readable(value) for name, value in record.headers}
    return shown(told | {"value": _value_of(record)})


def describe_dead(record: Record) -> str:
    """The same of a dead letter."""
    why = {"reason": record.header(REASON_HEADER), "step": record.header(STEP_HEADER)}
    return shown(why | {"message": record.header(MESSAGE_HEADER), "line": record.line, "value": _value_of(record)})


def _value_of(record: Record) -> Any:
    """An object as such, anything else as text."""
    if record.value is None:
        return None
    try:
        found = json.loads(record.value)
    except ValueError:
        return readable(record.value)
    return found if isinstance(found, dict) else readable(record.value)


def write_time(milliseconds: int) -> str:
    """RFC 3339; the number itself where no calendar has it."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
