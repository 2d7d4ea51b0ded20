import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import chain, run

from headgate_gateway.config.auth import repo_secret_file
from headgate_gateway.config.executors import Executor, hash_keys

KEY = b"sixteen bytes, and some more"
CREDENTIALS = {repo_secret_file("shop", "masks", "key.ip"): KEY}


def hashed(*fields: str, **options: Any) -> dict[str, Any]:
    return {"mask": {"fields": fields, "hash": {"secretRef": {"name": "masks"}, "key": "ip", **options}}}


def masked(event: dict[str, Any], step: dict[str, Any]) -> Any:
    return chain(step, credentials=CREDENTIALS)(event)


def test_redacted_values_leave_nothing_behind() -> None:
    event = {"a": "secret", "b": {"c": [1, 2], "d": 7}, "n": None}
    step = {"mask": {"fields": ["a", "b.c", "n", "gone", "b.x.y"], "redact": {}}}
    assert run(event, step) == {"a": "***", "b": {"c": "***", "d": 7}, "n": None}
    assert run(event, {"mask": {"fields": ["b"], "redact": {"text": ""}}}) == {"a": "secret", "b": "", "n": None}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10.0.0.1", b"10.0.0.1"),
        ("é", "é".encode()),
        (5, b"5"),
        (True, b"true"),
        ({"b": 1, "a": [2]}, b'{"a":[2],"b":1}'),
    ],
)
def test_a_hash_is_hmac_sha_256_in_hexadecimal(value: Any, text: bytes) -> None:
    whole = hmac.new(KEY, text, hashlib.sha256).hexdigest()
    assert masked({"a": value}, hashed("a")) == {"a": whole[:32]}
    assert masked({"a": value}, hashed("a", digits=64)) == {"a": whole}


def test_a_key_that_is_not_there_or_too_short_keeps_the_repo_from_running() -> None:
    with pytest.raises(ValueError, match=r"executors\[0\].mask: this gateway has no entry 'ip' of Secret shop/masks"):
        chain(hashed("a"))
    with pytest.raises(ValueError, match="has 5 bytes, and a key needs 16"):
        chain(hashed("a"), credentials={repo_secret_file("shop", "masks", "key.ip"): b"short"})


def test_the_keys_of_all_masks_are_named_once() -> None:
    steps = [hashed("a"), {"mask": {"fields": ["b"], "redact": {}}}, hashed("c"), hashed("d", key="user")]
    assert hash_keys(tuple(map(Executor.model_validate, steps))) == (("masks", "ip"), ("masks", "user"))


@pytest.mark.parametrize("ways", [{}, {"redact": {}, "hash": {"secretRef": {"name": "masks"}, "key": "ip"}}])
def test_a_mask_goes_exactly_one_way(ways: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of redact and hash"):
        chain({"mask": {"fields": ["a"], **ways}})
