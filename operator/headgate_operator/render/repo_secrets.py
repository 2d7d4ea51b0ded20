"""Secrets that repos name in their own namespaces, and what gateways may know of them: hashes, and keys of masks.

Pure, and the same input gives the same bytes, so that an unchanged Secret causes no write. A password costs about
50 ms, which is why callers hand in a memo, and a hasher that works beside them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError

from headgate_gateway.config import (
    API_KEYS_PART,
    BASIC_PART,
    HashedApiKey,
    HashedApiKeys,
    HashedPassword,
    HashedPasswords,
    repo_secret_file,
)
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.world import ORDINARY, FleetWorld, SecretKey, SecretNote, Verdict

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""RFC 7914's cost: 16 MiB and about 50 ms a password, here and at a gateway that sees one for the first time."""
MASK_KEY_BYTES = 16
"""A shorter key of a mask could be found by trying."""
API_KEY_BYTES = 16
"""The same of an API key, whose SHA-256 gateways keep."""
USERS_MAX = 200
"""Of one Secret: each costs a hash whenever the operator starts."""
SECRET_BYTES_MAX = 100_000
"""What one Secret may make of the fleet's credentials, so that no team takes the room of all."""
TAKEN_TYPES = ("Opaque", "")
"""Other types of Secrets have entries that are no keys and no users."""
_KEY_BYTES, _SALT_BYTES = 32, 16

Json = Mapping[str, Any]
Data = Mapping[str, bytes]
Secrets = Mapping[SecretKey, Data]


@dataclass(frozen=True, slots=True)
class RepoSecret:
    """What a repo takes from a Secret beside it."""

    namespace: str
    secret: str
    part: str
    """As `repo_secret_file` has it."""
    field: str
    """Dotted path of what names the Secret."""
    entry: str | None = None
    """The one entry that is taken as it is; None: all of them are, as hashes."""

    @property
    def key(self) -> SecretKey:
        """Which Secret."""
        return self.namespace, self.secret

    @property
    def place(self) -> str:
        """Which Secret, for people."""
        return f"Secret {self.namespace}/{self.secret}"

    @property
    def file(self) -> str:
        """The file of the fleet's credentials that holds it."""
        return repo_secret_file(self.namespace, self.secret, self.part)


def secrets_of_repo(repo: EventRepo) -> tuple[RepoSecret, ...]:
    """What a repo's spec takes from Secrets beside it."""
    spec = repo.spec
    if spec.auth is None and not spec.executors:
        return ()
    written = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={"auth", "executors"})
    return read_repo_secrets(repo.metadata.namespace, written)


def read_repo_secrets(namespace: str, spec: Json) -> tuple[RepoSecret, ...]:
    """The same of a spec as JSON: an intent's, or an entry. What has another version's shape names nothing."""
    return tuple({(found.key, found.part): found for found in _named(namespace, spec)}.values())


def _named(namespace: str, spec: Json) -> Iterator[RepoSecret]:
    for way, part in (("apiKeys", API_KEYS_PART), ("basic", BASIC_PART)):
        if name := _text_at(spec, "auth", way, "secretRef", "name"):
            yield RepoSecret(namespace, name, part, f"spec.auth.{way}.secretRef.name")
    executors = spec.get("executors")
    for index, executor in enumerate(executors if isinstance(executors, list | tuple) else ()):
        name = _text_at(executor, "mask", "hash", "secretRef", "name")
        entry = _text_at(executor, "mask", "hash", "key")
        if name and entry:
            yield RepoSecret(namespace, name, f"key.{entry}", f"spec.executors.{index}.mask.hash.key", entry)


def _text_at(value: object, *steps: str) -> str:
    """The text under a path; empty where there is none."""
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def objection_to_secrets(named: Iterable[RepoSecret], world: FleetWorld) -> Verdict | None:
    """Which Secret of a repo is not there, may not be taken, or holds nothing. Of what is not read nothing is said."""
    return next((objection for one in named if (objection := _object(one, world))), None)


def unread_secret(named: Iterable[RepoSecret], world: FleetWorld) -> Verdict | None:
    """The objection to a repo that was never accepted, and whose Secrets nobody could look at yet."""
    for one in named:
        if world.secret_notes.get(one.key, ORDINARY).unread:
            message = f"{one.place} cannot be read now: the API server does not answer for it, and is asked again"
            return Verdict(False, reasons.SECRET_UNREADABLE, message, one.field)
    return None


