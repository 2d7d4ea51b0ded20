"""Passwords: what scrypt makes of them, and what is served while they are not hashed yet."""

import hashlib
import json
from dataclasses import replace

from tests.unit.render.builders import (
    TEMPLATES,
    CountingMemo,
    render,
)
from tests.unit.render.secret_worlds import (
    BASIC,
    SECRETS,
    USERS,
    files_of,
    guarded_world,
)

from headgate_gateway.config import (
    BASIC_PART,
    HashedPassword,
    HashedPasswords,
)
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.repo_secrets import (
    Password,
    RepoSecret,
    hash_secrets,
)


class OneAtATime:
    """A hasher that is done with so many passwords."""

    def __init__(self, most: int = 1) -> None:
        self._left = most
        self.unfinished = False

    def find(self, password: Password) -> HashedPassword | None:
        self._left -= 1
        self.unfinished = self.unfinished or self._left < 0
        return password.hashed() if self._left >= 0 else None


def test_a_password_is_what_scrypt_makes_of_it_with_the_salt_beside_it() -> None:
    (user,) = HashedPasswords.model_validate_json(files_of(render(guarded_world()))[BASIC]).users
    key = hashlib.scrypt(b"secret", salt=bytes.fromhex(user.salt), n=user.n, r=user.r, p=user.p, dklen=32)
    assert (user.user, user.key) == ("alice", key.hex())
    assert (user.n, user.r, user.p) == (2**14, 8, 1)


def test_a_salt_differs_by_fleet_by_secret_and_by_user_and_tells_nothing_of_the_password() -> None:
    def salt(pepper: str = "uid", secret: str = "users", user: str = "alice", password: bytes = b"secret") -> str:
        named = RepoSecret("team", secret, BASIC_PART, "")
        found = hash_secrets([named], {named.key: {user: password}}, pepper, RenderMemo())
        return HashedPasswords.model_validate_json(found[named.file]).users[0].salt

    assert len({salt(), salt(pepper="other"), salt(secret="more"), salt(user="bob")}) == 4
    assert salt() == salt(password=b"other")


def test_one_new_password_costs_one_hash_and_an_unchanged_world_none() -> None:
    memo = CountingMemo()
    users = {name: f"secret of {name}".encode() for name in ("alice", "bob", "carol")}
    before = guarded_world(repo_secrets=SECRETS | {USERS: users})
    memo.rendering(before)
    assert len([key for key in memo.made if isinstance(key, tuple) and key[0] == "password"]) == 3
    _, again = memo.rendering(before)
    assert again == 0
    memo.rendering(replace(before, repo_secrets=SECRETS | {USERS: users | {"bob": b"new"}}))
    assert [key for key in memo.made if isinstance(key, tuple) and key[0] == "password"] == [("password", USERS, "bob")]


def test_passwords_that_are_not_hashed_yet_keep_what_is_served_and_are_asked_for_again() -> None:
    users = {name: f"secret of {name}".encode() for name in ("alice", "bob", "carol")}
    before = files_of(render(guarded_world(repo_secrets=SECRETS | {USERS: users})))
    memo, wanted = RenderMemo(), {"bob": b"new", "carol": users["carol"], "dave": b"newest"}
    of = guarded_world(repo_secrets=SECRETS | {USERS: wanted}, served_credentials=before)
    final = files_of(render(of))[BASIC]
    seen, plans = [], []
    for _ in range(3):
        plans.append(render_fleet(of, TEMPLATES, memo, hasher=OneAtATime()))
        of = replace(of, served_credentials=files_of(plans[-1]))
        seen.append([user["user"] for user in json.loads(files_of(plans[-1])[BASIC])["users"]])
    assert seen == [["bob", "carol"], ["bob", "carol"], ["bob", "carol", "dave"]]
    assert [plan.unfinished for plan in plans] == [True, True, False]
    assert files_of(plans[-1])[BASIC] == final


def test_a_new_file_waits_for_all_of_its_users_and_goes_before_those_that_are_served() -> None:
    one, two = (RepoSecret("team", name, BASIC_PART, "") for name in ("a", "b"))
    secrets = {named.key: {"ann": b"1", "bob": b"2"} for named in (one, two)}
    memo, known = RenderMemo(), {one.file: b'{"users":[]}'}
    first = hash_secrets([one, two], secrets, "uid", memo, known, OneAtATime())
    assert first == {one.file: b'{"users":[]}'}
    second = hash_secrets([one, two], secrets, "uid", memo, known, OneAtATime())
    assert [user["user"] for user in json.loads(second[two.file])["users"]] == ["ann", "bob"]


def test_a_restart_before_anything_is_hashed_writes_nothing() -> None:
    before = files_of(render(guarded_world()))
    plan = render_fleet(guarded_world(served_credentials=before), TEMPLATES, RenderMemo(), hasher=OneAtATime(0))
    assert files_of(plan) == before
