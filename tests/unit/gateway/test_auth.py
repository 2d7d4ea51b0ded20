"""Keys and passwords judged by the head, and the checks of passwords off the event loop."""

import asyncio
import gc
import hashlib
import json
import threading
from typing import Any

import pytest
from tests.unit.gateway.builders import repo_config
from tests.unit.gateway.hashes import (
    API_KEYS,
    BASIC,
    BASIC_FILE,
    KEYS_FILE,
    basic,
    credentials,
    hashed_password,
)

from headgate_gateway.http import passwords as passwords_module
from headgate_gateway.http.auth import Admitted, Authenticator, Denied, PasswordClaim, compile_auth
from headgate_gateway.http.passwords import (
    RIGHT_SECONDS,
    WAITING,
    WAITING_OF_REPO,
    WRONG_SECONDS,
    Check,
    Finding,
    Passwords,
    _Remembered,
)


def ways(auth: dict[str, Any], files: dict[str, bytes]) -> Authenticator:
    compiled = compile_auth(repo_config(auth=auth), files)
    assert compiled is not None
    return compiled


def headers(*lines: str) -> dict[str, bytes]:
    return {name.lower(): value.encode() for name, _, value in (line.partition(": ") for line in lines)}


def claimed(auth: Authenticator, line: str) -> PasswordClaim | None:
    encoded = auth.judge(headers(line))
    assert isinstance(encoded, bytes)
    return auth.claim(encoded)


BOTH = {**API_KEYS, **BASIC}
FILES = credentials(keys={"old": "k-1", "new": "k-2"}, users={"ann": "s3cret:with:colons", "bo": "pässwort"})


def test_a_repo_without_auth_is_open() -> None:
    assert compile_auth(repo_config(), {}) is None


@pytest.mark.parametrize(
    ("line", "who"),
    [
        ("Authorization: Bearer k-1", "old"),
        ("Authorization: bearer   k-2", "new"),
        ("X-API-Key: k-1", "old"),
        ("X-API-Key: k-2", "new"),
    ],
)
def test_any_key_that_is_valid_is_let_in(line: str, who: str) -> None:
    assert ways(API_KEYS, FILES).judge(headers(line)) == Admitted(who)


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer k-3",
        "Authorization: Bearer",
        "Authorization: Bearer ",
        "Authorization: Bearer k-1, Bearer k-1",
        "Authorization: k-1",
        "Authorization: Basic azp2",
        "Authorization: Digest k-1",
        "X-API-Key: k-1 ",
        "X-API-Key: k-1, k-2",
        "X-API-Key: ",
        "Authorization: ",
    ],
)
def test_anything_else_is_not_valid(line: str) -> None:
    assert ways(API_KEYS, FILES).judge(headers(line)) is Denied.NOT_VALID


def test_who_presents_nothing_is_told_so() -> None:
    assert ways(BOTH, FILES).judge({"host": b"x"}) is Denied.NOTHING_PRESENTED
    assert ways(BOTH, FILES).challenges == (b'Bearer realm="logs"', b'Basic realm="logs", charset="UTF-8"')


def test_of_two_that_are_presented_one_will_do() -> None:
    auth = ways(BOTH, FILES)
    assert auth.judge(headers("X-API-Key: nothing", "Authorization: Bearer k-2")) == Admitted("new")
    assert auth.judge(headers("X-API-Key: k-1", "Authorization: Bearer nothing")) == Admitted("old")


@pytest.mark.parametrize(
    ("user", "password", "right"),
    [
        ("ann", "s3cret:with:colons", True),
        ("bo", "pässwort", True),
        ("ann", "s3cret", False),
        ("ann", "", False),
        ("Ann", "s3cret:with:colons", False),
        ("nobody", "s3cret:with:colons", False),
        ("", "s3cret:with:colons", False),
    ],
)
def test_a_password_is_a_claim_that_holds_or_not(user: str, password: str, right: bool) -> None:
    claim = claimed(ways(BASIC, FILES), basic(user, password))
    assert claim is not None
    assert claim.holds() is right
    assert password not in repr(claim) or not password


@pytest.mark.parametrize("line", ["Authorization: Basic", "Authorization: Basic !!!", "Authorization: Basic YW5u"])
def test_what_is_no_user_and_password_is_not_valid(line: str) -> None:
    assert claimed(ways(BASIC, FILES), line) is None


