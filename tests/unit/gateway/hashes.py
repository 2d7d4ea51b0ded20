"""What the operator would put into a gateway's credential files, with a quick scrypt."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from headgate_gateway.config.auth import API_KEYS_PART, BASIC_PART, repo_secret_file

KEYS_FILE = repo_secret_file("default", "machines", API_KEYS_PART)
BASIC_FILE = repo_secret_file("default", "people", BASIC_PART)

API_KEYS = {"apiKeys": {"secretRef": {"name": "machines"}}}
BASIC = {"basic": {"secretRef": {"name": "people"}}}


def hashed_keys(**keys: str) -> bytes:
    rows = [{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in keys.items()]
    return json.dumps({"keys": rows}).encode()


def hashed_password(user: str, password: str, **changes: Any) -> dict[str, Any]:
    salt = hashlib.md5(user.encode()).digest()
    key = hashlib.scrypt(password.encode(), salt=salt, n=16, r=1, p=1, dklen=32)
    return {"user": user, "salt": salt.hex(), "n": 16, "r": 1, "p": 1, "key": key.hex(), **changes}


def hashed_passwords(**users: str) -> bytes:
    return json.dumps({"users": [hashed_password(*row) for row in users.items()]}).encode()


def credentials(keys: Mapping[str, str] | None = None, users: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The files of a repo whose `auth` is API_KEYS, BASIC, or both."""
    files = {}
    if keys is not None:
        files[KEYS_FILE] = hashed_keys(**keys)
    if users is not None:
        files[BASIC_FILE] = hashed_passwords(**users)
    return files


def basic(user: str, password: str) -> str:
    """The header that presents a user and a password."""
    return "Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode()
