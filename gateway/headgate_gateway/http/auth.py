"""Who may send to a repo: judges what a request's head presents against hashes. Pure.

Compiled from a repo's `auth` and the files that hold its hashes; a file that is missing or unreadable lets nobody in.
API keys are judged here; a password needs a slow hash, which `passwords` has made elsewhere.
"""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import scrypt, sha256
from typing import Final, TypeVar

from pydantic import ValidationError

from headgate_gateway.config.auth import (
    API_KEYS_PART,
    BASIC_PART,
    HashedApiKeys,
    HashedPassword,
    HashedPasswords,
    repo_secret_file,
)
from headgate_gateway.config.base import ContractModel
from headgate_gateway.config.repo import RepoConfig

MAX_SCRYPT_BYTES: Final = 64 * 2**20
"""What checking one password may take of memory: 128 n r (RFC 7914). The operator's hashes take 16 MiB."""
MAX_SCRYPT_P: Final = 16

Presented = Mapping[str, bytes]
"""A request's headers by lower-case name."""


class Denied(Enum):
    """Why a request is not let in."""

    NOTHING_PRESENTED = auto()
    NOT_VALID = auto()
    UNAVAILABLE = auto()
    """What it is to be judged by is not there."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who it is."""

    name: str


@dataclass(frozen=True, slots=True)
class PasswordClaim:
    """Somebody gives a user's name and a password."""

    user: bytes
    password: bytes = field(repr=False)
    entry: HashedPassword
    """What it is to be compared with; of nobody, where there is no such user."""

    def holds(self) -> bool:
        """Whether the password is the user's: tens of milliseconds, and megabytes."""
        return is_password(self.password, self.entry) and bool(self.entry.user)


def is_password(password: bytes, entry: HashedPassword) -> bool:
    """Whether scrypt makes the entry's key of a password."""
    n, r, p = entry.n, entry.r, entry.p
    needed = 128 * r * (n + p + 2)
    key = scrypt(password, salt=bytes.fromhex(entry.salt), n=n, r=r, p=p, maxmem=needed + 2**16, dklen=32)
    return hmac.compare_digest(key, bytes.fromhex(entry.key))


Encoded = bytes
"""A user's name and a password, as Basic has them."""

Verdict = Admitted | Denied | Encoded


class Authenticator:
    """The ways into one repo."""

    __slots__ = ("_keys", "_known", "_nobody", "_users", "challenges", "problem")

    def __init__(
        self,
        challenges: tuple[bytes, ...],
        keys: Mapping[bytes, Admitted],
        users: Mapping[bytes, HashedPassword],
        problem: str,
    ) -> None:
        self.challenges = challenges
        """Values of WWW-Authenticate: the ways that the repo allows."""
        self.problem = problem
        """Why some of them cannot be judged; empty when all can."""
        self._keys = keys
        self._known: dict[bytes, Admitted] = {}
        """Valid keys that were presented: no more than there are, and found by a hash that nobody outside can know."""
        self._users = users
        # An unknown user costs the same time as a wrong password, so that nobody learns names from it.
        sample = next(iter(users.values()), None)
        self._nobody = sample.model_copy(update={"user": ""}) if sample is not None else None

    @property
    def has_keys_only(self) -> bool:
        """Whether no verdict depends on a password, whose check counts for a while only."""
        return self._nobody is None

    def judge(self, headers: Presented) -> Verdict:
        """By the head alone, if it can be; what is encoded needs `claim`."""
        key, authorization = headers.get("x-api-key"), headers.get("authorization")
        admitted = None
        if key is not None:
            admitted = self._known.get(key) or self._by_key(key)
        if admitted is None and authorization is not None:
            scheme, _, rest = authorization.partition(b" ")
            scheme, rest = scheme.lower(), rest.strip(b" ")
            if scheme == b"bearer":
                admitted = self._known.get(rest) or self._by_key(rest)
            elif scheme == b"basic" and self._nobody is not None:
                return rest
        if admitted is not None:
            return admitted
        if self.problem:
            return Denied.UNAVAILABLE
        return Denied.NOTHING_PRESENTED if key is None and authorization is None else Denied.NOT_VALID

    def _by_key(self, key: bytes) -> Admitted | None:
        # By its hash: how long the look-up takes says nothing of the keys that are valid.
        admitted = self._keys.get(sha256(key).digest())
        if admitted is not None:
            self._known[key] = admitted
        return admitted

    def claim(self, encoded: Encoded) -> PasswordClaim | None:
        """What Basic has encoded; None: it is not that."""
        if self._nobody is None:
            return None
        try:
            user, colon, password = b64decode(encoded, validate=True).partition(b":")
        except binascii.Error:
            return None
        return PasswordClaim(user, password, self._users.get(user, self._nobody)) if colon else None


def compile_auth(config: RepoConfig, files: Mapping[str, bytes]) -> Authenticator | None:
    """The ways into a repo, None where anybody may. `files`: contents of credential files by name."""
    auth = config.auth
    if auth is None:
        return None
    challenges: list[bytes] = []
    problems: list[str] = []
    keys: dict[bytes, Admitted] = {}
    users: dict[bytes, HashedPassword] = {}
    realm = config.name.encode()
    if auth.api_keys is not None:
        challenges.append(b'Bearer realm="%b"' % realm)
        name = auth.api_keys.secret_ref.name
        hashed = _read(config, name, API_KEYS_PART, files, HashedApiKeys, problems)
        keys = {bytes.fromhex(key.sha256): Admitted(key.name) for key in hashed.keys} if hashed is not None else {}
    if auth.basic is not None:
        challenges.append(b'Basic realm="%b", charset="UTF-8"' % realm)
        name = auth.basic.secret_ref.name
        passwords = _read(config, name, BASIC_PART, files, HashedPasswords, problems)
        users = {user.user.encode(): user for user in passwords.users} if passwords is not None else {}
        problems += [f"secret {name}: {why}" for why in map(_beyond_bounds, users.values()) if why]
        users = {name: entry for name, entry in users.items() if not _beyond_bounds(entry)}
    return Authenticator(tuple(challenges), keys, users, "; ".join(problems))


Hashes = TypeVar("Hashes", bound=ContractModel)


def _read(
    config: RepoConfig, secret: str, part: str, files: Mapping[str, bytes], model: type[Hashes], problems: list[str]
) -> Hashes | None:
    file = repo_secret_file(config.namespace, secret, part)
    content = files.get(file)
    if content is None:
        problems.append(f"secret {secret}: file {file} is missing")
        return None
    try:
        return model.model_validate_json(content)
    except ValidationError:
        # Its text would name parts of the content.
        problems.append(f"secret {secret}: file {file} is not readable")
        return None


def _beyond_bounds(entry: HashedPassword) -> str:
    """What speaks against computing a hash: it is no scrypt, or takes more than a gateway has to spare."""
    n, r, p = entry.n, entry.r, entry.p
    if not entry.user or n < 2 or n & (n - 1) or r < 1 or p < 1:
        return "a password's hash is not of scrypt"
    return "a password's hash takes too much memory" if 128 * n * r > MAX_SCRYPT_BYTES or p > MAX_SCRYPT_P else ""
