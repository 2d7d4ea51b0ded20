"""docs/api.md explains every reason that an answer of the traffic port may give."""

import re
from pathlib import Path

from headgate_gateway.http import head
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.pipeline.result import LineReason

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text()
HTTP = Path(head.__file__).parent
_WITH_STATUS = re.compile(r'[45][0-9]{2}, "([A-Z][A-Za-z]+)"')
_IN_BODY = re.compile(r'"reason": "([A-Z][A-Za-z]+)"')


def reasons_in_sources() -> set[str]:
    sources = [*HTTP.glob("*.py"), *(HTTP.parent / "pipeline").glob("*.py")]
    texts = [path.read_text() for path in sources]
    return {found for text in texts for pattern in (_WITH_STATUS, _IN_BODY) for found in pattern.findall(text)}


def test_every_reason_of_an_answer_is_documented() -> None:
    found = reasons_in_sources()
    assert {"RateLimited", "Unauthenticated", "InvalidEncoding", "RequestTimeout", "MissingTopic"} <= found
    # What the spool takes back from a producer it submits again: no client ever hears of it.
    told = set(FailureReason) - {FailureReason.RECALLED}
    words = found | {reason.value for reason in told} | {reason.value for reason in LineReason}
    assert sorted(word for word in words if f"`{word}`" not in PAGE) == []
