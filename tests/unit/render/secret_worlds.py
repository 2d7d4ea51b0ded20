"""Repos with Secrets beside them, for tests of what gateways get of these."""

import base64
from typing import Any

from tests.unit.render.builders import (
    find,
    repo,
    world,
)

from headgate_gateway.config import (
    API_KEYS_PART,
    BASIC_PART,
    repo_secret_file,
)
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.world import FleetPlan, FleetWorld

KEY = ("team", "access")

KEYS, USERS, MASK = ("team", "keys"), ("team", "users"), ("team", "mask")

API_KEYS = repo_secret_file(*KEYS, API_KEYS_PART)

BASIC = repo_secret_file(*USERS, BASIC_PART)

MASK_KEY = repo_secret_file(*MASK, "key.current")

SECRETS = {
    KEYS: {"shipper": b"first key of 16 bytes", "other": b"second key of 16 bytes\n"},
    USERS: {"alice": b"secret"},
    MASK: {"current": b"0123456789abcdef\n", "old": b"x"},
}

AUTH = {"apiKeys": {"secretRef": {"name": "keys"}}, "basic": {"secretRef": {"name": "users"}}}

MASKED = [
    {"remove": {"fields": ["x"]}},
    {"mask": {"fields": ["ip"], "hash": {"secretRef": {"name": "mask"}, "key": "current"}}},
]


def guarded(topic: str = "access", **spec: Any) -> EventRepo:
    return repo(topic=topic, **({"auth": AUTH, "executors": MASKED} | spec))


def guarded_world(of: EventRepo | None = None, **rest: Any) -> FleetWorld:
    return world(of or guarded(), **({"repo_secrets": SECRETS} | rest))


def files_of(plan: FleetPlan, secret: str = "default-credentials") -> dict[str, bytes]:
    return {name: base64.b64decode(text) for name, text in (find(plan, "Secret", secret).get("data") or {}).items()}


def many(count: int, value: bytes = b"k" * 16) -> dict[str, bytes]:
    return {f"key-{index:06}": value for index in range(count)}