def test_a_password_is_no_way_into_a_repo_of_keys_nor_a_key_into_one_of_passwords() -> None:
    assert ways(API_KEYS, FILES).judge(headers(basic("ann", "s3cret:with:colons"))) is Denied.NOT_VALID
    assert ways(BASIC, FILES).judge(headers("X-API-Key: k-1")) is Denied.NOT_VALID


BAD_FILES = {
    "missing": None,
    "empty": b"",
    "not JSON": b"keys",
    "another shape": b'{"users":1}',
    "unknown fields": b'{"keys":[],"users":[],"more":1}',
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.parametrize(("auth", "file"), [(API_KEYS, KEYS_FILE), (BASIC, BASIC_FILE)], ids=["keys", "passwords"])
def test_without_its_file_nobody_is_let_in(auth: dict[str, Any], file: str, content: bytes | None) -> None:
    compiled = ways(auth, {} if content is None else {file: content})
    for presented in (headers(), headers("X-API-Key: k-1"), headers(basic("ann", "x"))):
        assert compiled.judge(presented) is Denied.UNAVAILABLE
    assert file in compiled.problem


def test_with_one_file_missing_the_other_way_is_open() -> None:
    compiled = ways(BOTH, {KEYS_FILE: FILES[KEYS_FILE]})
    assert compiled.judge(headers("X-API-Key: k-1")) == Admitted("old")
    assert compiled.judge(headers(basic("ann", "x"))) is Denied.UNAVAILABLE
    assert compiled.judge(headers("X-API-Key: k-9")) is Denied.UNAVAILABLE
    assert BASIC_FILE in compiled.problem


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n": 2**20, "r": 8}, "memory"),
        ({"p": 1_000}, "memory"),
        ({"n": 15}, "not of scrypt"),
        ({"n": 0}, "not of scrypt"),
        ({"r": 0}, "not of scrypt"),
        ({"p": -1}, "not of scrypt"),
    ],
    ids=str,
)
def test_a_hash_that_no_gateway_would_compute_is_a_problem(changes: dict[str, int], reason: str) -> None:
    users = [hashed_password("ann", "x", **changes), hashed_password("bo", "y")]
    compiled = ways(BASIC, {BASIC_FILE: json.dumps({"users": users}).encode()})
    assert reason in compiled.problem
    claim = claimed(compiled, basic("bo", "y"))
    assert claim is not None
    assert claim.holds()


def test_a_problem_names_no_content() -> None:
    assert "hush" not in ways(API_KEYS, {KEYS_FILE: b'{"keys":[{"name":"a","sha256":"hush"}]}'}).problem


# Checks off the event loop


