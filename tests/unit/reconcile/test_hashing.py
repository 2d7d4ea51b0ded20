"""Passwords are hashed in threads beside reconciles: no pass waits for many, and each is taken when it is there."""

import asyncio
import base64
import hashlib
import json
import threading
from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo

from headgate_gateway.config import BASIC_PART, HashedPassword, repo_secret_file
from headgate_operator.reconcile.hashing import FEW, FleetHasher, PasswordHashing
from headgate_operator.reconcile.passes import TICK_SECONDS
from headgate_operator.render.repo_secrets import Password

OPEN = fleet(allowedRepos={"namespaces": {"from": "All"}})
AUTH = {"basic": {"secretRef": {"name": "keys"}}}


def users(**passwords: str) -> dict[str, Any]:
    data = {user: base64.b64encode(text.encode()).decode() for user, text in passwords.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "team"}, "data": data}


async def finish(bed: Bed) -> int:
    """Pass after pass until nothing is left; how many."""
    for passes in range(1, 1_000):
        if (await bed.reconcile()).again is None:
            return passes
        await asyncio.sleep(0.01)
    raise AssertionError("the passwords are never hashed")


async def test_passwords_are_hashed_beside_passes_and_taken_when_they_are_there() -> None:
    bed = Bed()
    named = {f"user-{index}": "secret" for index in range(2 * FEW)}
    bed.put(OPEN, profile(), repo("access", namespace="team", auth=AUTH), users(**named))
    assert await finish(bed) > 1
    data = bed.cluster.objects["Secret", "events", "main-credentials"]["data"]
    file = json.loads(base64.b64decode(data[repo_secret_file("team", "keys", BASIC_PART)]))
    assert len(file["users"]) == len(named)


async def test_after_a_restart_hundreds_of_passwords_hold_up_no_pass_and_a_changed_one_is_taken() -> None:
    bed = Bed(hashing=PasswordHashing(2, Derived()))
    bed.put(OPEN, profile(), repo("access", namespace="team", auth=AUTH), users(**{f"u{n}": "old" for n in range(200)}))
    await finish(bed)
    again = Bed(bed.cluster, hashing=PasswordHashing(2, told := Derived(hold=True)))
    again.put(users(**{f"u{n}": "new" if n == 150 else "old" for n in range(200)}))
    assert (await again.reconcile()).again == TICK_SECONDS  # with not one of them hashed
    assert key_of(again, "u150") == hashed("u150", "old")
    told.free.set()
    await finish(again)
    assert key_of(again, "u150") == hashed("u150", "new")
    assert key_of(again, "u151") == hashed("u151", "old")


async def test_passwords_that_nobody_asks_for_any_more_are_neither_hashed_nor_kept() -> None:
    hashing = PasswordHashing(1, told := Derived(hold=True))
    hasher = FleetHasher(hashing)
    one, two, three = (Password(user, "00" * 16, b"x") for user in ("one", "two", "three"))
    assert [hasher.find(each) for each in (one, two, three)] == [None] * 3
    for _ in range(2):
        hasher.begin_pass()
        hasher.find(one)
        hasher.find(three)
    told.free.set()
    assert await hasher.is_soon_done()
    assert [(await found(hasher, each)).user for each in (one, three)] == ["one", "three"]
    assert (told.users, hasher.unfinished, hasher._begun) == (["one", "three"], False, {})
    hashing.close()


async def test_a_password_that_cannot_be_hashed_is_tried_again() -> None:
    told, failing = Derived(), [MemoryError()]

    def fail_once(password: Password) -> HashedPassword:
        if failing:
            raise failing.pop()
        return told(password)

    hasher = FleetHasher(hashing := PasswordHashing(1, fail_once))
    password = Password("one", "00" * 16, b"x")
    with pytest.raises(MemoryError):
        await found(hasher, password)
    assert (await found(hasher, password)).user == "one"
    hashing.close()


async def found(hasher: FleetHasher, password: Password) -> HashedPassword:
    while (hash_of_it := hasher.find(password)) is None:
        assert hasher.unfinished
        await asyncio.sleep(0.001)
    return hash_of_it


class Derived:
    """Hashes at once, or when it is let go, and notes for whom."""

    def __init__(self, *, hold: bool = False) -> None:
        self.free = threading.Event()
        self.users: list[str] = []
        if not hold:
            self.free.set()

    def __call__(self, password: Password) -> HashedPassword:
        self.free.wait(10)
        self.users.append(password.user)
        key = hashed(password.user, password.text.decode())
        return HashedPassword(user=password.user, salt=password.salt, n=2, r=1, p=1, key=key)


def hashed(user: str, text: str) -> str:
    return hashlib.sha256(f"{user} {text}".encode()).hexdigest()


def key_of(bed: Bed, user: str) -> str:
    data = bed.cluster.objects["Secret", "events", "main-credentials"]["data"]
    found = json.loads(base64.b64decode(data[repo_secret_file("team", "keys", BASIC_PART)]))
    return next(str(each["key"]) for each in found["users"] if each["user"] == user)
