"""Secrets that repos name in their own namespaces, and what gateways may know of them: hashes, and keys of masks.

Pure, and the same input gives the same bytes, so that an unchanged Secret causes no write. A password costs about
50 ms, which is why callers run rendering in a thread and hand in a memo.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
from headgate_operator.render.world import SecretKey, Verdict

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""RFC 7914's cost: 16 MiB and about 50 ms a password, here and at a gateway that sees one for the first time."""
MASK_KEY_BYTES = 16
"""A shorter key of a mask could be found by trying."""
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
    """The same of a spec as JSON: an intent's, or an entry. Whose shape is another version's names nothing."""
    try:
        return tuple({(found.key, found.part): found for found in _named(namespace, spec)}.values())
    except (KeyError, TypeError, AttributeError):
        return ()


def _named(namespace: str, spec: Json) -> Iterator[RepoSecret]:
    auth = spec.get("auth") or {}
    for field, part in (("apiKeys", API_KEYS_PART), ("basic", BASIC_PART)):
        if way := auth.get(field):
            yield RepoSecret(namespace, way["secretRef"]["name"], part, f"spec.auth.{field}.secretRef.name")
    for index, executor in enumerate(spec.get("executors") or ()):
        if keyed := (executor.get("mask") or {}).get("hash"):
            name, entry, where = keyed["secretRef"]["name"], keyed["key"], f"spec.executors.{index}.mask.hash.key"
            yield RepoSecret(namespace, name, f"key.{entry}", where, entry)


def objection_to_secrets(named: Iterable[RepoSecret], secrets: Secrets) -> Verdict | None:
    """Which Secret of a repo is not there, or holds nothing."""
    for one in named:
        where = f"Secret {one.namespace}/{one.secret}"
        if one.key not in secrets:
            wanted = _WANTED[one.part] if one.entry is None else f"a key {one.entry!r}"
            message = f"{where} does not exist: create it with {wanted}"
            return Verdict(False, reasons.SECRET_NOT_FOUND, message, one.field)
        if problem := _problem(one, secrets[one.key]):
            return Verdict(False, reasons.SECRET_KEY_MISSING, f"{where} {problem}", one.field)
    return None


def _problem(one: RepoSecret, data: Data) -> str:
    if one.entry is None:
        return "" if _entries(one, data) else f"is empty: add {_WANTED[one.part]}"
    if not data.get(one.entry):
        return f"has no value under the key {one.entry!r}: add it"
    return (
        "" if _entries(one, data) else f"has under {one.entry!r} a key of less than {MASK_KEY_BYTES} bytes: lengthen it"
    )


_WANTED = {API_KEYS_PART: "an entry for each API key", BASIC_PART: "an entry for each user"}


def hash_secrets(named: Iterable[RepoSecret], secrets: Secrets, pepper: str, memo: RenderMemo) -> dict[str, bytes]:
    """The files of what these Secrets hold now; none of a Secret that is gone or empty.

    `pepper`: unknown to whoever prepares tables of hashes, and the same for as long as the fleet lives.
    """

    def derive(one: RepoSecret, user: str, password: bytes) -> HashedPassword:
        salt = _salt(pepper, one, user)
        what = ("password", one.key, user)
        return memo.recall(what, (salt, password), lambda: _hash_password(user, salt, password))

    def build(one: RepoSecret) -> bytes:
        data = secrets[one.key]
        if one.part == BASIC_PART:
            return _build_file(one, data, derive)  # user by user: one new password must not cost those of all
        return memo.recall(("hashed", one.file), (data,), lambda: _build_file(one, data, derive))

    found = {one.file: build(one) for one in _present(named, secrets)}
    return {file: content for file, content in found.items() if content}


def measure_secrets(named: Iterable[RepoSecret], secrets: Secrets) -> dict[str, int]:
    """How many bytes those files will have, at no cost."""
    found = {one.file: len(_build_file(one, secrets[one.key], _placeholder)) for one in _present(named, secrets)}
    return {file: size for file, size in found.items() if size}


def _present(named: Iterable[RepoSecret], secrets: Secrets) -> Iterator[RepoSecret]:
    return (one for one in named if one.key in secrets)


_Derive = Callable[[RepoSecret, str, bytes], HashedPassword]


def _build_file(one: RepoSecret, data: Data, derive: _Derive) -> bytes:
    """Empty where there is nothing to tell."""
    entries = _entries(one, data)
    if one.entry is not None or not entries:
        return entries[0][1] if entries else b""
    if one.part == BASIC_PART:
        users = tuple(derive(one, user, password) for user, password in entries)
        return canonical_json(HashedPasswords(users=users).model_dump(mode="json", by_alias=True))
    keys = tuple(HashedApiKey(name=name, sha256=hashlib.sha256(key).hexdigest()) for name, key in entries)
    return canonical_json(HashedApiKeys(keys=keys).model_dump(mode="json", by_alias=True))


def _entries(one: RepoSecret, data: Data) -> list[tuple[str, bytes]]:
    """What counts of a Secret. An editor's end of a line is no part of what clients send, and nothing lets nobody in."""
    if one.entry is not None:
        key = data.get(one.entry, b"")
        return [(one.entry, key)] if len(key) >= MASK_KEY_BYTES else []
    return [(name, value) for name, raw in sorted(data.items()) if (value := raw.rstrip(b"\r\n"))]


def _salt(pepper: str, one: RepoSecret, user: str) -> str:
    """Another for each fleet, Secret and user.

    Nothing of the password goes into it: it stands beside the hash, and would let guesses be tried at the speed of SHA-256.
    """
    place = canonical_json([pepper, one.namespace, one.secret, user])
    return hashlib.sha256(b"headgate salt\0" + place).digest()[:_SALT_BYTES].hex()


def _hash_password(user: str, salt: str, password: bytes) -> HashedPassword:
    key = hashlib.scrypt(password, salt=bytes.fromhex(salt), n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=_KEY_BYTES)
    return HashedPassword(user=user, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, key=key.hex())


def _placeholder(_: RepoSecret, user: str, __: bytes) -> HashedPassword:
    return HashedPassword(
        user=user, salt="0" * 2 * _SALT_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, key="0" * 2 * _KEY_BYTES
    )