class Desk:
    """Checks that end when told."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.checked: list[bytes] = []
        self.go_on = threading.Semaphore(0)
        self.fails = False
        self.passwords = Passwords(lambda: self.now, self._check)

    def _check(self, claim: PasswordClaim) -> bool:
        assert self.go_on.acquire(timeout=10)
        self.checked.append(claim.user)
        if self.fails:
            raise MemoryError
        return claim.holds()

    def judge(self, user: str, password: str, repo: str = "logs", files: dict[str, bytes] = FILES) -> Any:
        auth = ways(BASIC, files)
        encoded = auth.judge(headers(basic(user, password)))
        assert isinstance(encoded, bytes)
        return self.passwords.judge(auth, encoded, repo)

    async def verdict(self, check: Check) -> bool:
        return await self.finding(check) is Finding.RIGHT

    async def finding(self, check: Check) -> Finding:
        told: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
        check.tell(told.set_result)
        self.go_on.release()
        async with asyncio.timeout(10):
            return await told


RIGHT = ("ann", "s3cret:with:colons")


async def test_a_right_password_is_checked_once_until_it_is_forgotten() -> None:
    desk = Desk()
    assert await desk.verdict(desk.judge(*RIGHT))
    desk.now += RIGHT_SECONDS - 1
    assert desk.judge(*RIGHT) == Admitted("ann")
    desk.now += 1
    check = desk.judge(*RIGHT)
    assert isinstance(check, Check)
    assert await desk.verdict(check)
    assert desk.checked == [b"ann", b"ann"]


async def test_a_wrong_password_is_remembered_for_a_moment() -> None:
    desk = Desk()
    assert not await desk.verdict(desk.judge("ann", "guess"))
    assert desk.judge("ann", "guess") is Denied.NOT_VALID
    desk.now += WRONG_SECONDS
    assert isinstance(desk.judge("ann", "guess"), Check)
    desk.go_on.release()


async def test_what_is_remembered_is_of_one_user_one_password_and_one_hash() -> None:
    desk = Desk()
    assert await desk.verdict(desk.judge(*RIGHT))
    changed = credentials(users={"ann": "another"})
    for check in (desk.judge("bo", RIGHT[1]), desk.judge("cy", RIGHT[1]), desk.judge(*RIGHT, files=changed)):
        assert isinstance(check, Check)
        assert not await desk.verdict(check)


async def test_a_user_who_is_gone_is_no_longer_let_in() -> None:
    desk = Desk()
    assert await desk.verdict(desk.judge(*RIGHT))
    check = desk.judge(*RIGHT, files=credentials(users={"bo": "pässwort"}))
    assert isinstance(check, Check)
    assert not await desk.verdict(check)


async def test_requests_with_one_password_share_one_check() -> None:
    desk = Desk()
    checks = {desk.judge(*RIGHT) for _ in range(500)}
    assert len(checks) == 1
    assert await desk.verdict(checks.pop())
    assert desk.checked == [b"ann"]


async def test_guesses_at_one_repo_wait_in_a_bounded_queue_and_others_have_room() -> None:
    desk = Desk()
    checks = [desk.judge("ann", f"guess {n}") for n in range(WAITING_OF_REPO + 5)]
    assert checks[WAITING_OF_REPO:] == [None] * 5
    others = [desk.judge("bo", f"guess {n}", repo="other") for n in range(WAITING)]
    assert others.count(None) == WAITING - (WAITING - WAITING_OF_REPO)
    assert desk.judge("bo", "pässwort", repo="third") is None
    for check in checks[:WAITING_OF_REPO]:
        assert await desk.verdict(check) is False
    assert isinstance(desk.judge("ann", "one more"), Check)
    for _ in range(WAITING):
        desk.go_on.release()


async def test_a_check_that_fails_lets_nobody_in_and_is_not_remembered() -> None:
    desk = Desk()
    desk.fails = True
    assert await desk.finding(desk.judge(*RIGHT)) is Finding.NOTHING
    desk.fails = False
    assert await desk.verdict(desk.judge(*RIGHT))


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "REMEMBERED", 3)
    desk = Desk()
    for n in range(5):
        await desk.verdict(desk.judge("ann", f"guess {n}"))
    assert [desk.judge("ann", f"guess {n}") is Denied.NOT_VALID for n in range(2, 5)] == [True] * 3
    assert isinstance(desk.judge("ann", "guess 0"), Check)
    desk.go_on.release()


async def test_one_password_of_two_repos_is_checked_once_for_each() -> None:
    desk, salt = Desk(), bytes(16)
    key = hashlib.scrypt(RIGHT[1].encode(), salt=salt, n=16, r=1, p=1, dklen=32)
    row = hashed_password(*RIGHT, salt=salt.hex(), key=key.hex())
    other = {BASIC_FILE: json.dumps({"users": [row]}).encode()}
    assert await desk.verdict(desk.judge(*RIGHT))
    assert await desk.verdict(desk.judge(*RIGHT, files=other))
    for files in (FILES, other, FILES):
        assert desk.judge(*RIGHT, files=files) == Admitted("ann")


def test_what_is_remembered_of_wrong_passwords_is_short_and_goes_in_time() -> None:
    remembered = _Remembered(10.0)
    for n in range(100):
        remembered.note((b"%d" % n, "key"), float(n))
    assert len(remembered) == 10
    assert remembered.knows((b"99", "key"), 99.0)


async def test_names_of_those_who_guess_are_not_kept() -> None:
    desk, name = Desk(), "a-name-that-nobody-has" * 50
    assert not await desk.verdict(desk.judge(name, "guess"))
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Admitted) and thing.name == name]
    assert desk.judge(name, "guess") is Denied.NOT_VALID