def _object(one: RepoSecret, world: FleetWorld) -> Verdict | None:
    data, note = world.repo_secrets.get(one.key), world.secret_notes.get(one.key, ORDINARY)
    if note.unread:
        return None
    reason, problem = refuse_secret(one, data or {}, note)
    if not reason and data is None:
        reason, problem = reasons.SECRET_NOT_FOUND, _absent(one, one.file in world.served_credentials)
    if not reason and data is not None and (problem := _problem(one, data)):
        reason = reasons.SECRET_KEY_MISSING
    return Verdict(False, reason, f"{one.place} {problem}", one.field) if reason else None


def _absent(one: RepoSecret, is_served: bool) -> str:
    wanted = _WANTED[one.part] if one.entry is None else f"a key {one.entry!r}"
    served = f", and the {_HELD.get(one.part, 'key')} served last still count{'' if one.entry is None else 's'}"
    return f"does not exist{served if is_served else ''}: create it with {wanted}"


def refuse_secret(one: RepoSecret, data: Data, note: SecretNote) -> tuple[str, str]:
    """Why nothing is taken from a Secret, as a reason and what is told; both empty where something is."""
    if note.ours:
        return reasons.SECRET_NOT_ALLOWED, "is Headgate's own: name a Secret that you keep yourself"
    if one.entry is None and note.type not in TAKEN_TYPES:
        return (
            reasons.SECRET_NOT_ALLOWED,
            (
                f"is of type {note.type}, whose entries are not all {_HELD[one.part]}: create one of type Opaque "
                f"with {_WANTED[one.part]}"
            ),
        )
    if one.part == BASIC_PART and (count := len(_entries(one, data))) > USERS_MAX:
        return (
            reasons.CREDENTIALS_FULL,
            (
                f"holds {count} users, and {USERS_MAX} at most are taken: remove some, use API keys for machines, or "
                "spread them over several repos"
            ),
        )
    if (size := sum(measure_secrets([one], {one.key: data}).values())) > SECRET_BYTES_MAX:
        return (
            reasons.CREDENTIALS_FULL,
            (
                f"makes {size} bytes of credentials, and {SECRET_BYTES_MAX} at most are taken from one Secret, about 100 "
                "for an API key: remove some"
            ),
        )
    return "", ""


def _problem(one: RepoSecret, data: Data) -> str:
    if one.part == API_KEYS_PART and (short := _short_keys(data)):
        return (
            f"has under {short[0]!r} an API key of less than {API_KEY_BYTES} bytes, which lets nobody in: lengthen it, "
            "best with random bytes (openssl rand -hex 24)"
        )
    if one.entry is None:
        return "" if _entries(one, data) else f"is empty, and lets nobody in: add {_WANTED[one.part]}"
    if not data.get(one.entry):
        return f"has no value under the key {one.entry!r}: add it"
    return (
        "" if _entries(one, data) else f"has under {one.entry!r} a key of less than {MASK_KEY_BYTES} bytes: lengthen it"
    )


def _short_keys(data: Data) -> list[str]:
    return sorted(name for name, raw in data.items() if 0 < len(_strip(raw)) < API_KEY_BYTES)


_WANTED = {API_KEYS_PART: "an entry for each API key", BASIC_PART: "an entry for each user"}
_HELD = {API_KEYS_PART: "keys", BASIC_PART: "users"}


@dataclass(frozen=True, slots=True)
class Password:
    """One to hash."""

    user: str
    salt: str
    text: bytes = field(repr=False)

    def hashed(self) -> HashedPassword:
        """What gateways get of it, after about 50 ms."""
        salt = bytes.fromhex(self.salt)
        key = hashlib.scrypt(self.text, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=_KEY_BYTES)
        return HashedPassword(user=self.user, salt=self.salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, key=key.hex())


class Hasher(Protocol):
    """Who hashes passwords beside rendering: hundreds would hold up all repos of a fleet for many seconds."""

    def find(self, password: Password) -> HashedPassword | None:
        """Its hash; None as long as that is not known, for a later rendering to ask again."""
        ...

    @property
    def unfinished(self) -> bool:
        """Whether something is not known yet."""
        ...


def hash_secrets(
    named: Iterable[RepoSecret],
    secrets: Secrets,
    pepper: str,
    memo: RenderMemo,
    served: Mapping[str, bytes] | None = None,
    hasher: Hasher | None = None,
) -> dict[str, bytes]:
    """The files of what these Secrets hold now; none of a Secret that is gone, and none yet of a new one whose
    passwords the hasher does not know yet. Of a file that is served, users who are not hashed yet keep what is served
    of them. No hasher: all are hashed here and now.

    `pepper`: unknown to whoever prepares tables of hashes, and the same for as long as the fleet lives.
    """
    served = served or {}

    def build(one: RepoSecret) -> bytes:
        data = secrets[one.key]
        if one.part == BASIC_PART:  # user by user: one new password must not cost those of all
            return _build_users(one, _hash_users(one, data, pepper, memo, hasher), served.get(one.file, b""))
        return memo.recall(("hashed", one.file), (data,), lambda: _build_file(one, data, _placeholder))

    # Those that gateways wait for go first, and then those with few users: a Secret of hundreds must not hold up the rest.
    ordered = sorted(_present(named, secrets), key=lambda one: (one.file in served, len(secrets[one.key])))
    found = {one.file: build(one) for one in ordered}
    return {file: content for file, content in found.items() if content}


