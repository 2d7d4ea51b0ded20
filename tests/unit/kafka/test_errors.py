import pytest

from headgate_gateway.kafka.errors import Fate, code_of, is_ambiguous


@pytest.mark.parametrize(
    ("code", "name", "fate"),
    [
        (-1, "UNKNOWN_SERVER_ERROR", Fate.CUT),
        (2, "CORRUPT_MESSAGE", Fate.RETRY_THEN_CUT),
        (3, "UNKNOWN_TOPIC_OR_PARTITION", Fate.REFRESH),
        (6, "NOT_LEADER_OR_FOLLOWER", Fate.REFRESH),
        (7, "REQUEST_TIMED_OUT", Fate.RETRY),
        (10, "MESSAGE_TOO_LARGE", Fate.CUT),
        (13, "NETWORK_EXCEPTION", Fate.REFRESH),
        (19, "NOT_ENOUGH_REPLICAS", Fate.RETRY),
        (29, "TOPIC_AUTHORIZATION_FAILED", Fate.REFUSE),
        (32, "INVALID_TIMESTAMP", Fate.CUT),
        (87, "INVALID_RECORD", Fate.CUT),
        (12345, "KAFKA_ERROR_12345", Fate.RETRY),
    ],
)
def test_code_has_its_name_and_fate(code: int, name: str, fate: Fate) -> None:
    assert (code_of(code).name, code_of(code).fate) == (name, fate)


@pytest.mark.parametrize(
    ("code", "base_offset", "ambiguous"),
    [
        (6, -1, False),
        (6, 17, True),  # appended, and leadership lost while waiting for replicas
        (7, -1, True),
        (19, -1, False),
        (20, -1, True),
        (10, -1, False),
        (99_999, -1, True),
    ],
)
def test_error_is_ambiguous_when_records_may_be_in_the_log(code: int, base_offset: int, ambiguous: bool) -> None:
    assert is_ambiguous(code, base_offset) is ambiguous
