"""The content of a fleet's credentials Secret: what is known of each file, and which files there is no room for.

A file that does not fit stays as it is served, so that nobody's growing Secret stops the rotations of others.
"""

from collections.abc import Iterable, Mapping

from headgate_operator.api import reasons
from headgate_operator.api.names import credentials_name
from headgate_operator.render.entries import Entry
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import ResolvedProfile
from headgate_operator.render.repo_secrets import (
    Hasher,
    RepoSecret,
    hash_secrets,
    measure_secrets,
    refuse_secret,
)
from headgate_operator.render.world import ORDINARY, FleetWorld, Verdict

CREDENTIALS_BYTES_MAX = 1_000_000
"""Room for names and contents. Kubernetes takes 1 MiB of contents; the rest is left for managed fields."""


def find_overflow(
    world: FleetWorld, entries: Iterable[Entry], profiles: Iterable[ResolvedProfile], memo: RenderMemo
) -> frozenset[str]:
    """Files of repos' own Secrets whose present content does not fit beside all that is to be carried for entries.

    Whose file is served keeps its room; then in order of name. What profiles need always fits: it is the platform's.
    """
    named, secrets = _named(entries)
    served = {file: len(content) for file, content in world.served_credentials.items()}
    fixed = {file: len(content) for profile in profiles for file, content in profile.credentials.items()}
    grown = _measure(_taken(secrets, world, memo), world, memo)
    wanted = {file: fixed.get(file, grown.get(file, served.get(file, 0))) for file in named}
    if sum(wanted.values()) + sum(map(len, wanted)) <= CREDENTIALS_BYTES_MAX:
        return frozenset()
    held = {
        file: served.get(file, 0) + len(file) if file in grown else size + len(file) for file, size in wanted.items()
    }
    return _refuse(held, {file: wanted[file] + len(file) for file in grown}, served)


def _refuse(held: dict[str, int], grown: Mapping[str, int], served: Mapping[str, int]) -> frozenset[str]:
    used, refused = sum(held.values()), set[str]()
    for file in sorted(grown, key=lambda file: (grown[file] > held[file], file not in served, file)):
        after = used - held[file] + grown[file]
        if after <= CREDENTIALS_BYTES_MAX or grown[file] <= held[file]:
            used = after
        else:
            refused.add(file)
    return frozenset(refused)


def _named(entries: Iterable[Entry]) -> tuple[frozenset[str], tuple[RepoSecret, ...]]:
    # Thousands of repos share a few sets of files.
    found = list(entries)
    files = frozenset().union(*{entry.credential_files for entry in found})
    return files, tuple({named.file: named for entry in found for named in entry.repo_secrets}.values())


def _taken(secrets: Iterable[RepoSecret], world: FleetWorld, memo: RenderMemo) -> list[RepoSecret]:
    """Those from which something is taken now; what was served of the others stays."""
    found: list[RepoSecret] = []
    for named in secrets:
        data, note = world.repo_secrets.get(named.key), world.secret_notes.get(named.key, ORDINARY)
        if data is None or note.unread:
            continue
        judge = lambda named=named, data=data, note=note: refuse_secret(named, data, note)  # noqa: E731
        if memo.recall(("refused", named.file), (data, note), judge) == ("", ""):
            found.append(named)
    return found


def _measure(secrets: Iterable[RepoSecret], world: FleetWorld, memo: RenderMemo) -> dict[str, int]:
    found: dict[str, int] = {}
    for named in secrets:
        data = world.repo_secrets.get(named.key)
        if data is not None:
            found |= memo.recall(
                ("measured", named.file),
                (data,),
                lambda named=named: measure_secrets([named], world.repo_secrets),  # type: ignore[misc]
            )
    return found


def no_room(world: FleetWorld, entry: Entry, overflow: frozenset[str]) -> Verdict | None:
    """The objection to a repo whose Secrets do not fit."""
    full = next((named for named in entry.repo_secrets if named.file in overflow), None)
    if full is None:
        return None
    fleet = world.fleet.metadata
    return Verdict(
        False,
        reasons.CREDENTIALS_FULL,
        f"Secret {full.namespace}/{full.secret} does not fit: Secret {fleet.namespace}/{credentials_name(fleet.name)} "
        f"carries {CREDENTIALS_BYTES_MAX} bytes of credentials at most for all repos of the fleet, about 100 for an API "
        "key and 250 for a user: remove some, or serve some repos from another fleet",
        full.field,
    )


def hash_repo_secrets(
    world: FleetWorld,
    entries: Iterable[Entry],
    overflow: frozenset[str],
    memo: RenderMemo,
    hasher: Hasher | None = None,
) -> dict[str, bytes]:
    """The files of what repos' Secrets hold now, those that fit. No hasher: all passwords are hashed here and now."""
    _, secrets = _named(entries)
    fitting = [named for named in _taken(secrets, world, memo) if named.file not in overflow]
    return hash_secrets(fitting, world.repo_secrets, world.fleet.metadata.uid, memo, world.served_credentials, hasher)