def _hash_users(
    one: RepoSecret, data: Data, pepper: str, memo: RenderMemo, hasher: Hasher | None
) -> dict[str, HashedPassword | None]:
    """None: not hashed yet."""
    found: dict[str, HashedPassword | None] = {}
    for user, text in _entries(one, data):
        password = Password(user, _salt(pepper, one, user), text)
        what, inputs = ("password", one.key, user), (password.salt, text)
        if hasher is None or memo.knows(what, inputs):
            found[user] = memo.recall(what, inputs, password.hashed)
            continue
        found[user] = made = hasher.find(password)
        if made is not None:
            memo.recall(what, inputs, partial(_same, made))
    return found


def _same(made: HashedPassword) -> HashedPassword:
    return made


def _build_users(one: RepoSecret, users: Mapping[str, HashedPassword | None], served: bytes) -> bytes:
    """Empty where a file would come into being without some of its users: they would be told that they are unknown."""
    if None not in users.values():
        return _dump(HashedPasswords(users=tuple(each for each in users.values() if each is not None)))
    before = _read_users(served)
    if before is None:
        return b""
    known = (each or before.get(user) for user, each in users.items())
    return _dump(HashedPasswords(users=tuple(each for each in known if each is not None)))


def _read_users(served: bytes) -> dict[str, HashedPassword] | None:
    try:
        return {each.user: each for each in HashedPasswords.model_validate_json(served).users}
    except ValidationError:
        return None  # there is none, or somebody broke it


def _dump(hashed: HashedPasswords | HashedApiKeys) -> bytes:
    return canonical_json(hashed.model_dump(mode="json", by_alias=True))


def measure_secrets(named: Iterable[RepoSecret], secrets: Secrets) -> dict[str, int]:
    """How many bytes those files will have, at no cost."""
    found = {one.file: len(_build_file(one, secrets[one.key], _placeholder)) for one in _present(named, secrets)}
    return {file: size for file, size in found.items() if size}


def _present(named: Iterable[RepoSecret], secrets: Secrets) -> Iterator[RepoSecret]:
    return (one for one in named if one.key in secrets)


_Derive = Callable[[RepoSecret, str, bytes], HashedPassword]


def _build_file(one: RepoSecret, data: Data, derive: _Derive) -> bytes:
    """A Secret that is there and empty lets nobody in, and that is told; of a mask's key that is gone nothing is."""
    entries = _entries(one, data)
    if one.entry is not None:
        return entries[0][1] if entries else b""
    if one.part == BASIC_PART:
        return _dump(HashedPasswords(users=tuple(derive(one, user, password) for user, password in entries)))
    keys = tuple(HashedApiKey(name=name, sha256=hashlib.sha256(key).hexdigest()) for name, key in entries)
    return _dump(HashedApiKeys(keys=keys))


def _entries(one: RepoSecret, data: Data) -> list[tuple[str, bytes]]:
    """What counts of a Secret: nothing that is empty or too short lets anybody in."""
    if one.entry is not None:
        key = data.get(one.entry, b"")
        return [(one.entry, key)] if len(key) >= MASK_KEY_BYTES else []
    least = API_KEY_BYTES if one.part == API_KEYS_PART else 1
    return [(name, value) for name, raw in sorted(data.items()) if len(value := _strip(raw)) >= least]


def _strip(raw: bytes) -> bytes:
    """An editor's end of a line is no part of what clients send."""
    return raw.rstrip(b"\r\n")


def _salt(pepper: str, one: RepoSecret, user: str) -> str:
    """Another for each fleet, Secret and user.

    Nothing of the password goes into it: it stands beside the hash, and would let guesses be tried at the speed of SHA-256.
    """
    place = canonical_json([pepper, one.namespace, one.secret, user])
    return hashlib.sha256(b"headgate salt\0" + place).digest()[:_SALT_BYTES].hex()


def _placeholder(_: RepoSecret, user: str, __: bytes) -> HashedPassword:
    return HashedPassword(
        user=user, salt="0" * 2 * _SALT_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, key="0" * 2 * _KEY_BYTES
    )
